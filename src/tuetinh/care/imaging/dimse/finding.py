"""C-FIND on the archive (PS3.4 C.4.1): identifiers into queries of the index, its JSON into identifiers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.charset import python_encoding
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from tuetinh.care.imaging.archive.matching import MOST, Wanted

LEVELS: Final = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_ABOUT_THE_QUERY: Final = {0x00080005, 0x00080052, 0x00080053, 0x00080054, 0x00080056}
_UNIQUE: Final = (0x00100020, 0x0020000D, 0x0020000E, 0x00080018)
MOST_OBJECTS: Final = 1_000_000  # that are given at once
UTF8: Final = "ISO_IR 192"


class BadIdentifier(Exception):
    """The identifier asks for nothing that can be answered."""


def wanted(identifier: Dataset) -> Wanted:
    """The query that an identifier is. Raises BadIdentifier."""
    level = str(identifier.get("QueryRetrieveLevel") or "").strip()
    if level not in LEVELS:
        raise BadIdentifier("QueryRetrieveLevel")
    keys = {
        int(element.tag): values(element.value)
        for element in identifier
        if element.VR != "SQ" and int(element.tag) not in _ABOUT_THE_QUERY and element.tag.element != 0
    }
    return Wanted(level, keys, dict(_nested(identifier)), limit=MOST)


def _nested(dataset: Dataset, within: tuple[int, ...] = ()) -> Iterable[tuple[tuple[int, ...], list[str]]]:
    """What is asked within the item of each sequence (C.2.2.2.6)."""
    for element in dataset:
        path = (*within, int(element.tag))
        if element.VR == "SQ":
            for item in list(element.value)[:1]:
                yield from _nested(item, path)
        elif within:
            yield path, values(element.value)


def wanted_objects(identifier: Dataset) -> Wanted:
    """The objects that C-MOVE or C-GET ask for, by unique keys alone (C.4.2.2.1). Raises BadIdentifier."""
    keys = {tag: values(identifier[tag].value) for tag in _UNIQUE if tag in identifier}
    keys = {tag: [one for one in found if one and "*" not in one] for tag, found in keys.items()}
    keys = {tag: found for tag, found in keys.items() if found}
    if not keys:
        raise BadIdentifier("no unique key")
    return Wanted("IMAGE", keys, limit=MOST_OBJECTS)


def values(value: Any) -> list[str]:
    """The values of an element as text."""
    if value is None:
        return []
    many = value if isinstance(value, (MultiValue, list, tuple)) else [value]
    return [str(one).strip() for one in many]


def identifier(match: dict[str, Any], asked: Dataset, title: str) -> Dataset:
    """A match as the identifier to answer: what was asked for, empty where it is not known (C.2.2.1.2)."""
    told = Dataset.from_json({tag: match[tag] for tag in (f"{int(e.tag):08X}" for e in asked) if tag in match})
    for element in asked:
        if element.tag not in told and element.tag.element != 0:
            told.add_new(element.tag, element.VR, [] if element.VR == "SQ" else None)
    told.QueryRetrieveLevel = asked.get("QueryRetrieveLevel")
    told.RetrieveAETitle = title
    if "InstanceAvailability" in asked:
        told.InstanceAvailability = "ONLINE"
    told.SpecificCharacterSet = charset(asked, told)
    return told


def charset(asked: Dataset, told: Dataset) -> str | None:
    """The character set of an answer: the one of the question where it holds every character, else UTF-8."""
    names = values(asked.get("SpecificCharacterSet")) or [""]
    try:
        for text in _texts(told):
            text.encode(python_encoding.get(names[0], "ascii") if names[0] else "ascii")
    except (UnicodeEncodeError, LookupError):
        return UTF8
    return names[0] if len(names) == 1 and names[0] else None


def _texts(dataset: Dataset) -> Iterable[str]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _texts(item)
        elif element.VR in ("PN", "LO", "SH", "LT", "ST", "UT", "UC"):
            yield from values(element.value)
