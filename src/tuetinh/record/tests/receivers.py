"""Receivers of notifications for tests: real servers on real sockets, which can be told to misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def status(self) -> dict[str, Any]:
        """The first entry of a notification: its parameters by name, events as a list of their parts by name."""
        found: dict[str, Any] = {"events": []}
        for part in self.json["entry"][0]["resource"]["parameter"]:
            if part["name"] == "notification-event":
                found["events"].append({one["name"]: _value(one) for one in part["part"]})
            else:
                found[part["name"]] = _value(part)
        return found


def _value(part: dict[str, Any]) -> Any:
    return next(value for name, value in part.items() if name.startswith("value"))


class Receiver:
    """An HTTP server. `answer` gives the status of each request; it may sleep."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], int] = lambda _: 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def serve(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                if len(body) < length:  # the sender was killed
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body, time.monotonic())
                status = receiver.answer(request)
                if 200 <= status < 300:
                    receiver.requests.append(request)
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "http://127.0.0.1:1/")
                self.send_header("content-length", "0")
                self.end_headers()

            do_POST = do_PUT = serve

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port: int = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait(self, count: int, kind: str = "", seconds: float = 20) -> list[Request]:
        """The accepted requests (of a kind of notification) when so many have come."""
        wait_for(lambda: len(self.of(kind)) >= count, seconds)
        return self.of(kind)

    def of(self, kind: str = "") -> list[Request]:
        return [one for one in self.requests if not kind or one.status["type"] == kind]


def wait_for(holds: Callable[[], Any], seconds: float = 20) -> Any:
    """What `holds` gives when it gives something true."""
    limit = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < limit:
        time.sleep(0.02)
    return found


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain(criteria: str, url: str, payload: str | None = "application/fhir+json", **more: Any) -> dict[str, Any]:
    """A Subscription in R4's own form."""
    channel = {"type": "rest-hook", "endpoint": url, **({"payload": payload} if payload else {}), **more}
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "test",
        "criteria": criteria,
        "channel": channel,
    }


BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
TOPICS = "https://tuetinh.vn/fhir/SubscriptionTopic/"


def topical(topic: str, url: str, content: str = "full-resource", **more: Any) -> dict[str, Any]:
    """A topic-based Subscription. more: `filters`, `heartbeat`, `timeout`, `count`, `type`."""
    made = plain(topic if "://" in topic else TOPICS + topic, url)
    made["channel"]["type"] = more.get("type", "rest-hook")
    made["channel"]["_payload"] = {"extension": [{"url": f"{BACKPORT}payload-content", "valueCode": content}]}
    filters = [{"url": f"{BACKPORT}filter-criteria", "valueString": one} for one in more.get("filters", [])]
    if filters:
        made["_criteria"] = {"extension": filters}
    numbers = (
        ("heartbeat-period", "valueUnsignedInt", "heartbeat"),
        ("timeout", "valueUnsignedInt", "timeout"),
        ("max-count", "valuePositiveInt", "count"),
    )
    extensions = [{"url": BACKPORT + name, value: more[key]} for name, value, key in numbers if key in more]
    if extensions:
        made["channel"]["extension"] = extensions
    return made
