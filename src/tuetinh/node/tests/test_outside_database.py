"""A node on a PostgreSQL of the system, which `TUETINH_DATABASE_URL` names, and which goes away and comes back."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tuetinh.node import health
from tuetinh.node.backup.sealing import make_key
from tuetinh.node.tests.conftest import run, spoilt

pytestmark = pytest.mark.long

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))


class Server:
    """A PostgreSQL cluster of its own in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/tuetinh"

    def call(self, tool: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if ROOT else []
        command = [*user, str(FOLDERS[-1] / tool), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd="/")

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.call(
            "pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", "-o", options, "start"
        )

    def stop(self) -> None:
        self.call("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if not FOLDERS:
        pytest.skip("Debian's postgresql is not installed (/usr/lib/postgresql/*/bin)")
    folder = Path(tempfile.mkdtemp(prefix="tuetinh-outside-"))
    if ROOT:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root, and runuser is not here")
        shutil.chown(folder, "postgres", "postgres")
    server = Server(folder)
    server.call("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale")
    server.start()
    try:
        server.call("createdb", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "tuetinh")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_province_lives_on_an_outside_server_and_outlasts_its_absence(
    server: Server, start: Callable[..., Any], tmp_path: Path
) -> None:
    node = start(tmp_path, "--population", "20", command="demo", env={"TUETINH_DATABASE_URL": server.url})
    assert not (tmp_path / "postgres").exists()
    client = node.demo["client"]
    form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    answer = httpx.post(f"{node.url}/oauth/token", data=form | {"scope": "system/*.*"})
    with httpx.Client(
        base_url=f"{node.url}/fhir", headers={"authorization": f"Bearer {answer.json()['access_token']}"}, timeout=40
    ) as fhir:
        assert fhir.get("/Patient?_summary=count").json()["total"] >= 20
        patient = {"resourceType": "Patient", "name": [{"text": "Lò Thị Pâng", "family": "Lò"}]}
        made = fhir.post("/Patient", json=patient)
        assert made.status_code == 201
        id_ = made.json()["id"]
        visit = {
            **{"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
            "subject": {"reference": f"Patient/{id_}"},
        }
        assert fhir.post("/Observation", json=visit).status_code == 201
        found = fhir.get(f"/Observation?subject=Patient/{id_}&_include=Observation:subject").json()["entry"]
        assert [(e["search"]["mode"], e["resource"]["resourceType"]) for e in found] == [
            ("match", "Observation"),
            ("include", "Patient"),
        ]
        server.stop()
        assert httpx.get(f"{node.url}/healthz", timeout=10).status_code == 503
        gone = fhir.get(f"/Patient/{id_}")
        assert gone.status_code == 503
        assert gone.json()["resourceType"] == "OperationOutcome"
        server.start()
        health.wait_for(node.url, 30)
        assert fhir.get(f"/Patient/{id_}").json()["name"][0]["text"] == "Lò Thị Pâng"


def test_an_embedded_node_moves_to_an_outside_server(server: Server, kept: Path, folder: Path) -> None:
    server.call("createdb", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "moved")
    env = {"TUETINH_DATABASE_URL": server.url.replace("/tuetinh", "/moved")}
    bad = spoilt(kept, folder)
    failed = run(folder / "one", "restore", str(bad), env=env)
    assert failed.returncode == 1
    assert "nothing was changed" in failed.stderr
    assert not (folder / "one").exists()
    moved = run(folder / "one", "restore", str(kept), env=env)
    assert moved.returncode == 0, moved.stderr
    checked = run(folder / "one", "check", env=env)
    failed_checks = [line.split(":")[0] for line in checked.stdout.splitlines() if line.startswith("FAIL")]
    assert failed_checks == ["FAIL  fsync"]  # which the test's server has switched off
    assert not (folder / "one" / "postgres").exists()

    refused = run(folder / "two", "restore", str(kept), env=env)
    assert refused.returncode == 1
    assert "the database moved is not empty" in refused.stderr
    assert "--force" in refused.stderr
    assert not (folder / "two").exists()
    assert run(folder / "two", "restore", str(bad), "--force", env=env).returncode == 1
    assert not (folder / "two").exists()
    replaced = run(folder / "two", "restore", str(kept), "--force", env=env)
    assert replaced.returncode == 0, replaced.stderr
    exported = run(folder / "two", "export", str(folder / "export"), "--types", "Patient,Practitioner", env=env)
    assert exported.returncode == 0, exported.stderr
    with psycopg.connect(env["TUETINH_DATABASE_URL"]) as conn:
        schemas = conn.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
        assert {name for (name,) in schemas} == {"public", "record"}


def test_an_outside_server_is_archived_and_comes_back(server: Server, kept: Path, folder: Path) -> None:
    server.call("createdb", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "archived")
    url = server.url.replace("/tuetinh", "/archived")
    (folder / "archive").mkdir()
    public = make_key(folder / "key")
    env = {"TUETINH_BACKUP": str(folder / "archive"), "TUETINH_BACKUP_RECIPIENTS": public, "TUETINH_DATABASE_URL": url}
    assert run(folder / "var", "restore", str(kept), env=env).returncode == 0
    server.call(
        *("psql", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", "postgres", "-c"),
        "CREATE ROLE plain LOGIN",
    )
    plain = run(folder / "var", "backup", env=env | {"TUETINH_DATABASE_URL": url.replace("postgres@", "plain@")})
    assert plain.returncode == 1
    assert "replication" in plain.stderr
    made = run(folder / "var", "backup", env=env)
    assert made.returncode == 0, made.stderr
    back = {name: value for name, value in env.items() if name != "TUETINH_DATABASE_URL"}
    restored = run(folder / "new", "restore", "--latest", "--key", str(folder / "key"), env=back, timeout=600)
    assert restored.returncode == 0, restored.stderr
    assert (folder / "new" / "postgres" / "PG_VERSION").read_text() == "18\n"
    before, after = (run(folder / n, "export", str(folder / f"of-{n}"), env=e) for n, e in (("var", env), ("new", {})))
    assert before.stdout == after.stdout != ""
