"""Deadlines of the law count working days: weekends and holidays are none."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tuetinh.commons.catalogues.api import after_working_days, is_working


def test_offices_are_closed_on_weekends_and_holidays() -> None:
    days = [date(2026, 4, 24) + timedelta(days=n) for n in range(9)]
    assert [day.day for day in days if is_working(day)] == [24, 28, 29]


@pytest.mark.parametrize(
    ("day", "count", "after"),
    [
        (date(2026, 11, 27), 0, date(2026, 11, 27)),
        (date(2026, 11, 27), 2, date(2026, 12, 1)),  # a Friday
        (date(2026, 11, 28), 2, date(2026, 12, 1)),  # a Saturday
        (date(2026, 4, 29), 2, date(2026, 5, 5)),  # before the holidays of 30/4 and 1/5
        (date(2026, 2, 13), 1, date(2026, 2, 23)),  # before Tết
    ],
)
def test_count_working_days(day: date, count: int, after: date) -> None:
    assert after_working_days(day, count) == after
