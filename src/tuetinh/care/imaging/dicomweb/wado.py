"""WADO-RS (PS3.18, 10.4): objects, their metadata, frames, bulk data, and pictures for people."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Final, TypeVar

from tuetinh.care.imaging.archive.queries import Object
from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.archive.syntaxes import PLAIN, CannotConvert, explicit
from tuetinh.care.imaging.dicomweb import frames, metadata, multipart
from tuetinh.care.imaging.dicomweb.asked import JSON, Accepted, Call, Refused

T = TypeVar("T")
CHUNK: Final = 1024 * 1024
DICOM: Final = "application/dicom"
BYTES: Final = "application/octet-stream"
EXPLICIT: Final = PLAIN[0]
CONVERTED: Final = 256 * 2**20  # bytes of the largest object that is converted, in some times its size of memory


async def objects(call: Call, found: list[Object]) -> None:
    """Send objects, each as a part; one alone as it is, if that is asked for, with ranges."""
    accepted = _accepting(call, lambda one: one.inner in (DICOM, "*/*", "application/*", ""))
    if not accepted.is_multipart and accepted.media == DICOM and len(found) == 1:
        await _single(call, found[0], accepted.syntax)
        return
    boundary = multipart.new_boundary()
    await call.start(200, f'multipart/related; type="{DICOM}"; boundary={boundary}')
    for number, one in enumerate(found):
        data, syntax = await _given(one, accepted.syntax)
        kind = f"{DICOM}; transfer-syntax={syntax}"
        await call.more(multipart.head(boundary, kind, metadata.url_of(call.base, one), first=number == 0))
        if data:
            await call.more(data)
            continue
        async for chunk in _file(one, 0, one.size):
            await call.more(chunk)
    await call.more(multipart.tail(boundary))
    await call.end()


def _accepting(call: Call, fits: Callable[[Accepted], bool]) -> Accepted:
    found = next((one for one in call.accepts if fits(one)), None)
    if found is None:
        raise Refused(406, "none of the media types that are accepted can be given")
    return found


async def _given(one: Object, syntax: str) -> tuple[bytes, str]:
    """The bytes of an object in the syntax that is wanted; none where it is given as it is kept.

    Without a wish it is Explicit VR Little Endian (PS3.18, 8.7.3.5); `*` is as it is kept.
    """
    if syntax in ("", EXPLICIT) and one.transfer_syntax != EXPLICIT and one.size <= CONVERTED:
        with suppress(CannotConvert):
            return await asyncio.to_thread(lambda: explicit(whole(one.digest))), EXPLICIT
    return b"", one.transfer_syntax


async def _file(one: Object, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes of a file from one place to another."""
    file = await asyncio.to_thread(one.opened)
    file.seek(start)
    try:
        while start < stop and (chunk := await asyncio.to_thread(file.read, min(CHUNK, stop - start))):
            start += len(chunk)
            yield chunk
    finally:
        file.close()


async def _single(call: Call, one: Object, syntax: str) -> None:
    data, told = await _given(one, syntax)
    kind = f"{DICOM}; transfer-syntax={told}"
    if data:
        await call.answer(200, kind, data)
        return
    size = one.size
    start, stop = _range(call.headers.get("range", ""), size)
    headers = [("accept-ranges", "bytes"), ("content-length", str(stop - start))]
    partial = (start, stop) != (0, size)
    headers += [("content-range", f"bytes {start}-{stop - 1}/{size}")] if partial else []
    await call.start(206 if partial else 200, kind, headers)
    if call.scope["method"] != "HEAD":
        async for chunk in _file(one, start, stop):
            await call.more(chunk)
    await call.end()


def _range(text: str, size: int) -> tuple[int, int]:
    """The bytes of one range (RFC 9110, 14.1.2); several ranges are answered as a whole. Raises Refused."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if not match or match[0] == "bytes=-":
        return 0, size
    if not match[1]:
        return max(0, size - int(match[2])), size
    start, stop = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
    if start >= size or stop <= start:
        raise Refused(416, "no such range")
    return start, stop


async def all_metadata(call: Call, found: list[Object]) -> None:
    """Send the metadata of objects as one JSON array, as it is read."""
    _accepting(call, lambda one: one.inner in (JSON, "application/json", "*/*", "application/*"))
    await call.start(200, JSON)
    for batch in _batches(found, 50):
        told = await asyncio.to_thread(lambda b=batch: [metadata.metadata(call.base, one) for one in b])
        await call.more((b"[" if batch[0] is found[0] else b",") + b",".join(told))
    await call.more(b"]")
    await call.end()


def _batches(found: list[Object], size: int) -> Iterator[list[Object]]:
    for start in range(0, len(found), size):
        yield found[start : start + size]


async def some_frames(call: Call, one: Object, numbers: list[int]) -> None:
    """Send frames: as they are kept where the client takes that, else decoded."""
    own = frames.MEDIA.get(one.transfer_syntax, "")

    def fits(accepted: Accepted) -> bool:
        return accepted.inner in (BYTES, "*/*", "application/*", "") or bool(own and accepted.inner in (own, "image/*"))

    accepted = _accepting(call, fits)
    wants_own = accepted.inner in (own, "image/*") or accepted.syntax in ("*", one.transfer_syntax)
    if own and wants_own:
        bodies = await _worked(lambda: frames.kept(one.digest, numbers))
        kind = f"{own}; transfer-syntax={one.transfer_syntax}"
    else:
        bodies = await _worked(lambda: frames.decoded(one.digest, numbers))
        kind = f"{BYTES}; transfer-syntax={EXPLICIT}"
    if not accepted.is_multipart and accepted.media in (BYTES, own) and len(bodies) == 1:
        await call.answer(200, kind, bodies[0])
        return
    await _in_parts(call, kind, bodies, f"{metadata.url_of(call.base, one)}/frames", numbers)


async def _in_parts(call: Call, kind: str, bodies: list[bytes], url: str, numbers: list[int]) -> None:
    boundary = multipart.new_boundary()
    await call.start(200, f'multipart/related; type="{kind.partition(";")[0]}"; boundary={boundary}')
    for place, (number, body) in enumerate(zip(numbers, bodies, strict=True)):
        await call.more(multipart.head(boundary, kind, f"{url}/{number}", first=place == 0) + body)
    await call.more(multipart.tail(boundary))
    await call.end()


async def bulk(call: Call, one: Object, tag: str) -> None:
    """Send the bytes of an element; pixels frame by frame."""
    accepted = _accepting(call, lambda a: a.inner in (BYTES, "*/*", "application/*", ""))
    if tag.upper() == "7FE00010":
        pieces = frames.all_decoded(one.digest)
        first = await _worked(lambda: next(pieces))  # what cannot be given is refused before anything is sent
    else:
        found = await asyncio.to_thread(metadata.bulk, one.digest, tag)
        if found is None:
            raise Refused(404, "no such element")
        first, pieces = found, iter(())
    boundary = multipart.new_boundary() if accepted.is_multipart else ""
    if boundary:
        await call.start(200, f'multipart/related; type="{BYTES}"; boundary={boundary}')
        await call.more(multipart.head(boundary, BYTES, first=True))
    else:
        await call.start(200, BYTES)
    await call.more(first)
    while (piece := await _worked(lambda: next(pieces, None))) is not None:
        await call.more(piece)
    if boundary:
        await call.more(multipart.tail(boundary))
    await call.end()


async def rendered(call: Call, one: Object, number: int, *, thumbnail: bool = False) -> None:
    """Send a frame as people see it (PS3.18, 8.3.5): `viewport`, `window` and `quality` are understood."""
    accepted = _accepting(call, lambda a: a.media in ("image/jpeg", "image/png", "image/*", "*/*"))
    drawing = frames.Drawing(
        _window(call.option("window")),
        _viewport(call.option("viewport")) or ((frames.THUMBNAIL,) * 2 if thumbnail else None),
        _whole(call.option("quality", "85"), 1, 100),
    )
    form = "PNG" if accepted.media == "image/png" else "JPEG"
    body = await _worked(lambda: frames.drawn(one.digest, number, drawing, form))
    await call.answer(200, f"image/{form.lower()}", body)


def _window(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        centre, width = (float(one) for one in text.split(",")[:2])
    except ValueError:
        raise Refused(400, "window is centre,width,function") from None
    return centre, width


def _viewport(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    sides = text.split(",")
    if len(sides) < 2:
        raise Refused(400, "viewport is width,height")
    return _whole(sides[0], 1, frames.LARGEST), _whole(sides[1], 1, frames.LARGEST)


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise Refused(400, f"a whole number from {least} to {most} is expected")
    return int(text)


async def _worked(work: Callable[[], T]) -> T:
    """What work in a thread returns; its refusals as answers."""
    try:
        return await asyncio.to_thread(work)
    except frames.NoFrame as error:
        raise Refused(404, str(error)) from error
    except CannotConvert as error:
        raise Refused(406, f"the pixels cannot be decoded: {error}") from error
