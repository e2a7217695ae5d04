"""Where the lines of all machines meet: what arrives together is kept in one transaction, and answered after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from django.db import close_old_connections, connections

from tuetinh.care.lab.machines.reading import Arrival

if TYPE_CHECKING:
    from tuetinh.care.lab.machines.inbox import Item

T = TypeVar("T")
MOST = 64  # messages in one transaction
WRITERS = 2  # batches at work at once: one is thought about while the database works on the other


class Intake:
    """Reads arrivals on one thread and keeps them on others, in the order in which they came of each line."""

    def __init__(self) -> None:
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._idle = [ThreadPoolExecutor(1, thread_name_prefix="intake") for _ in range(WRITERS)]
        self._writers = tuple(self._idle)
        self._unread: list[tuple[Sequence[Arrival], asyncio.Future[list[Item]]]] = []
        self._waiting: list[tuple[list[Item], asyncio.Future[list[Item]]]] = []
        self._reading: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[None]] = set()

    async def keep(self, arrivals: Sequence[Arrival]) -> list[Item]:
        """Keep arrivals of one line; what was read of each, with its answer, after the commit. Raises what hindered it.

        They are read while the database works on those before.
        """
        if not arrivals:
            return []
        done: asyncio.Future[list[Item]] = asyncio.get_running_loop().create_future()
        self._unread.append((arrivals, done))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return await done

    async def _read(self) -> None:
        """Have read what came while what came before was read."""
        loop = asyncio.get_running_loop()
        while self._unread:
            some, self._unread = self._unread, []
            try:
                read = await loop.run_in_executor(self._reader, _read_all, [arrivals for arrivals, _ in some])
            except Exception as error:
                _fail((done for _, done in some), error)
            else:
                self._waiting += [(items, done) for items, (_, done) in zip(read, some, strict=True)]
                self._begin()

    async def run(self, do: Callable[[], T]) -> T:
        """Do something with the database on a thread of theirs."""
        if not self._idle:
            return await self._on(self._writers[0], do)
        writer = self._idle.pop()
        try:
            return await self._on(writer, do)
        finally:
            self._idle.append(writer)
            self._begin()

    def _begin(self) -> None:
        """Have a thread that is idle take up what waits."""
        if self._waiting and self._idle:
            task = asyncio.create_task(self._work(self._idle.pop()))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _on(self, writer: ThreadPoolExecutor, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(writer, _with_connection, do)

    async def _work(self, writer: ThreadPoolExecutor) -> None:
        while self._waiting:
            batch, count = [], 0
            while self._waiting and (not batch or count + len(self._waiting[0][0]) <= MOST):
                batch.append(self._waiting.pop(0))
                count += len(batch[-1][0])
            try:
                await self._on(writer, lambda b=batch: _take([item for items, _ in b for item in items]))  # type: ignore[misc]
            except Exception as error:
                _fail((done for _, done in batch), error)
            else:
                for items, done in batch:
                    if not done.done():
                        done.set_result(items)
        self._idle.append(writer)

    async def close(self) -> None:
        """Finish what is in hand, also what is being read, and close the database connections."""
        loop = asyncio.get_running_loop()
        if self._reading:
            await asyncio.wait({self._reading}, timeout=4)
        if self._working:
            await asyncio.wait(self._working, timeout=4)
        self._reader.shutdown(wait=False)
        for writer in self._writers:
            await loop.run_in_executor(writer, connections.close_all)
            writer.shutdown(wait=False)


def _fail(waiting: Iterable[asyncio.Future[list[Item]]], error: Exception) -> None:
    """Let each line tell its machine that nothing was kept."""
    for done in waiting:
        if not done.done():
            done.set_exception(error)


def _read_all(arrivals: Sequence[Sequence[Arrival]]) -> list[list[Item]]:
    return [_read(some) for some in arrivals]


def _read(arrivals: Sequence[Arrival]) -> list[Item]:
    """What a line of its own brought is left to be read as its machine writes, which the database knows."""
    from tuetinh.care.lab.machines import analysers, inbox  # models, which are ready when the first message comes

    items = [inbox.Item(arrival) for arrival in arrivals]
    for item in items:
        if not analysers.is_line(item.arrival.peer):
            item.read()
    return items


def _take(items: list[Item]) -> None:
    from tuetinh.care.lab.machines import inbox

    inbox.take_many(items)


def _with_connection(do: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return do()
    finally:
        close_old_connections()
