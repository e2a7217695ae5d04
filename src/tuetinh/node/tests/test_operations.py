"""Export, backup, restore, claims and the access log of a real installation."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tuetinh.node.backup.sealing import make_key
from tuetinh.node.tests.conftest import archive_a_month, copied, run

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def root(built: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tuetinh-operations-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        copied(built, path / "one")
        yield path


def test_a_restored_node_holds_exactly_what_was_kept(root: Path) -> None:
    kept = run(root / "one", "backup", str(root / "a.backup"))
    assert kept.returncode == 0, kept.stderr
    assert (root / "a.backup").stat().st_mode & 0o777 == 0o600
    restored = run(root / "two", "restore", str(root / "a.backup"))
    assert restored.returncode == 0, restored.stderr

    for name in ("one", "two"):
        exported = run(root / name, "export", str(root / f"export-{name}"))
        assert exported.returncode == 0, exported.stderr
    one, two = ({f.name: f.read_bytes() for f in (root / f"export-{n}").glob("*.ndjson")} for n in ("one", "two"))
    assert one == two
    counts = json.loads((root / "export-one" / "manifest.json").read_text())["counts"]
    assert counts["Patient"] == one["Patient.ndjson"].count(b"\n") >= 20
    assert (root / "two" / "demo.json").read_bytes() == (root / "one" / "demo.json").read_bytes()


def test_a_backup_is_for_whoever_has_the_key(root: Path) -> None:
    """By default for a new key, which lies beside it until somebody takes it away."""
    kept = run(root / "one", "backup", str(root / "c.backup"))
    assert kept.returncode == 0, kept.stderr
    file, key = root / "c.backup", root / "c.backup.key"
    assert file.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert key.stat().st_mode & 0o777 == 0o600
    again = run(root / "one", "backup", str(file))
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    away = key.rename(root / "elsewhere.key")
    for more, told in (
        ((), "whose key? --key FILE"),
        (("--key", str(_other_key(root))), f"{file} cannot be read: it is for another key"),
    ):
        refused = run(root / "closed", "restore", str(file), *more)
        assert (refused.returncode, told in refused.stderr) == (1, True), refused.stderr
        assert not (root / "closed").exists()
    opened = run(root / "open", "restore", str(file), "--key", str(away))
    assert opened.returncode == 0, opened.stderr
    assert run(root / "open", "check").returncode == 0


def test_who_may_read_a_backup_is_named(root: Path) -> None:
    key = _other_key(root)
    public = key.read_text().split()[3]
    for more, env, told in (
        (("--recipient", public), {}, "encrypted"),
        ((), {"TUETINH_BACKUP_RECIPIENTS": public}, "encrypted"),
        (("--plain",), {}, "not encrypted"),
    ):
        file = root / f"d-{told[:3]}-{len(env)}.backup"
        made = run(root / "one", "backup", str(file), *more, env=env)
        assert made.returncode == 0, made.stderr
        assert told in made.stdout
        assert (file.read_bytes()[:21] == b"age-encryption.org/v1") is (told == "encrypted")
        assert not file.with_name(f"{file.name}.key").exists()
    both = run(root / "one", "backup", str(root / "e.backup"), "--plain", "--recipient", public)
    assert (both.returncode, "not both" in both.stderr) == (1, True)
    wrong = run(root / "one", "backup", str(root / "e.backup"), "--recipient", "age1nobody")
    assert (wrong.returncode, "age1nobody is no age recipient" in wrong.stderr) == (1, True)
    assert not list(root.glob("e.backup*"))


def _other_key(root: Path) -> Path:
    path = root / "other.key"
    if not path.exists():
        make_key(path)
    return path


def test_an_archived_month_of_the_access_log_comes_along(root: Path) -> None:
    month = archive_a_month(root / "one")
    assert run(root / "one", "backup", str(root / "f.backup")).returncode == 0
    assert run(root / "six", "restore", str(root / "f.backup")).returncode == 0
    ours, theirs = ((root / name / "audit" / "archive" / month) for name in ("one", "six"))
    assert theirs.read_bytes() == ours.read_bytes()
    verified = run(root / "six", "audit", "verify", "--unwitnessed")
    assert verified.returncode == 0, verified.stdout
    theirs.unlink()
    verified = run(root / "six", "audit", "verify", "--unwitnessed")
    assert (verified.returncode, "archived: the entries of 2026-01" in verified.stdout) == (1, True)


@pytest.mark.parametrize("harm", ["cut", "changed", "other"])
def test_a_broken_backup_is_refused_and_nothing_changes(root: Path, harm: str) -> None:
    good = root / "b.backup"
    if not good.exists():
        assert run(root / "one", "backup", str(good)).returncode == 0
    content = good.read_bytes()
    middle = len(content) // 2
    bad = {"cut": content[:middle], "changed": content[:middle] + b"\0x" + content[middle + 2 :], "other": b"no backup"}
    (root / "bad.backup").write_bytes(bad[harm])
    (root / "bad.backup.key").write_bytes((root / "b.backup.key").read_bytes())
    refused = run(root / f"never-{harm}", "restore", str(root / "bad.backup"))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert not (root / f"never-{harm}").exists()


def test_a_folder_in_use_is_not_overwritten(root: Path) -> None:
    if not (root / "b.backup").exists():
        assert run(root / "one", "backup", str(root / "b.backup")).returncode == 0
    before = hashlib.sha256((root / "one" / "demo.json").read_bytes()).hexdigest()
    refused = run(root / "one", "restore", str(root / "b.backup"))
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert hashlib.sha256((root / "one" / "demo.json").read_bytes()).hexdigest() == before


def test_claims_of_a_facility_are_built_with_their_problems(root: Path) -> None:
    made = run(root / "one", "claims", "build", "--out", str(root / "claims"), "--facility", "12005")
    assert made.returncode == 0, made.stderr
    files = list((root / "claims").glob("*.xml"))
    assert made.stdout.startswith(f"{len(files)} files")
    assert files
    assert (root / "claims" / "problems.csv").read_text(encoding="utf-8-sig").startswith("MA_LK,table,row,field,reason")


def test_reading_the_access_log_is_logged(root: Path) -> None:
    assert run(root / "one", "audit").returncode == 0
    again = run(root / "one", "audit", "--limit", "1")
    assert "\toperator\t" in again.stdout
    assert "AuditEvent" in again.stdout


def test_the_access_log_of_a_time_comes_as_json(root: Path) -> None:
    asked = datetime.now(UTC)
    assert run(root / "one", "audit", "--patient", "nobody-known").stdout == ""
    since = ("--from", asked.isoformat(), "--json")
    (only,) = run(root / "one", "audit", "--patient", "nobody-known", *since).stdout.splitlines()
    entry = json.loads(only)
    assert (entry["role"], entry["action"], entry["type"], entry["patient"]) == (
        *("operator", "read", "AuditEvent"),
        "nobody-known",
    )
    assert datetime.fromisoformat(entry["at"]) >= asked
    assert run(root / "one", "audit", "--to", "2020-12-31").stdout == ""
    refused = run(root / "one", "audit", "--from", "31/12/2020")
    assert refused.returncode == 1
    assert "'31/12/2020' is no date" in refused.stderr


def test_a_mistyped_data_folder_makes_no_installation(root: Path) -> None:
    for command in (["audit"], ["check"], ["export", str(root / "x")], ["claims", "build", "--out", str(root / "y")]):
        refused = run(root / "mistyped", *command)
        assert refused.returncode == 1
        assert "no installation" in refused.stderr
    assert not (root / "mistyped").exists()


def test_the_check_says_what_it_looked_at(root: Path) -> None:
    checked = run(root / "one", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [line[6:].split(":")[0] for line in checked.stdout.splitlines() if line.startswith("ok")] == [
        "PostgreSQL",
        "fsync",
        "tables",
        "row security",
        "second factor",
        "files",
        "pictures",
        "page assets",
        "free space",
        "secrets",
    ]


def test_an_unknown_type_is_refused(root: Path) -> None:
    refused = run(root / "one", "export", str(root / "nothing"), "--types", "Patience")
    assert refused.returncode == 1
    assert "Patience" in refused.stderr
    assert not (root / "nothing").exists()
