"""What breaks: processes of the node and of its database are killed, ended and paused."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import psutil

from tuetinh.node import health

START_SECONDS = 120.0
PORTS = ("mllp", "gateway", "bank")


class Node:
    """A node with two web processes on a data folder that holds a province; it is started again after each death."""

    def __init__(self, data: Path, env: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("TUETINH_", "DJANGO_"))} | dict(env or {})
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it is healthy. Raises RuntimeError."""
        command = [sys.executable, "-m", "tuetinh.node.cli", "serve", "--no-browser", "--data", str(self.data)]
        command += ["--bind", f"127.0.0.1:{self.port}", "--workers", "2", "--roles", "web,worker"]
        self.process = subprocess.Popen(command, env=self.env, start_new_session=True)  # noqa: S603
        self.wait()

    def wait(self) -> None:
        """Wait until it is healthy. Raises RuntimeError."""
        health.wait_for(self.url, START_SECONDS, self.process)

    def stop(self) -> None:
        """End it as an operator does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

    def token(self) -> str:
        """A Bearer token of the connected system. Raises httpx.HTTPError."""
        client = json.loads((self.data / "demo.json").read_text(encoding="utf-8"))["client"]
        form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
        answer = httpx.post(f"{self.url}/oauth/token", data=form | {"scope": "system/*.*"}, timeout=10)
        return str(answer.raise_for_status().json()["access_token"])

    @property
    def database(self) -> str:
        """The address of its embedded database, while that runs."""
        lines = (self.data / "postgres" / "postmaster.pid").read_text().splitlines()
        return psycopg_address(lines[4], lines[3])

    def web_workers(self) -> list[psutil.Process]:
        """Its further web processes."""
        if self.process is None:
            return []
        return [child for child in _children(self.process.pid) if "--roles" in _command(child)]

    def postmaster(self) -> psutil.Process:
        """The database's main process."""
        return psutil.Process(int((self.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]))

    def backends(self) -> list[psutil.Process]:
        """The database's processes that serve a connection."""
        return [child for child in self.postmaster().children() if " tuetinh " in " ".join(_command(child)) + " "]


def psycopg_address(folder: str, port: str) -> str:
    """The address of a database that listens in a folder."""
    return f"host={folder} port={port} user=postgres dbname=tuetinh"


class Faults:
    """Breaks one thing after the other; `done` counts what."""

    def __init__(self, node: Node, rng: random.Random) -> None:
        self.node, self.rng = node, rng
        self.done: Counter[str] = Counter()
        self.all: dict[str, Callable[[], None]] = {
            "a web process killed": lambda: _end(self._one(self.node.web_workers()), signal.SIGKILL),
            "a backend killed": lambda: _end(self._one(self.node.backends()), signal.SIGKILL),
            "a connection ended": lambda: _end(self._one(self.node.backends()), signal.SIGTERM),
            "the database killed": lambda: _end(self.node.postmaster(), signal.SIGKILL),
            "the node killed": self.kill_node,
            "node and database killed": self.kill_all,
            "a web process paused": lambda: self.pause(self._one(self.node.web_workers())),
            "a backend paused": lambda: self.pause(self._one(self.node.backends())),
        }
        self._waiting: list[str] = []

    def one(self) -> str:
        """Break the next thing; each comes once before any comes again. What it was."""
        if not self._waiting:
            self._waiting = self.rng.sample(list(self.all), len(self.all))
        name = self._waiting.pop()
        with contextlib.suppress(psutil.NoSuchProcess, OSError):  # it is away already, by an earlier one
            self.all[name]()
            self.done[name] += 1
        return name

    def kill_node(self) -> None:
        """End the node without a chance to tidy up, and start it again."""
        if self.node.process is None:
            return
        others = self.node.web_workers()
        self.node.process.kill()
        self.node.process.wait()
        psutil.wait_procs(others, timeout=START_SECONDS)  # they see it, leave by themselves, and free the port
        limit = time.monotonic() + START_SECONDS
        while not _is_free(self.node.port) and time.monotonic() < limit:  # one that was being started
            time.sleep(0.1)
        self.node.start()

    def kill_all(self) -> None:
        """The same with its database at the same moment, as when the power is cut."""
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            _end(self.node.postmaster(), signal.SIGKILL)
        self.kill_node()

    def pause(self, process: psutil.Process) -> None:
        """Let a process stand still for a while, its connections open."""
        process.suspend()
        try:
            time.sleep(self.rng.uniform(0.5, 2.0))
        finally:
            process.resume()

    def _one(self, processes: list[psutil.Process]) -> psutil.Process:
        if not processes:
            raise psutil.NoSuchProcess(0)
        return self.rng.choice(processes)


def _end(process: psutil.Process, sign: signal.Signals) -> None:
    process.send_signal(sign)


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        found: list[psutil.Process] = psutil.Process(pid).children()
        return found
    return []


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
