"""Looking together: who takes part in an open question shows the others, by a websocket, what they look at and where.

A page says what it looks at as a JSON object; the others are told it, with the name of whoever looks. Between the
processes of a node it goes by the database. Nothing of it is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from tuetinh.care.imaging.models import Opinion
from tuetinh.care.imaging.remote.opinions import takes_part
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import Query, Row, Step, connected

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = logging.getLogger(__name__)

PATH: Final = re.compile(r"/imaging/live/([0-9]{1,18})")
TOPIC: Final = "tuetinh_imaging_live"
LONGEST: Final = 1500  # characters of a message; a notice of the database has 8000 bytes
CHECK: Final = 5.0  # seconds after which it is asked again who may take part
STUCK: Final = 10.0  # seconds in which a page must take a message
_OPEN: Final = """
SELECT o.facility, o.to_facility, o.to_account, o.asked_by, coalesce(nullif(a.full_name, ''), a.username)
FROM imaging_opinion o LEFT JOIN access_account a ON a.id::text = %s WHERE o.id = %s AND o.closed_at IS NULL"""


class Together:
    """The open websockets of one web process."""

    def __init__(
        self,
        url: str,
        run: Callable[[Asker, Step[Any]], Awaitable[Any]],
        authenticate: Callable[[Scope], Awaitable[Asker | None]],
    ) -> None:
        """url: the database. run: drives a step for an asker. authenticate: tells who asks, or None."""
        self._url, self._run, self._authenticate = url, run, authenticate
        self._rooms: dict[int, set[_Page]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def stop(self) -> None:
        """Close every websocket (1001: going away)."""
        self._stopping = True
        for page in [page for room in self._rooms.values() for page in room]:
            page.leaving.set()
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket until either side closes it."""
        if (await receive())["type"] != "websocket.connect":
            return
        match = PATH.fullmatch(scope["path"])
        room = int(match[1]) if match else 0
        name = await self._may(scope, room) if _is_ours(scope) and not self._stopping else ""
        if not name:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        page = _Page(name, send)
        self._rooms[room].add(page)
        watching = asyncio.create_task(self._watch(scope, room, page))
        try:
            await self._converse(room, page, receive)
        finally:
            watching.cancel()
            self._rooms[room].discard(page)
            if not self._rooms[room]:
                del self._rooms[room]

    async def _may(self, scope: Scope, room: int) -> str:
        """The name of whoever may take part in a question that is open, else ""."""
        asker = await self._authenticate(scope)
        if asker is None or asker.client or not asker.facility:
            return ""

        def step() -> Step[list[Row]]:
            return (yield Query(_OPEN, (asker.account, room)))

        rows = await self._run(SYSTEM, step())
        sides = ("facility", "to_facility", "to_account", "asked_by")
        named = (str(name) for *told, name in rows if takes_part(asker, Opinion(**dict(zip(sides, told, strict=True)))))
        return next(named, "")

    async def _watch(self, scope: Scope, room: int, page: _Page) -> None:
        """Part with a page once its question is closed, or its session is."""
        while True:
            await asyncio.sleep(CHECK)
            with contextlib.suppress(psycopg.Error):
                if not await self._may(scope, room):
                    page.leaving.set()
                    return

    async def _converse(self, room: int, page: _Page, receive: Receive) -> None:
        leaving = asyncio.create_task(page.leaving.wait())
        try:
            while True:
                hearing = asyncio.ensure_future(_heard(receive))
                done, _ = await asyncio.wait({hearing, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if hearing not in done:
                    hearing.cancel()
                    await page.close(1001 if self._stopping else 1008)
                    return
                text = hearing.result()
                if text is None:
                    return
                if (told := _state(text)) is None:
                    await page.close(1003)
                    return
                await self._tell(room, page, told)
        except (TimeoutError, OSError, RuntimeError):  # it takes nothing any more, or is gone
            return
        finally:
            leaving.cancel()

    async def _tell(self, room: int, page: _Page, state: dict[str, Any]) -> None:
        payload = json.dumps({"room": room, "id": page.id, "who": page.name, "state": state}, ensure_ascii=False)

        def step() -> Step[list[Row]]:
            return (yield Query("SELECT pg_notify(%s, %s)", (TOPIC, payload)))

        await self._run(SYSTEM, step())

    async def _listen(self) -> None:
        """Pass on what the pages of every process say, for as long as there are any here."""
        while self._rooms:
            try:
                async with connected(self._url) as conn:
                    await conn.execute(f"LISTEN {TOPIC}")
                    while self._rooms:
                        async for notice in conn.notifies(timeout=CHECK):
                            await self._pass_on(notice.payload)
            except psycopg.Error as error:
                log.warning("looking together waits for the database: %s", type(error).__name__)
                await asyncio.sleep(1)

    async def _pass_on(self, payload: str) -> None:
        told = json.loads(payload)
        text = json.dumps({"id": told["id"], "who": told["who"], "state": told["state"]}, ensure_ascii=False)
        others = [page for page in self._rooms.get(told["room"], ()) if page.id != told["id"]]
        await asyncio.gather(*(page.say(text) for page in others))


class _Page:
    """One websocket."""

    def __init__(self, name: str, send: Send) -> None:
        self.id, self.name, self._send = uuid4().hex, name, send
        self.leaving = asyncio.Event()

    async def say(self, text: str) -> None:
        """Send a message; a page that does not take it in time is parted with."""
        try:
            async with asyncio.timeout(STUCK):
                await self._send({"type": "websocket.send", "text": text})
        except (TimeoutError, OSError, RuntimeError):
            self.leaving.set()

    async def close(self, code: int) -> None:
        """Close from our side."""
        with contextlib.suppress(TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(1):
                await self._send({"type": "websocket.close", "code": code})


def _is_ours(scope: Scope) -> bool:
    """Whether a page of ours opens it: the browser sends the cookie along with what any page opens."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return bool(origin := headers.get(b"origin")) and urlsplit(origin).netloc == headers.get(b"host")


async def _heard(receive: Receive) -> str | None:
    """What the page says; None when it has left."""
    message = await receive()
    if message["type"] != "websocket.receive":
        return None
    text = message.get("text")
    return text if isinstance(text, str) else ""


def _state(text: str) -> dict[str, Any] | None:
    """What a page looks at; None for what is no JSON object, or too long."""
    if len(text) > LONGEST:
        return None
    try:
        told = json.loads(text)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
