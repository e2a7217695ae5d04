"""Subscriptions by mail and by websocket, on a real mail server and with a real client."""

from __future__ import annotations

import asyncio
import email
import json
import threading
from collections.abc import Iterator
from email import policy
from typing import Any

import pytest
import websockets
from aiosmtpd.controller import Controller

from tuetinh.record.tests.conftest import Client, Subscriptions
from tuetinh.record.tests.receivers import Request, free_port, plain, topical, wait_for
from tuetinh.record.tests.test_subscriptions_arrive import status_of, subscribe

pytestmark = pytest.mark.django_db


class Box:
    """Takes mails; `refusing` makes it refuse them."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refusing = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refusing:
            return "451 not now"
        self.mails.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def box(settings: Any) -> Iterator[Box]:
    made, port = Box(), free_port()
    server = Controller(made, hostname="127.0.0.1", port=port)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    yield made
    server.stop()


def test_a_mail_says_that_something_changed_and_nothing_else(
    fhir: Client, subscriptions: Subscriptions, box: Box
) -> None:
    resource = plain("Patient?gender=male", "mailto:dich@tinh.example", None)
    resource["channel"]["type"] = "email"
    id_ = subscribe(fhir, resource)
    fhir.post("/Patient", {"resourceType": "Patient", "gender": "male", "name": [{"text": "Lò Thị Pâng"}]})
    (mail,) = wait_for(lambda: box.mails)
    assert mail["to"] == "dich@tinh.example"
    assert mail["subject"].strip() == "Tuệ Tĩnh: 1 thay đổi mới · 1 new changes"
    assert mail.get_content().split() == f"1 thay đổi mới · 1 new changes. Subscription/{id_}".split()


def test_a_topic_by_mail_attaches_its_notification_and_waits_for_the_server(
    fhir: Client, subscriptions: Subscriptions, box: Box
) -> None:
    resource = topical("patient-change", "mailto:dich@tinh.example", "id-only", type="email")
    resource["channel"]["payload"] = "text/plain;attach=application/fhir+json"
    box.refusing = True
    id_ = subscribe(fhir, resource)
    assert wait_for(lambda: status_of(fhir, id_) == "error")
    assert fhir.get(f"/Subscription/{id_}", "doctor").json()["error"] == "the mail server refused the mail 451"
    stored = fhir.post("/Patient", {"resourceType": "Patient", "gender": "female"}).json()
    box.refusing = False
    hand, told = wait_for(lambda: len(box.mails) == 2 and box.mails)
    assert hand["subject"].strip() == "Tuệ Tĩnh: Đăng ký nhận tin đã bắt đầu · The subscription has started"
    (attached,) = told.iter_attachments()
    request = Request("", "", {}, attached.get_content(), 0.0)
    assert attached.get_content_type() == "application/fhir+json"
    assert request.status["events"][0]["focus"]["reference"].endswith(f"/Patient/{stored['id']}")
    assert "resource" not in request.json["entry"][1]


# -- websockets -------------------------------------------------------------------------------------------------------


@pytest.fixture
def address(fhir: Client) -> Iterator[str]:
    """The websocket, served as a node serves it."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    from tuetinh.record.subscriptions import sockets
    from tuetinh.record.tests.door_world import url

    port, found = free_port(), {}

    async def start() -> None:
        app = sockets.Sockets(url(), fhir.door.run, fhir.door.authenticate)
        app.start()
        server = Server(
            app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False, websockets=True
        )
        found["app"], found["server"], found["task"] = app, server, asyncio.create_task(server.serve())

    async def stop() -> None:
        await found["app"].stop()
        found["server"].stop()
        await found["task"]

    fhir.run(start())
    yield f"ws://127.0.0.1:{port}{sockets.PATH}"
    fhir.run(stop())


class Socket:
    """A websocket client whose calls are synchronous."""

    def __init__(self, address: str, who: str = "") -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        headers = {"authorization": f"Bearer {who}"} if who else {}

        async def connect() -> Any:
            return await websockets.connect(address, additional_headers=headers, proxy=None)

        self.wire = self._run(connect())

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def say(self, text: str) -> None:
        self._run(self.wire.send(text))

    def hear(self) -> str:
        return str(self._run(asyncio.wait_for(self.wire.recv(), 15)))

    def notification(self) -> Request:
        return Request("", "", {}, self.hear().encode(), 0.0)

    def close(self) -> None:
        self._run(self.wire.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def by_websocket(resource: dict[str, Any]) -> dict[str, Any]:
    resource["channel"]["type"] = "websocket"
    del resource["channel"]["endpoint"]
    return resource


def test_r4_clients_bind_and_are_pinged(fhir: Client, subscriptions: Subscriptions, address: str) -> None:
    id_ = subscribe(fhir, by_websocket(plain("Patient?gender=other", "", None)))
    assert wait_for(lambda: status_of(fhir, id_) == "active")
    fhir.post("/Patient", {"resourceType": "Patient", "gender": "other"})  # before anybody has bound
    client = Socket(address, "doctor")
    client.say(f"bind {id_}")
    assert client.hear() == f"bound {id_}"
    assert client.hear() == f"ping {id_}"
    fhir.post("/Patient", {"resourceType": "Patient", "gender": "male"})
    fhir.post("/Patient", {"resourceType": "Patient", "gender": "other"})
    assert client.hear() == f"ping {id_}"
    client.close()


def test_a_token_binds_to_topics_and_missed_events_are_sent(
    fhir: Client, subscriptions: Subscriptions, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = subscribe(fhir, by_websocket(topical("patient-change", "")))
    assert wait_for(lambda: status_of(fhir, id_) == "active")
    answer = fhir.get(f"/Subscription/{id_}/$get-ws-binding-token", "doctor").json()
    given = {part["name"]: next(v for n, v in part.items() if n.startswith("value")) for part in answer["parameter"]}
    assert (given["subscription"], given["websocket-url"]) == (id_, "ws://record.test/fhir/websocket")
    client = Socket(address)
    client.say(f"bind-with-token {given['token']}")
    assert client.notification().status["type"] == "handshake"
    stored = fhir.post("/Patient", {"resourceType": "Patient"}).json()
    told = client.notification()
    assert (told.status["type"], told.json["entry"][1]["resource"]) == ("event-notification", stored)
    client.close()
    fhir.post("/Patient", {"resourceType": "Patient"})
    client = Socket(address)
    client.say(f"bind-with-token {given['token']}")
    assert client.notification().status["type"] == "handshake"
    assert [event["event-number"] for event in client.notification().status["events"]] == ["2"]

    subscriptions.rights["doctor"] = None  # rights that end, end open websockets
    from tuetinh.record.subscriptions import owners

    monkeypatch.setattr(owners, "_resolve", [subscriptions.now])
    fhir.post("/Patient", {"resourceType": "Patient"})
    assert client.hear() == f"error: {id_} has ended"
    with pytest.raises(websockets.ConnectionClosed):
        client.hear()
    client.close()


@pytest.mark.parametrize("who", ["", "outsider", "subscriber"])
def test_nobody_else_may_bind(fhir: Client, subscriptions: Subscriptions, address: str, who: str) -> None:
    id_ = subscribe(fhir, by_websocket(plain("Patient", "", None)))
    assert wait_for(lambda: status_of(fhir, id_) == "active")
    client = Socket(address, who)
    for text, answer in (
        (f"bind {id_}", f"error: {id_} cannot be bound"),
        ("bind-with-token forged", "error: the token is not known, or too old"),
        ("bind nothing", "error: nothing cannot be bound"),
        ("give me everything", "error: say bind ID or bind-with-token TOKEN"),
    ):
        client.say(text)
        assert client.hear() == answer
    client.close()
    if who:
        refused = fhir.get(f"/Subscription/{id_}/$get-ws-binding-token", who)
        assert refused.status_code == 403


def test_status_and_events_are_told_when_asked(fhir: Client, subscriptions: Subscriptions) -> None:
    id_ = subscribe(fhir, by_websocket(topical("patient-change", "", "id-only")))
    assert wait_for(lambda: status_of(fhir, id_) == "active")
    ids = [fhir.post("/Patient", {"resourceType": "Patient"}).json()["id"] for _ in range(4)]

    def status() -> Request:
        found = fhir.get(f"/Subscription/{id_}/$status", "doctor").json()
        return Request("", "", {}, json.dumps(found).encode(), 0.0)

    assert wait_for(lambda: status().status["events-since-subscription-start"] == "4")
    assert (status().json["type"], status().status["type"], status().status["status"]) == (
        "searchset",
        "query-status",
        "active",
    )
    every = fhir.get("/Subscription/$status?status=active", "doctor").json()
    assert [e["resource"]["parameter"][0]["valueReference"]["reference"].rsplit("/", 1)[1] for e in every["entry"]] == [
        id_
    ]
    assert fhir.get("/Subscription/$status?status=off", "doctor").json()["total"] == 0

    path = f"/Subscription/{id_}/$events?eventsSinceNumber=2&eventsUntilNumber=3&content=full-resource"
    found = fhir.get(path, "doctor").json()
    request = Request("", "", {}, json.dumps(found).encode(), 0.0)
    assert request.status["type"] == "query-event"
    assert [event["event-number"] for event in request.status["events"]] == ["2", "3"]
    assert [entry["resource"]["id"] for entry in found["entry"][1:]] == ids[1:3]
    assert fhir.get(f"/Subscription/{id_}/$events?eventsSinceNumber=x", "doctor").status_code == 400
    xml = fhir.get(f"/Subscription/{id_}/$events", "doctor", headers={"accept": "application/fhir+xml"})
    assert xml.content.startswith(b'<?xml version="1.0" encoding="UTF-8"?><Bundle')
