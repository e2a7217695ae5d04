"""Nothing is lost or out of order: faults of receivers, of processes, of transactions that overlap."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tuetinh.record import sight
from tuetinh.record.asker import SYSTEM
from tuetinh.record.tests.conftest import Client, Subscriptions
from tuetinh.record.tests.receivers import Receiver, Request, free_port, plain, topical, wait_for
from tuetinh.record.tests.test_subscriptions_arrive import observation, status_of, subscribe

pytestmark = pytest.mark.django_db


def numbers(receiver: Receiver) -> list[int]:
    """The numbers of the events that were accepted."""
    return [int(event["event-number"]) for one in receiver.of("event-notification") for event in one.status["events"]]


def values(receiver: Receiver, patient: str) -> list[int]:
    """The values of a patient's observations in the order in which they were accepted."""
    told = [one.json for one in receiver.requests]
    return [one["valueQuantity"]["value"] for one in told if one["subject"]["reference"] == f"Patient/{patient}"]


def test_an_answer_of_fault_is_tried_again_until_it_is_accepted(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, ask: Any
) -> None:
    seen: list[str] = []

    def answer(request: Request) -> int:
        seen.append(request.json["id"])
        return 503 if len(seen) < 6 else 200

    id_ = subscribe(fhir, plain("Observation", receiver.url))
    receiver.answer = answer
    stored = [fhir.post("/Observation", observation("p", n)).json()["id"] for n in range(3)]
    assert wait_for(lambda: ask("SELECT tries FROM record.subscription WHERE id = %s", id_)[0][0] >= 3)
    assert wait_for(lambda: status_of(fhir, id_) == "error")
    assert fhir.get(f"/Subscription/{id_}", "doctor").json()["error"] == "the receiver answered 503"
    receiver.wait(3)
    assert [one.json["id"] for one in receiver.requests] == stored
    assert seen == [stored[0]] * 6 + stored[1:]
    assert wait_for(lambda: status_of(fhir, id_) == "active")
    assert "error" not in fhir.get(f"/Subscription/{id_}", "doctor").json()


def test_a_receiver_that_is_away_gets_everything_when_it_comes_back(fhir: Client, subscriptions: Subscriptions) -> None:
    port = free_port()
    id_ = subscribe(fhir, topical("patient-change", f"http://127.0.0.1:{port}/hook", "id-only"))
    assert wait_for(lambda: status_of(fhir, id_) == "error")
    assert fhir.get(f"/Subscription/{id_}", "doctor").json()["error"] == "the receiver refused the connection"
    for _ in range(30):
        fhir.post("/Patient", {"resourceType": "Patient"})
    receiver = Receiver(port)
    wait_for(lambda: len(numbers(receiver)) >= 30)
    assert numbers(receiver) == list(range(1, 31))
    assert wait_for(lambda: status_of(fhir, id_) == "active")
    receiver.close()


def test_a_slow_receiver_delays_nobody_else(fhir: Client, subscriptions: Subscriptions, receiver: Receiver) -> None:
    slow, release = Receiver(), threading.Event()

    def wait(_: Request) -> int:
        release.wait(30)
        return 200

    slow.answer = wait
    for n in range(20):
        subscribe(fhir, plain("Observation", f"{slow.url}/{n}"))
    subscribe(fhir, plain("Observation", receiver.url))
    for n in range(5):
        fhir.post("/Observation", observation("p", n))
    receiver.wait(5)
    assert values(receiver, "p") == [0, 1, 2, 3, 4]
    assert slow.requests == []
    release.set()
    slow.close()


def test_a_receiver_that_does_not_answer_in_time_has_not_accepted(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    hanging = threading.Event()

    def hang(request: Request) -> int:
        if not hanging.is_set() and request.status["type"] == "event-notification":
            hanging.set()
            time.sleep(3)
            return 500
        return 200

    receiver.answer = hang
    subscribe(fhir, topical("patient-change", receiver.url, "id-only", timeout=1))
    fhir.post("/Patient", {"resourceType": "Patient"})
    assert hanging.wait(20)
    receiver.wait(1, "event-notification")
    assert numbers(receiver) == [1]


def test_order_holds_for_each_patient_while_many_write(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    subscribe(fhir, plain("Observation", receiver.url))
    patients = [f"patient-{n}" for n in range(8)]

    async def write(patient: str) -> Any:
        made = (await fhir.asend("POST", "/Observation", json=observation(patient, 0))).json()
        for value in range(1, 10):
            made["valueQuantity"]["value"] = value
            made = (await fhir.asend("PUT", f"/Observation/{made['id']}", json=made)).json()
        return made

    fhir.together(*(write(patient) for patient in patients))
    receiver.wait(80)
    assert [values(receiver, patient) for patient in patients] == [list(range(10))] * 8


@contextmanager
def as_system() -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own for which all rows exist."""
    from tuetinh.record.tests.door_world import url

    with psycopg.connect(url()) as conn:
        conn.execute(sight.ENTER, sight.settings(SYSTEM))
        yield conn


def test_what_a_slow_transaction_wrote_is_not_skipped(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, ask: Any
) -> None:
    """A position is drawn early and shows late; one that is rolled back never shows."""
    subscribe(fhir, plain("Observation", receiver.url))
    feed = """INSERT INTO record.feed (at, type, id, version, shard, change)
    SELECT updated, type, id, version, shard, 'create' FROM record."Observation" WHERE id = %s RETURNING position"""
    first, second, third = (fhir.post("/Observation", observation("p", n)).json()["id"] for n in range(3))
    receiver.wait(3)
    with as_system() as slow, as_system() as lost:
        early = slow.execute(feed, (first,)).fetchone()
        lost.execute(feed, (second,))
        with as_system() as quick:
            late = quick.execute(feed, (third,)).fetchone()
        time.sleep(0.5)
        assert len(receiver.requests) == 3  # the later one waits for the earlier one
        lost.rollback()
        slow.commit()
    receiver.wait(5)
    assert early < late
    assert [one.json["id"] for one in receiver.requests] == [first, second, third, first, third]


def test_another_process_goes_on_where_one_was_stopped(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    subscribe(fhir, topical("patient-change", receiver.url, "id-only", count=1))
    receiver.wait(1, "handshake")
    for round_ in range(4):
        for _ in range(10):
            fhir.post("/Patient", {"resourceType": "Patient"})
        if round_ % 2:
            subscriptions.stop()  # in the midst of delivering
            subscriptions.start()
    wait_for(lambda: len(set(numbers(receiver))) == 40)
    told = numbers(receiver)
    assert list(dict.fromkeys(told)) == list(range(1, 41))  # at least once, and never one before an earlier one


def test_two_processes_share_the_work_and_never_send_one_subscription_at_once(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Subscriptions(fhir)
    other.start()
    busy: dict[str, int] = {}
    overlaps: list[str] = []
    lock = threading.Lock()

    def answer(request: Request) -> int:
        with lock:
            busy[request.path] = busy.get(request.path, 0) + 1
            overlaps.extend([request.path] * (busy[request.path] > 1))
        time.sleep(0.01)
        with lock:
            busy[request.path] -= 1
        return 200

    receiver.answer = answer
    for n in range(4):
        subscribe(fhir, plain("Patient", f"{receiver.url}/{n}", None))
    for _ in range(25):
        fhir.post("/Patient", {"resourceType": "Patient"})
    receiver.wait(100)
    other.stop()
    assert len(receiver.requests) == 100
    assert overlaps == []


def test_it_ends_at_its_end_and_when_it_is_switched_off(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, ask: Any
) -> None:
    ending = subscribe(fhir, plain("Observation", receiver.url + "/ending") | {"end": "2999-01-01T00:00:00Z"})
    off = subscribe(fhir, plain("Observation", receiver.url + "/off"))
    fhir.post("/Observation", observation("p", 1))
    receiver.wait(2)
    ask("UPDATE record.subscription SET ends = now() WHERE id = %s RETURNING 1", ending)
    made = fhir.get(f"/Subscription/{off}", "doctor").json()
    assert fhir.put(f"/Subscription/{off}", made | {"status": "off"}, "doctor").json()["status"] == "off"
    fhir.post("/Observation", observation("p", 2))
    assert wait_for(lambda: status_of(fhir, ending) == "off")
    assert status_of(fhir, off) == "off"
    assert len(receiver.requests) == 2
    again = fhir.get(f"/Subscription/{off}", "doctor").json() | {"status": "requested"}
    assert fhir.put(f"/Subscription/{off}", again, "doctor").json()["status"] == "requested"
    fhir.post("/Observation", observation("p", 3))
    assert [one.json["valueQuantity"]["value"] for one in receiver.wait(3)] == [1, 1, 3]


def test_a_deleted_subscription_is_told_nothing(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, ask: Callable[..., list[Any]]
) -> None:
    id_ = subscribe(fhir, plain("Observation", receiver.url))
    fhir.post("/Observation", observation("p", 1))
    receiver.wait(1)
    assert fhir.send("DELETE", f"/Subscription/{id_}", "doctor").status_code == 204
    fhir.post("/Observation", observation("p", 2))
    position = "SELECT (SELECT max(position) FROM record.feed) <= position FROM record.feed_reader"
    assert wait_for(lambda: ask(position)[0][0])
    assert ask("SELECT count(*) FROM record.subscription_event WHERE subscription = %s", id_) == [(0,)]
    assert len(receiver.requests) == 1
