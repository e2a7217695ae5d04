"""A running node with a small province, for the tests that look at it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

PORTS = ("mllp", "astm", "dicom", "mqtt", "gateway", "bank")


@dataclass(frozen=True)
class Province:
    """A node that runs in a process of its own."""

    url: str
    data: Path
    process: subprocess.Popen[bytes]

    @property
    def demo(self) -> dict[str, object]:
        """Its `demo.json`."""
        return json.loads((self.data / "demo.json").read_text())

    def account(self, role: str) -> dict[str, str]:
        """User name and password of a role."""
        return next(a for a in self.demo["accounts"] if a["role"] == role)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_node(data: Path, *arguments: str, command: str = "demo", env: Mapping[str, str] | None = None) -> Province:
    """Start a node on free ports and wait until it is healthy."""
    port = free_port()
    ports = [part for name in PORTS for part in (f"--{name}-port", str(free_port()))]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TUETINH_", "DJANGO_"))}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tuetinh.node.cli", command, "--data", str(data), "--no-browser"),
            *("--bind", f"127.0.0.1:{port}", *ports, *arguments),
        ],
        env=clean | dict(env or {}),
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(900):
        if process.poll() is not None:
            raise RuntimeError(f"the node left with {process.returncode}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/healthz", timeout=2).status_code == 200:
                return Province(url, data, process)
        time.sleep(0.1)
    process.kill()
    raise RuntimeError("the node did not become healthy")


@pytest.fixture(scope="session")
def province() -> Iterator[Province]:
    """A province of a few hundred people, shared by the tests of a session."""
    data = Path(tempfile.mkdtemp(prefix="tuetinh-province-"))
    data.chmod(0o755)
    node = start_node(data, "--population", "200")
    yield node
    node.process.terminate()
    node.process.wait(10)
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def start() -> Iterator[Callable[..., Province]]:
    """Start nodes on a data folder; they are ended with the test."""
    nodes: list[Province] = []

    def run(data: Path, *arguments: str, **options: Any) -> Province:
        nodes.append(start_node(data, *arguments, **({"command": "serve"} | options)))
        return nodes[-1]

    yield run
    for node in nodes:
        node.process.terminate()
        node.process.wait(20)


@pytest.fixture(scope="session")
def built() -> Iterator[Path]:
    """The data folder of a small province that no node runs on yet."""
    data = Path(tempfile.mkdtemp(prefix="tuetinh-built-"))
    data.chmod(0o755)
    node = start_node(data, "--population", "20")
    node.process.terminate()
    node.process.wait(10)
    yield data
    shutil.rmtree(data, ignore_errors=True)
