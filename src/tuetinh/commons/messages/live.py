"""The `/events` door: one LISTEN connection a process, fanned out to the pages that are open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

import psycopg

from tuetinh.commons.messages.channels import PUBLIC
from tuetinh.record.asker import Asker
from tuetinh.record.steps import connected

TOPIC = "tuetinh_live"
HEARTBEAT_SECONDS = 15
CHECK_SECONDS = 60  # after which it is asked again whether a page may follow

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

log = logging.getLogger(__name__)


class Live:
    """Listens to PostgreSQL and wakes the pages that follow a channel."""

    def __init__(
        self,
        url: str,
        authenticate: Callable[[Scope], Awaitable[Asker | None]],
        may_follow: Callable[[Asker, str], Awaitable[bool]],
        heard: Mapping[str, Callable[[], None]] = MappingProxyType({}),
    ) -> None:
        """url: the database. authenticate: tells who asks, or None. may_follow: whether they may a channel.

        heard: by other topics of the database what is called in this process at each notice, and when some may have
        been missed.
        """
        self._url, self._heard = url, heard
        self._authenticate, self._may_follow = authenticate, may_follow
        self._followers: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """End every open stream and stop listening."""
        self._stopping.set()
        for queues in list(self._followers.values()):
            for queue in queues:
                queue.put_nowait("")
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        """Follow the topic for ever; after a lost connection every page is told to look again."""
        pause = 0.2
        while True:
            try:
                async with connected(self._url) as conn:
                    for topic in (TOPIC, *self._heard):
                        await conn.execute(f"LISTEN {topic}")
                    for tell in self._heard.values():
                        tell()
                    for channel in list(self._followers):
                        self._wake(channel)
                    pause = 0.2
                    async for notice in conn.notifies():
                        if notice.channel == TOPIC:
                            self._wake(notice.payload)
                        else:
                            self._heard[notice.channel]()
            except psycopg.Error as error:
                log.warning("live updates wait for the database: %s", type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5)

    def _wake(self, channel: str) -> None:
        for queue in self._followers.get(channel, ()):
            if queue.empty():
                queue.put_nowait(channel)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `GET /events?channel=…` with a stream of `changed` events of what the asker may follow."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        channels = [c for c in query.get("channel", []) if c][:10]
        if not channels:
            await _refuse(send, 400)
            return
        refused, channels = await self._allowed(scope, channels)
        if refused:
            await _refuse(send, refused)
            return
        queue: asyncio.Queue[str] = asyncio.Queue()
        for channel in channels:
            self._followers[channel].add(queue)
        gone = asyncio.create_task(_disconnected(receive))
        try:
            headers = [
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
            await self._stream(queue, gone, send, lambda: self._still(scope, channels))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            for channel in channels:
                self._followers[channel].discard(queue)
                if not self._followers[channel]:
                    del self._followers[channel]

    async def _allowed(self, scope: Scope, channels: list[str]) -> tuple[int, list[str]]:
        """The status that refuses, or 0, and those of the channels that whoever asks may follow."""
        if all(c.startswith(PUBLIC) for c in channels):
            return 0, channels
        asker = await self._authenticate(scope)
        if asker is None:
            return 401, []
        allowed = [c for c in channels if c.startswith(PUBLIC) or await self._may_follow(asker, c)]
        return (0, allowed) if allowed else (403, [])

    async def _still(self, scope: Scope, channels: list[str]) -> bool:
        """Whether all of them may still be followed; while nobody can tell, what was so counts."""
        with contextlib.suppress(psycopg.Error):
            return await self._allowed(scope, channels) == (0, channels)
        return True

    async def _stream(
        self, queue: asyncio.Queue[str], gone: asyncio.Task[None], send: Send, still: Callable[[], Awaitable[bool]]
    ) -> None:
        asked = time.monotonic()
        while not gone.done() and not self._stopping.is_set():
            if time.monotonic() - asked >= CHECK_SECONDS:
                asked = time.monotonic()
                if not await still():  # the page asks again, and is refused
                    return
            waiting = asyncio.create_task(queue.get())
            done, _ = await asyncio.wait(
                {waiting, gone}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if waiting not in done:
                waiting.cancel()
            if gone in done or self._stopping.is_set():
                return
            body = f"event: changed\ndata: {waiting.result()}\n\n" if waiting in done else ": still here\n\n"
            await send({"type": "http.response.body", "body": body.encode(), "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
