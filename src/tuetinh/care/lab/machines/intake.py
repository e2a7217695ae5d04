"""Where the lines of all machines meet: what arrives together is kept in one transaction, and answered after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from django.db import close_old_connections, connections

from tuetinh.care.lab.machines.reading import Arrival

if TYPE_CHECKING:
    from tuetinh.care.lab.machines.inbox import Item

T = TypeVar("T")
MOST = 64  # messages in one transaction


class Intake:
    """Reads arrivals on one thread and keeps them on another, in the order in which they came."""

    def __init__(self) -> None:
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._waiting: list[tuple[list[Item], asyncio.Future[None]]] = []
        self._working: asyncio.Task[None] | None = None

    async def keep(self, arrivals: Sequence[Arrival]) -> list[Item]:
        """Keep arrivals of one line; what was read of each, with its answer, after the commit. Raises what hindered it.

        They are read while the database works on those before.
        """
        if not arrivals:
            return []
        loop = asyncio.get_running_loop()
        items = await loop.run_in_executor(self._reader, _read, arrivals)
        done = loop.create_future()
        self._waiting.append((items, done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        await done
        return items

    async def run(self, do: Callable[[], T]) -> T:
        """Do something with the database on the same thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _with_connection, do)

    async def _work(self) -> None:
        while self._waiting:
            batch, count = [], 0
            while self._waiting and (not batch or count + len(self._waiting[0][0]) <= MOST):
                batch.append(self._waiting.pop(0))
                count += len(batch[-1][0])
            try:
                await self.run(lambda b=batch: _take([item for items, _ in b for item in items]))  # type: ignore[misc]
            except Exception as error:  # each line tells its machine that nothing was kept
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
            else:
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)

    async def close(self) -> None:
        """Finish what is in hand, also what is being read, and close the database connection."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reader, lambda: None)
        await asyncio.sleep(0)  # in which what was read last is handed on
        if self._working:
            await asyncio.wait({self._working}, timeout=4)
        self._reader.shutdown(wait=False)
        await loop.run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown(wait=False)


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
