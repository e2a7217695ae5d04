"""A node that is killed between a commit and its delivery delivers when it is back; websockets do not hold it up."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tuetinh.node.tests.conftest import token
from tuetinh.record.tests.receivers import Receiver, plain, topical, wait_for

Start = Callable[..., Any]
HERE = {"TUETINH_SUBSCRIPTION_HOSTS": "127.0.0.1"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def kill(node: Any) -> None:
    """End the node and its database at the same moment."""
    [pid_file] = node.data.rglob("postmaster.pid")
    for pid in (int(pid_file.read_text().split()[0]), node.process.pid):
        os.kill(pid, signal.SIGKILL)
    node.process.wait(10)


def test_every_acknowledged_change_is_told_after_the_kill(start: Start, built: Path, receiver: Receiver) -> None:
    node = start(built, env=HERE)
    http = httpx.Client(base_url=f"{node.url}/fhir", headers=token(node), timeout=30)
    made = http.post("/Subscription", json=topical("patient-change", receiver.url, "id-only", count=1))
    assert made.status_code == 201, made.text
    assert receiver.wait(1, "handshake", 60)
    killed = threading.Event()

    def three_at_most(_: object) -> int:
        """Take three notifications, and keep the next one waiting until the node is gone."""
        return 200 if len(receiver.of("event-notification")) < 3 or killed.wait(60) else 503

    receiver.answer = three_at_most
    stored = [http.post("/Patient", json={"resourceType": "Patient"}).json()["id"] for _ in range(20)]
    kill(node)
    killed.set()
    http.close()
    assert len(receiver.of("event-notification")) < 20
    node = start(built, env=HERE)
    events: dict[str, str] = {}

    def told() -> bool:
        for one in list(receiver.of("event-notification")):
            for event in one.status["events"]:
                events[event["event-number"]] = event["focus"]["reference"].rsplit("/", 1)[1]
        return len(events) >= 20

    assert wait_for(told, 120)
    assert events == {str(n): id_ for n, id_ in enumerate(stored, 1)}
    httpx.delete(f"{node.url}/fhir/Subscription/{made.json()['id']}", headers=token(node))


def test_a_websocket_is_told_and_closed_when_the_node_stops(start: Start, built: Path) -> None:
    node = start(built)
    headers = token(node)
    resource = plain("Patient", "", None)
    resource["channel"] = {"type": "websocket"}
    id_ = httpx.post(f"{node.url}/fhir/Subscription", json=resource, headers=headers).json()["id"]
    address = f"{node.url.replace('http', 'ws')}/fhir/websocket"
    described = httpx.get(f"{node.url}/fhir/metadata").json()["rest"][0]["extension"]
    assert [one["valueUri"] for one in described] == [address]
    with connect(address, additional_headers=headers, proxy=None) as wire:
        wire.send(f"bind {id_}")
        assert wire.recv(20) == f"bound {id_}"
        httpx.post(f"{node.url}/fhir/Patient", json={"resourceType": "Patient"}, headers=headers)
        assert wire.recv(20) == f"ping {id_}"
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(30) == 0
