"""An object written anew with other values: those that it had are in its Original Attributes (PS3.3, C.12.1.1.9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from shutil import copyfileobj
from typing import BinaryIO, Final, Protocol

import tuetinh.care.imaging.library  # noqa: F401

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tuetinh.care.imaging.archive.lenient import dcmread
from tuetinh.care.imaging.archive.reading import text
from tuetinh.care.imaging.facts import HANOI

SYSTEM: Final = "TUETINH"
UTF8: Final = "ISO_IR 192"
PIECE: Final = 2**20


class _Out(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Add bytes."""


class CannotChange(Exception):
    """The object is written so that it cannot be written again."""


def write_changed(
    source: BinaryIO, out: _Out, told: Mapping[str, str], moment: str = "", reason: str = "COERCE"
) -> dict[str, str]:
    """Write an object with these values by keyword, "" for empty ones; returns what stood there of those that changed.

    What is not told stays as it was written. Pixels are copied as they lie, so memory stays flat. A data set without a
    header gets one. moment, reason: of the change. Raises CannotChange.
    """
    try:
        dataset = dcmread(source, stop_before_pixels=True, force=True)
        _head(dataset)
        deflated = UID(dataset.file_meta.TransferSyntaxUID).is_deflated
        if deflated:
            source.seek(0)
            dataset = dcmread(source)
        before = _change(dataset, told, moment or datetime.now(HANOI).strftime("%Y%m%d%H%M%S"), reason)
        head = BytesIO()
        dcmwrite(head, dataset, enforce_file_format=True)
    except OSError:
        raise
    except Exception as error:  # whatever the bytes lead it to
        raise CannotChange from error
    out.write(head.getvalue())
    if not deflated:
        copyfileobj(source, out, PIECE)  # it stands before its pixels, or at its end
    return before


def _head(dataset: FileDataset) -> None:
    """Say in the header how the data set is written, where nothing says it. Raises where it tells no class."""
    meta = dataset.file_meta
    if "TransferSyntaxUID" not in meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID


def _change(dataset: FileDataset, told: Mapping[str, str], moment: str, reason: str) -> dict[str, str]:
    before = {keyword: text(dataset, keyword) for keyword, value in told.items() if text(dataset, keyword) != value}
    if any(not told[keyword].isascii() for keyword in before):
        _spell(dataset)
    for keyword in before:
        setattr(dataset, keyword, told[keyword])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if before:
        dataset.OriginalAttributesSequence = [
            *(dataset.get("OriginalAttributesSequence") or []), _noted(before, moment, reason)
        ]  # fmt: skip
    return before


def _spell(dataset: FileDataset) -> None:
    """Let the object be written in UTF-8, which has every letter; its character set may not have those that come."""
    if text(dataset, "SpecificCharacterSet") == UTF8:
        return
    for _ in dataset.iterall():  # each is read in the character set that it is written in
        pass
    dataset.decode()
    dataset.SpecificCharacterSet = UTF8


def _noted(before: Mapping[str, str], moment: str, reason: str) -> Dataset:
    item, values = Dataset(), Dataset()
    for keyword, value in before.items():
        setattr(values, keyword, value)
    item.SourceOfPreviousValues = ""
    item.AttributeModificationDateTime = moment
    item.ModifyingSystem = SYSTEM
    item.ReasonForTheAttributeModification = reason
    item.ModifiedAttributesSequence = [values]
    return item
