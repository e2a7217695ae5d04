"""Going through the elements before an object's pixels; the library's own way takes most of the time of storing.

It makes an object of each element, of which the index wants a few. Here those that it wants become the library's raw
elements, which it reads when they are asked for. Whatever is not plain raises ValueError, for the library to read.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.values import convert_string

from tuetinh.care.imaging.archive.attributes import LEVEL_OF
from tuetinh.care.imaging.archive.reading import PIXELS, PREAMBLE, UNDEFINED

CHARSET, SYNTAX = 0x00080005, 0x00020010
ITEM: Final = 8  # bytes of an item's head
ITEM_ENDS, SEQUENCE_ENDS = 0xFFFEE00D, 0xFFFEE0DD
LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # with a length of 32 bits (PS3.5, 7.1.2)
SHORT: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_VR_NAMES: Final = {vr: vr.decode() for vr in LONG | SHORT}
_TAGS: Final = {tag: BaseTag(tag) for tag in (*LEVEL_OF, CHARSET)}
_explicit, _implicit = Struct("<HH2sH").unpack_from, Struct("<HHL").unpack_from
_long = Struct("<L").unpack_from


def place_of_syntax(data: bytes) -> tuple[int, UID]:
    """Where the data set of a Part 10 file begins, and its transfer syntax."""
    at, found = PREAMBLE + 4, b""
    while data[at : at + 2] == b"\2\0":
        tag, _, start, length = _element(data, at, implicit=False)
        at = start + length
        if tag == SYNTAX:
            found = data[start:at]
    return at, _uid(found)


def elements(data: bytes, at: int, *, implicit: bool) -> tuple[Dataset, int]:
    """What the index wants of a little endian data set, and where its pixels begin."""
    if implicit and data[at + 4 : at + 6] in _VR_NAMES:  # it only says so
        raise ValueError("explicit value representations")
    found: dict[BaseTag, RawDataElement] = {}
    while True:
        tag, vr, start, length = _element(data, at, implicit=implicit)
        if tag in PIXELS:
            return _dataset(found, implicit=implicit), at
        at = end = start + length
        if length == UNDEFINED:
            if vr not in (None, "SQ"):
                raise ValueError("not plain")
            at = _past(data, start, implicit=implicit)
            end = at - ITEM
        if at > len(data):
            raise ValueError("not whole")
        if name := _TAGS.get(tag):
            value = data[start:end] if start < end else empty_value_for_VR(vr, raw=True)
            found[name] = RawDataElement(name, vr, end - start, value, start, implicit, is_little_endian=True)  # type: ignore[arg-type]


def _element(data: bytes, at: int, *, implicit: bool) -> tuple[int, str | None, int, int]:
    """The tag of an element, its VR where it is told, where its value begins, and how long it is."""
    if implicit or data[at : at + 2] == b"\xfe\xff":
        group, number, length = _implicit(data, at)
        return group << 16 | number, None, at + ITEM, length
    group, number, vr, length = _explicit(data, at)
    if vr not in LONG:
        return group << 16 | number, _VR_NAMES[vr], at + 8, length
    return group << 16 | number, _VR_NAMES[vr], at + 12, _long(data, at + 8)[0]


def _past(data: bytes, at: int, *, implicit: bool) -> int:
    """Where a sequence ends that does not tell its length (PS3.5, 7.5)."""
    while True:
        tag, _, at, length = _element(data, at, implicit=implicit)
        if tag == SEQUENCE_ENDS:
            return at
        if length != UNDEFINED:
            at += length
            continue
        while tag != ITEM_ENDS:
            tag, vr, at, length = _element(data, at, implicit=implicit)
            if length != UNDEFINED:
                at += length
            elif vr in (None, "SQ"):
                at = _past(data, at, implicit=implicit)
            else:
                raise ValueError("not plain")


@lru_cache(64)
def _uid(value: bytes) -> UID:
    return UID(value.rstrip(b" \0").decode("ascii"))


@lru_cache(64)
def _encodings(charset: bytes) -> tuple[str, ...]:
    return tuple(convert_encodings(convert_string(charset, is_little_endian=True)))


def _dataset(found: dict[BaseTag, RawDataElement], *, implicit: bool) -> Dataset:
    made = Dataset(found)  # type: ignore[arg-type]
    charset = found[_TAGS[CHARSET]].value if _TAGS[CHARSET] in found else b""
    encodings = list(_encodings(charset)) if charset else default_encoding
    made.set_original_encoding(implicit, is_little_endian=True, character_encoding=encodings)
    return made
