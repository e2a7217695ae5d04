"""ISBT 128 barcodes of a unit (ICCBBA, Standard Technical Specification), as scanners send them.

Data structures: 001 donation identification number, 002 blood group, 003 product code, 004 and 005 expiry, 006 and 007
collection, 023 compound message. They are of fixed length, so that several may stand in one scan or DataMatrix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from tuetinh.care.lab.blood.groups import Group, by_isbt

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_STRUCTURES: Final = re.compile(
    r"""
      =\+(?P<compound>[0-9A-Z]{2}\d{3})
    | =%(?P<group>[0-9A-Z]{2})[0-9A-Z]{2}
    | =<(?P<product>[A-Z][0-9]{4}[0-9A-Za-z][0-9A-Za-z]{2})
    | =>(?P<expires>\d{6})
    | &>(?P<expires_at>\d{10})
    | =\*(?P<collected>\d{6})
    | &\*(?P<collected_at>\d{10})
    | =(?P<din>[A-NP-Z1-9][0-9A-Z]{4}\d{2}\d{6})[0-9A-Z]{2}
    """,
    re.VERBOSE | re.ASCII,
)
_DIN: Final = re.compile(r"[A-NP-Z1-9][0-9A-Z]{4}[0-9]{8}")
_SIGNS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"


class NotIsbt(ValueError):
    """What was scanned is no ISBT 128 barcode, or says what cannot be."""


@dataclass(frozen=True, slots=True)
class Label:
    """What the barcodes of a unit say; empty where none was scanned."""

    din: str = ""
    product: str = ""
    group: Group | None = None
    expires: datetime | None = None
    collected: date | None = None


def read(text: str) -> Label:
    """Read the barcodes of one unit, in any order, with or without space between. Raises NotIsbt."""
    at, found = 0, {}
    text = "".join(text.split())
    while at < len(text):
        match = _STRUCTURES.match(text, at)
        if not match:
            raise NotIsbt(text[at : at + 20])
        for key, value in match.groupdict().items():
            if value is not None and found.setdefault(key, value) != value:  # the barcodes of two bags
                raise NotIsbt(value)
        at = match.end()
    if "group" in found and found["group"] not in by_isbt():
        raise NotIsbt(found["group"])
    return Label(
        din=found.get("din", ""),
        product=found.get("product", ""),
        group=by_isbt().get(found.get("group", "")),
        expires=_expiry(found),
        collected=_collected(found),
    )


def _expiry(found: dict[str, str]) -> datetime | None:
    """A day without a time ends at 23:59 (004)."""
    if text := found.get("expires_at"):
        return datetime.combine(_day(text[:6]), _time(text[6:]), HANOI).astimezone(UTC)
    if text := found.get("expires"):
        return datetime.combine(_day(text), time(23, 59), HANOI).astimezone(UTC)
    return None


def _collected(found: dict[str, str]) -> date | None:
    text = found.get("collected") or found.get("collected_at", "")[:6]
    return _day(text) if text else None


def _day(text: str) -> date:
    """cyyjjj: century (9 is 1900s, 0 is 2000s), year, day of the year."""
    century, year, day = text[0], int(text[1:3]), int(text[3:6])
    first = date((1900 if century == "9" else 2000 + 100 * int(century)) + year, 1, 1)
    found = first + timedelta(days=day - 1)
    if day < 1 or found.year != first.year:
        raise NotIsbt(text)
    return found


def _time(text: str) -> time:
    try:
        return time(int(text[:2]), int(text[2:]))
    except ValueError as error:
        raise NotIsbt(text) from error


def check_character(din: str) -> str:
    """The character that is printed in a box behind a number, for those who type it (ISO/IEC 7064, MOD 37-2).

    "" for a number that is a supplier's own.
    """
    if not _DIN.fullmatch(din):
        return ""
    total = 0
    for sign in din:
        total = (total + _SIGNS.index(sign)) * 2 % 37
    return _SIGNS[(38 - total) % 37]
