"""Takes waiting events to their receivers, one courier for each subscription: in order, and again until accepted.

Couriers of one subscription do not work at the same time: whoever works holds an advisory lock, on a connection of its
process that ends with it. A courier that waits before the next try holds nobody up but itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

import psycopg

from tuetinh.record import audit, contents, locks, permits, r4, store
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import RecordError
from tuetinh.record.search.includes import bring
from tuetinh.record.steps import Query, Row, Step
from tuetinh.record.subscriptions import mail, notification, owners, secrets, tables, topics, wanted
from tuetinh.record.subscriptions.errors import NotDelivered
from tuetinh.record.subscriptions.notification import Beside, Told
from tuetinh.record.subscriptions.rest_hook import RestHook
from tuetinh.record.subscriptions.tables import Event, Kept
from tuetinh.record.subscriptions.topics import Shapes
from tuetinh.record.subscriptions.wanted import Wanted

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST, LONGEST = 0.5, 300.0  # seconds before the second try, and before any later one
PATIENCE = 3  # tries in vain until the subscription is said to be in error
BATCH_BYTES = 4 * 1024 * 1024
MOST_BESIDE = 100  # resources that come along with one event

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('record.subscription'), hashtext(%s))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('record.subscription'), hashtext(%s))"
_DONE = """UPDATE record.subscription SET delivered = greatest(delivered, %s), sent = now(), tries = 0, next_try = NULL,
failing = NULL, error = CASE WHEN status = 'error' THEN error ELSE '' END WHERE id = %s"""
_SHAKEN = "UPDATE record.subscription SET shaken = true, sent = now() WHERE id = %s"
_FAILED = """UPDATE record.subscription SET tries = tries + 1, next_try = now() + %s * interval '1 second',
error = %s, failing = coalesce(failing, now()) WHERE id = %s AND status <> 'off' RETURNING tries"""
_STATUS = """UPDATE record.subscription SET status = %s, error = %s WHERE id = %s AND status <> 'off'
AND (status <> %s OR error <> %s) RETURNING id"""


class Drive(Protocol):
    """How a process drives steps on its pool."""

    async def run(self, asker: Asker, step: Step[T]) -> T:
        """Drive a step whose statements stand alone."""

    async def transact(self, asker: Asker, step: Callable[[], Step[T]]) -> T:
        """Drive a step in a transaction."""


def pause(tries: int) -> float:
    """Seconds before the next try: doubled each time up to a limit, with some chance in it."""
    return float(min(FIRST * 2 ** min(tries, 20), LONGEST) * random.uniform(0.7, 1.3))  # noqa: S311


def base() -> str:
    """The address of the door as receivers know it."""
    return os.environ.get("TUETINH_URL", "http://127.0.0.1:8000").rstrip("/") + "/fhir"


class Couriers:
    """The couriers of one process."""

    def __init__(self, drive: Drive) -> None:
        self._run, self._transact = drive.run, drive.transact
        self._hook = RestHook()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._woken: dict[str, asyncio.Event] = {}
        self._asks: dict[str, tuple[bytes, Wanted]] = {}
        self._locks: psycopg.AsyncConnection[Row] | None = None
        self._locking = asyncio.Lock()

    async def begin(self, locks: psycopg.AsyncConnection[Row]) -> None:
        """Work while this connection lives."""
        await self.end()
        self._locks = locks

    async def end(self) -> None:
        """Stop at once; what was not accepted is sent again by whoever comes next. Locks go with their connection."""
        self._locks = None
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def lives(self) -> bool:
        """Whether the connection that holds the locks does."""
        return await self._lock("SELECT %s::text IS NOT NULL", "")

    async def close(self) -> None:
        """End for good."""
        await self.end()
        await self._hook.close()

    def attend(self, id_: str) -> None:
        """Wake the courier of a subscription unless it is at work here."""
        if id_ not in self._tasks:
            self.wake(id_)

    def wake(self, id_: str) -> None:
        """Something is to be done for a subscription."""
        if self._locks is None:
            return
        self._woken.setdefault(id_, asyncio.Event()).set()
        if id_ not in self._tasks:
            self._tasks[id_] = asyncio.create_task(self._work(id_))

    async def _work(self, id_: str) -> None:
        try:
            while self._woken[id_].is_set() and await self._lock(_TRY_LOCK, id_):
                try:
                    await self._deliver(id_)
                finally:
                    await self._lock(_UNLOCK, id_)  # once they end, it goes with its connection
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.warning("subscription %s waits for the database: %s", id_, type(error).__name__)
        except Exception as error:
            log.error("subscription %s: %s", id_, type(error).__name__)
        finally:
            self._tasks.pop(id_, None)
            self._woken.pop(id_, None)
            self._asks.pop(id_, None)

    async def _lock(self, sql: str, id_: str) -> bool:
        async with self._locking:
            if self._locks is None:
                return False
            rows = await (await self._locks.execute(sql, (id_,))).fetchall()
            return bool(rows[0][0])

    async def _deliver(self, id_: str) -> None:
        """Go on until nothing is to be done, waiting where that is asked for."""
        while True:
            self._woken[id_].clear()
            wait = await self._round(id_)
            if wait is None:
                return
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await self._woken[id_].wait()
                except TimeoutError:
                    pass

    async def _round(self, id_: str) -> float | None:
        """One thing that is to be done; seconds until the next one, None when there is none."""
        kept = await self._run(SYSTEM, tables.one(id_))
        if kept is None or kept.status == "off" or kept.paused:
            return None
        now = datetime.now(UTC)
        if kept.ends is not None and kept.ends <= now:
            await self._set_status(kept, "off", "")
            return None
        if kept.channel == "websocket":  # its clients come and take what waits: see sockets
            if not kept.shaken:
                await self._transact(SYSTEM, lambda: _accept(kept))
            return None
        if kept.next_try is not None and kept.next_try > now:
            return (kept.next_try - now).total_seconds()
        try:
            return await self._send_next(kept, await self._ask(kept))
        except NotDelivered as error:
            return await self._failed(kept, str(error))
        except RecordError:
            return await self._failed(kept, "the subscription can no longer be served as it is")

    async def _ask(self, kept: Kept) -> Wanted:
        """What is asked for, read once for each version of the resource."""
        known = self._asks.get(kept.id)
        if known is None or known[0] != kept.resource:
            known = kept.resource, wanted.read(kept.subscription, await self._run(SYSTEM, topics.known()))
            self._asks[kept.id] = known
        return known[1]

    async def _send_next(self, kept: Kept, ask: Wanted) -> float | None:
        owner = await self._run(SYSTEM, owners.now(kept.asker))
        if owner is None:
            raise NotDelivered("the account of the subscription may see nothing any more")
        if not kept.shaken:
            if ask.topic:
                await self._send(kept, ask, "handshake", ())
            await self._transact(SYSTEM, lambda: _accept(kept))
            return 0
        waiting = await self._run(SYSTEM, tables.events(kept.id, kept.delivered, ask.count))
        if waiting:
            await self._send_events(kept, ask, owner, waiting)
            return 0
        beats = bool(ask.topic and ask.heartbeat)
        if kept.status == "error" and not (beats and kept.tries):
            await self._set_status(kept, "active", "")
            return 0
        if not beats:
            return None
        due = (kept.sent or datetime.now(UTC)) + timedelta(seconds=ask.heartbeat)
        left = 0.0 if kept.tries else (due - datetime.now(UTC)).total_seconds()
        if left <= 0:
            await self._send(kept, ask, "heartbeat", ())
            await self._run(SYSTEM, _done(kept.id, kept.delivered))
        return max(left, 0.0)

    async def _send_events(self, kept: Kept, ask: Wanted, owner: Asker, waiting: Sequence[Event]) -> None:
        told, last = await self._run(owner, seen_by(owner, waiting, ask.context))
        if told and (ask.topic or ask.channel == "email"):
            await self._send(kept, ask, "event-notification", told)
            note(owner, told, ask.content)
        else:
            for one in told:
                await self._send_plain(kept, ask, one)
                note(owner, [one], ask.content)
                await self._run(SYSTEM, _done(kept.id, one.event.number))
        await self._run(SYSTEM, _done(kept.id, last))
        if kept.status != "active":
            await self._set_status(kept, "active", "")

    async def _send(self, kept: Kept, ask: Wanted, kind: str, told: Sequence[Told]) -> None:
        body = notification.bundle(kept, ask, kind, base(), told=told)
        if ask.channel == "email":
            await mail.send(kept.id, kind, len(told), body if ask.content != "empty" else b"", ask)
        else:
            await self._hook.send("POST", ask.endpoint, body, ask, secrets.unseal(kept.headers))

    async def _send_plain(self, kept: Kept, ask: Wanted, told: Told) -> None:
        """R4's own form: the resource is put at the receiver, or the receiver is called with nothing."""
        headers = secrets.unseal(kept.headers)
        if ask.payload and told.seen.body is not None:
            address, _, query = ask.endpoint.partition("?")
            url = f"{address.rstrip('/')}/{told.name}" + (f"?{query}" if query else "")
            await self._hook.send("PUT", url, told.seen.body, ask, headers)
        else:
            await self._hook.send("POST", ask.endpoint, b"", ask, headers)

    async def _failed(self, kept: Kept, error: str) -> float:
        wait = pause(kept.tries)
        rows = await self._run(SYSTEM, _query(_FAILED, wait, error, kept.id))
        if rows and (rows[0][0] >= PATIENCE or not kept.shaken):
            await self._set_status(kept, "error", error)
        return wait

    async def _set_status(self, kept: Kept, status: str, error: str) -> None:
        await self._transact(SYSTEM, lambda: set_status(kept.id, status, error))


def _query(sql: str, *params: object) -> Step[list[Row]]:
    return (yield Query(sql, params))


def _done(id_: str, number: int) -> Step[list[Row]]:
    return _query(_DONE, number, id_)


def _accept(kept: Kept) -> Step[None]:
    yield Query(_SHAKEN, (kept.id,))
    yield from set_status(kept.id, "active", "")


def set_status(id_: str, status: str, error: str) -> Step[None]:
    """Write the status of a subscription, in its resource as well. Needs a transaction."""
    row = yield from locks.lock("Subscription", id_)
    changed = yield Query(_STATUS, (status, error, id_, status, error))
    if not changed or row is None or row[4]:
        return
    resource = r4.decode(bytes(row[5]))
    if isinstance(resource, r4.Subscription):
        resource.status, resource.error = status, error or None
        yield from store.put(owners.HOUSE, resource, upsert=False)


def seen_by(owner: Asker, waiting: Sequence[Event], shapes: Shapes) -> Step[tuple[list[Told], int]]:
    """The events of which the owner may see the version now, as many as fit together; the number of the last one.

    shapes: what comes along with them.
    """
    found = yield from tables.versions([_version(event) for event in waiting])
    told: list[Told] = []
    size, last = 0, 0
    for event in waiting:
        seen = found.get(_version(event))
        size += len(seen.body or b"") if seen else 0
        if told and size > BATCH_BYTES:
            break
        last = event.number
        if seen is None or not owner.may_some("r", event.type):
            continue
        if permits.shows(owner, "r", event.type, seen.patient, seen.body):
            body = (yield from contents.given(seen.body)) if seen.body is not None else None
            beside = yield from _beside(owner, event, seen, shapes)
            size += sum(len(one.body) for one in beside)
            told.append(Told(event, seen._replace(body=body), beside))
    return told, last


def _beside(owner: Asker, event: Event, seen: tables.Seen, shapes: Shapes) -> Step[tuple[Beside, ...]]:
    """What the topic's shape brings along with an event, as far as the owner may see it."""
    if event.type not in shapes or seen.body is None:
        return ()
    row = (event.type, event.id, 0, event.version, seen.updated, seen.patient, seen.body)
    found, _ = yield from bring(owner, shapes[event.type], [row])
    beside = []
    for type_, id_, *_, updated, patient, body in found[:MOST_BESIDE]:
        beside.append(Beside(type_, id_, updated, patient, (yield from contents.given(bytes(body)))))
    return tuple(beside)


def _version(event: Event) -> tables.Name:
    return event.type, event.id, event.version


def note(owner: Asker, told: Sequence[Told], content: str) -> None:
    """Log that the owner has seen these."""
    if content == "empty":
        return
    with audit.one_request():
        for one in told:
            for name in one.names:
                audit.note(owner, "notify", *name)
