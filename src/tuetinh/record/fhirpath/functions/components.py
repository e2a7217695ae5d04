"""Components of dates and times (FHIRPath 3.0 ballot). What a value is not precise enough for is empty."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tuetinh.record.fhirpath.errors import EvaluationError
from tuetinh.record.fhirpath.nodes import type_of
from tuetinh.record.fhirpath.registry import scalar
from tuetinh.record.fhirpath.values import Date, DateTime, Time


def _day(value: Any, place: int, name: str) -> int | None:
    """A part of a day."""
    if not isinstance(value, Date | DateTime):
        raise EvaluationError(f"{name} does not take a {type_of(value)}")
    return int(value.parts[place]) if place < min(len(value.parts), 3) else None


def _clock(value: Any, place: int, name: str) -> Decimal | None:
    """A part of a time of day."""
    if not isinstance(value, Date | DateTime | Time):
        raise EvaluationError(f"{name} does not take a {type_of(value)}")
    parts = value.parts if isinstance(value, Time) else value.parts[3:]
    return Decimal(parts[place]) if place < len(parts) else None


def _whole(part: Decimal | None) -> int | None:
    return None if part is None else int(part)


@scalar("yearOf", object)
def _year_of(value: Any) -> int | None:
    return _day(value, 0, "yearOf()")


@scalar("monthOf", object)
def _month_of(value: Any) -> int | None:
    return _day(value, 1, "monthOf()")


@scalar("dayOf", object)
def _day_of(value: Any) -> int | None:
    return _day(value, 2, "dayOf()")


@scalar("hourOf", object)
def _hour_of(value: Any) -> int | None:
    return _whole(_clock(value, 0, "hourOf()"))


@scalar("minuteOf", object)
def _minute_of(value: Any) -> int | None:
    return _whole(_clock(value, 1, "minuteOf()"))


@scalar("secondOf", object)
def _second_of(value: Any) -> int | None:
    return _whole(_clock(value, 2, "secondOf()"))


@scalar("millisecondOf", object)
def _millisecond_of(value: Any) -> int | None:
    second = _clock(value, 2, "millisecondOf()")
    return None if second is None or second.as_tuple().exponent == 0 else int(second % 1 * 1000)


@scalar("timezoneOffsetOf", object)
def _timezone_offset_of(value: Any) -> Decimal | None:
    """Hours east of UTC."""
    if not isinstance(value, Date | DateTime):
        raise EvaluationError(f"timezoneOffsetOf() does not take a {type_of(value)}")
    minutes = value.offset if isinstance(value, DateTime) else None
    return None if minutes is None else Decimal(minutes) / 60


@scalar("dateOf", object)
def _date_of(value: Any) -> Date:
    if not isinstance(value, Date | DateTime):
        raise EvaluationError(f"dateOf() does not take a {type_of(value)}")
    return Date(tuple(int(part) for part in value.parts[:3]))


@scalar("timeOf", object)
def _time_of(value: Any) -> Time | None:
    if not isinstance(value, Date | DateTime):
        raise EvaluationError(f"timeOf() does not take a {type_of(value)}")
    return Time(value.parts[3:]) if len(value.parts) > 3 else None
