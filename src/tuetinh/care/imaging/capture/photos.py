"""Photos: as they were compressed where that can stay, upright, and without what they tell of place and camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import BinaryIO, Final

import tuetinh.care.imaging.library  # noqa: F401

import numpy as np
import pi_heif
from PIL import Image, ImageOps
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from tuetinh.care.imaging.capture.faults import Damaged, TooLarge

MOST_PIXELS: Final = 100_000_000
QUALITY: Final = 95
ORIENTATION: Final = 0x0112  # of EXIF
_SOS, _SOF0, _APP0, _APP14, _APP15, _COM = 0xDA, 0xC0, 0xE0, 0xEE, 0xEF, 0xFE

pi_heif.register_heif_opener()


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture as DICOM keeps it. frames: compressed where `syntax` is JPEG, else samples by pixel.

    photometric: Photometric Interpretation (PS3.3 C.7.6.3.1.2). lossy: how much smaller it became by loss, or 0.
    """

    frames: tuple[bytes, ...]
    syntax: str
    rows: int
    columns: int
    samples: int
    photometric: str
    lossy: float
    profile: bytes = b""
    rate: float = 0  # frames a second, of several


def read(file: BinaryIO) -> Photo:
    """A photo upright and without EXIF, XMP and comments. Raises Damaged, TooLarge."""
    try:
        with Image.open(file, formats=("JPEG", "PNG", "HEIF")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise TooLarge
            image.load()  # every line of it
            turned = image.getexif().get(ORIENTATION, 1) not in (0, 1)
            if image.format == "JPEG" and not turned:
                file.seek(0)
                if (found := _as_it_is(image, file.read())) is not None:
                    return found
            return _again(image)
    except (TooLarge, Damaged):
        raise
    except Exception as error:  # decoders raise whatever the bytes lead them to
        raise Damaged from error


def _as_it_is(image: Image.Image, data: bytes) -> Photo | None:
    """The same compressed bytes, if DICOM knows their process (PS3.5, 8.2.1); None where they must be made anew."""
    kept, is_baseline = bytearray(b"\xff\xd8"), False
    for marker, segment in _segments(data):
        is_baseline = is_baseline or marker == _SOF0
        if not (_APP0 < marker <= _APP15 and marker != _APP14) and marker != _COM:
            kept += segment
    transform = image.info.get("adobe_transform")
    if not is_baseline or image.mode not in ("L", "RGB") or transform == 0:
        return None
    grey = image.mode == "L"
    return Photo(
        frames=(bytes(kept),),
        syntax=str(JPEGBaseline8Bit),
        rows=image.height,
        columns=image.width,
        samples=1 if grey else 3,
        photometric="MONOCHROME2" if grey else "YBR_FULL_422",
        lossy=_ratio(image, len(kept)),
        profile=image.info.get("icc_profile") or b"",
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments of a JPEG after its first marker; the last one is all from where the scans begin. Raises Damaged."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise Damaged
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker == _SOS:
            end = data.rfind(b"\xff\xd9")
            if end < 0:
                raise Damaged
            yield marker, data[at : end + 2]
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at : at + 2 + length]
        at += 2 + length
    raise Damaged


def _again(image: Image.Image) -> Photo:
    """The picture upright, compressed again: without loss where it had none."""
    lossless = image.format == "PNG"
    profile = image.info.get("icc_profile") or b""
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        behind = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(behind, upright.convert("RGBA"))
    if upright.mode.startswith("I"):  # sixteen bits of grey
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    upright = upright.convert("L" if upright.mode in ("1", "L") else "RGB")
    grey = upright.mode == "L"
    rows, columns, samples = upright.height, upright.width, 1 if grey else 3
    if lossless:
        kind = "MONOCHROME2" if grey else "RGB"
        return Photo((upright.tobytes(),), str(JPEG2000Lossless), rows, columns, samples, kind, 0, profile)
    out = BytesIO()
    upright.save(out, "JPEG", quality=QUALITY, **({} if grey else {"subsampling": "4:2:2"}))
    kind = "MONOCHROME2" if grey else "YBR_FULL_422"
    lossy = _ratio(upright, out.tell())
    return Photo((out.getvalue(),), str(JPEGBaseline8Bit), rows, columns, samples, kind, lossy, profile)


def _ratio(image: Image.Image, size: int) -> float:
    return round(image.width * image.height * len(image.getbands()) / max(size, 1), 2)


def clip(frames: list[bytes], rate: float) -> Photo:
    """A short film of still pictures of one size, as a frame grabber gives them. Raises Damaged, TooLarge."""
    if not frames:
        raise Damaged
    parts = [read(BytesIO(frame)) for frame in frames]
    first = parts[0]
    told = {(one.syntax, one.rows, one.columns, one.samples, one.photometric) for one in parts}
    if len(told) > 1 or first.syntax != JPEGBaseline8Bit:
        raise Damaged
    lossy = round(sum(one.lossy for one in parts) / len(parts), 2)
    whole = tuple(one.frames[0] for one in parts)
    return replace(first, frames=whole, lossy=lossy, rate=rate)
