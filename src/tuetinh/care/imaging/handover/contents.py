"""The bytes of what is shown: a frame as JPEG, a film as it was recorded, a paper as PDF, curves as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.encaps import parse_fragments

from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.archive.syntaxes import CannotConvert
from tuetinh.care.imaging.capture.ecg.drawing import MOST_BYTES, drawn
from tuetinh.care.imaging.dicomweb import frames
from tuetinh.care.imaging.handover.showing import Shown
from tuetinh.record.contents.files import opened

PIECE: Final = 2**20
WHOLE: Final = 256 * 2**20  # bytes of an object that is read as a whole
LARGEST: Final = 2048  # pixels of a side


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of an object that is kept, from `start`, `length` of them."""

    digest: bytes
    start: int
    length: int

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from one place of the part to another, some at a time."""
        left = (self.length if stop is None else stop) - start
        with opened(self.digest) as file:
            file.seek(self.start + start)
            while left > 0 and (data := file.read(min(PIECE, left))):
                left -= len(data)
                yield data


def picture(one: Shown, frame: int) -> bytes:
    """A frame as JPEG. Raises frames.NoFrame, CannotConvert."""
    return frames.drawn(one.object.digest, frame, frames.Drawing(size=(LARGEST, LARGEST)), "JPEG")


def film(one: Shown) -> Part:
    """A film, which lies in its file as one fragment (PS3.5, 8.2.5 ff.). Raises frames.NoFrame, CannotConvert."""
    where = frames.pixels(one.object.digest)
    with one.object.opened() as file:
        file.seek(where.start)
        try:
            _count, offsets = parse_fragments(file)
        except Exception as error:  # whatever the bytes lead it to
            raise CannotConvert(str(error)) from error
        if len(offsets) != 2:  # the offset table, and the film
            raise CannotConvert("the film is in several parts")
        file.seek(offsets[1] + 4)
        length = int.from_bytes(file.read(4), "little")
    return Part(one.object.digest, offsets[1] + 8, length)


def curves(one: Shown) -> bytes:
    """An ECG as SVG. Raises CannotConvert."""
    if one.object.size > MOST_BYTES:
        raise CannotConvert("the waveform is too large")
    return drawn(whole(one.object.digest))


def paper(one: Shown) -> bytes:
    """A document. Raises CannotConvert."""
    if one.object.size > WHOLE:
        raise CannotConvert("the document is too large")
    dataset = whole(one.object.digest)
    data = dataset.get("EncapsulatedDocument") or b""
    length = dataset.get("EncapsulatedDocumentLength")
    return bytes(data[: int(length)] if length else data)
