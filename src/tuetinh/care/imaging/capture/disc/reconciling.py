"""An object of another place made one of ours: the number of the person, with what stood there before (IHE IRWF)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.dataset import Dataset

from tuetinh.care.imaging.archive.changing import CannotChange, write_changed
from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.facts import HANOI

__all__ = ["CannotChange", "reconcile"]
_MODIFIED: Final = "AttributeModificationDateTime"


def reconcile(source: Path, target: Path, told: dict[str, str], known: bytes | None) -> None:
    """Write the object with these values. known: SHA-256 of the same object that was made ours before: it is told to be
    changed at the same moment, so that it is the same to the byte.

    Raises CannotChange.
    """
    with source.open("rb") as file, target.open("wb") as out:
        write_changed(file, out, told, _moment(known))


def _moment(known: bytes | None) -> str:
    if known is not None:
        head = whole(known, stop_before_pixels=True, specific_tags=["OriginalAttributesSequence"])
        items = head.get("OriginalAttributesSequence") or [Dataset()]
        if told := items[-1].get(_MODIFIED):
            return str(told)
    return datetime.now(HANOI).strftime("%Y%m%d%H%M%S")
