"""Sends notifications by HTTP (R4 subscription.html, 2.46.7.1; backport, channels, REST-hook)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from tuetinh.record import formats
from tuetinh.record.subscriptions import reach
from tuetinh.record.subscriptions.errors import NotDelivered
from tuetinh.record.subscriptions.wanted import XML, Wanted

ANSWER_LIMIT = 64 * 1024


class RestHook:
    """Keeps connections to receivers. Follows no redirect, uses no proxy, connects where `reach` has looked."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=200, keepalive_expiry=15)
        self._http = httpx.AsyncClient(
            verify=ssl.create_default_context(), trust_env=False, follow_redirects=False, limits=limits
        )

    async def close(self) -> None:
        """End all connections."""
        await self._http.aclose()

    async def send(self, method: str, url: str, body: bytes, wanted: Wanted, headers: Mapping[str, str]) -> None:
        """Send one request. Raises NotDelivered unless it is answered with success in time."""
        kind = wanted.payload if body else ""
        if kind in XML:
            body = await asyncio.to_thread(formats.write, body)
        sent = {"user-agent": "TueTinh", **headers, **({"content-type": f"{kind}; charset=utf-8"} if kind else {})}
        try:
            async with asyncio.timeout(wanted.timeout):
                code = await self._send(method, url, body, sent)
        except TimeoutError:
            raise NotDelivered(f"no answer within {wanted.timeout} seconds") from None
        except reach.OutOfReach:
            raise NotDelivered("the receiver is inside of this network, or not reached by https") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise NotDelivered(_plain(error)) from None
        if not 200 <= code < 300:
            raise NotDelivered(f"the receiver answered {code}")

    async def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        address = await reach.resolve(url)
        parts = urlsplit(url)
        host = parts.hostname or ""
        target = httpx.URL(url).copy_with(host=address)
        extensions = {"sni_hostname": host, "timeout": {"connect": None, "read": None, "write": None, "pool": None}}
        request = self._http.build_request(
            method, target, content=body, headers={"host": parts.netloc, **headers}, extensions=extensions
        )
        answer = await self._http.send(request, stream=True)
        try:
            size = 0
            async for part in answer.aiter_raw():
                size += len(part)
                if size > ANSWER_LIMIT:
                    break
            return answer.status_code
        finally:
            await answer.aclose()


def _plain(error: Exception) -> str:
    """What went wrong, without the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return "the receiver refused the connection"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the certificate of the receiver is not trusted"
        if isinstance(cause, ssl.SSLError):
            return "no encrypted connection could be made"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError | OSError):
        return "the receiver is not found or not reached"
    return f"the connection broke ({type(error).__name__})"
