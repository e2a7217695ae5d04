"""The one web application of a node: lean handlers for machines, Django for pages."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

import orjson
import psycopg
from a2wsgi import WSGIMiddleware
from psycopg_pool import AsyncConnectionPool

Scope = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]

PAGE_THREADS = 8
POOL_SIZE = 12
BODY_SECONDS = 60
BODY_LIMIT = 32 * 1024 * 1024
LIMITS = "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"

log = logging.getLogger(__name__)


class Application:
    """ASGI application of a node: `/fhir`, `/events` and `/healthz` by lean handlers, all else by Django."""

    def __init__(self, roles: frozenset[str]) -> None:
        """roles: what this process does, told at `/healthz`."""
        from django.core.wsgi import get_wsgi_application

        self.roles = roles
        self._pages = WSGIMiddleware(get_wsgi_application(), workers=PAGE_THREADS)

    async def startup(self) -> None:
        """Open the connections; needs a running event loop."""
        from tuetinh.commons.access import api as access
        from tuetinh.commons.messages.live import Live
        from tuetinh.record.door import Door

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

        self.live = Live(url, authenticate)
        self.live.start()
        self.door = Door(self.pool, authenticate)
        await self.door.startup()

    async def shutdown(self) -> None:
        """Finish what is in flight and close the connections."""
        await self.live.stop()
        await self.door.shutdown()
        self._pages.executor.shutdown(wait=False, cancel_futures=True)
        await self.pool.close(timeout=1)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Send the request to the handler that its path names."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith("/fhir") and path[5:6] in ("", "/"):
            await self.door(scope, receive, send)
        elif path == "/events":
            await self.live(scope, receive, send)
        elif path == "/healthz":
            await self._health(send)
        else:
            if not scope["query_string"].isascii():
                scope["query_string"] = quote(scope["query_string"], safe="=&%+;/?:@!$'()*,-._~").encode()

            await self._page(scope, receive, send)

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

    async def _health(self, send: Any) -> None:
        """200 when the database answers within two seconds, else 503."""
        try:
            async with asyncio.timeout(2), self.pool.connection() as conn:
                await conn.execute("SELECT 1")
            status, state = 200, "ok"
        except (psycopg.Error, TimeoutError):
            status, state = 503, "database unreachable"
        body = orjson.dumps({"status": state, "roles": sorted(self.roles)})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _refuse(status: int, send: Any) -> None:
    """Answer a request whose body never came, or never ended."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
