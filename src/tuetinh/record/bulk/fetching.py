"""Files of other servers, brought into the data folder: from where the operator allows it, and from nowhere else.

`TUETINH_IMPORT_FROM` names origins or addresses below which an import may fetch, such as
`https://files.example.vn https://drop.example.vn/province/`. Without it nothing is fetched, so that nobody can make the
node ask what only the node can reach. Each redirection is held to the same list.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from posixpath import normpath
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from tuetinh.record.bulk.ledger import Call
from tuetinh.record.errors import RecordError, Unavailable

SETTING = "TUETINH_IMPORT_FROM"
MOST_BYTES = 64 * 1024**3
MOST_REDIRECTS = 5
ATTEMPTS = 3
WAIT_SECONDS = 1.0
TIMES = httpx.Timeout(30.0, connect=10.0)
PORTS = {"http": 80, "https": 443}
REDIRECTED = frozenset({301, 302, 303, 307, 308})


class NotFetched(RecordError):
    """A file could not be brought."""

    code = "not-found"


def is_allowed(url: str) -> bool:
    """Whether the operator lets an import fetch this address."""
    wanted = _parts(url)
    return wanted is not None and any(
        wanted[0] == allowed[0] and (wanted[1] == allowed[1] or wanted[1].startswith(allowed[1].rstrip("/") + "/"))
        for allowed in map(_parts, os.environ.get(SETTING, "").split())
        if allowed is not None
    )


def _parts(url: str) -> tuple[tuple[str, str, int], str] | None:
    """Scheme, host and port of an http(s) address, and its path; None for any other, and for one with a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or "@" in parts.netloc or "\\" in url or any(ord(c) <= 32 for c in url):
        return None
    path = normpath("/" + unquote(parts.path).lstrip("/"))  # so that no ".." leads out of an allowed folder
    return (parts.scheme, parts.hostname.lower(), port), path + "/" * parts.path.endswith("/")


def limit() -> int:
    """How many bytes a fetched file may have: `TUETINH_IMPORT_LIMIT`."""
    return int(os.environ.get("TUETINH_IMPORT_LIMIT", MOST_BYTES))


async def fetch(url: str, file: IO[bytes], call: Call, most: int = 0) -> None:
    """Write what is at the address into the file, as it comes, some attempts long, up to `most` bytes.

    Raises NotFetched and OSError.
    """
    for attempt in range(ATTEMPTS):
        try:
            await call(file.seek, 0)
            await call(file.truncate)
            await _once(url, file, call, most or limit())
        except httpx.TransportError as error:
            if attempt == ATTEMPTS - 1:
                raise NotFetched(f"{url} cannot be fetched: {type(error).__name__}") from error
        except Unavailable:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return
        await asyncio.sleep(WAIT_SECONDS * 2**attempt)


async def _once(url: str, file: IO[bytes], call: Call, most: int) -> None:
    async with httpx.AsyncClient(timeout=TIMES, trust_env=False, verify=ssl.create_default_context()) as client:
        here = url
        for _ in range(MOST_REDIRECTS + 1):
            if not is_allowed(here):
                raise NotFetched(f"{url} leads to where this server does not fetch from ({SETTING})")
            async with client.stream("GET", here, headers={"accept-encoding": "gzip"}) as answer:
                if answer.status_code in REDIRECTED:
                    here = urljoin(here, answer.headers.get("location", ""))
                    continue
                if answer.status_code in (429, 502, 503, 504):
                    raise Unavailable(f"{url} answers {answer.status_code}")
                if answer.status_code != 200:
                    raise NotFetched(f"{url} answers {answer.status_code}")
                size = 0
                async for chunk in answer.aiter_raw():
                    size += len(chunk)
                    if size > most:
                        raise NotFetched(f"{url} is larger than {most} bytes")
                    await call(file.write, chunk)
                return
        raise NotFetched(f"{url} redirects more than {MOST_REDIRECTS} times")
