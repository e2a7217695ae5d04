"""`lowBoundary`, `highBoundary` and `precision` (FHIRPath 3.0 ballot): the range that a precision leaves open."""

from __future__ import annotations

from calendar import monthrange
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from tuetinh.record.fhirpath.context import one
from tuetinh.record.fhirpath.errors import EvaluationError
from tuetinh.record.fhirpath.nodes import Node, system, type_of
from tuetinh.record.fhirpath.registry import scalar
from tuetinh.record.fhirpath.values import Date, DateTime, Quantity, Time

_MOST_DECIMALS = 31
_DEFAULT_DECIMALS = 8
_WIDE = Context(prec=100)
# How many digits are shown of a moment of so many parts: year, month, day, hour, minute, second with milliseconds.
_DATE_DIGITS = (4, 6, 8)
_DATETIME_DIGITS = (4, 6, 8, 10, 12, 17)
_TIME_DIGITS = (2, 4, 9)


@scalar("lowBoundary", object, int, optional=1)
def _low(value: Any, precision: int | None = None) -> Any:
    return _boundary(value, precision, high=False)


@scalar("highBoundary", object, int, optional=1)
def _high(value: Any, precision: int | None = None) -> Any:
    return _boundary(value, precision, high=True)


def _boundary(value: Any, precision: int | None, *, high: bool) -> Any:
    match value:
        case bool():
            pass
        case int() | Decimal():
            return _number(Decimal(value), precision, high=high)
        case Quantity():
            number = _number(value.value, precision, high=high)
            return None if number is None else Quantity(number, value.unit)
        case Date():
            return _date(value, precision, high=high)
        case DateTime():
            return _datetime(value, precision, high=high)
        case Time():
            return _time(value, precision, high=high)
        case Node() if value.kind.name == "Period":
            edge = system(one(value.child("end" if high else "start"), "a boundary"))
            return None if edge is None else _boundary(edge, precision, high=high)
    raise EvaluationError(f"a {type_of(value)} has no boundary")


def _number(value: Decimal, precision: int | None, *, high: bool) -> Decimal | None:
    """Half a unit of the last digit below or above. Where fewer digits are asked for, the low boundary is cut off and
    the high one rounded, both by magnitude, and mirrored below zero."""
    digits = _DEFAULT_DECIMALS if precision is None else precision
    exponent = value.as_tuple().exponent
    if not 0 <= digits <= _MOST_DECIMALS or not isinstance(exponent, int):
        return None
    half = Decimal(5).scaleb(min(exponent, 0) - 1)
    edge = _WIDE.add(value, half if high else -half)
    outward = high == (edge >= 0)
    return edge.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP if outward else ROUND_DOWN, _WIDE)


Parts = tuple[int | Decimal, ...]
_LATEST_SECOND = Decimal("59.999")


def _date(value: Date, precision: int | None, *, high: bool) -> Date | DateTime | None:
    if precision is not None and precision > _DATE_DIGITS[-1]:
        return _datetime(DateTime(value.parts), precision, high=high)
    parts = _cut(_day(value.parts, high=high), precision, _DATE_DIGITS)
    return None if parts is None else Date(tuple(int(part) for part in parts))


def _datetime(value: DateTime, precision: int | None, *, high: bool) -> DateTime | None:
    """Where no zone is given, it is the easternmost or the westernmost that there is."""
    clock = value.parts[3:]
    if len(clock) == 1:
        # FHIR knows no bare hour: it stands for its first minute.
        clock = (*clock, 0)
    parts = _cut((*_day(value.parts[:3], high=high), *_clock(clock, high=high)), precision, _DATETIME_DIGITS)
    if parts is None:
        return None
    return DateTime(parts, (value.zone or ("-12:00" if high else "+14:00")) if len(parts) > 3 else "")


def _time(value: Time, precision: int | None, *, high: bool) -> Time | None:
    parts = _cut(_clock(value.parts, high=high), precision, _TIME_DIGITS)
    return None if parts is None else Time(parts)


def _day(parts: Parts, *, high: bool) -> Parts:
    year, month, day = (*parts, None, None)[:3]
    month = month or (12 if high else 1)
    return (year or 1, month, day or (monthrange(int(year or 1), int(month))[1] if high else 1))


def _clock(parts: Parts, *, high: bool) -> Parts:
    full: list[int | Decimal] = list(parts)
    for latest in (23, 59, _LATEST_SECOND)[len(full) :]:
        full.append(latest if high else type(latest)(0))
    second = Decimal(full[2])
    places = -int(second.as_tuple().exponent)
    if high and places < 3 and len(parts) == 3:
        second += Decimal(1).scaleb(-places) - Decimal("0.001")
    return (full[0], full[1], second.quantize(Decimal("0.001"), ROUND_DOWN))


def _cut(parts: Parts, precision: int | None, digits: tuple[int, ...]) -> Parts | None:
    if precision is None:
        return parts
    return parts[: digits.index(precision) + 1] if precision in digits else None


@scalar("precision", object)
def _precision(value: Any) -> int | None:
    """Decimals of a number; digits of a date or time."""
    match value:
        case bool():
            pass
        case int() | Decimal():
            return max(-int(Decimal(value).as_tuple().exponent), 0)
        case Date():
            return _DATE_DIGITS[len(value.parts) - 1]
        case DateTime():
            return _shown(value.parts, _DATETIME_DIGITS)
        case Time():
            return _shown(value.parts, _TIME_DIGITS)
    raise EvaluationError(f"a {type_of(value)} has no precision")


def _shown(parts: Parts, digits: tuple[int, ...]) -> int:
    """Seconds without milliseconds take two digits."""
    second = parts[-1]
    if not isinstance(second, Decimal):
        return digits[len(parts) - 1]
    return digits[-1] - 3 - int(second.as_tuple().exponent)
