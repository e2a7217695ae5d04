"""Until when a claim must be with the gateway (TT 48/2017, TT 12/2026): the same day, and with corrections in 7 working
days, but that of one month before the 5th of the next.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from pathlib import Path

import msgspec

WORKING_DAYS = 7
MONTH_CLOSES = 5


def last_day(ended: date) -> date:
    """The last day on which the claim of a visit that ended then may be sent and corrected."""
    day, left = ended, WORKING_DAYS
    while left:
        day += timedelta(days=1)
        left -= is_working(day)
    following = (ended.replace(day=28) + timedelta(days=4)).replace(day=MONTH_CLOSES)
    return min(day, following)


def is_working(day: date) -> bool:
    """Whether offices are open: no weekend, no holiday."""
    return day.weekday() < 5 and f"{day:%m-%d}" not in holidays()["every"] and day.isoformat() not in holidays()["days"]


@cache
def holidays() -> dict[str, list[str]]:
    """Holidays: those of `every` year (month-day), and the `days` that move."""
    path = Path(__file__).parents[1] / "data" / "holidays.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
