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
SMALL = 32 * 1024  # bytes
Answers = list[bytes | None]


class Intake:
    """Keeps arrivals on one thread, in the order in which they came."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._waiting: list[tuple[Sequence[Arrival | Item], asyncio.Future[Answers]]] = []
        self._working: asyncio.Task[None] | None = None

    async def keep(self, arrivals: Sequence[Arrival]) -> Answers:
        """Keep arrivals of one line and return their answers, after the commit. Raises what hindered it."""
        if not arrivals:
            return []
        done: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.append(([_opened(one) for one in arrivals], done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await done

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
                answers = iter(await self.run(lambda b=batch: _take([a for part, _ in b for a in part])))  # type: ignore[misc]
                told = [[next(answers) for _ in part] for part, _ in batch]
            except Exception as error:  # each line tells its machine that nothing was kept
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
            else:
                for (_, done), mine in zip(batch, told, strict=True):
                    if not done.done():
                        done.set_result(mine)

    async def close(self) -> None:
        """Finish what is in hand and close the database connection."""
        if self._working:
            await asyncio.wait({self._working}, timeout=4)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown(wait=False)


def _opened(arrival: Arrival) -> Arrival | Item:
    """A small message is read while the thread waits for the database; a large one would keep all lines waiting."""
    from tuetinh.care.lab.machines import inbox

    return arrival if len(arrival.raw) > SMALL else inbox.opened(arrival)


def _take(arrivals: list[Arrival | Item]) -> Answers:
    from tuetinh.care.lab.machines import inbox  # models, which are ready when the first message comes

    return inbox.take_many(arrivals)


def _with_connection(do: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return do()
    finally:
        close_old_connections()
