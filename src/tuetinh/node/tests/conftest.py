"""A running node with a small province, for the tests that look at it from outside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fasteners import InterProcessLock

from tuetinh.node import health

if TYPE_CHECKING:
    from tuetinh.node.tests.permissions.world import World

START_SECONDS = 90.0
PORTS = ("mllp", "astm", "dicom", "mqtt", "gateway", "bank", "machines")


@dataclass(frozen=True)
class Province:
    """A node that runs in a process of its own."""

    url: str
    data: Path
    process: subprocess.Popen[bytes]

    @property
    def demo(self) -> dict[str, Any]:
        """Its `demo.json`."""
        return json.loads((self.data / "demo.json").read_text())

    def account(self, role: str) -> dict[str, str]:
        """User name and password of a role; `province` is the administrator of all facilities."""
        if role == "province":
            known = json.loads((self.data / "keys" / "demo-accounts.json").read_text(encoding="utf-8"))
            return next(one for one in known["colleagues"] if one["username"] == "admin.tinh")
        return next(one for one in self.demo["accounts"] if one["role"] == role)


_drawn: set[int] = set()  # some are listened on only a while after they were drawn


def free_port() -> int:
    """A port that nobody listens on, and that nobody gets who only calls: the system gives those from 32768 on."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        if port in _drawn:
            continue
        _drawn.add(port)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def free_ports() -> list[str]:
    """An address for `--bind`, and the options of all other ports."""
    ports = [part for name in PORTS for part in (f"--{name}-port", str(free_port()))]
    return [f"127.0.0.1:{free_port()}", *ports]


def clean_environment() -> dict[str, str]:
    """The environment of this process without what concerns its own node."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("TUETINH_", "DJANGO_"))}


def command_line(data: Path, *arguments: str) -> list[str]:
    """How a command of `tuetinh` is run on a data folder."""
    return [sys.executable, "-m", "tuetinh.node.tests.quick", arguments[0], "--data", str(data), *arguments[1:]]


def run(
    data: Path, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command of `tuetinh` on a data folder to its end."""
    environment = clean_environment() | dict(env or {})
    command = command_line(data, *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, env=environment)


def token(node: Province) -> dict[str, str]:
    """The headers by which a connected system asks a node."""
    client = node.demo["client"]
    form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    answer = httpx.post(f"{node.url}/oauth/token", data=form | {"scope": "system/*.*"})
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def missing(node: Province, ids: Iterable[str]) -> list[str]:
    """Which of these patients a node does not have."""
    with httpx.Client(base_url=node.url, headers=token(node), timeout=20) as client:
        return [id_ for id_ in ids if client.get(f"/fhir/Patient/{id_}").status_code != 200]


class Writers:
    """Clients that create patients one after the other until they are stopped; `kept` are the ids acknowledged."""

    def __init__(self, node: Province, clients: int = 4) -> None:
        self.kept: list[str] = []
        self.refused: list[int] = []
        self._stop = threading.Event()
        headers = token(node)
        self._threads = [threading.Thread(target=self._create, args=(node, headers)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _create(self, node: Province, headers: dict[str, str]) -> None:
        with httpx.Client(base_url=node.url, headers=headers, timeout=10) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/fhir/Patient", json={"resourceType": "Patient", "gender": "female"})
                except httpx.HTTPError:
                    return
                if answer.status_code == 201:
                    self.kept.append(answer.json()["id"])
                else:
                    self.refused.append(answer.status_code)
                    time.sleep(0.05)

    def end(self) -> None:
        """Stop and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def start_node(data: Path, *arguments: str, command: str = "demo", env: Mapping[str, str] | None = None) -> Province:
    """Start a node on free ports, in a process group of its own, and wait until it is healthy.

    It is told to end when this process does, even by a kill.
    """
    bind, *ports = free_ports()
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "TERM"),
            *command_line(data, command, "--no-browser", "--workers", "1", "--bind", bind, *ports, *arguments),
        ],
        env=clean_environment() | dict(env or {}),
        start_new_session=True,
    )
    url = f"http://{bind}"
    try:
        health.wait_for(url, START_SECONDS, process)
    except RuntimeError:
        process.kill()
        raise
    return Province(url, data, process)


@pytest.fixture(scope="session")
def province(bare: Path) -> Iterator[Province]:
    """A province of a few hundred people, shared by the tests of a session."""
    with _own_folder("tuetinh-province-") as root:
        node = start_node(copied(bare, root / "node"), "--population", "200")
        yield node
        node.process.terminate()
        node.process.wait(60)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that the embedded server may enter, as pytest's own is not for root's."""
    with _own_folder("tuetinh-folder-") as root:
        yield root


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Province]]:
    """Start nodes on a data folder; they are ended with the test, before the folder goes."""
    nodes: list[Province] = []

    def run(data: Path, *arguments: str, **options: Any) -> Province:
        nodes.append(start_node(data, *arguments, **({"command": "serve"} | options)))
        return nodes[-1]

    yield run
    for node in nodes:
        node.process.terminate()
        node.process.wait(60)


@pytest.fixture(scope="module")
def matrix(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """The world of the permission matrix, shared by the tests of a module, which leave it as it is."""
    from tuetinh.node.tests.permissions.world import world

    with django_db_blocker.unblock(), world() as made:
        yield made


@pytest.fixture(scope="session")
def newborn(bare: Path) -> Path:
    """The data folder of a small province that no node has run on; tests work on copies of it."""

    def build(data: Path) -> None:
        bind, *ports = free_ports()
        made = run(copied(bare, data), "demo", "--population", "20", "--build-only", "--bind", bind, *ports)
        assert made.returncode == 0, made.stderr

    return _made_once("built", build)


@pytest.fixture(scope="session")
def built(newborn: Path) -> Iterator[Path]:
    """A copy of the small province that the tests of a session share: no node runs on it now."""
    with _own_folder("tuetinh-built-") as root:
        yield copied(newborn, root / "node")


@pytest.fixture(scope="session")
def bare() -> Path:
    """The data folder of an installation that holds nobody yet; tests work on copies of it."""

    def install(data: Path) -> None:
        nobody = data.with_suffix(".ndjson")
        nobody.touch()
        made = run(data, "import", str(nobody))
        assert (data / "postgres" / "PG_VERSION").exists(), made.stderr  # 1: there was nothing to store

    return _made_once("bare", install)


@contextlib.contextmanager
def _own_folder(prefix: str) -> Iterator[Path]:
    """A folder that the embedded server may enter."""
    root = Path(tempfile.mkdtemp(prefix=prefix))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root, ignore_errors=True)


def _made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A data folder that whichever process of the tests comes first makes for all; they copy it."""
    root = Path(os.environ["TUETINH_TEST_DATA"]) / "made"
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    with InterProcessLock(root / f"{name}.lock"):
        if not (root / name).exists():
            make(root / f"{name}.making")
            (root / f"{name}.making").rename(root / name)
    return root / name


def copied(data: Path, to: Path) -> Path:
    """A copy of a data folder that no node runs on."""
    subprocess.run(["cp", "-a", str(data), str(to)], check=True)
    return to


@pytest.fixture(scope="session")
def kept(built: Path) -> Iterator[Path]:
    """A backup of the small province."""
    target = built.with_suffix(".backup")
    made = run(built, "backup", str(target), "--plain")
    assert made.returncode == 0, made.stderr
    yield target
    target.unlink()


OLD_ENTRIES = """
import time
from datetime import UTC, datetime
from pathlib import Path
from django.conf import settings
from django.db import connection
from tuetinh.node import access_log
from tuetinh.record.asker import SYSTEM
from tuetinh.record.audit import chain, months
from tuetinh.record.steps import enter
at = datetime(2026, 1, 15, tzinfo=UTC)
months.prepare(at)
enter(SYSTEM)
with connection.cursor() as cursor:
    cursor.execute("INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id)"
                   " SELECT %s, n::text, 'doctor', '', 'TREAT', '', 'read', 'Patient', ''"
                   " FROM generate_series(1, 500) n", [at])
sealer = chain.Sealer()
for _ in range(600):
    sealer.seal()
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute('SELECT max(position) FROM record.audit WHERE at = %s', [at])
        last = cursor.fetchone()[0]
        cursor.execute('SELECT coalesce(max("end"), 0) FROM record.audit_block')
        if cursor.fetchone()[0] >= last:
            break
    time.sleep(0.1)
access_log.take_out(Path(settings.DATA), "2026-01", None)
"""


def archive_a_month(data: Path) -> str:
    """Have a node remember a month of long ago, and take that out of the database; the name of its file."""
    done = run(data, "manage", "shell", "--verbosity", "0", "--command", OLD_ENTRIES)
    assert done.returncode == 0, done.stdout + done.stderr
    return "access-log-2026-01.jsonl.gz"


def spoilt(backup: Path, folder: Path) -> Path:
    """The backup with a dump that breaks off, though its checksums are right."""
    with tarfile.open(backup) as archive:
        archive.extractall(folder / "parts", filter="data")
    dump = folder / "parts" / "database.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size * 2 // 3])
    manifest = json.loads((folder / "parts" / "manifest.json").read_text())
    manifest["sha256"]["database.dump"] = hashlib.sha256(dump.read_bytes()).hexdigest()
    (folder / "parts" / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(folder / "spoilt.backup", "w") as archive:
        for path in sorted((folder / "parts").iterdir()):
            archive.add(path, path.name)
    return folder / "spoilt.backup"
