"""Films: MP4 as DICOM takes it (PS3.5, 8.2.7 to 8.2.11), without what its metadata tells of place and camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.uid import HEVCM10P51, HEVCMP51, MPEG4HP41, MPEG4HP422D
from pymediainfo import MediaInfo

from tuetinh.care.imaging.capture.faults import Damaged, WrongFilm

MOST: Final = 4 * 2**30 - 2**20  # bytes of one fragment
_OPEN: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"moof", b"traf"})  # boxes that hold boxes
_TELLING: Final = frozenset({b"udta", b"meta", b"uuid"})
_PIECE: Final = 2**16


@dataclass(frozen=True, slots=True)
class Film:
    """What a film is. rate: frames a second."""

    path: Path
    syntax: str
    rows: int
    columns: int
    frames: int
    rate: float


def read(path: Path) -> Film:
    """What an MP4 is; what it tells of place and camera is overwritten in the file. Raises Damaged, WrongFilm."""
    with path.open("r+b") as file:
        if file.read(12)[8:12] == b"qt  ":
            raise WrongFilm
        _silence(file)
    told = MediaInfo.parse(path)
    tracks = [track for track in told.tracks if track.track_type == "Video"]
    if len(tracks) != 1:
        raise Damaged
    [video] = tracks
    try:
        rows, columns = int(video.height), int(video.width)
        rate, frames = float(video.frame_rate), int(video.frame_count)
    except (TypeError, ValueError) as error:
        raise Damaged from error
    if min(rows, columns, frames) < 1 or rate <= 0:
        raise Damaged
    return Film(path, _syntax(video), rows, columns, frames, rate)


def _syntax(video: object) -> str:
    """The transfer syntax for a codec with profile and level, as MediaInfo tells `High@L4.1`."""
    codec = str(getattr(video, "format", "") or "")
    profile, _at, level = str(getattr(video, "format_profile", "") or "").partition("@")
    try:
        number = float(level.removeprefix("L").partition("@")[0])
    except ValueError:
        raise WrongFilm from None
    if codec == "AVC" and profile in ("High", "Main", "Baseline", "Constrained Baseline"):
        if number <= 4.1:
            return str(MPEG4HP41)
        if number <= 4.2:
            return str(MPEG4HP422D)
    if codec == "HEVC" and number <= 5.1 and profile in ("Main", "Main 10"):
        return str(HEVCMP51 if profile == "Main" else HEVCM10P51)
    raise WrongFilm


def _silence(file: BinaryIO) -> None:
    """Overwrite boxes of metadata by free ones of the same size (ISO/IEC 14496-12, 8.1.2): nothing else moves."""
    file.seek(0, 2)
    for at, head, length, kind in _boxes(file, 0, file.tell()):
        if kind in _TELLING:
            file.seek(at + 4)
            file.write(b"free")
            left = length - head
            file.seek(at + head)
            while left > 0:
                left -= file.write(bytes(min(_PIECE, left)))


def _boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Every box within a range and within boxes that hold others: place, size of its head, of all of it, kind."""
    at = start
    while at + 8 <= stop:
        file.seek(at)
        told = file.read(16)
        length, head, kind = int.from_bytes(told[:4], "big"), 8, told[4:8]
        if length == 1:
            length, head = int.from_bytes(told[8:16], "big"), 16
        elif length == 0:
            length = stop - at
        if length < head or at + length > stop:
            raise Damaged
        yield at, head, length, kind
        if kind in _OPEN:
            yield from _boxes(file, at + head, at + length)
        at += length
