"""The roles of a node in processes of their own, on one data folder, with one embedded database between them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuetinh.node.tests.conftest import clean_environment, command_line, run, token

pytestmark = pytest.mark.long


class Processes:
    """One process a role, each with its log; they listen where `demo.json` says."""

    def __init__(self, data: Path, logs: Path) -> None:
        known = json.loads((data / "demo.json").read_text())
        self.url, self.logs = known["url"], logs
        ports = [part for name, port in known["ports"].items() for part in (f"--{name}-port", str(port))]
        listening = ["--bind", self.url.removeprefix("http://"), "--no-browser", "--workers", "1", *ports]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for roles in ("mllp", "worker", "web,astm,dicom,gateway,bank,machines"):  # all at once
            command = command_line(data, "serve", "--roles", roles, *listening)
            with (logs / f"{roles}.log").open("wb") as log:
                env = clean_environment() | {"TUETINH_LOG": "DEBUG"}
                self.running[roles] = subprocess.Popen(command, env=env, stderr=log, stdout=log)

    def health(self) -> dict[str, Any]:
        try:
            return dict(httpx.get(f"{self.url}/healthz", timeout=5).json())
        except httpx.HTTPError:
            return {}

    def wait_for(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        limit = time.monotonic() + 90
        while not holds(self.health()) and time.monotonic() < limit:
            time.sleep(0.1)
        return self.health()

    def end(self, roles: str, sign: int = signal.SIGTERM) -> int:
        self.running[roles].send_signal(sign)
        return self.running[roles].wait(20)


@pytest.fixture
def processes(built: Path, folder: Path) -> Iterator[Processes]:
    made = Processes(built, folder)
    yield made
    for process in made.running.values():
        process.terminate()
    for process in made.running.values():
        process.wait(20)


def test_a_journey_goes_through_three_processes(processes: Processes, built: Path) -> None:
    told = processes.wait_for(
        lambda health: health.get("worker") == "ok" and set(health["listeners"].values()) == {"ok"}
    )
    assert told == {
        "status": "ok",
        "web": "ok",
        "database": "ok",
        "worker": "ok",
        "listeners": {"mllp": "ok", "astm": "ok", "dicom": "ok", "gateway": "ok", "bank": "ok", "machines": "ok"},
        "backup": "off",
        "roles": ["astm", "bank", "dicom", "gateway", "machines", "web"],
    }
    journey = run(built, "journey")
    assert journey.returncode == 0, journey.stdout + journey.stderr
    assert_no_health_data(processes, built)

    assert processes.end("mllp") == 0
    processes.end("worker", signal.SIGKILL)
    told = processes.wait_for(lambda health: health.get("worker") == "absent")
    assert (told["status"], told["database"]) == ("ok", "ok")  # whoever started the database
    assert (told["worker"], told["listeners"]["mllp"]) == ("absent", "absent")
    assert (built / "postgres" / "postmaster.pid").exists()
    assert processes.end("web,astm,dicom,gateway,bank,machines") == 0
    assert not (built / "postgres" / "postmaster.pid").exists()  # the last one stopped it, though one was killed


def assert_no_health_data(processes: Processes, built: Path) -> None:
    """The logs, as talkative as they can be, name nobody who was at the desks."""
    logs = "".join(path.read_text() for path in processes.logs.glob("*.log"))
    node = type("Node", (), {"url": processes.url, "demo": json.loads((built / "demo.json").read_text())})
    url, words = f"{processes.url}/fhir/Patient?_count=100", set()
    while url:
        page = httpx.get(url, headers=token(node)).json()
        for entry in page["entry"]:
            resource = entry["resource"]
            words |= {name["text"] for name in resource.get("name", []) if "text" in name}
            words |= {number["value"] for number in resource.get("identifier", [])}
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    words = {word for word in words if len(word) > 5}
    assert len(words) > 40
    assert [word for word in words if word in logs] == []
    line = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+ \S")
    assert [text for text in logs.splitlines() if text and not line.match(text)] == []
