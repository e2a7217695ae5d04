"""Contents that go to files while they arrive: Binaries as they are (R4 binary.html), and what is large in JSON."""

from __future__ import annotations

import asyncio
import re
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from tuetinh.record import contents, r4
from tuetinh.record.contents import LARGE, Arriving, files
from tuetinh.record.door.call import TAKEN, XML_TAKEN, Call, Receive, too_large
from tuetinh.record.errors import BadRequest, Invalid, TooLarge, TooSlow, UnsupportedMedia
from tuetinh.record.validate import check

if TYPE_CHECKING:
    from tuetinh.record.door.app import Door

LIMIT = 4 * 1024**3
LIMIT_SETTING = "TUETINH_BINARY_LIMIT"
JSON_LIMIT = 1024**3  # of a body with contents in its JSON; without these it is within TUETINH_BODY_LIMIT
AT_ONCE = 1024 * 1024  # written to the disk in one go
SLOW_SECONDS = 60.0
SLOW_BYTES = 64 * 1024  # that come in so many seconds at least, or the client is given up
INTERACTIONS = frozenset({"create", "update", "update_by"})
WITH_CONTENTS = INTERACTIONS | {"bundle"}
_MEDIA = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:\s*;[^\r\n]*)?")  # RFC 6838, 4.2
_CONTEXT = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def comes_raw(call: Call, interaction: str) -> bool:
    """Whether the body is the content of a Binary itself."""
    kind = call.content_type()
    return call.type == "Binary" and interaction in INTERACTIONS and bool(kind) and kind not in TAKEN | XML_TAKEN


def may_be_long(call: Call, interaction: str, limit: int) -> bool:
    """Whether the body is JSON of resources that may be longer than what is held in memory."""
    said = call.headers.get("content-length", "")
    fits = said.isascii() and said.isdigit() and int(said[:20]) <= limit and "content-encoding" not in call.headers
    return interaction in WITH_CONTENTS and call.content_type() in TAKEN and not fits


async def receive_json(door: Door, call: Call, receive: Receive) -> bytes:
    """Take a body of JSON in; what is large in it goes to files, and stand-ins come in its place.

    Raises TooLarge, TooSlow, BadRequest (broken off, or a wrong length), NoSpace, UnsupportedMedia.
    """
    length = _announced(call, JSON_LIMIT)
    await door.run(call.asker, contents.ready())
    if length is not None and length > LARGE:
        await asyncio.to_thread(files.room, length)
    with closing(contents.Shortening(door.body_limit)) as body:
        waiting = bytearray()
        async for chunk in _unpacked(call, receive, length, JSON_LIMIT):
            waiting += chunk
            if len(waiting) >= AT_ONCE:
                await asyncio.to_thread(body.feed, bytes(waiting))
                waiting.clear()
            if body.is_over:
                break
        await asyncio.to_thread(body.feed, bytes(waiting))
        whole = await asyncio.to_thread(body.end)
    if body.is_over:
        raise too_large(door.body_limit)
    return whole.removeprefix(b"\xef\xbb\xbf")


async def receive_binary(door: Door, call: Call, receive: Receive) -> r4.Binary:
    """Take the body in and return the Binary that it is. Nothing of it stays when this raises.

    Raises TooLarge, TooSlow, BadRequest (broken off, or a wrong length), NoSpace, UnsupportedMedia, Invalid.
    """
    length = _announced(call, door.binary_limit)
    binary = _described(call)
    with ExitStack() as stack:
        if length is not None and length > LARGE:
            await asyncio.to_thread(files.room, length)
        arriving: Arriving | None = None
        waiting = bytearray()
        async for chunk in _unpacked(call, receive, length, door.binary_limit):
            waiting += chunk
            if len(waiting) >= AT_ONCE:
                arriving = arriving or stack.enter_context(await asyncio.to_thread(Arriving))
                await asyncio.to_thread(arriving.write, waiting)
                waiting = bytearray()
        if arriving is None and len(waiting) <= LARGE:
            binary.data = b64encode(waiting).decode() or None
            return binary
        await door.run(call.asker, contents.ready())
        arriving = arriving or stack.enter_context(await asyncio.to_thread(Arriving))
        await asyncio.to_thread(arriving.write, waiting)
        binary.data = contents.stand_in(await asyncio.to_thread(arriving.place)).decode()
    return binary


def _announced(call: Call, limit: int) -> int | None:
    """The length that the client announces, if it does. Raises TooLarge without reading on."""
    said = call.headers.get("content-length", "")
    if not (said.isascii() and said.isdigit()):
        return None
    if int(said[:20]) > limit:
        raise _too_large(limit)
    return int(said)


def _too_large(limit: int) -> TooLarge:
    why = "the most that comes in JSON" if limit == JSON_LIMIT else f"the limit that {LIMIT_SETTING} sets on this node"
    return TooLarge(f"the content is larger than {limit} bytes, {why}")


def _described(call: Call) -> r4.Binary:
    """The Binary without its data: media type, security context, id."""
    media = call.headers["content-type"].strip()
    if _MEDIA.fullmatch(media) is None:
        message = f"{media[:80]!r} is no media type"
        raise UnsupportedMedia(message)
    binary = r4.Binary(id=call.id or None, contentType=" ".join(media.split()))
    if (context := call.headers.get("x-security-context")) is not None:
        match = _CONTEXT.fullmatch(context.strip())
        if match is None or match[1].partition("/")[0] not in r4.RESOURCES:
            message = f"X-Security-Context is a reference such as Patient/123, not {context[:80]!r}"
            raise BadRequest(message, "Binary.securityContext")
        binary.securityContext = r4.Reference(reference=match[1])
    checked, problems = check(r4.encode(binary))
    if not isinstance(checked, r4.Binary) or any(p.severity in ("error", "fatal") for p in problems):
        raise Invalid(problems)
    return checked


async def _unpacked(call: Call, receive: Receive, length: int | None, limit: int) -> AsyncIterator[bytes]:
    """The content as it arrives, taken out of gzip where it comes so."""
    encoding = call.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        message = f"the content encoding {encoding[:40]!r} is not understood"
        raise UnsupportedMedia(message)
    unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    size = 0
    async for chunk in _chunks(receive, length):
        for data in _gunzip(unpacker, chunk) if unpacker else (chunk,):
            size += len(data)
            if size > limit:
                raise _too_large(limit)
            yield data
    if unpacker and not unpacker.eof:
        message = "the gzip of the body ends too early"
        raise BadRequest(message)


def _gunzip(unpacker: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """What a piece of gzip holds, some bytes at a time: it may be a thousand times as much."""
    try:
        while chunk and not unpacker.eof:
            yield unpacker.decompress(chunk, AT_ONCE)
            chunk = unpacker.unconsumed_tail
    except zlib.error as error:
        message = "the body is no gzip"
        raise BadRequest(message) from error


async def _chunks(receive: Receive, length: int | None) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises TooSlow, or BadRequest where it is not as long as announced."""
    loop = asyncio.get_running_loop()
    total = counted = 0
    deadline = loop.time() + SLOW_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise TooSlow(f"less than {SLOW_BYTES} bytes came within {SLOW_SECONDS:.0f} seconds") from error
        if message["type"] != "http.request":
            text = "the client left before the body was whole"
            raise BadRequest(text)
        chunk: bytes = message.get("body", b"")
        total += len(chunk)
        if total - counted >= SLOW_BYTES:
            counted, deadline = total, loop.time() + SLOW_SECONDS
        if chunk:
            yield chunk
        if not message.get("more_body"):
            break
    if length is not None and total != length:
        text = f"{total} bytes came where Content-Length announced {length}"
        raise BadRequest(text)
