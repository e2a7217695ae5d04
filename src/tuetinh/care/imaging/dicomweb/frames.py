"""Frames of an object: as they are kept, decoded, or drawn for people (PS3.18, 10.4.1.1.3, 8.3.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import SEEK_END, BytesIO
from struct import unpack
from typing import Final

import tuetinh.care.imaging.library  # noqa: F401

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.pixels.utils import pack_bits
from pydicom.uid import UID

from tuetinh.care.imaging.archive import sizes
from tuetinh.care.imaging.archive.lenient import dcmread
from tuetinh.care.imaging.archive.reading import text, whole_of
from tuetinh.care.imaging.archive.syntaxes import CannotConvert
from tuetinh.commons.ui.api import PRINT_FONTS
from tuetinh.record.contents.files import opened

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
SMALL: Final = 64 * 1024  # bytes of an element that is read before it is asked for
WHOLE: Final = 64 * 2**20  # bytes of a file that is read as a whole, which some bring to be read at all
KNOWN: Final = 256  # files whose header a process remembers: a viewer asks for frame after frame
UNDEFINED: Final = 0xFFFFFFFF
THUMBNAIL: Final = 128
LARGEST: Final = 4096  # pixels of a side that is drawn
FONT: Final = PRINT_FONTS / "BeVietnamPro_600SemiBold.ttf"


class NoFrame(Exception):
    """The object has no such frame, or no pixels at all."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a frame is drawn. window: centre and width, none for the object's own; size: what it fits in.

    function: of the window (PS3.3, C.11.2.1.3), "" for the object's own. region: the part of the picture that is drawn:
    left, top, width, height, which mirror it where they are negative. words: that are written upon it, line by line,
    at the top left and at the bottom left.
    """

    window: tuple[float, float] | None = None
    size: tuple[int, int] | None = None
    quality: int = 85
    function: str = ""
    region: tuple[float, float, float, float] | None = None
    words: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a file holds before its pixels, and where they are. length: of the pixels, -1 where they are encapsulated.

    A deflated file is read as a whole: its pixels are nowhere, which is at 0.
    """

    digest: bytes
    header: FileDataset
    start: int = 0
    length: int = 0

    @property
    def syntax(self) -> UID:
        """The transfer syntax that they are kept in."""
        return UID(self.header.file_meta.TransferSyntaxUID)

    @property
    def count(self) -> int:
        """How many frames there are."""
        return int(self.header.get("NumberOfFrames") or 1)

    def array(self, number: int, *, raw: bool) -> NDArray[np.generic]:
        """A frame, decoded; of what is large not all is read. raw: in the colours that it is kept in."""
        sizes.check(self.header)
        with opened(self.digest) as file:
            large = self.start and file.seek(0, SEEK_END) > WHOLE
            file.seek(0)
            return pixel_array(file if large else dcmread(file), index=number - 1, raw=raw)

    def plain_bits(self) -> int:
        """The bits of a frame that lies in the file as it is to be sent, else 0.

        So lie whole bytes, or single bits eight in a byte, uncompressed, little endian.
        """
        header, syntax = self.header, self.syntax
        if not self.start or syntax.is_encapsulated or not syntax.is_little_endian:
            return 0
        if header.BitsAllocated % 8 and header.BitsAllocated != 1:
            return 0
        if str(header.get("PhotometricInterpretation", "")) == "YBR_FULL_422":
            return 0
        return int(header.Rows * header.Columns * header.SamplesPerPixel * header.BitsAllocated)


@lru_cache(maxsize=KNOWN)
def pixels(digest: bytes) -> Pixels:
    """Where the pixels of a file are, which is never changed. Raises NoFrame."""
    with opened(digest) as file:
        header = whole_of(file, digest, stop_before_pixels=True, defer_size=SMALL)
        syntax = UID(header.file_meta.TransferSyntaxUID)
        if syntax.is_deflated:
            return Pixels(digest, header)
        at, found = file.tell(), file.read(12)  # it stands before its pixels, or at its end
        implicit, little = header.original_encoding
        order, implicit = "<" if little else ">", implicit or not found[4:6].isupper()  # some change in the middle
        if len(found) < 12 or unpack(f"{order}HH", found[:4]) != (0x7FE0, 0x0010):
            raise NoFrame("no pixels")
        [length] = unpack(f"{order}L", found[4:8] if implicit else found[8:12])
        return Pixels(digest, header, at + (8 if implicit else 12), -1 if length == UNDEFINED else length)


def kept(digest: bytes, numbers: list[int]) -> list[bytes]:
    """Compressed frames as they are kept. Raises NoFrame, CannotConvert."""
    where = pixels(digest)
    _check(numbers, where.count)
    table = where.header.get("ExtendedOffsetTable"), where.header.get("ExtendedOffsetTableLengths")
    options = {"number_of_frames": where.count, "extended_offsets": table if all(table) else None}
    found = []
    with opened(digest) as file:
        for number in numbers:
            file.seek(where.start)
            try:
                found.append(get_frame(file, number - 1, **options))
            except Exception as error:  # whatever the bytes lead it to
                raise CannotConvert(str(error)) from error
    return found


def decoded(digest: bytes, numbers: list[int]) -> list[bytes]:
    """Frames as Explicit VR Little Endian has them. Raises NoFrame, CannotConvert."""
    where = pixels(digest)
    _check(numbers, where.count)
    return [_decoded(where, number) for number in numbers]


def lying(digest: bytes) -> tuple[int, int]:
    """Where all frames lie in the file as they are to be sent, and how many bytes they are; 0 where they do not so.

    Raises NoFrame, CannotConvert.
    """
    where = pixels(digest)
    size = -(-where.plain_bits() * where.count // 8)
    if size > where.length >= 0:
        raise CannotConvert("the pixel data is too short")
    with opened(digest) as file:
        if size and file.seek(0, SEEK_END) < where.start + size:
            raise CannotConvert("the pixel data is cut off")
    return where.start, size


def all_decoded(digest: bytes) -> Iterator[bytes]:
    """Every frame, one after the other. Raises NoFrame, CannotConvert."""
    where = pixels(digest)
    for number in range(1, where.count + 1):
        yield _decoded(where, number)


def _decoded(where: Pixels, number: int) -> bytes:
    bits = where.plain_bits()
    if bits and bits % 8 == 0:
        size = bits // 8
        if where.length < size * number:
            raise CannotConvert("the pixel data is too short")
        with opened(where.digest) as file:
            file.seek(where.start + size * (number - 1))
            found = file.read(size)
        if len(found) < size:
            raise CannotConvert("the pixel data is cut off")
        return found
    try:
        found = _array(where, number)
        # A frame of single bits begins with a byte, which in the file it need not (PS3.5, 8.1.1).
        return pack_bits(found, pad=False) if where.header.BitsAllocated == 1 else found.tobytes()
    except Exception as error:  # decoders raise whatever the bytes lead them to
        raise CannotConvert(str(error)) from error


def _check(numbers: list[int], frames: int) -> None:
    if not numbers or min(numbers) < 1 or max(numbers) > frames:
        raise NoFrame(f"there are {frames} frames")


def _array(where: Pixels, number: int) -> NDArray[np.generic]:
    """The pixels of a frame as they are kept, in the colours that they are kept in."""
    found = where.array(number, raw=True)
    return found.astype(found.dtype.newbyteorder("<"), copy=False)


def drawn(digest: bytes, number: int, drawing: Drawing, form: str) -> bytes:
    """A frame as people see it, as `JPEG` or `PNG`. Raises NoFrame, CannotConvert."""
    picture = Image.fromarray(seen(digest, number, drawing))
    if drawing.region:
        picture = _part(picture, drawing.region)
    if drawing.size:
        picture.thumbnail((min(drawing.size[0], LARGEST), min(drawing.size[1], LARGEST)))
    if any(drawing.words):
        _write(picture, drawing.words)
    out = BytesIO()
    picture.save(out, form, **({"quality": drawing.quality} if form == "JPEG" else {}))
    return out.getvalue()


def _part(picture: Image.Image, region: tuple[float, float, float, float]) -> Image.Image:
    """The part of a picture; raises NoFrame where nothing of it is there."""
    left, top, width, height = region
    right, bottom = min(left + abs(width), picture.width), min(top + abs(height), picture.height)
    if not (0 <= left < right and 0 <= top < bottom):
        raise NoFrame("the region is not in the picture")
    found = picture.crop((int(left), int(top), max(round(right), int(left) + 1), max(round(bottom), int(top) + 1)))
    found = ImageOps.mirror(found) if width < 0 else found
    return ImageOps.flip(found) if height < 0 else found


def _write(picture: Image.Image, words: tuple[str, str]) -> None:
    """Write upon a picture what is told of it, bright with a dark edge."""
    size = max(10, picture.height // 40)
    font, draw, edge = ImageFont.truetype(FONT, size), ImageDraw.Draw(picture), max(1, size // 12)
    bright, dark = (255, 0) if picture.mode == "L" else ((255, 255, 255), (0, 0, 0))
    for lines, at, anchor in ((words[0], size // 2, "la"), (words[1], picture.height - size // 2, "ld")):
        place = (size // 2, at)
        draw.multiline_text(place, lines, bright, font, anchor, stroke_width=edge, stroke_fill=dark)


def words_upon(digest: bytes, number: int, annotation: frozenset[str]) -> tuple[str, str]:
    """What is written upon a picture: of `patient` and of `technique` (PS3.18, 8.3.5.1.1). Raises NoFrame."""
    if not annotation:
        return "", ""
    header = pixels(digest).header
    born, sex = text(header, "PatientBirthDate"), text(header, "PatientSex")
    name = " ".join(text(header, "PatientName").replace("^", " ").split())
    patient = [name, text(header, "PatientID"), " ".join(filter(None, (born, sex)))]
    made = " ".join(text(header, one) for one in ("StudyDate", "StudyTime"))
    series = " ".join(text(header, one) for one in ("Modality", "SeriesDescription", "ProtocolName"))
    technique = [series, made, text(header, "InstitutionName"), f"{text(header, 'InstanceNumber') or '–'} / {number}"]
    told = {"patient": patient, "technique": technique}
    upper, lower = (
        "\n".join(filter(str.strip, told[kind])) if kind in annotation else "" for kind in ("patient", "technique")
    )
    return upper, lower


def seen(digest: bytes, number: int, drawing: Drawing) -> NDArray[np.uint8]:
    """A frame as people see it, rows × columns, or × 3. Raises NoFrame, CannotConvert."""
    where = pixels(digest)
    _check([number], where.count)
    try:
        return for_eyes(_of_frame(where.header, number), where.array(number, raw=False), drawing)
    except Exception as error:
        raise CannotConvert(str(error)) from error


def _of_frame(header: Dataset, number: int) -> Dataset:
    """What is told of the pixels of a frame: of those with functional groups (PS3.3, C.7.6.16) its own words count."""
    everywhere, each = (header.get(f"{one}FunctionalGroupsSequence") or [] for one in ("Shared", "PerFrame"))
    groups = [*everywhere[:1], *each[number - 1 : number]]
    if not groups:
        return header
    found = header.group_dataset(0x0028)
    for group in groups:
        for macro in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in group.get(macro) or []:
                found.update(item)
    return found


def for_eyes(dataset: Dataset, values: NDArray[np.generic], drawing: Drawing) -> NDArray[np.uint8]:
    """Decoded values of a frame as people see them."""
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR":
        return _bytes_of(apply_color_lut(values, dataset))
    if dataset.get("SamplesPerPixel", 1) > 1:
        return _bytes_of(values)
    values = apply_modality_lut(values, dataset)
    centre, width = drawing.window or _own_window(dataset) or (0.0, 0.0)
    function = drawing.function or str(dataset.get("VOILUTFunction") or "LINEAR")
    if width >= 1 or (width > 0 and function != "LINEAR"):
        scaled = _windowed(values.astype(np.float64), centre, width, function) * 255
    else:
        if "VOILUTSequence" in dataset:
            values = apply_voi_lut(values, dataset)
        low, high = float(values.min()), float(values.max())
        scaled = _between(values.astype(np.float64), low, high) * 255
    return (255 - scaled if photometric == "MONOCHROME1" else scaled).astype(np.uint8)


def _windowed(values: NDArray[np.float64], centre: float, width: float, function: str) -> NDArray[np.float64]:
    """Values as parts of the brightest that there is (PS3.3, C.11.2.1.2.1 and C.11.2.1.3)."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return _between(values, centre - width / 2, centre + width / 2)
    return _between(values, centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)


def _between(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return np.clip((values - low) / max(high - low, 1e-9), 0, 1)


def _own_window(dataset: Dataset) -> tuple[float, float] | None:
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
