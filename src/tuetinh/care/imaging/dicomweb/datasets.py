"""A data set in DICOM JSON that somebody sends (PS3.18, F.2), looked at before it is believed."""

from __future__ import annotations

import re
from typing import Any, Final

import tuetinh.care.imaging.library  # noqa: F401

import orjson
from pydicom.valuerep import VR

Json = dict[str, Any]
_TAG: Final = re.compile("[0-9A-F]{8}")
_VRS: Final = frozenset(str(one) for one in VR if len(one) == 2)
_NUMBERS: Final = frozenset({"FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
_EITHER: Final = frozenset({"DS", "IS", "SV", "UV"})  # of which large ones are told as text (F.2.3)
_BYTES: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_NAMES: Final = frozenset({"Alphabetic", "Ideographic", "Phonetic"})
_APART: Final = ("InlineBinary", "BulkDataURI")
_PARTS: Final = frozenset({"vr", "Value", *_APART})
DEEPEST: Final = 16  # sequences within each other


class Unclear(ValueError):
    """What was sent is no data set; it says where."""


def dataset_in(body: bytes) -> Json:
    """The data set of a body: an array of one, or the object alone. Raises Unclear."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unclear(f"the body is no JSON: line {error.lineno}, column {error.colno}") from error
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    _check(found, "", DEEPEST)
    return dict(found)


def _check(dataset: object, at: str, deeper: int) -> None:
    if not isinstance(dataset, dict):
        raise Unclear(f"{at or '/'} is no data set in DICOM JSON")
    if not deeper:
        raise Unclear(f"{at} lies too deep")
    for tag, element in dataset.items():
        place = f"{at}/{tag[:40]}"
        if not _TAG.fullmatch(tag):
            raise Unclear(f"{place}: a tag is eight hexadecimal digits, letters are capitals")
        if not isinstance(element, dict) or not _is_text(element.get("vr")) or element["vr"] not in _VRS:
            raise Unclear(f"{place} has no vr of PS3.5")
        if not element.keys() <= _PARTS or not all(_is_text(element.get(one, "")) for one in _APART):
            raise Unclear(f"{place} has more than vr and Value, InlineBinary or BulkDataURI")
        values = element.get("Value", [])
        if not isinstance(values, list) or (values and element["vr"] in _BYTES):
            raise Unclear(f"{place}/Value is no list of values of {element['vr']}")
        for number, value in enumerate(values):
            _check_value(element["vr"], value, f"{place}/Value/{number}", deeper)


def _check_value(vr: str, value: object, at: str, deeper: int) -> None:
    if vr == "SQ":
        _check(value, at, deeper - 1)
    elif not (value is None or _is_value(vr, value)):
        raise Unclear(f"{at} is no value of {vr}")


def _is_value(vr: str, value: object) -> bool:
    if vr == "PN":
        return isinstance(value, dict) and value.keys() <= _NAMES and all(map(_is_text, value.values()))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return vr in _NUMBERS | _EITHER
    return _is_text(value) and (vr not in _NUMBERS or vr in _EITHER)


def _is_text(value: object) -> bool:
    """Whether this is text, of which the database takes all but NUL."""
    return isinstance(value, str) and "\0" not in value
