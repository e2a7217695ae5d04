"""What a worker process does for subscriptions: match, deliver, end what is over. It is woken, and seldom looks itself.

Any number of processes may run this. One of them matches; each delivers what no other one is delivering.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

from tuetinh.record import feed
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import BROKEN_BY_OTHERS, Row, Step, aenter, arun, connected
from tuetinh.record.subscriptions import tables
from tuetinh.record.subscriptions.couriers import Couriers
from tuetinh.record.subscriptions.matcher import CHUNK, LOCK, Matcher

T = TypeVar("T")
Connection = psycopg.AsyncConnection[Row]
log = logging.getLogger(__name__)

SWEEP = 15.0  # seconds: what another process left when it died, what has come to its end
TAKE_OVER = 5.0  # seconds between two tries to become the one that matches
AGAIN = 1.0  # seconds before a lost connection is made again
LONGEST_LOOK = 0.5  # seconds between two looks at transactions that are under way
GATHER = 0.05  # seconds that changes gather while they flow: many are matched at the cost of one
CANCEL_SECONDS = 0.5  # before a task is cancelled once more: a connection that is being made can swallow the first
KEEP_DAYS = 30  # for which delivered events are kept for $events
POOL = 8

_DUE = """SELECT id FROM record.subscription WHERE status <> 'off' AND NOT paused AND channel <> 'websocket'
AND (events > delivered OR NOT shaken OR beats OR status = 'error' OR ends <= now())"""
_OVER = """SELECT id FROM record.subscription WHERE status <> 'off' AND channel = 'websocket'
AND (ends <= now() OR NOT shaken)"""
_OLD = f"""DELETE FROM record.subscription_event e WHERE ctid = ANY(ARRAY(
  SELECT o.ctid FROM record.subscription_event o JOIN record.subscription s ON s.id = o.subscription
  WHERE o.at < now() - interval '{KEEP_DAYS} days' AND o.number <= s.delivered LIMIT 5000))"""


async def keep(url: str, stop: asyncio.Event) -> None:
    """Serve the subscriptions of the record until told to stop. url: the database."""
    service = Service(url)
    await service.start()
    try:
        await stop.wait()
    finally:
        await service.stop()


class Service:
    """The matcher and the couriers of one process."""

    def __init__(self, url: str) -> None:
        self._url = url
        options = "-c statement_timeout=60s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
        options += " -c synchronous_commit=off"  # what a crash forgets was delivered is delivered again
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url, min_size=1, max_size=POOL, open=False, kwargs={"autocommit": True, "options": options}
        )
        self._couriers = Couriers(self)
        self._rung = asyncio.Event()
        self._reader: feed.Reader | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin."""
        await self._pool.open()
        jobs = (self._listen, self._match, self._deliver, self._sweep)
        self._tasks = [asyncio.create_task(self._for_ever(job), name=job.__name__) for job in jobs]

    async def stop(self) -> None:
        """End at once: what is under way is repeated by the next process."""
        left = set(self._tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCEL_SECONDS)
        await self._couriers.close()
        await self._pool.close(timeout=1)

    async def _for_ever(self, job: Callable[[], Any]) -> None:
        while True:
            try:
                await job()
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("subscriptions wait for the database: %s", type(error).__name__)
            except Exception as error:
                # without the text of the error, which may hold health data
                log.error(
                    "subscriptions: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
                )
            await asyncio.sleep(AGAIN)

    async def _listen(self) -> None:
        async with connected(self._url) as conn:
            await conn.execute(f"LISTEN {feed.TOPIC}")
            await conn.execute(f"LISTEN {tables.TOPIC}")
            self._ring()
            await self._look()
            async for notice in conn.notifies():
                if notice.channel == tables.TOPIC:
                    self._couriers.wake(notice.payload)
                self._ring()

    def _ring(self) -> None:
        if self._reader is not None:
            self._reader.ring()
        self._rung.set()

    async def _match(self) -> None:
        """Match while the lock is ours; it goes with the connection that writes."""
        async with connected(self._url) as conn:
            await aenter(SYSTEM, conn)
            while not (await (await conn.execute(LOCK)).fetchone() or (False,))[0]:
                await asyncio.sleep(TAKE_OVER)
            try:
                matcher = await arun(Matcher.load(), conn)
                self._reader = matcher.reader
                await self._follow(matcher, conn)
            finally:
                self._reader = None

    async def _follow(self, matcher: Matcher, conn: Connection) -> None:
        looks, behind = 0, True
        while True:
            if behind or self._rung.is_set():
                self._rung.clear()
                behind = await self._step(conn, matcher.catch_up)
            changes = await arun(matcher.reader.read(CHUNK), conn)
            if changes:
                looks = 0
                await self._step(conn, lambda changes=changes: matcher.follow(changes))  # type: ignore[misc]
                if len(changes) < CHUNK:
                    await asyncio.sleep(GATHER)
            elif not await arun(matcher.reader.calm(), conn):
                looks += 1
                await asyncio.sleep(min(0.001 * 2 ** min(looks, 20), LONGEST_LOOK) if looks > 2 else 0)
            elif not behind:
                looks = 0
                await self._rung.wait()

    @staticmethod
    async def _step(conn: Connection, step: Callable[[], Step[T]]) -> T:
        async with conn.transaction():
            return await arun(step(), conn)

    async def _deliver(self) -> None:
        """Deliver while the connection that holds the locks lives."""
        async with connected(self._url) as conn:
            await self._couriers.begin(conn)
            try:
                await self._look()
                while not conn.closed:
                    await asyncio.sleep(AGAIN)
                    if not await self._couriers.lives():
                        return
            finally:
                await self._couriers.end()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self._ring()
            await self._look()
            async with self._pool.connection() as conn:
                await aenter(SYSTEM, conn)
                await conn.execute(_OLD)

    async def _look(self) -> None:
        """Attend to whatever something is to be done for."""
        async with self._pool.connection() as conn:
            await aenter(SYSTEM, conn)  # or nothing exists
            for sql in (_DUE, _OVER):
                for (id_,) in await (await conn.execute(sql)).fetchall():
                    self._couriers.attend(id_)

    async def run(self, asker: Asker, step: Step[T]) -> T:
        """Drive a step whose statements stand alone."""
        async with self._pool.connection() as conn:
            await aenter(asker, conn)
            return await arun(step, conn)

    async def transact(self, asker: Asker, step: Callable[[], Step[T]]) -> T:
        """Drive a step in a transaction, once more where others' locks broke it."""
        async with self._pool.connection() as conn:
            await aenter(asker, conn)
            for _ in range(3):
                with contextlib.suppress(*BROKEN_BY_OTHERS):
                    return await self._step(conn, step)
            return await self._step(conn, step)
