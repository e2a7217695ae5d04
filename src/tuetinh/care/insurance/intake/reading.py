"""Values of claim files as FHIR has them; "" or None for what is not said or no such value."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from tuetinh.record import r4

ZONE: Final = "+07:00"
LISTS: Final = "https://tuetinh.vn/fhir/CodeSystem"
SNOMED: Final = "http://snomed.info/sct"
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?")


def at(text: str) -> str:
    """A FHIR dateTime of yyyymmddHHMM, or a date of yyyymmdd."""
    form = {12: "%Y%m%d%H%M", 8: "%Y%m%d"}.get(len(text)) if text.isdecimal() and text.isascii() else None
    try:
        found = datetime.strptime(text, form) if form else None  # noqa: DTZ007 - times of a claim are Vietnam's
    except ValueError:
        return ""
    if found is None or found.year < 1800:
        return ""
    return f"{found:%Y-%m-%dT%H:%M:00}{ZONE}" if len(text) == 12 else f"{found:%Y-%m-%d}"


def day(text: str) -> str:
    """The day (ISO) of a time."""
    return at(text)[:10]


def birth(text: str) -> str:
    """A FHIR date of yyyy, yyyymmdd or yyyymmddHHMM, in which an unknown month or day is 00."""
    if not re.fullmatch(r"[0-9]{4}|[0-9]{8}|[0-9]{12}", text):
        return ""
    year, month, of_month = text[:4], text[4:6], text[6:8]
    found = "-".join([year, *([month] if month not in ("", "00") else [])])
    if len(found) == 7 and of_month != "00":
        found += f"-{of_month}"
    try:
        date(int(year), int(found[5:7] or 1), int(found[8:] or 1))
    except ValueError:
        return ""
    return found


def amount(text: str) -> Decimal | None:
    """A number."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def parts(text: str) -> list[str]:
    """The values of a field that holds several."""
    return [part for one in text.split(";") if (part := one.strip())]


def code(text: str) -> str:
    """A code without the white space that FHIR's type forbids."""
    return " ".join(text.split())


def coded(system: str, text: str, words: str = "") -> r4.CodeableConcept:
    """A concept of one coding, its text as it was told."""
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code(text))], text=words or None)


def money(value: Decimal) -> r4.Money:
    """An amount in ₫."""
    return r4.Money(value=value, currency="VND")
