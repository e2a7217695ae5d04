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


async def parts(
    chunks: AsyncIterator[bytes], boundary: str
) -> AsyncIterator[tuple[dict[str, str], AsyncIterator[bytes]]]:
    """The parts of a body, each with its headers and its bytes as they come. Raises NotMultipart.

    What is left of a part is passed over when the next one is asked for.
    """
    mark = b"\r\n--" + boundary.encode()
    held = bytearray(b"\r\n")  # so that the first boundary looks as the others do

    async def more() -> None:
        chunk = await anext(chunks, None)
        if chunk is None:
            raise NotMultipart("the body ends too early")
        held.extend(chunk)

    async def until(what: bytes) -> AsyncIterator[bytes]:
        while (at := held.find(what)) < 0:
            if (sure := len(held) - len(what) + 1) > 0:
                yield bytes(held[:sure])
                del held[:sure]
            await more()
        yield bytes(held[:at])
        del held[: at + len(what)]

    async for _ in until(mark):
        pass
    while True:
        while len(held) < 2:
            await more()
        if held.startswith(b"--"):
            return
        head = bytearray()
        async for piece in until(b"\r\n\r\n"):
            head += piece
            if len(head) > MOST_HEADERS:
                raise NotMultipart("headers without end")
        body = until(mark)
        yield _headers(bytes(head)), body
        async for _ in body:
            pass


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
