"""multipart/related (RFC 2387) as DICOMweb speaks it (PS3.18, 8.6.1): reading a body part by part, writing one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final
from uuid import uuid4

MOST_HEADERS: Final = 16 * 1024


class NotMultipart(Exception):
    """The body is not what its media type says."""


def parameters(content_type: str) -> dict[str, str]:
    """The parameters of a media type, its own name as ""."""
    kind, _, rest = content_type.partition(";")
    found = {"": kind.strip().lower()}
    for match in re.finditer(r"([\w-]+)\s*=\s*(\"[^\"]*\"|[^;,\s]+)", rest):
        found[match[1].lower()] = match[2].strip('"')
    return found


async def parts(chunks: AsyncIterator[bytes], boundary: str) -> AsyncIterator[tuple[dict[str, str], bytes]]:
    """The parts of a body, each with its headers, as they come: one is in memory at a time. Raises NotMultipart."""
    mark = b"\r\n--" + boundary.encode()
    held = bytearray(b"\r\n")  # so that the first boundary looks as the others do

    async def more() -> None:
        chunk = await anext(chunks, None)
        if chunk is None:
            raise NotMultipart("the body ends too early")
        held.extend(chunk)

    async def until(what: bytes) -> int:
        seen = 0
        while (at := held.find(what, seen)) < 0:
            seen = max(0, len(held) - len(what) + 1)
            await more()
        return at

    at = await until(mark)
    del held[: at + len(mark)]
    while True:
        while len(held) < 2:
            await more()
        if held.startswith(b"--"):
            return
        end = await until(b"\r\n\r\n")
        if end > MOST_HEADERS:
            raise NotMultipart("headers without end")
        headers = _headers(bytes(held[:end]))
        del held[: end + 4]
        at = await until(mark)
        yield headers, bytes(held[:at])
        del held[: at + len(mark)]


def _headers(text: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in text.decode("latin-1").split("\r\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def new_boundary() -> str:
    """A boundary that is in no body."""
    return f"tuetinh-{uuid4().hex}"


def head(boundary: str, content_type: str, location: str = "", *, first: bool = False) -> bytes:
    """What comes before a part."""
    lines = [f"--{boundary}", f"Content-Type: {content_type}"]
    lines += [f"Content-Location: {location}"] if location else []
    return (("" if first else "\r\n") + "\r\n".join(lines) + "\r\n\r\n").encode()


def tail(boundary: str) -> bytes:
    """What ends a body."""
    return f"\r\n--{boundary}--\r\n".encode()
