"""The websocket of subscriptions at `/fhir/websocket` (R4 subscription.html, 2.46.7.2; backport, channels, Websockets).

A client says `bind ID` (with a Bearer token of the owner) or `bind-with-token TOKEN`, is answered `bound ID`, and told
`ping ID` for R4's own form, or sent notifications as JSON. Each connection takes what waits at its own pace: the next
event is sent when the one before is on its way, so a slow client keeps one notification in memory and delays nobody.
What happened while nobody was bound is sent to the next one that binds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg

from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import RecordError
from tuetinh.record.steps import Query, Step, connected
from tuetinh.record.subscriptions import couriers, notification, owners, tables, tokens, topics, wanted
from tuetinh.record.subscriptions.tables import Kept
from tuetinh.record.subscriptions.wanted import Wanted

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = logging.getLogger(__name__)

PATH = "/fhir/websocket"
MOST = 50  # subscriptions of one connection
LONGEST = 4096  # characters of a message
STUCK = 30.0  # seconds in which a client must take a message
IDLE = 30.0  # seconds in which a client that is bound to nothing must bind
CHECK = 5.0  # seconds after which the rights of the owner are looked at again
_DONE = "UPDATE record.subscription SET delivered = greatest(delivered, %s), sent = now() WHERE id = %s"


class Sockets:
    """The open websockets of one web process."""

    def __init__(
        self,
        url: str,
        run: Callable[[Asker, Step[Any]], Awaitable[Any]],
        authenticate: Callable[[Scope], Awaitable[Asker | None]],
    ) -> None:
        """url: the database. run: drives a step for an asker. authenticate: tells who asks, or None."""
        self._url, self._run, self._authenticate = url, run, authenticate
        self._bound: dict[str, set[_Binding]] = defaultdict(set)
        self._open: set[_Client] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to listen to what is told of subscriptions."""
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Close every websocket (1001: going away)."""
        self._stopping = True
        for client in list(self._open):
            client.leave()
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while True:
            try:
                async with connected(self._url) as conn:
                    await conn.execute(f"LISTEN {tables.TOPIC}")
                    for id_ in list(self._bound):
                        self._wake(id_)
                    async for notice in conn.notifies():
                        self._wake(notice.payload)
            except psycopg.Error as error:
                log.warning("websockets wait for the database: %s", type(error).__name__)
            await asyncio.sleep(1)

    def _wake(self, id_: str) -> None:
        for binding in self._bound.get(id_, ()):
            binding.woken.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket until either side closes it."""
        if (await receive())["type"] != "websocket.connect":
            return
        if self._stopping:
            await send({"type": "websocket.close", "code": 1001})
            return
        # A cookie goes along with what any page opens, so it proves nothing here.
        headers = [pair for pair in scope["headers"] if pair[0].lower() != b"cookie"]
        asker = await self._authenticate({**scope, "headers": headers})
        await send({"type": "websocket.accept"})
        client = _Client(asker, send)
        self._open.add(client)
        try:
            await self._converse(client, receive)
        finally:
            self._open.discard(client)
            await self._part(client)

    async def _converse(self, client: _Client, receive: Receive) -> None:
        leaving = asyncio.create_task(client.leaving.wait())
        try:
            while not client.leaving.is_set():
                hearing = asyncio.ensure_future(_heard(receive))
                done, _ = await asyncio.wait(
                    {hearing, leaving},
                    timeout=None if client.bindings else IDLE,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if hearing not in done:
                    hearing.cancel()
                    await client.close(1001 if client.leaving.is_set() else 1008)
                    return
                text = hearing.result()
                if text is None:
                    return
                await self._hear(client, text)
        except (TimeoutError, OSError, RuntimeError):
            await client.close(1008)
        finally:
            leaving.cancel()

    async def _hear(self, client: _Client, text: str) -> None:
        word, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        if len(text) > LONGEST or word not in ("bind", "bind-with-token") or not rest:
            await client.say("error: say bind ID or bind-with-token TOKEN")
            return
        ids = [rest] if word == "bind" else tokens.read(rest)
        if not ids:
            await client.say("error: the token is not known, or too old")
        for id_ in ids:
            kept = await self._run(SYSTEM, tables.one(id_))
            if kept is None or kept.channel != "websocket" or kept.status == "off" or not _may(client, kept, word):
                await client.say(f"error: {id_[:64]} cannot be bound")
            elif len(client.bindings) >= MOST:
                await client.say(f"error: more than {MOST} subscriptions cannot be bound")
            elif id_ not in client.bindings:
                await self._bind(client, kept)

    async def _bind(self, client: _Client, kept: Kept) -> None:
        try:
            ask = wanted.read(kept.subscription, await self._run(SYSTEM, topics.known()))
        except RecordError:
            await client.say(f"error: {kept.id} cannot be bound")
            return
        binding = _Binding(kept.id, ask, kept.delivered)
        client.bindings[kept.id] = binding
        self._bound[kept.id].add(binding)
        if ask.topic:
            await client.say(notification.bundle(kept, ask, "handshake", couriers.base()).decode())
        else:
            await client.say(f"bound {kept.id}")
        binding.task = asyncio.create_task(self._tell(client, binding))

    async def _part(self, client: _Client) -> None:
        for binding in client.bindings.values():
            self._bound[binding.id].discard(binding)
            if not self._bound[binding.id]:
                del self._bound[binding.id]
            if binding.task:
                binding.task.cancel()
        await asyncio.gather(*(b.task for b in client.bindings.values() if b.task), return_exceptions=True)

    async def _tell(self, client: _Client, binding: _Binding) -> None:
        """Tell a client of one subscription what waits and what comes, until it ends."""
        try:
            while await self._tell_next(client, binding):
                pass
        except (TimeoutError, OSError, RuntimeError):  # it takes nothing any more, or is gone
            client.leave()
        except psycopg.Error as error:
            log.warning("a websocket is closed: %s", type(error).__name__)
            client.leave()

    async def _tell_next(self, client: _Client, binding: _Binding) -> bool:
        binding.woken.clear()
        kept: Kept | None = await self._run(SYSTEM, tables.one(binding.id))
        over = kept is not None and kept.ends is not None and kept.ends <= datetime.now(UTC)
        owner = await self._run(SYSTEM, owners.now(kept.asker)) if kept and kept.status != "off" and not over else None
        if kept is None or owner is None:
            await client.say(f"error: {binding.id} has ended")
            client.leave()
            return False
        waiting = []
        if not kept.paused:
            waiting = await self._run(SYSTEM, tables.events(kept.id, binding.at, binding.ask.count))
        if not waiting:
            await self._wait(client, binding, kept)
            return True
        told, last = await self._run(owner, couriers.seen_by(owner, waiting, binding.ask.context))
        if told and binding.ask.topic:
            body = notification.bundle(kept, binding.ask, "event-notification", couriers.base(), told=told)
            await client.say(body.decode())
            couriers.note(owner, told, binding.ask.content)
        elif told:
            await client.say(f"ping {kept.id}")
        binding.at, binding.sent = last, datetime.now(UTC)
        await self._run(SYSTEM, _done(kept.id, last))
        return True

    @staticmethod
    async def _wait(client: _Client, binding: _Binding, kept: Kept) -> None:
        beat = binding.ask.heartbeat if binding.ask.topic else 0
        try:
            async with asyncio.timeout(min(beat, CHECK) if beat else CHECK):
                await binding.woken.wait()
        except TimeoutError:
            if beat and (datetime.now(UTC) - binding.sent).total_seconds() >= beat:
                await client.say(notification.bundle(kept, binding.ask, "heartbeat", couriers.base()).decode())
                binding.sent = datetime.now(UTC)


class _Binding:
    """A subscription of which a client is told. at: number of the last event that it was told."""

    def __init__(self, id_: str, ask: Wanted, at: int) -> None:
        self.id, self.ask, self.at = id_, ask, at
        self.sent = datetime.now(UTC)
        self.woken = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class _Client:
    """One websocket. Messages of several subscriptions go out one after the other."""

    def __init__(self, asker: Asker | None, send: Send) -> None:
        self.asker, self._send = asker, send
        self.bindings: dict[str, _Binding] = {}
        self.leaving = asyncio.Event()
        self._turn = asyncio.Lock()

    async def say(self, text: str) -> None:
        """Send a message. Raises TimeoutError when the client does not take it in time."""
        async with self._turn, asyncio.timeout(STUCK):
            await self._send({"type": "websocket.send", "text": text})

    def leave(self) -> None:
        """Let the conversation end."""
        self.leaving.set()

    async def close(self, code: int) -> None:
        """Close from our side."""
        with contextlib.suppress(TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(1):
                await self._send({"type": "websocket.close", "code": code})


async def _heard(receive: Receive) -> str | None:
    """What the client says; None when it has left."""
    message = await receive()
    if message["type"] != "websocket.receive":
        return None
    text = message.get("text")
    return text if isinstance(text, str) else ""


def _may(client: _Client, kept: Kept, word: str) -> bool:
    """Whether a client may bind: by a token of the owner's, or as the owner itself."""
    return word == "bind-with-token" or (client.asker is not None and owners.same(client.asker, kept.asker))


def _done(id_: str, number: int) -> Step[None]:
    yield Query(_DONE, (number, id_))
