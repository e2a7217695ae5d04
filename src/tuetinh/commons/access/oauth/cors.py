"""Browsers may call the FHIR door and the token endpoint from the pages of registered apps, and of nobody else.

What an app must read to find the way to us, it may read from anywhere (SMART App Launch 2, Conformance).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

KEEP = 4.0  # seconds that the registered origins are believed
PATHS = ("/oauth/token", "/oauth/revoke")
DISCOVERY = frozenset({
    "/.well-known/smart-configuration", "/.well-known/openid-configuration", "/fhir/.well-known/smart-configuration",
    "/fhir/metadata", "/oauth/jwks",
})  # fmt: skip
BELOW = ("/fhir", "/cds-services/")  # discovery itself, /cds-services, says that it is for everyone
_URIS = "SELECT redirect_uris FROM access_client WHERE is_active AND redirect_uris <> ''"
_ALLOWED = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, accept, prefer, if-match, if-none-match,"
     b" if-none-exist, if-modified-since, x-request-id"),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
]  # fmt: skip
_EXPOSED = (b"access-control-expose-headers", b"etag, location, content-location, last-modified, x-request-id")


class AppOrigins:
    """Wraps an ASGI application: adds CORS headers (Fetch Standard) where the origin is that of a registered app.

    Credentials are never allowed, so a foreign page cannot use the browser's session.
    """

    def __init__(self, app: App, pool: AsyncConnectionPool[Any]) -> None:
        self.app, self.pool = app, pool
        self._origins: frozenset[bytes] = frozenset()
        self._until = 0.0

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a preflight, or pass the request on."""
        origin = next((value for name, value in scope.get("headers", ()) if name == b"origin"), b"")
        path = scope.get("path", "")
        is_open = path.startswith(BELOW) or path in PATHS
        if origin and path in DISCOVERY:
            told = [(b"access-control-allow-origin", b"*")]
        elif origin and is_open and origin in await self._known():
            told = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        else:
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": [*told, *_ALLOWED]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *told, _EXPOSED]}
            await send(message)

        await self.app(scope, receive, answer)

    def forget(self) -> None:
        """Ask for the origins again at the next use."""
        self._until = 0.0

    async def _known(self) -> frozenset[bytes]:
        """The origins of the addresses that apps registered."""
        if self._until < time.monotonic():
            async with self.pool.connection() as conn:
                rows = await (await conn.execute(_URIS)).fetchall()
            addresses = (urlsplit(uri) for row in rows for uri in row[0].split())
            self._origins = frozenset(f"{a.scheme}://{a.netloc}".lower().encode() for a in addresses if a.netloc)
            self._until = time.monotonic() + KEEP
        return self._origins
