"""An object of another place made one of ours: the number of the person, with what stood there before (IHE IRWF)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from shutil import copyfileobj
from typing import Final

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from tuetinh.care.imaging.archive.lenient import dcmread
from tuetinh.care.imaging.archive.reading import text, whole
from tuetinh.care.imaging.facts import HANOI

SYSTEM: Final = "TUETINH"
PIECE: Final = 2**20
_MODIFIED: Final = "AttributeModificationDateTime"


class CannotChange(Exception):
    """The object is written so that it cannot be written again."""


def reconcile(source: Path, target: Path, told: dict[str, str], known: bytes | None) -> None:
    """Write the object with these values; those that it had are in its Original Attributes (PS3.3 C.12.1).

    Names stay as they were written. Pixels are copied as they lie, so memory stays flat. known: SHA-256 of the same
    object that was made ours before: it is told to be changed at the same moment, so that it is the same to the byte.

    Raises CannotChange.
    """
    with source.open("rb") as file, target.open("wb") as out:
        try:
            dataset = dcmread(file, stop_before_pixels=True)
            deflated = UID(dataset.file_meta.TransferSyntaxUID).is_deflated
            if deflated:
                dataset = dcmread(source)
            _change(dataset, told, _moment(known))
            dcmwrite(out, dataset, enforce_file_format=True)
        except OSError:
            raise
        except Exception as error:  # whatever the bytes lead it to
            raise CannotChange from error
        if not deflated:
            copyfileobj(file, out, PIECE)  # it stands before its pixels, or at its end


def _moment(known: bytes | None) -> str:
    if known is not None:
        head = whole(known, stop_before_pixels=True, specific_tags=["OriginalAttributesSequence"])
        items = head.get("OriginalAttributesSequence") or [Dataset()]
        if told := items[-1].get(_MODIFIED):
            return str(told)
    return datetime.now(HANOI).strftime("%Y%m%d%H%M%S")


def _change(dataset: FileDataset, told: dict[str, str], moment: str) -> None:
    before = Dataset()
    for keyword, value in told.items():
        if text(dataset, keyword) != value:
            setattr(before, keyword, text(dataset, keyword))
            setattr(dataset, keyword, value)
    if not before:
        return
    item = Dataset()
    item.SourceOfPreviousValues = ""
    item.AttributeModificationDateTime = moment
    item.ModifyingSystem = SYSTEM
    item.ReasonForTheAttributeModification = "COERCE"
    item.ModifiedAttributesSequence = [before]
    dataset.OriginalAttributesSequence = [*(dataset.get("OriginalAttributesSequence") or []), item]
