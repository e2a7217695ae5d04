"""WADO-RS (PS3.18, 10.4): objects, their metadata, frames, bulk data, and pictures for people."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO, Final, TypeVar

from tuetinh.care.imaging.archive.queries import Object
from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.archive.syntaxes import PLAIN, WITHOUT_LOSS, CannotConvert, explicit, without_loss
from tuetinh.care.imaging.dicomweb import frames, metadata, multipart, native
from tuetinh.care.imaging.dicomweb.asked import JSON, Accepted, Call, Refused
from tuetinh.care.imaging.dicomweb.frames import Drawing
from tuetinh.record.errors import RecordError

T = TypeVar("T")
CHUNK: Final = 1024 * 1024
DICOM: Final = "application/dicom"
BYTES: Final = "application/octet-stream"
PDF: Final = "application/pdf"
PAPER: Final = "1.2.840.10008.5.1.4.1.1.104.1"  # Encapsulated PDF Storage
EXPLICIT: Final = PLAIN[0]
CONVERTIBLE: Final = (EXPLICIT, *WITHOUT_LOSS)
TOGETHER: Final = 100  # frames that are drawn for one request
CONVERTED: Final = 256 * 2**20  # bytes of the largest object that is converted, in some times its size of memory


async def objects(call: Call, found: list[Object]) -> None:
    """Send objects, each as a part; one alone as it is, if that is asked for, with ranges."""
    can = {"", "*", *CONVERTIBLE, *(one.transfer_syntax for one in found)}
    accepted = call.accepting(lambda a: a.inner in (DICOM, "*/*", "application/*", "") and a.syntax in can)
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


async def _given(one: Object, syntax: str) -> tuple[bytes, str]:
    """The bytes of an object in the syntax that is wanted; none where it is given as it is kept.

    Without a wish it is Explicit VR Little Endian (PS3.18, 8.7.3.5); `*` is as it is kept.
    """
    wanted = syntax or EXPLICIT
    if wanted in CONVERTIBLE and wanted != one.transfer_syntax and one.size <= CONVERTED:
        with suppress(CannotConvert):
            return await asyncio.to_thread(_converted, one, wanted), wanted
    return b"", one.transfer_syntax


def _converted(one: Object, syntax: str) -> bytes:
    dataset = whole(one.digest)
    return explicit(dataset) if syntax == EXPLICIT else without_loss(dataset, syntax)


async def _file(one: Object, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes of a file from one place to another."""

    def begun() -> tuple[BinaryIO, bytes]:
        file = one.opened()
        file.seek(start)
        return file, file.read(min(CHUNK, stop - start))

    file, chunk = await asyncio.to_thread(begun)
    try:
        while chunk:
            yield chunk
            start += len(chunk)
            chunk = await asyncio.to_thread(file.read, min(CHUNK, stop - start)) if start < stop else b""
    finally:
        file.close()


async def _single(call: Call, one: Object, syntax: str) -> None:
    data, told = await _given(one, syntax)
    if syntax in WITHOUT_LOSS and told != syntax:
        raise Refused(406, "the object cannot be given in that transfer syntax")
    kind = f"{DICOM}; transfer-syntax={told}"
    if data:
        await call.answer(200, kind, data)
        return
    await _ranged(call, kind, one.size, lambda start, stop: _file(one, start, stop))


async def _ranged(call: Call, kind: str, size: int, between: Callable[[int, int], AsyncIterator[bytes]]) -> None:
    """Send so many bytes, or those that are asked for; `between` reads them from one place to another."""
    start, stop = _range(call.headers.get("range", ""), size)
    headers = [("accept-ranges", "bytes"), ("content-length", str(stop - start))]
    partial = (start, stop) != (0, size)
    headers += [("content-range", f"bytes {start}-{stop - 1}/{size}")] if partial else []
    await call.start(206 if partial else 200, kind, headers)
    if call.scope["method"] != "HEAD":
        async for chunk in between(start, stop):
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
    """Send the metadata of objects, as it is read: one JSON array, or a part of XML for each."""
    boundary = multipart.new_boundary() if call.wants_xml() else ""
    await call.start(200, f'multipart/related; type="{native.MEDIA}"; boundary={boundary}' if boundary else JSON)
    for batch in _batches(found, 50):
        first = batch[0] is found[0]
        if boundary:
            told = await asyncio.to_thread(lambda b=batch: [native.of(metadata.metadata(call.base, one)) for one in b])
            heads = (multipart.head(boundary, native.MEDIA, first=first and not at) for at in range(len(told)))
            await call.more(b"".join(head + one for head, one in zip(heads, told, strict=True)))
        else:
            told = await asyncio.to_thread(lambda b=batch: [metadata.metadata(call.base, one) for one in b])
            await call.more((b"[" if first else b",") + b",".join(told))
    await call.more(multipart.tail(boundary) if boundary else b"]")
    await call.end()


def _batches(found: list[Object], size: int) -> Iterator[list[Object]]:
    for start in range(0, len(found), size):
        yield found[start : start + size]


async def some_frames(call: Call, one: Object, numbers: list[int]) -> None:
    """Send frames: as they are kept where the client takes that, else decoded."""
    own = frames.MEDIA.get(one.transfer_syntax, "")

    def fits(accepted: Accepted) -> bool:
        return accepted.inner in (BYTES, "*/*", "application/*", "") or bool(own and accepted.inner in (own, "image/*"))

    accepted = call.accepting(fits)
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
    """Send the bytes of an element, those that are asked for of it (PS3.18, 10.4.1.1.4); pixels frame by frame."""
    accepted = call.accepting(lambda a: a.inner in (BYTES, "*/*", "application/*", ""))
    if tag.upper() != "7FE00010":
        found = await asyncio.to_thread(metadata.bulk, one.digest, tag)
        if found is None:
            raise Refused(404, "no such element")
        await _bulk(call, accepted, len(found), lambda start, stop: _one(found[start:stop]))
        return
    start, size = await _worked(lambda: frames.lying(one.digest))
    if size:
        await _bulk(call, accepted, size, lambda at, end: _file(one, start + at, start + end))
        return
    pieces = frames.all_decoded(one.digest)
    first = await _worked(lambda: next(pieces))  # what cannot be given is refused before anything is sent
    boundary = multipart.new_boundary() if accepted.is_multipart else ""
    await call.start(200, f'multipart/related; type="{BYTES}"; boundary={boundary}' if boundary else BYTES)
    await call.more((multipart.head(boundary, BYTES, first=True) if boundary else b"") + first)
    while (piece := await _worked(lambda: next(pieces, None))) is not None:
        await call.more(piece)
    if boundary:
        await call.more(multipart.tail(boundary))
    await call.end()


async def _bulk(call: Call, accepted: Accepted, size: int, between: Callable[[int, int], AsyncIterator[bytes]]) -> None:
    """Send bytes whose number is known, as a part where that is asked for."""
    if not accepted.is_multipart:
        await _ranged(call, BYTES, size, between)
        return
    boundary = multipart.new_boundary()
    await call.start(200, f'multipart/related; type="{BYTES}"; boundary={boundary}')
    await call.more(multipart.head(boundary, BYTES, first=True))
    async for chunk in between(0, size):
        await call.more(chunk)
    await call.more(multipart.tail(boundary))
    await call.end()


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def rendered(call: Call, one: Object, numbers: list[int], *, thumbnail: bool = False) -> None:
    """Send frames as people see them, several as parts (PS3.18, 8.3.5).

    `viewport`, `window`, `quality` and `annotation` are understood.

    A document that is kept is given itself (PS3.18, 8.7.4).
    """
    if one.sop_class == PAPER and not thumbnail:
        call.accepting(lambda a: a.media in (PDF, "application/*", "*/*"))
        document = await asyncio.to_thread(metadata.bulk, one.digest, "00420011")
        if document is None:
            raise Refused(404, "there is no document in the object")
        await call.answer(200, PDF, document)
        return
    accepted = call.accepting(lambda a: a.inner in ("image/jpeg", "image/png", "image/*", "*/*", ""))
    window, function = _window(call.option("window"))
    size, region = _viewport(call.option("viewport"))
    size = size or ((frames.THUMBNAIL,) * 2 if thumbnail else None)
    quality, annotation = _whole(call.option("quality", "85"), 1, 100), _annotation(call.option("annotation"))
    form = "PNG" if accepted.inner == "image/png" else "JPEG"

    def draw(number: int) -> bytes:
        words = frames.words_upon(one.digest, number, annotation)
        return frames.drawn(one.digest, number, Drawing(window, size, quality, function, region, words), form)

    if len(numbers) > TOGETHER:
        raise Refused(400, f"at most {TOGETHER} frames are drawn together")
    bodies = [await _worked(partial(draw, number)) for number in numbers]
    if len(bodies) > 1 or accepted.is_multipart:
        await call.answer_parts(bodies, f"image/{form.lower()}")
    else:
        await call.answer(200, f"image/{form.lower()}", bodies[0])


def _window(text: str) -> tuple[tuple[float, float] | None, str]:
    """The window and its function (PS3.18, 8.3.5.1.4)."""
    if not text:
        return None, ""
    centre, width, function = [*text.split(","), "", ""][:3]
    found = _FUNCTIONS.get(function.strip().lower())
    numbers = _numbers([centre, width])
    if found is None or len(numbers) < 2 or numbers[1] <= 0:
        raise Refused(400, "window is centre,width,function; functions are linear, linear-exact and sigmoid")
    return (numbers[0], numbers[1]), found


_FUNCTIONS: Final = {"": "LINEAR", "linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


def _viewport(text: str) -> tuple[tuple[int, int] | None, tuple[float, float, float, float] | None]:
    """What the picture fits in, and the part of it that is drawn (PS3.18, 8.3.5.1.3)."""
    if not text:
        return None, None
    sides = text.split(",")
    if len(sides) not in (2, 4, 6):
        raise Refused(400, "viewport is width,height,left,top,width,height")
    size = _whole(sides[0], 1, frames.LARGEST), _whole(sides[1], 1, frames.LARGEST)
    if not any(sides[2:]):
        return size, None
    usual = ("0", "0", str(_WHOLE), str(_WHOLE))
    told = [one or instead for one, instead in zip([*sides[2:], "", ""], usual, strict=False)]
    numbers = _numbers(told)
    if len(numbers) < 4:
        raise Refused(400, "viewport is width,height,left,top,width,height")
    return size, (numbers[0], numbers[1], numbers[2], numbers[3])


_WHOLE: Final = 2**20  # a side that is longer than that of any picture


def _numbers(texts: list[str]) -> list[float]:
    """The numbers of texts as far as all are some."""
    try:
        found = [float(one) for one in texts]
    except ValueError:
        return []
    return found if all(abs(one) < 2**31 for one in found) else []


def _annotation(text: str) -> frozenset[str]:
    """What is to be written upon the picture (PS3.18, 8.3.5.1.1)."""
    found = frozenset(filter(None, (one.strip().lower() for one in text.split(","))))
    if found - {"patient", "technique"}:
        raise Refused(400, "annotation is patient, technique")
    return found


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
    except (OSError, RecordError):  # of the disk or the store, not of the object
        raise
    except Exception as error:  # whatever else the bytes lead it to
        raise Refused(406, f"the pixels cannot be decoded: {type(error).__name__}") from error
