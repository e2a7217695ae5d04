"""The real door on the real database, for the tests of the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.tests.door_world import Client, empty, opened, rows, url

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

    async def authenticate(scope: Any, pool: object) -> Asker | None:
        header = dict(scope["headers"]).get(b"authorization", b"").decode()
        return CAST.get(header.removeprefix("Bearer "))

    with django_db_blocker.unblock(), opened(authenticate) as client:
        yield client


@pytest.fixture(scope="module")
def emptied(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What the module stores without the door is gone afterwards."""
    with django_db_blocker.unblock():
        yield
        empty()


@pytest.fixture
def stored_count(fhir: Client) -> Callable[[], int]:
    """How many versions the record holds, to show that a refusal stored nothing."""

    def count() -> int:
        return rows("SELECT count(*) FROM record.feed")[0][0]

    return count


@pytest.fixture
def ask(fhir: Client) -> Callable[..., list[Any]]:
    """Run a statement on the database that the door uses."""
    return rows


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an export begin as soon as the transactions of before have ended: nobody else's statement is on its way."""
    from tuetinh.record.bulk import settling

    monkeypatch.setattr(settling, "SETTLE", timedelta(0))
    monkeypatch.setattr(settling, "PAUSE_SECONDS", 0.01)


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
            self.service = Service(url())
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
    with psycopg.connect(url(), autocommit=True) as conn:
        conn.execute("SELECT set_config('tuetinh.account', 'tests', false)")  # for nobody there is nothing to delete
        for table in ("subscription_event", "subscription", "feed_reader"):
            conn.execute(f"DELETE FROM record.{table}")


@pytest.fixture
def receiver() -> Iterator[Any]:
    """A receiver on this machine."""
    from tuetinh.record.tests.receivers import Receiver

    made = Receiver()
    yield made
    made.close()
