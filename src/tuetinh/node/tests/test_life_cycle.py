"""A node is stopped, killed, cut off from its database and started again, while clients are at work."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tuetinh.node.tests.conftest import Writers, clean_environment, command_line, missing, run, token

pytestmark = pytest.mark.long

Start = Callable[..., Any]
LEAVE = 20.0  # seconds, far beyond what a node gives itself: one that is held back by something never leaves


def work(node: Any, end: int, seconds: float) -> Writers:
    """Create from four clients until the node's process group is told to end, and wait until it has left."""
    writers = Writers(node)
    time.sleep(seconds)
    os.killpg(node.process.pid, end)
    node.process.wait(LEAVE)
    writers.end()
    return writers


def kill_database(data: Path) -> None:
    os.kill(int((data / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def test_what_was_acknowledged_outlives_any_end(start: Start, built: Path) -> None:
    node = start(built)
    writers = work(node, signal.SIGTERM, 0.6)
    assert writers.kept
    assert writers.refused == []
    assert node.process.returncode == 0
    kept = writers.kept
    node = start(built, "--workers", "2")
    assert missing(node, kept) == []
    writers = work(node, signal.SIGKILL, 0.6)
    assert writers.kept
    assert writers.refused == []
    kept += writers.kept
    node = start(built)
    assert missing(node, kept) == []
    history = httpx.get(f"{node.url}/fhir/Patient/_history?_count=1000", headers=token(node)).json()["entry"]
    shown = {entry["resource"]["id"] for entry in history}
    assert set(kept[-100:]) <= shown
    node.process.terminate()
    node.process.wait(20)
    assert not (built / "postgres" / "postmaster.pid").exists()  # the database left with the last node


def test_a_node_heals_when_its_database_is_killed_under_it(start: Start, built: Path) -> None:
    node = start(built)
    writers = Writers(node)
    time.sleep(0.4)
    before = len(writers.kept)
    kill_database(built)
    limit = time.monotonic() + 20
    while len(writers.kept) < before + 50 and time.monotonic() < limit:
        time.sleep(0.1)
    writers.end()
    assert len(writers.kept) >= before + 50
    assert set(writers.refused) <= {503}
    assert missing(node, writers.kept) == []

    mark = built / "postgres" / "postmaster.pid"
    lines = mark.read_text().split("\n", 1)
    os.kill(node.process.pid, signal.SIGSTOP)  # so that it does not begin to heal between the two
    kill_database(built)  # and now both at once
    os.killpg(node.process.pid, signal.SIGKILL)
    node.process.wait(20)
    mark.write_text(f"{os.getpid()}\n{lines[1]}")  # after a restart of the machine its number is another's
    node = start(built)
    assert missing(node, writers.kept) == []
    left = [path.name for path in built.rglob("*.part")]
    assert left == []


def test_a_province_whose_build_was_ended_is_finished_by_the_next(folder: Path) -> None:
    data = folder / "var"
    build = command_line(data, "demo", "--build-only", "--population", "40")

    def ended_by(sign: int) -> int:
        process = subprocess.Popen(build, env=clean_environment(), start_new_session=True)
        wanted = (data / "keys" / "demo-build.json", data / "postgres" / "postmaster.pid")
        while not all(path.exists() for path in wanted) and process.poll() is None:
            time.sleep(0.02)
        time.sleep(0.7)
        os.killpg(process.pid, sign) if sign == signal.SIGKILL else process.send_signal(sign)
        return process.wait(20)

    assert ended_by(signal.SIGTERM) == 128 + signal.SIGTERM
    assert not (data / "postgres" / "postmaster.pid").exists()  # it left its database in order
    assert ended_by(signal.SIGKILL) == -signal.SIGKILL
    kill_database(data)
    assert not (data / "demo.json").exists()
    finished = run(data, "demo", "--build-only", "--population", "40")
    assert finished.returncode == 0, finished.stderr
    exported = run(data, "export", str(folder / "export"), "--types", "Patient")
    assert exported.stdout.split() == ["Patient", "40"]
    assert json.loads((data / "demo.json").read_text())["client"]["id"] == "demo"


def test_open_connections_do_not_hold_a_node_back(start: Start, built: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        mllp = probe.getsockname()
    node = start(built, "--mllp-port", str(mllp[1]))
    web = ("127.0.0.1", int(node.url.rpartition(":")[2]))
    with contextlib.ExitStack() as held:
        for _ in range(300):
            held.enter_context(socket.create_connection(web))
        half = held.enter_context(socket.create_connection(web))
        half.sendall(b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\na")
        analyser = held.enter_context(socket.create_connection(mllp))
        analyser.sendall(b"\x0bMSH|^~\\&|half of a message")
        assert httpx.get(f"{node.url}/healthz").status_code == 200
        node.process.terminate()
        assert node.process.wait(LEAVE) == 0


def test_worker_processes_leave_with_their_parent(start: Start, built: Path) -> None:
    node = start(built, "--workers", "2", "--roles", "web")
    node.process.kill()
    node.process.wait()
    for _ in range(80):
        try:
            httpx.get(f"{node.url}/healthz", timeout=1)
        except httpx.HTTPError:
            return
        time.sleep(0.1)
    pytest.fail("a worker process went on alone")


def test_a_taken_port_is_told_in_one_line(start: Start, built: Path) -> None:
    node = start(built)
    bind = node.url.removeprefix("http://")
    command = [sys.executable, "-m", "tuetinh.node.cli", "serve", "--data", str(built), "--roles", "web"]
    second = subprocess.run([*command, "--bind", bind], capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert (
        second.stderr.strip()
        == f"tuetinh: cannot listen on {bind} (Address already in use); choose another with --bind"
    )
    assert httpx.get(f"{node.url}/healthz").status_code == 200


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root's server changes its user")
def test_a_folder_that_the_database_cannot_enter_is_told(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    env = {k: v for k, v in os.environ.items() if not k.startswith("TUETINH_")}
    command = [sys.executable, "-m", "tuetinh.node.cli", "check", "--data", str(closed / "var")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=env)
    assert done.returncode == 1
    assert "--data" in done.stderr
    assert "Traceback" not in done.stderr


def test_long_work_keeps_no_node_from_leaving(start: Start, built: Path) -> None:
    node = start(built)
    headers = token(node) | {"content-type": "application/fhir+json"}
    export = httpx.get(f"{node.url}/fhir/$export", headers=headers | {"prefer": "respond-async"})
    assert export.status_code == 202
    entries = [{"request": {"method": "GET", "url": "Observation?_content=a&_sort=-date&_count=1000"}}] * 5000
    batch = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})
    with connect(f"{node.url.replace('http', 'ws', 1)}/fhir/websocket"), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.post, f"{node.url}/fhir", content=batch, headers=headers, timeout=60)
        time.sleep(1)
        assert not waiting.done()
        node.process.terminate()
        node.process.wait(LEAVE)
        assert waiting.exception() is not None or waiting.result().status_code == 503
    assert node.process.returncode == 0
    assert not (built / "postgres" / "postmaster.pid").exists()
