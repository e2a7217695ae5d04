"""Fair shares of what costs much: nobody's searches or large bodies may leave nothing for others.

A request that may be costly holds a turn while it works. There are so many turns, and one account has at most a part
of them; whoever waits is let in account by account. Where others have waited for a while, the request that has worked
longest is stopped, of the account that holds most: on a node with time to spare a long search may go on, on a busy one
it may not.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tuetinh.record.errors import Issue, TooMany, Unavailable

RELIEF_SECONDS = 1.0  # that somebody waits before another is stopped
PATIENCE_SECONDS = 5.0  # that a request has in any case
WAIT_SECONDS = 20.0
MOST_WAITING = 200  # of one account


class _Turn:
    """A turn that is held: since when, and how it is ended."""

    __slots__ = ("account", "limit", "since")

    def __init__(self, account: str, since: float, limit: asyncio.Timeout | None) -> None:
        self.account, self.since, self.limit = account, since, limit


class Shares:
    """`total` turns, at most `each` of one account."""

    def __init__(self, total: int, each: int) -> None:
        self.total, self.each = total, each
        self._held: list[_Turn] = []
        self._count: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, account: str, *, stoppable: bool = False) -> AsyncIterator[None]:
        """Hold a turn. Raises TooMany when the account asks for too much at once, Unavailable when it is stopped.

        stoppable: it only reads, so it may be ended in the middle.
        """
        await self._get(account)
        turn = _Turn(account, asyncio.get_running_loop().time(), None)
        self._held.append(turn)
        try:
            async with asyncio.timeout(None) as limit:
                turn.limit = limit if stoppable else None
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            text = "the request took too long while others waited; ask for less at once"
            raise Unavailable(issues=[Issue("error", "too-costly", text)]) from error
        finally:
            self._held.remove(turn)
            self._give(account)

    def end(self, seconds: float) -> None:
        """Stop what only reads after so many seconds: the process is about to leave."""
        until = asyncio.get_running_loop().time() + seconds
        for turn in self._held:
            if turn.limit:
                turn.limit.reschedule(until)
                turn.limit = None

    def _free(self, account: str) -> bool:
        return self._count.total() < self.total and self._count[account] < self.each

    async def _get(self, account: str) -> None:
        if self._free(account) and account not in self._waiting:
            self._count[account] += 1
            return
        queue = self._waiting.setdefault(account, deque())
        if len(queue) >= MOST_WAITING:
            raise _too_many()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not place.done():
                    await asyncio.wait([place], timeout=RELIEF_SECONDS)
                    if not place.done() and self._count[account] < self.each:
                        self._relieve()
        except BaseException as error:
            if place.done():
                self._give(account)
            else:
                self._forget(account, place)
            if isinstance(error, TimeoutError):
                raise _too_many() from error
            raise

    def _give(self, account: str) -> None:
        """Take a turn back and let in who waits, one account after the other."""
        self._count[account] -= 1
        if not self._count[account]:
            del self._count[account]
        for waiting in [name for name in self._waiting if self._free(name)]:
            if self._free(waiting):
                place = self._waiting[waiting].popleft()
                self._count[waiting] += 1
                place.set_result(None)
                if rest := self._waiting.pop(waiting):
                    self._waiting[waiting] = rest  # behind the others

    def _forget(self, account: str, place: asyncio.Future[None]) -> None:
        self._waiting[account].remove(place)
        if not self._waiting[account]:
            del self._waiting[account]

    def _relieve(self) -> None:
        """Stop the request that has worked longest, of the account that holds most turns."""
        now = asyncio.get_running_loop().time()
        long = [turn for turn in self._held if turn.limit and now - turn.since > PATIENCE_SECONDS]
        if long:
            worst = min(long, key=lambda turn: (-self._count[turn.account], turn.since))
            if worst.limit:
                worst.limit.reschedule(now)
                worst.limit = None


def _too_many() -> TooMany:
    return TooMany("this account asks for too much at once; wait for answers before asking further")
