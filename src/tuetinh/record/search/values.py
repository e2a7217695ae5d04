"""Ranges that values mean by their precision: dates as instants, numbers as decimals (FHIR R4, Search, 3.1.1.4.5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from django.conf import settings

from tuetinh.record.terminology import ucum

INFINITY = "infinity"
BEFORE = "-infinity"
UNBOUNDED = Decimal("Infinity")

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


@cache
def zone() -> ZoneInfo:
    """Return the zone of dates and times that name none: that of the node (FHIR R4, Search: the server's own)."""
    return ZoneInfo(settings.TIME_ZONE)


@lru_cache(maxsize=65536)
def date_range(text: str) -> tuple[str, str] | None:
    """Return the first instant that a date, dateTime, instant or search value may mean and the first after it.

    Both as ISO text in UTC, for `timestamptz`; None if the text is no date.
    """
    match = _DATE.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        # A leap second is counted with the second before it.
        seconds = min(int(second or 0), 59)
        at = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), seconds)  # noqa: DTZ001
        after = _after(at, month, day, hour, second)
        if fraction:
            at += timedelta(microseconds=int(fraction[1:7].ljust(6, "0")))
            after = at + timedelta(microseconds=10 ** max(6 - len(fraction[1:]), 0))
        return _utc(at, offset), _utc(after, offset) if after else INFINITY
    except (ValueError, OverflowError):
        return None


def _after(at: datetime, month: str, day: str, hour: str, second: str) -> datetime | None:
    """Return the end of what a value of this precision means, None past the calendar's end."""
    try:
        if second:
            return at + timedelta(seconds=1)
        if hour:
            return at + timedelta(minutes=1)
        if day:
            return at + timedelta(days=1)
        if month and at.month < 12:
            return at.replace(month=at.month + 1)
        return at.replace(year=at.year + 1, month=1)
    except (ValueError, OverflowError):
        return None


def _utc(at: datetime, offset: str | None) -> str:
    if offset is None:
        aware = at.replace(tzinfo=zone())
    elif offset == "Z":
        return at.isoformat() + "+00:00"
    else:
        # The database reads the offset; converting here would overflow at the calendar's ends.
        return at.isoformat() + offset
    try:
        return aware.astimezone(UTC).isoformat()
    except OverflowError:
        return at.isoformat() + "+00:00"


def instant(text: str) -> datetime:
    """Return one of the texts above as an aware datetime; the infinities as the calendar's ends."""
    if text == INFINITY:
        return datetime.max.replace(tzinfo=UTC)
    if text == BEFORE:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(text)


def decimal(text: str) -> Decimal | None:
    """Return a number of a search, None if the text is none."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def number_range(value: Decimal) -> tuple[Decimal, Decimal]:
    """Return the range that a searched number means by its digits: 100 is 99.5 up to 100.5, 1e2 is 50 up to 150."""
    exponent = value.as_tuple().exponent
    half = Decimal((0, (5,), (exponent if isinstance(exponent, int) else 0) - 1))
    return value - half, value + half


@lru_cache(maxsize=4096)
def _base(code: str) -> str | None:
    """Return the canonical unit of a UCUM code; None where there is none, or where more of it is less (pH)."""
    one, two = ucum.canonical(Decimal(1), code), ucum.canonical(Decimal(2), code)
    return one[1] if one and two and one[0] < two[0] else None


def base_range(system: str, code: str, low: Decimal, high: Decimal) -> tuple[str, Decimal, Decimal] | None:
    """Return the canonical UCUM unit of a code and a range in it; None where there is no such form."""
    base = _base(code) if system == ucum.SYSTEM and code else None
    if base is None:
        return None
    bounds: list[Decimal] = []
    for bound in (low,) if low == high else (low, high):
        found = ucum.canonical(bound, code) if bound.is_finite() else (bound, base)
        if found is None:
            return None
        bounds.append(found[0])
    return base, bounds[0], bounds[-1]
