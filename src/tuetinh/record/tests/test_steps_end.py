"""How steps end when something fails, or whoever waits leaves, connections of one's own too; what times they read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import Query, Step, arun, computed, connected, run
from tuetinh.record.tests.door_world import url

pytestmark = pytest.mark.django_db


def fails() -> None:
    message = "it does not work"
    raise ValueError(message)


def cautious() -> Step[str]:
    try:
        yield from computed(fails)
    except ValueError as error:
        return str(error)
    return ""


def test_what_fails_while_it_is_computed_fails_inside_the_step() -> None:
    assert run(SYSTEM, cautious()) == "it does not work"

    async def there() -> str:
        async with connected(url()) as conn:
            return await arun(cautious(), conn)

    assert asyncio.run(there()) == "it does not work"


def asks_when() -> Step[datetime]:
    rows = yield Query("SELECT '2026-11-02 10:40:00.5+07'::timestamptz")
    return rows[0][0]  # type: ignore[no-any-return]


def test_a_time_is_the_same_wherever_a_step_is_driven() -> None:
    async def there() -> datetime:
        async with connected(url()) as conn:
            return await arun(asks_when(), conn)

    for found in (run(SYSTEM, asks_when()), asyncio.run(there())):
        assert found == datetime(2026, 11, 2, 3, 40, 0, 500_000, tzinfo=UTC)
    assert run(SYSTEM, asks_when()).utcoffset() == timedelta(0)


def test_a_connection_of_ones_own_is_closed_however_often_its_task_is_cancelled() -> None:
    """Its lock is held by somebody else, so that a rollback would wait."""

    async def there() -> Any:
        ready = asyncio.Event()
        made: list[Any] = []

        async def use() -> None:
            async with connected(url()) as conn:
                made.append(conn)
                ready.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(use())
        await ready.wait()
        async with made[0].lock:
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0.01)
        await asyncio.wait([task], timeout=5)
        return made[0].closed

    assert asyncio.run(there()) is True


def test_a_connection_is_closed_also_when_every_task_is_cancelled_at_once() -> None:
    """The one that closes it among them, while somebody else holds its lock."""

    async def there() -> Any:
        made: list[Any] = []

        async def use() -> None:
            async with connected(url()) as conn:
                made.append(conn)
                await conn.lock.acquire()

        task = asyncio.create_task(use())
        while not (made and made[0].lock.locked() and len(asyncio.all_tasks()) == 3):  # the one that closes waits
            await asyncio.sleep(0)
        for one in asyncio.all_tasks() - {asyncio.current_task(), task}:
            one.cancel()
        await asyncio.wait([task], timeout=5)
        return made[0].closed

    assert asyncio.run(there()) is True


def test_a_connection_is_closed_after_the_statement_that_another_task_has_under_way() -> None:
    async def there() -> tuple[Any, bool]:
        async with connected(url()) as conn:
            cursor = conn.cursor()
            asking = asyncio.create_task(cursor.execute("SELECT 7 FROM pg_sleep(0.3)"))
            while not conn.lock.locked():
                await asyncio.sleep(0)
        return (await asking).statusmessage, conn.closed

    assert asyncio.run(there()) == ("SELECT 1", True)
