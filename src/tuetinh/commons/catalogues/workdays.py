"""The days on which offices are open, by which the law counts many of its deadlines."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from pathlib import Path

import msgspec


def is_working(day: date) -> bool:
    """Whether offices are open: no weekend, no holiday."""
    return day.weekday() < 5 and not is_holiday(day)


def is_holiday(day: date) -> bool:
    """Whether a day is a public holiday, or a working day given for one."""
    return f"{day:%m-%d}" in _holidays()["every"] or day.isoformat() in _holidays()["days"]


def after_working_days(day: date, count: int) -> date:
    """The day on which so many working days have passed; the day itself does not count."""
    while count:
        day += timedelta(days=1)
        count -= is_working(day)
    return day


@cache
def _holidays() -> dict[str, list[str]]:
    """Those of `every` year (month-day), and the `days` that move."""
    path = Path(__file__).parent / "data" / "holidays.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
