"""Threads that work with the database for those who must not wait or must not be many: listeners and event loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Final, TypeVar

from django.db import close_old_connections, connection, connections

T = TypeVar("T")
LEAVE_SECONDS = 3.0
BELIEVED: Final = 1.0  # seconds after which a connection is asked again whether it is there


class Workers:
    """A few threads, each with its own connection of Django's."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=name)

    def submit(self, do: Callable[..., T], *arguments: object) -> Future[T]:
        """Let it be done, by and by."""
        return self._threads.submit(_with_connection, do, *arguments)

    def run(self, do: Callable[..., T], *arguments: object) -> T:
        """Wait until it is done; returns and raises what it does."""
        return self.submit(do, *arguments).result()

    async def arun(self, do: Callable[..., T], *arguments: object) -> T:
        """The same from an event loop."""
        return await asyncio.wrap_future(self.submit(do, *arguments))

    def close(self) -> None:
        """Finish what is in hand and leave the database: every thread closes its own connection."""
        together = threading.Barrier(self._count)

        def leave() -> None:
            try:
                together.wait(LEAVE_SECONDS)  # so that no thread takes two of these
            except threading.BrokenBarrierError:
                pass
            finally:
                connections.close_all()

        for _ in range(self._count):
            self._threads.submit(leave)
        self._threads.shutdown(wait=True)


class _Looked(threading.local):
    """When a thread last looked at its connection."""

    at = 0.0


_looked = _Looked()


def _with_connection(do: Callable[..., T], *arguments: object) -> T:
    """Do it with a connection that is there, as far as can be known without asking it for each piece of work."""
    raw, now = connection.connection, monotonic()
    if raw is None or raw.closed or now - _looked.at >= BELIEVED:
        close_old_connections()
        connection.close_if_health_check_failed()
        _looked.at = now
    return do(*arguments)
