"""The System types of FHIRPath that Python has no equal for: dates and times of partial precision, and quantities.

Booleans, integers, decimals and strings are Python's own `bool`, `int`, `Decimal` and `str`.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

_CLOCK = r"(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d+)?))?)?"
_DATE = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?", re.ASCII)
_TIME = re.compile(_CLOCK, re.ASCII)
_DATETIME = re.compile(rf"{_DATE.pattern}(?:T(?:{_CLOCK}(?P<zone>Z|[+-]\d\d:\d\d)?)?)?", re.ASCII)

_PARTS = ("year", "month", "day", "hour", "minute")
# Calendar durations (FHIRPath, Time-valued Quantities), singular, with the UCUM unit of the same length.
CALENDAR = {
    "year": None,
    "month": None,
    "week": "wk",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
    "millisecond": "ms",
}
_WORDS = {name + end: name for name in CALENDAR for end in ("", "s")}


def calendar_unit(unit: str) -> str | None:
    """The singular of a calendar duration's name, None for any other unit."""
    return _WORDS.get(unit)


def _second(value: Decimal) -> str:
    whole, dot, rest = str(value).partition(".")
    return f"{whole:0>2}{dot}{rest}"


def _clock(parts: tuple[int | Decimal, ...]) -> str:
    shown = [f"{part:02d}" for part in parts[:2]]
    if len(parts) > 2:
        shown.append(_second(Decimal(parts[2])))
    return ":".join(shown)


def _calendar(parts: tuple[int | Decimal, ...]) -> str:
    return "-".join(f"{part:0{4 if place == 0 else 2}d}" for place, part in enumerate(parts))


@dataclass(frozen=True, slots=True)
class Date:
    """A day, month or year: `parts` holds what is known of it."""

    parts: tuple[int, ...]

    def __str__(self) -> str:
        return _calendar(self.parts)


@dataclass(frozen=True, slots=True)
class DateTime:
    """A date with as much of a time as is known. The zone is `Z`, an offset, or empty when none is given."""

    parts: tuple[int | Decimal, ...]
    zone: str = ""

    def __str__(self) -> str:
        shown = _calendar(self.parts[:3])
        if len(self.parts) > 3:
            shown += f"T{_clock(self.parts[3:])}{self.zone}"
        return shown

    @property
    def offset(self) -> int | None:
        """Minutes east of UTC; None when no zone is given."""
        if self.zone in ("", "Z"):
            return 0 if self.zone else None
        minutes = int(self.zone[1:3]) * 60 + int(self.zone[4:6])
        return -minutes if self.zone[0] == "-" else minutes


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day: `parts` holds hour, minute and second as far as they are known."""

    parts: tuple[int | Decimal, ...]

    def __str__(self) -> str:
        return _clock(self.parts)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit: a UCUM code, or the name of a calendar duration."""

    value: Decimal
    unit: str = "1"

    def __str__(self) -> str:
        shown = self.unit if calendar_unit(self.unit) else f"'{self.unit}'"
        return f"{self.value} {shown}"


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """What `type()` says of an item."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"


Value = bool | int | Decimal | str | Date | DateTime | Time | Quantity | TypeInfo


def _valid_day(parts: list[int]) -> bool:
    if parts[0] < 1 or (len(parts) > 1 and not 1 <= parts[1] <= 12):
        return False
    return len(parts) < 3 or 1 <= parts[2] <= monthrange(parts[0], parts[1])[1]


def _valid_clock(parts: list[int | Decimal]) -> bool:
    # A leap second is a valid time of day in FHIR.
    return all(part < bound for part, bound in zip(parts, (24, 60, 61), strict=False))


def _known(found: re.Match[str], *names: str) -> list[int]:
    return [int(found[name]) for name in names if found[name] is not None]


@lru_cache(maxsize=4096)
def parse_date(text: str) -> Date | None:
    """`YYYY`, `YYYY-MM` or `YYYY-MM-DD` of a real day, else None."""
    found = _DATE.fullmatch(text)
    parts = _known(found, "year", "month", "day") if found else []
    return Date(tuple(parts)) if parts and _valid_day(parts) else None


@lru_cache(maxsize=4096)
def parse_datetime(text: str) -> DateTime | None:
    """A date, with or without `T`, a time of any precision and a zone; None for what is no real time."""
    found = _DATETIME.fullmatch(text)
    if not found or (found["hour"] and not found["day"]):
        return None
    parts: list[int | Decimal] = list(_known(found, *_PARTS))
    if found["second"] is not None:
        parts.append(Decimal(found["second"]))
    if not _valid_day([int(part) for part in parts[:3]]) or not _valid_clock(parts[3:]):
        return None
    zone = found["zone"] or ""
    if zone not in ("", "Z") and (int(zone[1:3]) > 14 or int(zone[4:6]) > 59):
        return None
    return DateTime(tuple(parts), zone)


@lru_cache(maxsize=4096)
def parse_time(text: str) -> Time | None:
    """`hh`, `hh:mm` or `hh:mm:ss` with any fraction, else None."""
    found = _TIME.fullmatch(text)
    if not found:
        return None
    parts: list[int | Decimal] = list(_known(found, "hour", "minute"))
    if found["second"] is not None:
        parts.append(Decimal(found["second"]))
    return Time(tuple(parts)) if _valid_clock(parts) else None


_QUANTITY = re.compile(
    r"(?P<value>[+-]?\d{1,50}(?:\.\d{1,50})?)\s*(?:'(?P<unit>[^']+)'|(?P<time>[a-zA-Z]+))?", re.ASCII
)


def parse_quantity(text: str) -> Quantity | None:
    """`1`, `1 'mg'` or `1 day`, else None."""
    found = _QUANTITY.fullmatch(text)
    if not found or (found["time"] and not calendar_unit(found["time"])):
        return None
    return Quantity(Decimal(found["value"]), found["unit"] or found["time"] or "1")
