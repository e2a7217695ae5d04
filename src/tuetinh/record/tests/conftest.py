"""The real door on the real database, for the tests of the record."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from django.db import connection
from psycopg_pool import AsyncConnectionPool

from tuetinh.record import audit, projections, sight
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.door import Door
from tuetinh.record.projections import Written
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import enter, run

CAST = {
    "system": SYSTEM,
    "doctor": Asker("doctor", "doctor", "hospital", "TREAT", frozenset({"user/*.cruds"}), sight=EVERYTHING),
    "reader": Asker("reader", "official", "", "HOPERAT", frozenset({"user/*.rs"}), sight=EVERYTHING),
    "outsider": Asker("outsider", "outsider"),
    "system-with-less": Asker("system", "system", scopes=frozenset({"system/Organization.rs"}), sight=EVERYTHING),
    "app-of-system": Asker("system", "system", scopes=frozenset({"system/*.cruds"}), client="app", sight=EVERYTHING),
    "citizen": Asker(
        "citizen", "citizen", "", "PATRQT", frozenset({"patient/*.cruds"}), "citizen-of-the-cast", sight=EVERYTHING
    ),
}
LABORATORY = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
APPS = {
    "lab-app": {f"user/Observation.cruds?{LABORATORY}", "user/Patient.rs"},
    "two-apps": {f"user/Observation.rs?{LABORATORY}", "user/Observation.rs?category=vital-signs&status=final"},
    "reading-app": {f"user/Observation.r?{LABORATORY}", "user/Observation.c", "user/Patient.rs"},
    "patient-app": {f"patient/Observation.rs?{LABORATORY}", "patient/Patient.rs"},
}
for _name, _scopes in APPS.items():
    _patient = "one" if _name == "patient-app" else None
    CAST[_name] = Asker(_name, "doctor", "", "TREAT", frozenset(_scopes), _patient, sight=EVERYTHING)
SUBSCRIBERS = {
    "subscriber": {"user/*.cruds"},
    "reader-of-patients": {"user/Patient.rs", "user/Subscription.cruds"},
    "of-laboratory": {f"user/Observation.rs?{LABORATORY}", "user/Subscription.cruds"},
    "of-results": {"user/Observation.rs", "user/Subscription.cruds"},
    "a-patient": {"patient/*.cruds"},
}
for _name, _scopes in SUBSCRIBERS.items():
    _patient = "mine" if _name == "a-patient" else None
    CAST[_name] = Asker(_name, "doctor", "", "TREAT", frozenset(_scopes), _patient, sight=EVERYTHING)
# The same account and app, opened for somebody else.
CAST["of-another-patient"] = replace(CAST["a-patient"], patient="other")


class Client:
    """Speaks to the door as one of the cast. Calls are synchronous; `together` runs many at the same time."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        self.door, self.loop = door, loop
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(door), base_url="http://record.test/fhir", timeout=60
        )

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def send(self, method: str, path: str, who: str = "system", **kwargs: Any) -> httpx.Response:
        return self.run(self.asend(method, path, who, **kwargs))

    async def asend(self, method: str, path: str, who: str = "system", **kwargs: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {who}"} | kwargs.pop("headers", {})
        return await self.http.request(method, f"http://record.test/fhir{path}", headers=headers, **kwargs)

    def together(self, *calls: Coroutine[Any, Any, httpx.Response]) -> list[httpx.Response]:
        async def gather() -> list[httpx.Response]:
            return list(await asyncio.gather(*calls))

        return self.run(gather())

    def get(self, path: str, who: str = "system", **kwargs: Any) -> httpx.Response:
        return self.send("GET", path, who, **kwargs)

    def post(self, path: str, resource: Any, who: str = "system", **kwargs: Any) -> httpx.Response:
        return self.send("POST", path, who, json=resource, **kwargs)

    def put(self, path: str, resource: Any, who: str = "system", **kwargs: Any) -> httpx.Response:
        return self.send("PUT", path, who, json=resource, **kwargs)


def _url() -> str:
    return psycopg.conninfo.make_conninfo(
        **{
            k: v
            for k, v in connection.get_connection_params().items()
            if k in ("dbname", "user", "password", "host", "port")
        }
    )


@pytest.fixture(scope="module")
def askers() -> Iterator[dict[str, Asker]]:
    """The cast by name, for a module that adds others to it."""
    before = dict(CAST)
    yield CAST
    CAST.clear()
    CAST.update(before)


@pytest.fixture(scope="module")
def fhir(django_db_setup: None, django_db_blocker: Any) -> Iterator[Client]:
    """The door with its own event loop; what the module stored is gone afterwards."""
    with django_db_blocker.unblock():
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()

        async def authenticate(scope: Any) -> Asker | None:
            header = dict(scope["headers"]).get(b"authorization", b"").decode()
            return CAST.get(header.removeprefix("Bearer "))

        async def start() -> Client:
            kwargs = {"autocommit": True, "prepare_threshold": 1}
            pool: Any = AsyncConnectionPool(_url(), min_size=2, max_size=12, open=False, kwargs=kwargs)
            await pool.open()
            door = Door(pool, authenticate)
            await door.startup()
            return Client(door, loop)

        client = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        yield client

        async def stop() -> None:
            await client.http.aclose()
            await client.door.shutdown()
            await client.door.pool.close()

        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        _empty()


@pytest.fixture(scope="module")
def emptied(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What the module stores without the door is gone afterwards."""
    with django_db_blocker.unblock():
        yield
        _empty()


@pytest.fixture
def stored_count(fhir: Client) -> Callable[[], int]:
    """How many versions the record holds, to show that a refusal stored nothing."""

    def count() -> int:
        return rows("SELECT count(*) FROM record.feed")[0][0]

    return count


def rows(sql: str, *params: Any) -> list[Any]:
    """Ask the test database past Django, which the tests of the door do not use."""
    with psycopg.connect(_url(), autocommit=True) as conn:
        conn.execute(sight.ENTER, sight.settings(SYSTEM))
        return conn.execute(sql, params).fetchall()


@pytest.fixture
def ask(fhir: Client) -> Callable[..., list[Any]]:
    """Run a statement on the database that the door uses."""
    return rows


def _empty() -> None:
    audit.writer.close()
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT type FROM record.feed")
        for (type_,) in cursor.fetchall():
            cursor.execute(f'SELECT id, key, version, patient FROM record."{type_}"')
            run(SYSTEM, projections.project(type_, [Written(type_, *row, None) for row in cursor.fetchall()]))
            for part in ("", "_date", "_number", "_string", "_history"):
                cursor.execute(f'DELETE FROM record."{type_}{part}"')
        cursor.execute("DELETE FROM record.content")
        cursor.execute("DELETE FROM record.feed")
        cursor.execute("DELETE FROM record.merge_row; DELETE FROM record.merge_moved; DELETE FROM record.merge")
        cursor.execute("DELETE FROM record.audit")
    connection.close()


class Subscriptions:
    """The worker's part of subscriptions, beside the door. `rights` are what owners may do now, by account."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.rights: dict[str, Asker | None] = {}
        self.service: Any = None

    def now(self, owner: Asker) -> Any:
        return self.rights.get(owner.account, owner)
        yield

    def start(self) -> None:
        """Begin as a process begins."""
        from tuetinh.record.subscriptions.service import Service

        async def begin() -> None:
            self.service = Service(_url())
            await self.service.start()

        self.client.run(begin())

    def stop(self) -> None:
        """End as a process ends."""
        if self.service is not None:
            self.client.run(self.service.stop())
            self.service = None


@pytest.fixture
def subscriptions(fhir: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subscriptions]:
    """A running service that may reach receivers on this machine, and tries again soon."""
    from tuetinh.record.subscriptions import couriers, owners

    made = Subscriptions(fhir)
    monkeypatch.setenv("TUETINH_SUBSCRIPTION_HOSTS", "127.0.0.1")
    monkeypatch.setattr(owners, "_resolve", [made.now])
    monkeypatch.setattr(couriers, "FIRST", 0.02)
    monkeypatch.setattr(couriers, "LONGEST", 0.2)
    made.start()
    yield made
    made.stop()
    with psycopg.connect(_url(), autocommit=True) as conn:
        for table in ("subscription_event", "subscription", "feed_reader"):
            conn.execute(f"DELETE FROM record.{table}")


@pytest.fixture
def receiver() -> Iterator[Any]:
    """A receiver on this machine."""
    from tuetinh.record.tests.receivers import Receiver

    made = Receiver()
    yield made
    made.close()
