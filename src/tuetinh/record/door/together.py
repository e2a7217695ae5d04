"""Creates that arrive at the same moment are stored by one transaction: one statement, one wait for the disk.

Whoever comes while no batch can be started waits for the next one. When a batch is refused, each of its resources is
tried alone, so that nobody suffers for another's fault; when the connection broke, nobody knows what is stored, and to
try again might store it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg

from tuetinh.record import origin, permits, r4
from tuetinh.record.asker import Asker
from tuetinh.record.origin import Origin
from tuetinh.record.versioning import Stored

AT_ONCE = 2
MOST = 50
LOST = ("08", "53", "57P")  # classes of SQLSTATE: connection, resources, shutdown

Waiting = tuple[r4.Resource, "asyncio.Future[Stored]"]


class Together:
    """Gathers the creates of one door."""

    def __init__(self, write: Callable[[Asker, list[r4.Resource]], Awaitable[list[Stored]]]) -> None:
        """write: stores resources in one transaction."""
        self._write = write
        self._waiting: dict[tuple[Asker, str, str], list[Waiting]] = {}  # by who asks, from where and with what
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def create(self, asker: Asker, resource: r4.Resource) -> Stored:
        """Store one resource; raises what the record refuses."""
        permits.allow(asker, "c", resource.resourceType)
        future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        here = origin.current.get()
        key = (asker, here.address, here.agent)
        self._waiting.setdefault(key, []).append((resource, future))
        self._start()
        return await future

    def _start(self) -> None:
        while self._waiting and self._running < AT_ONCE:
            key = next(iter(self._waiting))
            queue = self._waiting.pop(key)
            batch, rest = queue[:MOST], queue[MOST:]
            if rest:
                self._waiting[key] = rest
            self._running += 1
            task = asyncio.create_task(self._store_from(*key, batch))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._running -= 1
        self._start()

    async def _store_from(self, asker: Asker, address: str, agent: str, batch: list[Waiting]) -> None:
        origin.current.set(Origin(address, agent))  # of this task; it was begun by a request, perhaps of somebody else
        await self._store(asker, batch)

    async def _store(self, asker: Asker, batch: list[Waiting]) -> None:
        try:
            stored = await self._write(asker, [resource for resource, _ in batch])
        except Exception as error:  # each waiting request gets it, or tries alone
            if len(batch) == 1 or _lost(error):
                for _, future in batch:
                    _refuse(future, error)
                return
            for one in batch:
                one[0].id = None
                await self._store(asker, [one])
            return
        for (_, future), one_stored in zip(batch, stored, strict=True):
            if not future.done():
                future.set_result(one_stored)


def _refuse(future: asyncio.Future[Stored], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _lost(error: Exception) -> bool:
    """Whether the database went away, so that the fault is no resource's."""
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None or error.sqlstate.startswith(LOST)
    return isinstance(error, (psycopg.InterfaceError, OSError))
