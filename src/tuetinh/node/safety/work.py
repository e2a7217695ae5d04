"""The clients: each does one thing after the other with the resources of the round, and keeps what it was told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from tuetinh.node.safety.history import History, Kind, Operation

SYSTEM = "https://tuetinh.vn/fhir/NamingSystem/safety"
TYPES = ("Basic", "Patient")  # with and without a search table of another module in the same transaction
ROUND_SECONDS = 4.0
REGISTERS = 4
ANSWER_SECONDS = 6.0
PATH = "/fhir"


class Work:
    """Some clients at one node, until they are stopped; `history` is what they saw."""

    def __init__(self, url: str, token: Callable[[], str], seed: int, clients: int = 6) -> None:
        """token: a fresh Bearer token; may raise httpx.HTTPError while the node is away."""
        self.failed: list[BaseException] = []
        self.url, self.token = url, token
        self.history = History()
        self.began = time.monotonic()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=Client(self, number, random.Random(seed * 1000 + number)).run)
            for number in range(clients)
        ]

    def start(self) -> None:
        """Let the clients begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def over(self) -> bool:
        """Whether the clients are to stop."""
        return self._stop.is_set()

    @property
    def round(self) -> int:
        """The number of the round; each has resources of its own, so that none has too long a history."""
        return int((time.monotonic() - self.began) / ROUND_SECONDS)


class Client:
    """One client, with connections of its own."""

    def __init__(self, work: Work, number: int, rng: random.Random) -> None:
        self.work, self.number, self.rng = work, number, rng
        self.known: dict[str, int] = {}  # versions that it has seen
        self.count = 0
        self.http = httpx.Client(base_url=work.url + PATH, timeout=ANSWER_SECONDS)
        self.doing: dict[Callable[[], None], int] = {
            self.read: 20,
            self.put: 12,
            self.put_if: 20,
            self.delete: 3,
            self.find: 12,
            self.versions: 6,
            self.transact: 8,
            self.transact_group: 6,
            self.read_group: 8,
            self.create: 6,
            self.create_once: 5,
        }

    def run(self) -> None:
        """Work until told to stop. What ends it before is kept in the work's `failed`."""
        try:
            self._work()
        except BaseException as error:
            self.work.failed.append(error)
            raise
        finally:
            self.http.close()

    def _work(self) -> None:
        actions, weights = list(self.doing), list(self.doing.values())
        while not self.work.over:
            if "authorization" not in self.http.headers:
                self._log_in()
                continue
            self.rng.choices(actions, weights)[0]()

    def _log_in(self) -> None:
        try:
            self.http.headers["authorization"] = f"Bearer {self.work.token()}"
        except httpx.HTTPError:
            time.sleep(0.1)

    def read(self) -> None:
        """The current version."""
        one = self._new("read", self._register())
        self._ask([one], "GET", f"/{one.key}")

    def find(self) -> None:
        """A search by a value that a write was acknowledged with, or by any other of the round."""
        key = self._register()
        written = [o.value for o in self.work.history.operations[-200:] if o.key == key and o.writes and o.value]
        one = self._new("find", key, self.rng.choice(written[-4:]) if written else "none")
        type_ = key.partition("/")[0]
        self._ask([one], "GET", f"/{type_}", params={"identifier": f"{SYSTEM}|{one.value}"})

    def versions(self) -> None:
        """The whole history."""
        one = self._new("versions", self._register())
        self._ask([one], "GET", f"/{one.key}/_history", params={"_count": "1000"})

    def put(self) -> None:
        """The next version, whatever is there."""
        one = self._new("put", self._register(), self._value())
        self._ask([one], "PUT", f"/{one.key}", json=resource(one.key, one.value))

    def put_if(self) -> None:
        """The version after the one that this client knows."""
        key = self._register()
        if key not in self.known:
            return
        one = self._new("put if", key, self._value())
        one.expected = self.known[key]
        self._ask([one], "PUT", f"/{key}", json=resource(key, one.value), headers={"if-match": f'W/"{one.expected}"'})

    def delete(self) -> None:
        """A tombstone."""
        one = self._new("delete", self._register())
        self._ask([one], "DELETE", f"/{one.key}")

    def create(self) -> None:
        """A resource whose id the node makes."""
        value = self._value()
        one = self._new("create", value, value)
        self._ask([one], "POST", f"/{self._type()}", json=resource("", value, self._type()))

    def create_once(self) -> None:
        """A resource that all clients of the round want to make, and only one may."""
        type_ = self._type()
        value = f"once-{self.work.round}-{type_}-{self.rng.randrange(2)}"
        one = self._new("create once", value, value)
        headers = {"if-none-exist": f"identifier={SYSTEM}|{value}"}
        self._ask([one], "POST", f"/{type_}", json=resource("", value, type_), headers=headers)

    def transact(self) -> None:
        """Two registers in one transaction, each if it is as known."""
        keys = [key for key in self._registers() if key in self.known]
        if len(keys) > 1:
            self._transact(self.rng.sample(keys, 2), "put if")

    def transact_group(self) -> None:
        """Three resources that are only ever written together."""
        self._transact(self._group(), "put")

    def read_group(self) -> None:
        """The three in one search, which must see all of a transaction or nothing."""
        ids = [key.partition("/")[2] for key in self._group()]
        one = self._new("group", ",".join(ids))
        self._ask([one], "GET", "/Basic", params={"_id": one.key})

    def _transact(self, keys: Sequence[str], kind: Kind) -> None:
        value = self._value()
        parts = [self._new(kind, key, value) for key in keys]
        entries = []
        for part in parts:
            part.bundle = value
            request = {"method": "PUT", "url": part.key}
            if kind == "put if":
                part.expected = self.known[part.key]
                request["ifMatch"] = f'W/"{part.expected}"'
            entries.append({"request": request, "resource": resource(part.key, value)})
        self._ask(parts, "POST", "", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})

    def _ask(self, operations: list[Operation], method: str, path: str, **options: Any) -> None:
        """Send a request and keep what came of it."""
        self.work.history.begin(*operations)
        try:
            answer = self.http.request(method, path, **options)
        except httpx.ConnectError:
            self.work.history.forget(*operations)  # it never left
            time.sleep(0.2)
            return
        except httpx.HTTPError:
            return
        self.work.history.end(*operations)
        if answer.status_code == 401:
            self.http.headers.pop("authorization")
        if answer.status_code >= 500:
            for one in operations:
                one.status = answer.status_code
            time.sleep(0.05)
        else:
            told(operations, answer)
        for one in operations:
            if one.outcome == "ok" and one.version and one.kind in ("read", "versions", "put", "put if"):
                self.known[one.key] = one.version

    def _new(self, kind: Kind, key: str, value: str | None = None) -> Operation:
        return Operation(self.number, kind, key, value)

    def _value(self) -> str:
        self.count += 1
        return f"v{self.number}-{self.count}"

    def _type(self) -> str:
        return TYPES[self.count % len(TYPES)]

    def _registers(self) -> list[str]:
        return [f"{TYPES[n % len(TYPES)]}/register-{self.work.round}-{n}" for n in range(REGISTERS)]

    def _register(self) -> str:
        return self.rng.choice(self._registers())

    def _group(self) -> list[str]:
        return [f"Basic/group-{self.work.round}-{part}" for part in "abc"]


def resource(key: str, value: str | None, type_: str = "") -> dict[str, Any]:
    """A resource that carries the value as its identifier."""
    named, _, id_ = key.partition("/")
    made: dict[str, Any] = {"resourceType": type_ or named, "identifier": [{"system": SYSTEM, "value": value}]}
    return (
        made | ({"id": id_} if id_ else {}) | ({"code": {"text": "safety"}} if made["resourceType"] == "Basic" else {})
    )


def value_of(body: dict[str, Any] | None) -> str | None:
    """The value that a resource carries; None for a tombstone."""
    return body["identifier"][0]["value"] if body else None


def told(operations: Sequence[Operation], answer: httpx.Response) -> None:
    """Read an answer that is no 5xx into the operations."""
    for one in operations:
        one.status = answer.status_code
    first = operations[0]
    if answer.status_code in (404, 410) and not first.writes:
        etag = answer.headers.get("etag", 'W/"0"')
        first.outcome, first.version = "ok", int(etag[3:-1])
        return
    if answer.status_code >= 400:
        for one in operations:
            one.outcome = "fail"
        return
    for one in operations:
        one.outcome = "ok"
    if first.bundle:
        for one, entry in zip(operations, answer.json()["entry"], strict=True):
            one.version = int(entry["response"]["etag"][3:-1])
    elif first.kind in ("find", "versions", "group"):
        _told_entries(first, answer.json().get("entry", []))
    elif first.kind in ("create", "create once"):
        first.seen = answer.json()["id"]
    else:
        first.version = int(answer.headers.get("etag", 'W/"0"')[3:-1])
        first.seen = value_of(answer.json()) if first.kind == "read" else None


def _told_entries(one: Operation, entries: Sequence[dict[str, Any]]) -> None:
    bodies = [entry.get("resource") for entry in entries]
    match one.kind:
        case "group":
            one.seen = " ".join(sorted(str(value_of(body)) for body in bodies)) if bodies else ""
            one.seen += " missing" * (0 < len(bodies) < 3)
        case "find":
            mine = [body for body in bodies if body and body["id"] == one.key.partition("/")[2]]
            one.version = int(mine[0]["meta"]["versionId"]) if mine else 0
        case _:
            numbers = [int(entry["response"]["etag"][3:-1]) for entry in entries]
            one.versions = sorted(zip(numbers, map(value_of, bodies), strict=True))
            one.version, one.seen = one.versions[-1] if one.versions else (0, None)
