"""The one web application of a node: lean handlers for machines, Django for pages."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

import orjson
import psycopg
from a2wsgi import WSGIMiddleware
from psycopg_pool import AsyncConnectionPool

from tuetinh.node import interfaces
from tuetinh.node.backup import service as backups
from tuetinh.node.serve import PRESENCE, ROLES
from tuetinh.record.subscriptions.sockets import PATH

if TYPE_CHECKING:
    from tuetinh.care.imaging.dicomweb.door import DicomDoor

Scope = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]

PAGE_THREADS = 8
POOL_SIZE = 16
BODY_SECONDS = 60
BODY_LIMIT = 32 * 1024 * 1024
LIMITS = "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
LISTENERS = tuple(role for role in ROLES if role not in ("web", "worker"))
HEALTH_SECONDS = 1.0  # for which the roles that were found living are believed
LIVING = f"""SELECT DISTINCT unnest(string_to_array(application_name, ' ')) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE '{PRESENCE}%'"""

LEAN: Final = {
    "_smart": re.compile(r"/fhir/\.well-known/smart-configuration"),  # SMART App Launch 2: below the FHIR base
    "_fhir": re.compile("/fhir(?:/.*)?"),
    "_pictures": re.compile("/dicom-web/.*"),
    "_events": re.compile("/events"),
    "_health": re.compile("/healthz"),
}
"""The handlers of `Application` that answer without Django, by the paths that they answer; the first counts."""
SOCKETS: Final = {
    "_subscriptions": re.compile(PATH),
    "_together": re.compile("/imaging/live/.*"),
    "_workitems": re.compile("/dicom-web/.*"),
}
"""The same for websockets; any other is closed."""

log = logging.getLogger(__name__)


class Application:
    """ASGI application of a node: `/fhir`, `/dicom-web`, `/events`, `/healthz` by lean handlers, all else by Django."""

    def __init__(self, roles: frozenset[str]) -> None:
        """roles: what this process does, told at `/healthz`."""
        from django.conf import settings
        from django.core.wsgi import get_wsgi_application

        interfaces.describe()
        self.roles = roles
        self._data = Path(settings.DATA)
        self._living: frozenset[str] = frozenset()
        self._looked = -HEALTH_SECONDS
        wsgi = WSGIMiddleware(cast(Any, get_wsgi_application()), workers=PAGE_THREADS)
        self._executor = wsgi.executor
        self._pages: App = cast(App, wsgi)

    async def startup(self) -> None:
        """Open the connections; needs a running event loop."""
        from tuetinh.care.imaging.api import Together
        from tuetinh.commons.access import api as access
        from tuetinh.commons.messages import channels
        from tuetinh.commons.messages.live import Live
        from tuetinh.record.door import Door
        from tuetinh.record.subscriptions.sockets import Sockets

        url = os.environ["TUETINH_DATABASE_URL"]
        self.pool: AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            url,
            min_size=2,
            max_size=POOL_SIZE,
            open=False,
            kwargs={"autocommit": True, "prepare_threshold": 1, "options": LIMITS},
        )
        await self.pool.open()

        async def authenticate(scope: Scope) -> Any:
            return await access.authenticate(scope, self.pool)

        async def may_follow(asker: Any, channel: str) -> bool:
            return await self.door.run(asker, channels.may_follow(asker, channel))

        self.live = Live(url, authenticate, may_follow, {access.TOPIC: self._forget})
        self._open = access.AppOrigins(self._answer, self.pool)
        self.live.start()
        self.door = Door(self.pool, authenticate)
        await self.door.startup()
        self._authenticate = authenticate
        self.pictures: DicomDoor | None = None
        self.sockets = Sockets(url, self.door.run, authenticate)
        self.sockets.start()
        self.together = Together(url, self.door.run, authenticate)

    def _forget(self) -> None:
        """Ask anew who may what: something of it was changed, here or by another process."""
        from tuetinh.commons.access import api as access

        access.forget()
        self._open.forget()

    async def end_streams(self) -> None:
        """End what stays open, the events of pages and all websockets, and soon what takes long."""
        self.door.leave()
        if self.pictures:
            self.pictures.leave()
        await asyncio.gather(self.live.stop(), self.sockets.stop(), self.together.stop())

    async def shutdown(self) -> None:
        """Finish what is in flight and close the connections."""
        await self.end_streams()
        await self.door.shutdown()
        if self.pictures:
            await self.pictures.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        await self.pool.close(timeout=1)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Send the request to the handler that its path names."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        await self._open(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Any, send: Any) -> None:
        if name := _named(SOCKETS, scope["path"]):
            await getattr(self, name)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Any, send: Any) -> None:
        if name := _named(LEAN, scope["path"]):
            await getattr(self, name)(scope, receive, send)
            return
        if not scope["query_string"].isascii():
            scope["query_string"] = quote(scope["query_string"], safe="=&%+;/?:@!$'()*,-._~").encode()
        await self._page(scope, receive, send)

    async def _smart(self, scope: Scope, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix("/fhir")
        await self._page({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    async def _fhir(self, scope: Scope, receive: Any, send: Any) -> None:
        await self.door(scope, receive, send)

    async def _events(self, scope: Scope, receive: Any, send: Any) -> None:
        await self.live(scope, receive, send)

    async def _pictures(self, scope: Scope, receive: Any, send: Any) -> None:
        await (await self._dicom_web())(scope, receive, send)

    async def _subscriptions(self, scope: Scope, receive: Any, send: Any) -> None:
        await self.sockets(scope, receive, send)

    async def _together(self, scope: Scope, receive: Any, send: Any) -> None:
        await self.together(scope, receive, send)

    async def _workitems(self, scope: Scope, receive: Any, send: Any) -> None:
        await (await self._dicom_web()).events(scope, receive, send)

    async def _dicom_web(self) -> DicomDoor:
        """The door to pictures. What reads and draws them takes much memory, and is loaded when first asked for."""
        if self.pictures is None:
            door = await asyncio.to_thread(import_module, "tuetinh.care.imaging.dicomweb.door")
            self.pictures = self.pictures or door.DicomDoor(self.pool, self._authenticate)
        return self.pictures

    async def _page(self, scope: Scope, receive: Any, send: Any) -> None:
        """Hand a request to Django once its body is here: a slow client must not hold one of the few threads."""
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return
                    body += message.get("body", b"")
                    if len(body) > BODY_LIMIT:
                        await _refuse(413, send)
                        return
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            await _refuse(408, send)
            return
        messages = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def read() -> Any:  # a2wsgi needs a coroutine; Granian gives another kind of awaitable
            return messages.pop() if messages else await receive()

        await self._pages(scope, read, send)

    async def _health(self, scope: Scope, receive: Any, send: Any) -> None:
        """200 when the database answers within two seconds, else 503; each part of the node is told on its own.

        `worker` and the listeners are `ok` where some process of the node does that role; `roles` are of this process.
        """
        try:
            async with asyncio.timeout(2), self.pool.connection() as conn:
                await conn.execute("SELECT 1")
                if time.monotonic() - self._looked > HEALTH_SECONDS:
                    rows = await (await conn.execute(LIVING)).fetchall()
                    self._living, self._looked = frozenset(row[0] for row in rows), time.monotonic()
            parts = {role: "ok" if role in self._living else "absent" for role in ("worker", *LISTENERS)}
            status, state = 200, "ok"
        except (psycopg.Error, TimeoutError):
            parts = dict.fromkeys(("worker", *LISTENERS), "unknown")
            status, state = 503, "unreachable"
        told = {
            "status": state if status == 200 else f"database {state}",
            "web": "ok",
            "database": state,
            "worker": parts.pop("worker"),
            "listeners": parts,
            "backup": backups.health(self._data).state,
            "roles": sorted(self.roles),
        }
        body = orjson.dumps(told)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _named(handlers: Mapping[str, re.Pattern[str]], path: str) -> str:
    """The first handler whose paths this is one of, or ""."""
    return next((name for name, paths in handlers.items() if paths.fullmatch(path)), "")


async def _refuse(status: int, send: Any) -> None:
    """Answer a request whose body never came, or never ended."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
