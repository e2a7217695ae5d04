"""Objects in other transfer syntaxes than their own: uncompressed, in the byte order of today."""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tuetinh.care.imaging.archive.lenient import dcmread
from tuetinh.care.imaging.archive.reading import whole

PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


class CannotConvert(Exception):
    """The pixels of the object cannot be decoded."""


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


def _pack(dataset: Dataset) -> None:
    """Single bits, eight in a byte (PS3.5, 8.1.1), which `decompress` leaves in a byte each."""
    dataset.PixelData = pack_bits(dataset.pixel_array)
    dataset["PixelData"].is_undefined_length = False


def _swap(dataset: Dataset) -> None:
    """Turn the bytes of words (PS3.5, 7.3): pixel data is kept as bytes, whatever their order."""
    if "PixelData" in dataset and dataset["PixelData"].VR == "OW":
        width = 2 if dataset.BitsAllocated <= 16 else dataset.BitsAllocated // 8
        dataset.PixelData = np.frombuffer(dataset.PixelData, f">u{width}").astype(f"<u{width}").tobytes()
