"""DICOM JSON as XML: the Native DICOM Model (PS3.19, A.1), which is `application/dicom+xml` (PS3.18, F)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

import tuetinh.care.imaging.library  # noqa: F401

import orjson
from pydicom.datadict import keyword_for_tag

MEDIA: Final = "application/dicom+xml"
_SPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_PARTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")  # of a name, PS3.5, 6.2.1
_NOT_IN_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_xml(told: Mapping[str, Any]) -> bytes:
    """The document of a data set in DICOM JSON."""
    root = Element("NativeDicomModel", {"xmlns": _SPACE, "xml:space": "preserve"})
    _add_all(root, told)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="utf-8")


def of(json: bytes) -> bytes:
    """The same of the bytes of DICOM JSON."""
    return as_xml(orjson.loads(json))


def _add_all(parent: Element, told: Mapping[str, Any]) -> None:
    for tag, one in sorted(told.items()):
        names = {"tag": tag, "vr": one["vr"]}
        if creator := _creator(tag, told):
            names |= {"tag": f"{tag[:4]}00{tag[6:]}", "privateCreator": creator}  # whichever block it has
        elif keyword := keyword_for_tag(int(tag, 16)):
            names["keyword"] = keyword
        _add(SubElement(parent, "DicomAttribute", names), one)


def _creator(tag: str, told: Mapping[str, Any]) -> str:
    """Who has defined a private element: the element of its block says so (PS3.5, 7.8.1)."""
    if not int(tag[3], 16) % 2 or tag[4:6] == "00":
        return ""
    return _text((told.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value") or [""])[0])


def _add(attribute: Element, one: Mapping[str, Any]) -> None:
    if "BulkDataURI" in one:
        SubElement(attribute, "BulkData", {"uri": one["BulkDataURI"]})
    elif "InlineBinary" in one:
        SubElement(attribute, "InlineBinary").text = one["InlineBinary"]
    for number, value in enumerate(one.get("Value") or [], start=1):
        place = {"number": str(number)}
        if one["vr"] == "SQ":
            _add_all(SubElement(attribute, "Item", place), value or {})
        elif one["vr"] == "PN":
            _add_name(SubElement(attribute, "PersonName", place), value or {})
        elif value is not None:
            SubElement(attribute, "Value", place).text = _text(value)


def _add_name(person: Element, value: Mapping[str, str]) -> None:
    for group in _GROUPS:
        if name := value.get(group):
            inner = SubElement(person, group)
            for part, text in zip(_PARTS, name.split("^"), strict=False):
                if text:
                    SubElement(inner, part).text = _text(text)


def _text(value: object) -> str:
    return _NOT_IN_XML.sub("", str(value))
