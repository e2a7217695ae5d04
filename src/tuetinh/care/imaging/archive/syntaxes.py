"""Objects in other transfer syntaxes than their own: uncompressed, in the byte order of today, or without loss."""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO

import tuetinh.care.imaging.library  # noqa: F401

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import iter_pixels, pack_bits
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tuetinh.care.imaging.archive import sizes
from tuetinh.care.imaging.archive.lenient import dcmread
from tuetinh.care.imaging.archive.reading import whole

PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
WITHOUT_LOSS = (str(JPEGLSLossless), str(JPEG2000Lossless), str(RLELossless))
"""Compressed syntaxes that an object can be given in."""


class CannotConvert(Exception):
    """The pixels of the object cannot be decoded, or not be written so."""


def in_one_of(digest: bytes, accepted: Collection[str]) -> FileDataset:
    """An object in its own syntax where that is accepted, else in a plain one. Raises CannotConvert."""
    dataset = whole(digest)
    own = str(dataset.file_meta.TransferSyntaxUID)
    if own in accepted or (own in PLAIN and set(PLAIN) & set(accepted)):
        return dataset
    return dcmread(BytesIO(explicit(dataset)))


def explicit(dataset: FileDataset) -> bytes:
    """The object as a Part 10 file in Explicit VR Little Endian. Raises CannotConvert."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if syntax.is_encapsulated:
            sizes.check(dataset, int(dataset.get("NumberOfFrames") or 1))
        if syntax.is_encapsulated and dataset.BitsAllocated == 1:
            _pack(dataset)
        elif syntax.is_encapsulated:
            dataset.decompress(generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            _swap(dataset)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        out = BytesIO()
        dcmwrite(out, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    except Exception as error:  # decoders raise whatever the bytes lead them to
        raise CannotConvert(str(error)) from error
    return out.getvalue()


def without_loss(dataset: FileDataset, syntax: str) -> bytes:
    """The object as a Part 10 file in one of `WITHOUT_LOSS`. Raises CannotConvert."""
    made, out = dcmread(BytesIO(explicit(dataset))), BytesIO()  # its values as they are read, not as they lie in memory
    try:
        pixels = made.PixelData
        made.compress(syntax, generate_instance_uid=False)
        dcmwrite(out, made, enforce_file_format=True)
        is_same = is_of_same_pixels(pixels, dcmread(BytesIO(out.getvalue())))
    except Exception as error:  # encoders, too
        raise CannotConvert(str(error)) from error
    if not is_same:  # as where bits are used that are not said to be
        raise CannotConvert("pixels would be lost")
    return out.getvalue()


def is_of_same_pixels(was: bytes, made: Dataset) -> bool:
    """Whether an object decodes to these bytes of one that is not compressed."""
    at, pixels = 0, memoryview(was)
    for frame in iter_pixels(made, raw=True):
        found = frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()
        if pixels[at : at + len(found)] != found:
            return False
        at += len(found)
    return len(pixels) - at in (0, 1)  # of an odd number of bytes, one more (PS3.5, 8.1.1)


def _pack(dataset: Dataset) -> None:
    """Single bits, eight in a byte (PS3.5, 8.1.1), which `decompress` leaves in a byte each."""
    dataset.PixelData = pack_bits(dataset.pixel_array)
    dataset["PixelData"].is_undefined_length = False


def _swap(dataset: Dataset) -> None:
    """Turn the bytes of words (PS3.5, 7.3): pixel data is kept as bytes, whatever their order."""
    if "PixelData" in dataset and dataset["PixelData"].VR == "OW":
        width = 2 if dataset.BitsAllocated <= 16 else dataset.BitsAllocated // 8
        dataset.PixelData = np.frombuffer(dataset.PixelData, f">u{width}").astype(f"<u{width}").tobytes()
