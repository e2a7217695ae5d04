"""How large pixels become when they are decoded: a few bytes may ask for more memory than there is."""

from __future__ import annotations

from io import BytesIO
from struct import unpack_from
from typing import Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.dataset import Dataset

FRAME: Final = 2**30  # bytes of a frame
WHOLE: Final = 2**32  # of all frames that are decoded together
SLACK: Final = 2**16  # pixels that a codestream may have beyond those of its header
_SIZED: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # SOF of JPEG and JPEG-LS
_BARE: Final = frozenset(range(0xD0, 0xDA)) | {0x01, 0xFF}  # markers without a segment


class TooLarge(ValueError):
    """The pixels would not fit into memory."""


def check(header: Dataset, frames: int = 1) -> None:
    """Raise TooLarge where so many frames are not to be decoded."""
    pixels = int(header.Rows) * int(header.Columns)
    size = pixels * int(header.get("SamplesPerPixel") or 1) * -(-int(header.BitsAllocated) // 8)
    if size > FRAME or size * frames > WHOLE:
        raise TooLarge("the frame is too large")


def check_frame(frame: bytes, pixels: int) -> None:
    """Raise TooLarge where a compressed frame says itself that it is of many more pixels."""
    told = declared(frame)
    if told and told[0] * told[1] > 2 * pixels + SLACK:
        raise TooLarge("the compressed frame is larger than its header says")


def declared(frame: bytes) -> tuple[int, int] | None:
    """Columns and rows of a JPEG, JPEG-LS or JPEG 2000 frame as it says itself; None where it does not."""
    at = frame[:512].find(b"\xff\x4f\xff\x51")
    if at >= 0:
        if len(frame) < at + 24:
            return None
        right, bottom, left, top = unpack_from(">4L", frame, at + 8)
        return max(right - left, 0), max(bottom - top, 0)
    return _jpeg(frame)


def _jpeg(frame: bytes) -> tuple[int, int] | None:
    file = BytesIO(frame)
    if file.read(2) != b"\xff\xd8":
        return None
    while len(mark := file.read(2)) == 2 and mark[0] == 0xFF:
        if mark[1] in _BARE:
            if mark[1] == 0xFF:
                file.seek(-1, 1)
            continue
        head = file.read(7)
        if len(head) < 7:
            return None
        if mark[1] in _SIZED:
            rows, columns = unpack_from(">HH", head, 3)
            return columns, rows
        [length] = unpack_from(">H", head)
        file.seek(length - 7, 1)
    return None
