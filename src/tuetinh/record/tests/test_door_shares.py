"""What costs much is shared out: one account's heavy requests leave room for everybody else."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg
import pytest

from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.door import shares
from tuetinh.record.door.app import translate
from tuetinh.record.door.shares import Shares
from tuetinh.record.door.together import Together
from tuetinh.record.errors import TooMany, Unavailable


def test_one_account_has_at_most_its_part_and_waits_for_itself() -> None:
    async def scene() -> list[str]:
        turns, order = Shares(total=3, each=2), list[str]()

        async def work(account: str, name: str) -> None:
            async with turns.turn(account):
                order.append(name)
                await asyncio.sleep(0.01)

        greedy = [asyncio.create_task(work("greedy", f"g{n}")) for n in range(5)]
        await asyncio.sleep(0)
        await asyncio.gather(work("polite", "p"), *greedy)
        return order

    order = asyncio.run(scene())
    assert order[:3] == ["g0", "g1", "p"]
    assert sorted(order) == ["g0", "g1", "g2", "g3", "g4", "p"]


def test_accounts_that_wait_are_let_in_by_turns() -> None:
    async def scene() -> list[str]:
        turns, order = Shares(total=1, each=1), list[str]()

        async def work(account: str) -> None:
            async with turns.turn(account):
                order.append(account)
                await asyncio.sleep(0)

        await asyncio.gather(*(work(account) for account in ("a", "a", "a", "b", "c", "b")))
        return order

    assert asyncio.run(scene()) == ["a", "a", "b", "c", "a", "b"]


def test_a_long_request_is_stopped_where_others_wait_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "RELIEF_SECONDS", 0.02)
    monkeypatch.setattr(shares, "PATIENCE_SECONDS", 0.05)

    async def scene() -> tuple[list[object], list[object]]:
        turns = Shares(total=2, each=2)

        async def work(account: str, seconds: float, *, stoppable: bool = True) -> None:
            async with turns.turn(account, stoppable=stoppable):
                await asyncio.sleep(seconds)

        alone = await asyncio.gather(work("a", 0.2), work("a", 0.2), return_exceptions=True)
        busy = asyncio.gather(work("a", 5), work("a", 0.6, stoppable=False), work("b", 0.0), return_exceptions=True)
        return list(alone), list(await busy)

    alone, busy = asyncio.run(scene())
    assert alone == [None, None]
    assert isinstance(busy[0], Unavailable)
    assert busy[0].issues[0].code == "too-costly"
    assert busy[1:] == [None, None]  # a write is never stopped in the middle


def test_who_waits_too_long_or_with_too_many_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(shares, "MOST_WAITING", 2)

    async def scene() -> list[object]:
        turns = Shares(total=1, each=1)

        async def work(seconds: float) -> None:
            async with turns.turn("a"):
                await asyncio.sleep(seconds)

        first = await asyncio.gather(work(0.3), work(0), work(0), work(0), return_exceptions=True)
        return [*first, await asyncio.wait_for(work(0), 1)]  # and everything was given back

    told = asyncio.run(scene())
    assert told[0] is None
    assert [type(one) for one in told[1:4]] == [TooMany] * 3
    assert told[4] is None


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), 1),
        (psycopg.errors.CrashShutdown("terminating connection"), 1),
        (psycopg.errors.DiskFull("no space left on device"), 1),
        (OSError("broken pipe"), 1),
        (psycopg.errors.ProgramLimitExceeded("index row size exceeds"), 4),
        (psycopg.errors.UniqueViolation("twice"), 4),
    ],
)
def test_creates_are_not_tried_again_when_nobody_knows_what_was_stored(error: Exception, tries: int) -> None:
    """A batch whose connection broke may be stored: each of its creates would then be there twice."""
    asked: list[int] = []

    async def write(_: object, resources: list[r4.Resource]) -> Any:
        asked.append(len(resources))
        raise error

    async def scene() -> list[object]:
        together = Together(write)
        together._running = 2  # as when two batches are under way
        creates = [asyncio.create_task(together.create(SYSTEM, r4.Basic(code=r4.CodeableConcept()))) for _ in range(3)]
        await asyncio.sleep(0)
        together._running = 0
        together._start()
        return await asyncio.gather(*creates, return_exceptions=True)

    assert asyncio.run(scene()) == [error] * 3
    assert asked == [3, 1, 1, 1][:tries]


def test_a_full_disk_is_told_as_such() -> None:
    refused = translate(psycopg.errors.DiskFull("could not extend file"))
    assert (refused.status, refused.issues[0].code) == (507, "no-store")


HOSTILE = (
    ("GET", "/Patient?" + "&".join(urlencode([("name:contains", f"{a}%_")]) for a in "abcdefghijklmnopqrst"), b"", {}),
    ("GET", "/Patient?_revinclude:iterate=Observation:*&_include:iterate=Observation:*&_count=1000000000", b"", {}),
    ("GET", "/Observation?" + "&".join(f"subject:Patient.name:contains={a}" for a in "abcdefgh"), b"", {}),
    ("GET", "/Patient?_sort=-birthdate,family,given,gender,_id&_total=accurate", b"", {}),
    ("GET", "/Patient?_page=" + "A" * 300, b"", {}),
    ("GET", "/Patient?" + "&".join("name=a" for _ in range(8_000)), b"", {}),
    ("GET", "/Patient?name=" + "%25" * 20_000, b"", {}),
    ("POST", "/Patient", b'{"resourceType":"Patient","extension":' + b'[{"url":"x","extension":' * 100_000, {}),
    ("POST", "/Patient", b"[" * 100_000, {}),
    (
        "POST",
        "/Patient",
        b'{"resourceType":"Patient","name":[' + b",".join(b'{"text":"Thi%d"}' % n for n in range(30_000)) + b"]}",
        {},
    ),
    ("POST", "/Patient", b"<a>" * 100_000, {"content-type": "application/fhir+xml"}),
    ("POST", "/Patient", b"x" * 17_000_000, {}),
)
"""Requests that ask for as much as they can."""


@pytest.mark.django_db
def test_a_polite_client_is_served_while_others_are_hostile(fhir: Any) -> None:
    for n in range(20):
        fhir.put(f"/Patient/polite-{n}", {"resourceType": "Patient", "id": f"polite-{n}", "name": [{"family": "Lò"}]})

    async def polite() -> list[int]:
        found = []
        for n in range(40):
            read = await fhir.asend("GET", f"/Patient/polite-{n % 20}", "reader")
            searched = await fhir.asend("GET", f"/Patient?_id=polite-{n % 20}", "reader")
            assert read.json()["id"] == searched.json()["entry"][0]["resource"]["id"] == f"polite-{n % 20}"
            found += [read.status_code, searched.status_code]
        return found

    async def scene() -> tuple[list[int], list[httpx.Response]]:
        json_ = {"content-type": "application/fhir+json"}
        hostile = [
            fhir.asend(method, path, who, content=body, headers=json_ | headers)
            for method, path, body, headers in HOSTILE
            for who in ("system", "doctor")
        ]
        answers = asyncio.gather(*hostile)
        return await polite(), list(await answers)

    served, answers = fhir.run(scene())
    assert served == [200] * 80
    for answer in answers:
        assert answer.status_code in (200, 400, 413, 422, 429)
        assert answer.json()["resourceType"] == ("Bundle" if answer.status_code == 200 else "OperationOutcome")


@pytest.mark.django_db
def test_a_search_ends_when_its_client_leaves(fhir: Any, ask: Any) -> None:
    """Granian tells `http.disconnect`; the statement that is under way is cancelled."""
    sent: list[Any] = []

    async def scene() -> None:
        left = asyncio.Event()

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/fhir/Patient", "query_string": b"name=a"}
        scope["headers"] = [(b"authorization", b"Bearer system")]
        async with fhir.door.pool.connection() as conn, conn.transaction():
            await conn.execute('LOCK TABLE record."Patient" IN ACCESS EXCLUSIVE MODE')  # for which the search waits
            asked = asyncio.create_task(fhir.door(scope, receive, send))
            await asyncio.sleep(0.3)
            assert not asked.done()
            left.set()
            await asyncio.wait_for(asked, 10)

    fhir.run(scene())
    assert sent[0]["status"] == 400
    assert (
        ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")[0][
            0
        ]
        == 0
    )
