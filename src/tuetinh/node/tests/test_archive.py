"""An archive follows a node: what was acknowledged comes back after its end, and any moment between two writes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection

from tuetinh.node.backup import drill, recover
from tuetinh.node.backup.archive import Archive
from tuetinh.node.backup.sealing import Identities, make_key
from tuetinh.node.errors import Refused
from tuetinh.node.tests.conftest import Province, Writers, archive_a_month, copied, missing, run, start_node, token
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents.places import Folder

pytestmark = pytest.mark.long

LARGE = bytes(range(256)) * 400  # a content that is a file of its own


def archive_env(place: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment of a node that is archived, with a new key."""
    public = make_key(folder / "key")
    return {"TUETINH_BACKUP": place, "TUETINH_BACKUP_RECIPIENTS": public} | more


def told(data: Path, name: str) -> dict[str, Any]:
    """What a node has noted of its archive."""
    with contextlib.suppress(FileNotFoundError):
        return dict(json.loads((data / "backup" / f"{name}.json").read_text()))
    return {}


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def create(node: Province, gender: str) -> str:
    """A new patient."""
    patient = {"resourceType": "Patient", "gender": gender}
    answer = httpx.post(f"{node.url}/fhir/Patient", json=patient, headers=token(node), timeout=30)
    assert answer.status_code == 201
    return str(answer.json()["id"])


def kill(node: Province) -> None:
    """Kill every process of a node and its PostgreSQL at once, as a power cut would."""
    server = int((node.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
    os.killpg(node.process.pid, signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    node.process.wait(10)


@dataclass(frozen=True)
class Damaged:
    """What a drill says of an archive in which a content is missing, and what the node says then."""

    code: int
    lines: list[str]
    noted: dict[str, Any]
    health: str
    lost: Path


def damage_and_drill(node: Province, root: Path, env: dict[str, str]) -> Damaged:
    """Take a content away, drill, and bring it back."""
    content = first(root / "archive", "contents/*/*")
    away = content.rename(root / "away")
    drilled = run(node.data, "backup", "drill", "--key", str(root / "key"), env=env, timeout=600)
    noted = told(node.data, "drill")
    health = httpx.get(f"{node.url}/healthz").json()["backup"]
    away.rename(content)
    return Damaged(drilled.returncode, drilled.stdout.splitlines(), noted, health, content)


@dataclass(frozen=True)
class Lost:
    """What is left of a node that was killed: its archive and the key, and what it had acknowledged."""

    root: Path
    before: str
    between: datetime
    after: str
    acknowledged: list[str]
    content: str
    drill: list[str]
    noted: dict[str, Any]
    month: bytes
    damaged: Damaged

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def key(self) -> Path:
        return self.root / "key"

    def restore(self, data: Path, *how: str) -> subprocess.CompletedProcess[str]:
        """Restore into a folder."""
        return run(data, "restore", *how, "--key", str(self.key), "--from", str(self.archive), timeout=600)


@pytest.fixture(scope="module")
def lost(newborn: Path) -> Iterator[Lost]:
    """A node that was archived while it was written to, proved by a drill, and killed in the midst of writes."""
    root = Path(f"/tmp/tuetinh-archived-{os.getpid()}")
    (root / "archive").mkdir(mode=0o755, parents=True)
    copied(newborn, root / "var")
    env = archive_env(str(root / "archive"), root, TUETINH_BACKUP_WAIT="60")
    node = start_node(root / "var", "--roles", "web,worker", command="serve", env=env)
    try:
        until(lambda: told(node.data, "base").get("ended"))
        until(lambda: told(node.data, "log").get("waiting"))
        headers = token(node) | {"content-type": "application/octet-stream"}
        content = httpx.post(f"{node.url}/fhir/Binary", content=LARGE, headers=headers).headers["location"]
        before = create(node, "male")
        time.sleep(0.2)
        between = datetime.now(UTC)
        time.sleep(0.2)
        after = create(node, "female")
        month = node.data / "audit" / "archive" / archive_a_month(node.data)
        drilled = run(node.data, "backup", "drill", "--key", str(root / "key"), env=env, timeout=600)
        noted = told(node.data, "drill")
        damaged = damage_and_drill(node, root, env)
        file = month.read_bytes()
        writers = Writers(node, clients=6)
        until(lambda: len(writers.kept) > 40)
    finally:
        kill(node)
    writers.end()
    shutil.rmtree(root / "var")
    id_ = content.partition("/fhir/Binary/")[2].partition("/")[0]
    told_of = (drilled.stdout.splitlines(), noted, file, damaged)
    yield Lost(root, before, between, after, list(writers.kept), id_, *told_of)
    shutil.rmtree(root)


def test_all_that_was_acknowledged_survives_the_machine(lost: Lost, start: Callable[..., Any], folder: Path) -> None:
    restored = lost.restore(folder / "var", "--latest")
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.startswith(f"restored into {folder / 'var'}: the end of the archive, the last change at ")
    assert sorted(path.name for path in (folder / "var").iterdir()) == [
        "audit",
        "demo.json",
        "files",
        "keys",
        "postgres",
    ]
    assert (folder / "var" / "audit" / "archive" / "access-log-2026-01.jsonl.gz").read_bytes() == lost.month
    verified = run(folder / "var", "audit", "verify", "--unwitnessed")
    assert verified.returncode == 0, verified.stdout
    checked = run(folder / "var", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "ok    files: 1 files" in checked.stdout
    node = start(folder / "var", "--roles", "web")
    assert len(lost.acknowledged) > 40
    assert missing(node, [lost.before, lost.after, *lost.acknowledged]) == []
    found = httpx.get(f"{node.url}/fhir/Binary/{lost.content}", headers=token(node) | {"accept": "*/*"})
    assert sha256(found.content).digest() == sha256(LARGE).digest()


def test_a_moment_between_two_writes_comes_back(lost: Lost, start: Callable[..., Any], folder: Path) -> None:
    restored = lost.restore(folder / "var", "--at", lost.between.isoformat())
    assert restored.returncode == 0, restored.stderr
    assert f"restored into {folder / 'var'}: {lost.between.isoformat()}, the last change at " in restored.stdout
    node = start(folder / "var", "--roles", "web")
    assert missing(node, [lost.before, lost.after, lost.acknowledged[0]]) == [lost.after, lost.acknowledged[0]]
    assert create(node, "other")  # it goes on from there


def test_a_drill_compares_and_takes_itself_away(lost: Lost) -> None:
    assert [line for line in lost.drill if not line.startswith("ok    ")] == []
    names = [line[6:].partition(":")[0] for line in lost.drill]
    assert names[:2] == ["archive", "restore"]
    assert names[-5:] == ["change feed", "head of the access log", "access log", "check", "serve"]
    assert "ok    Binary: 1 versions" in lost.drill
    assert "ok    Patient: 22 versions" in lost.drill
    assert lost.noted["good"] is True
    assert sorted(path.name for path in lost.root.iterdir()) == ["archive", "key"]


def test_a_drill_of_what_is_damaged_fails_loudly(lost: Lost) -> None:
    assert lost.damaged.code == 1
    assert lost.damaged.lines[-1] == f"FAIL  restore: {lost.damaged.lost} is missing"
    assert (lost.damaged.noted["good"], lost.damaged.noted["error"]) == (False, f"{lost.damaged.lost} is missing")
    assert lost.damaged.health == "drill"


@pytest.mark.django_db
def test_a_drill_sees_what_is_other_than_it_was() -> None:
    """One side with a change that only it knows, as after a fault of a disk."""
    for gender in ("male", "female"):
        record.create(SYSTEM, r4.Patient(gender=gender))
    here = connection.connection
    seen = here.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1").fetchone()[0]
    snapshot = f"{seen}:{seen}:"
    before = here.execute(drill.TYPES, [snapshot]).fetchall()
    assert list(drill.compared({"Patient": (2, 7)}, {"Patient": (2, 7)})) == [("Patient", True, "2 versions")]
    here.execute("""UPDATE record."Patient" SET body = replace(convert_from(body, 'UTF8'), 'female', 'other')::bytea
                    WHERE convert_from(body, 'UTF8') LIKE '%%female%%'""")
    after = here.execute(drill.TYPES, [snapshot]).fetchall()
    ours, theirs = ({row[0]: row[1:] for row in rows} for rows in (before, after))
    assert [line for line in drill.compared(ours, theirs) if not line[1]] == [
        ("Patient", False, "2 versions, and another hash")
    ]
    here.execute("""DELETE FROM record."Patient" WHERE convert_from(body, 'UTF8') LIKE '%%other%%'""")
    theirs = {row[0]: row[1:] for row in here.execute(drill.TYPES, [snapshot]).fetchall()}
    assert [line for line in drill.compared(ours, theirs) if not line[1]] == [
        ("Patient", False, "1 versions instead of 2")
    ]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


CHANGED = "IT cannot be read: it was changed or cut off; nothing was restored"
MISSING = "IT is missing; nothing was restored"


@pytest.mark.parametrize(
    ("pattern", "spoil", "reason"),
    [
        ("base/*/*/data", cut, CHANGED),
        ("log/*/*", change, CHANGED),
        ("keys/*/*", change, CHANGED),
        ("contents/*/*", change, CHANGED),
        ("log/*/*", Path.unlink, MISSING),
        ("log/*/*", lambda path: path.write_bytes(first(path.parents[2], "keys/*/*").read_bytes()), "IT is another"),
        ("lines/*", cut, "IT was changed or cut off"),
        ("base/*/*/meta.json", cut, "IT was changed or cut off"),
    ],
)
def test_what_is_spoilt_is_named_and_nothing_is_restored(
    lost: Lost, folder: Path, pattern: str, spoil: Callable[[Path], object], reason: str
) -> None:
    copy = folder / "archive"
    shutil.copytree(lost.archive, copy, copy_function=os.link)
    its = first(copy, pattern)
    kept = its.read_bytes()
    its.unlink()  # the link
    its.write_bytes(kept)
    spoil(its)
    with pytest.raises(Refused) as refused:
        recover.restore(folder / "never" / "var", Archive(Folder(copy)), Identities(lost.key), None)
    assert str(refused.value).replace(str(its), "IT").startswith(reason.removesuffix("; nothing was restored"))
    assert not (folder / "never").exists()


def first(archive: Path, pattern: str) -> Path:
    """The first of the files that a pattern means."""
    return min(archive.glob(pattern))


def test_only_the_key_reads_and_only_an_empty_place_is_filled(lost: Lost, folder: Path) -> None:
    make_key(folder / "other")
    wrong = run(folder / "var", "restore", "--latest", "--key", str(folder / "other"), "--from", str(lost.archive))
    assert wrong.returncode == 1
    assert wrong.stderr.endswith("cannot be read: it is for another key; nothing was restored\n")
    assert not (folder / "var").exists()
    (folder / "full").mkdir()
    (folder / "full" / "thesis.docx").write_text("x")
    full = lost.restore(folder / "full", "--latest")
    assert full.returncode == 1
    assert "is not empty" in full.stderr
    assert [path.name for path in (folder / "full").iterdir()] == ["thesis.docx"]
    secret = lost.key.read_text().splitlines()[-1]
    assert secret not in wrong.stderr + full.stderr
    assert lost.key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ((), "which moment? --at TIME or --latest, or name the FILE of a backup"),
        (("--at", "2020-01-01"), "the archive begins at "),
        (("--at", "2999-01-01"), "is yet to come"),
        (("--at", "yesterday"), "'yesterday' is no date"),
        (("--latest", "--force"), "--force is for files"),
    ],
)
def test_a_moment_that_cannot_be_is_refused(lost: Lost, folder: Path, how: tuple[str, ...], reason: str) -> None:
    refused = lost.restore(folder / "var", *how)
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert not (folder / "var").exists()


def test_a_moment_after_the_end_of_the_archive_is_refused(lost: Lost, folder: Path) -> None:
    with pytest.raises(Refused, match=r"the archive ends at .*--latest restores to its end"):
        recover.restore(folder / "var", Archive(Folder(lost.archive)), Identities(lost.key), datetime.now(UTC))
    assert not (folder / "var").exists()


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"TUETINH_BACKUP": "/tmp/x"}, "TUETINH_BACKUP_RECIPIENTS names no age recipient"),
        ({"TUETINH_BACKUP": "ftp://x/y", "TUETINH_BACKUP_RECIPIENTS": "age1"}, "neither a folder nor s3://"),
        ({"TUETINH_BACKUP": "/tmp/x", "TUETINH_BACKUP_RECIPIENTS": "age1x"}, "age1x is no age recipient"),
    ],
)
def test_a_setting_that_cannot_work_is_told_at_the_start(built: Path, env: dict[str, str], reason: str) -> None:
    told = run(built, "serve", "--roles", "worker", env=env)
    assert told.returncode == 1
    assert reason in told.stderr
