"""Frames of an object: as they are kept, decoded, or drawn for people (PS3.18, 10.4.1.1.3, 8.3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import UID

from tuetinh.care.imaging.archive.syntaxes import CannotConvert

# Media type of a frame that is kept in a syntax (PS3.18, table 8.7.3-5).
MEDIA: Final = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
THUMBNAIL: Final = 128
LARGEST: Final = 4096  # pixels of a side that is drawn


class NoFrame(Exception):
    """The object has no such frame, or no pixels at all."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a frame is drawn. window: centre and width, none for the object's own; size: what it fits in."""

    window: tuple[float, float] | None = None
    size: tuple[int, int] | None = None
    quality: int = 85


def count(dataset: FileDataset) -> int:
    """How many frames an object has. Raises NoFrame."""
    if "PixelData" not in dataset:
        raise NoFrame("no pixels")
    return int(dataset.get("NumberOfFrames") or 1)


def kept(path: Path, numbers: list[int]) -> list[bytes]:
    """Compressed frames as they are kept. Raises NoFrame."""
    dataset = dcmread(path)
    frames = count(dataset)
    _check(numbers, frames)
    return [get_frame(dataset.PixelData, number - 1, number_of_frames=frames) for number in numbers]


def decoded(path: Path, numbers: list[int]) -> list[bytes]:
    """Frames as Explicit VR Little Endian has them. Raises NoFrame, CannotConvert."""
    dataset = dcmread(path)
    _check(numbers, count(dataset))
    plain = _plain_bytes(dataset, numbers)
    if plain is not None:
        return plain
    try:
        return [_array(dataset, number).tobytes() for number in numbers]
    except NoFrame:
        raise
    except Exception as error:  # decoders raise whatever the bytes lead them to
        raise CannotConvert(str(error)) from error


def _plain_bytes(dataset: FileDataset, numbers: list[int]) -> list[bytes] | None:
    """Frames that lie in the file as they are to be sent: whole bytes, uncompressed, little endian."""
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax.is_encapsulated or not syntax.is_little_endian or dataset.BitsAllocated % 8:
        return None
    if str(dataset.get("PhotometricInterpretation", "")) == "YBR_FULL_422":
        return None
    size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    data = dataset.PixelData
    if len(data) < size * max(numbers):
        raise CannotConvert("the pixel data is too short")
    return [data[size * (number - 1) : size * number] for number in numbers]


def _check(numbers: list[int], frames: int) -> None:
    if not numbers or min(numbers) < 1 or max(numbers) > frames:
        raise NoFrame(f"there are {frames} frames")


def _array(dataset: FileDataset, number: int) -> NDArray[np.generic]:
    """The pixels of a frame as they are kept, in the colours that they are kept in."""
    found: NDArray[np.generic] = pixel_array(dataset, index=number - 1, raw=True)
    return found.astype(found.dtype.newbyteorder("<"), copy=False)


def drawn(path: Path, number: int, drawing: Drawing, form: str) -> bytes:
    """A frame as people see it, as `JPEG` or `PNG`. Raises NoFrame, CannotConvert."""
    dataset = dcmread(path)
    _check([number], count(dataset))
    try:
        picture = Image.fromarray(_for_eyes(dataset, number, drawing))
    except Exception as error:
        raise CannotConvert(str(error)) from error
    if drawing.size:
        picture.thumbnail((min(drawing.size[0], LARGEST), min(drawing.size[1], LARGEST)))
    out = BytesIO()
    picture.save(out, form, **({"quality": drawing.quality} if form == "JPEG" else {}))
    return out.getvalue()


def _for_eyes(dataset: FileDataset, number: int, drawing: Drawing) -> NDArray[np.uint8]:
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    pixels = pixel_array(dataset, index=number - 1, raw=False)
    if photometric == "PALETTE COLOR":
        return _bytes_of(apply_color_lut(pixels, dataset))
    if dataset.get("SamplesPerPixel", 1) > 1:
        return _bytes_of(pixels)
    values = apply_modality_lut(pixels, dataset).astype(np.float64)
    centre, width = drawing.window or _own_window(dataset) or (0.0, 0.0)
    if width >= 1:
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    else:
        if "VOILUTSequence" in dataset:
            values = apply_voi_lut(apply_modality_lut(pixels, dataset), dataset).astype(np.float64)
        low, high = float(values.min()), float(values.max())
    scaled = np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255
    return (255 - scaled if photometric == "MONOCHROME1" else scaled).astype(np.uint8)


def _own_window(dataset: FileDataset) -> tuple[float, float] | None:
    try:
        centre, width = dataset.WindowCenter, dataset.WindowWidth
        first = (
            centre if isinstance(centre, (int, float)) else centre[0],
            width if isinstance(width, (int, float)) else width[0],
        )
        return float(first[0]), float(first[1])
    except (AttributeError, TypeError, IndexError, ValueError):
        return None


def _bytes_of(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Colours in eight bits each."""
    if pixels.dtype == np.uint8:
        return pixels.view(np.uint8)
    return (pixels.astype(np.float64) / max(float(np.iinfo(pixels.dtype).max), 1) * 255).astype(np.uint8)
