"""A node of the measurement's own: a living province in a temporary folder, on free ports."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tuetinh.node import health

START_SECONDS = 240
_INSIDE = """import json, sys
from pathlib import Path
from tuetinh.node.prepare import prepare
prepare(Path(sys.argv[1]))
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A running node. accounts: user name and password by role. client: id and secret of a system that may all.

    process: the number of its process.
    """

    url: str
    accounts: dict[str, tuple[str, str]]
    client: dict[str, str]
    token: str
    process: int

    @property
    def bearer(self) -> tuple[str, str]:
        """The header by which the system asks."""
        return "Authorization", f"Bearer {self.token}"

    def cookie(self, role: str) -> tuple[str, str]:
        """The header by which the account of a role asks, once it is logged in."""
        with contextlib.closing(self.session(role)) as browser:
            return "Cookie", "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

    def session(self, role: str) -> httpx.Client:
        """A browser in which the account of a role is logged in."""
        client = httpx.Client(base_url=self.url, follow_redirects=True, timeout=30)
        client.get("/login")
        name, password = self.accounts[role]
        form = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        answer = client.post("/login", data=form, headers={"Referer": f"{self.url}/login"})
        if answer.url.path == "/login":
            message = f"{role} could not log in"
            raise RuntimeError(message)
        return client


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for the time of a measurement, which the database's account may enter."""
    with tempfile.TemporaryDirectory(prefix="tuetinh-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def running(folder: Path, population: int, before: str = "", workers: int | None = None) -> Iterator[Node]:
    """Build the province, run it, and end it.

    before: statements of Python that its process begins with. workers: web processes, as many as suit the machine.
    """
    with socket.socket() as probe:  # nothing else of the machine listens in the block of ports behind a free one
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = ("mllp", "astm", "dicom", "mqtt", "gateway", "bank", "machines")
    ports = [
        part for n, name in enumerate(names, 1) for part in (f"--{name}-port", str((port + n - 1024) % 64000 + 1024))
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TUETINH_", "DJANGO_"))}
    command = [sys.executable, "-c", f"{before}from tuetinh.node.cli import main; raise SystemExit(main())", "demo"]
    command += ["--data", str(folder), "--bind", f"127.0.0.1:{port}", "--population", str(population), "--no-browser"]
    command += ["--workers", str(workers)] if workers else []
    log = folder.parent / "node.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *ports], stdout=output, stderr=output, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, log)
        known = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
        accounts = {one["role"]: (one["username"], one["password"]) for one in reversed(known["accounts"])}
        yield Node(url, accounts, known["client"], token_of(url, known["client"]), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)


def inside(data: Path, script: str, *arguments: object) -> Any:
    """What a script of Python says in JSON on its last line, run on the data of a node with its first argument."""
    command = [sys.executable, "-c", f"{_INSIDE}{script}", str(data), *map(str, arguments)]
    environment = os.environ | {"TUETINH_DATA": str(data)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    try:
        health.wait_for(url, START_SECONDS, process)
    except RuntimeError as error:
        message = f"{error}:\n{log.read_text(encoding='utf-8')[-2000:]}"
        raise RuntimeError(message) from error


def token_of(url: str, client: dict[str, str]) -> str:
    """A new token of the client."""
    answer = httpx.post(
        f"{url}/oauth/token",
        data={"grant_type": "client_credentials", "scope": "system/*.cruds"},
        auth=(client["id"], client["secret"]),
        timeout=60,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])
