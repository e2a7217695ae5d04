"""Days and months are counted in the database: days from the lines of orders and from tubes, months from their days."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from django.db import DatabaseError, connection, transaction
from django.db.models import Max

from tuetinh.care.lab.models import CountedDay, Tube

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
WITHIN: Final = timedelta(minutes=30)  # of a critical value, in which somebody must have read it back
AGAIN: Final = 31  # days back that are counted anew each night: results come late, and are corrected
TESTS, SAMPLES, TIMES, MONTH_TESTS, MONTH_SAMPLES, MONTH_TIMES = (
    Path(__file__).with_name("summary.sql").read_text(encoding="utf-8").split("-- next --")
)
log = logging.getLogger(__name__)
_TABLES: Final = ("lab_testcount", "lab_samplecount", "lab_steptime")


class Uncounted(Exception):
    """The work of some laboratories could not be counted; the log says why."""


def count_day(facility: str, day: date) -> None:
    """Count a day of a laboratory anew, and its month. Safe to repeat, and at the same time as itself."""
    start = datetime.combine(day, time(), HANOI)
    values = {
        "facility": facility, "day": day, "start": start, "end": start + timedelta(days=1), "within": WITHIN,
    }  # fmt: skip
    with transaction.atomic():
        CountedDay.objects.get_or_create(facility=facility, day=day, defaults={"at": datetime.now(UTC)})
        list(CountedDay.objects.select_for_update().filter(facility=facility, day__month=day.month, day__year=day.year))
        _write(values, "d", day, (TESTS, SAMPLES, TIMES))
        CountedDay.objects.filter(facility=facility, day=day).update(at=datetime.now(UTC))


def count_month(facility: str, month: date) -> None:
    """Count a month of a laboratory anew from its days. month: its first day."""
    after = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
    values = {"facility": facility, "day": month, "start": month, "end": after}
    with transaction.atomic():
        list(CountedDay.objects.select_for_update().filter(facility=facility, day__gte=month, day__lt=after))
        _write(values, "m", month, (MONTH_TESTS, MONTH_SAMPLES, MONTH_TIMES))


def _write(values: dict[str, object], span: str, day: date, statements: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(
                f"DELETE FROM {table} WHERE facility = %s AND span = %s AND day = %s",
                [values["facility"], span, day],
            )
        for statement in statements:
            cursor.execute(statement, values)


def count_recent(days: int) -> int:
    """Count the last days of every laboratory that had orders in them, and their months; returns how many days.

    One that fails keeps none of the others waiting. Raises Uncounted in the end.
    """
    today = datetime.now(HANOI).date()
    since = datetime.combine(today - timedelta(days=days - 1), time(), HANOI)
    facilities = Tube.objects.filter(ordered_at__gte=since).values_list("facility", flat=True).distinct()
    recent = [today - timedelta(days=back) for back in range(days)]
    counted, failed = 0, []
    for facility in sorted(set(facilities)):
        try:
            for day in recent:
                count_day(facility, day)
                counted += 1
            for month in {day.replace(day=1) for day in recent}:
                count_month(facility, month)
        except DatabaseError as error:
            log.error("the work of laboratory %s is not counted: %s", facility, type(error).__name__)
            failed.append(facility)
    if failed:
        raise Uncounted(", ".join(failed))
    return counted


def counted_at(facility: str) -> datetime | None:
    """When the newest figures were made."""
    return CountedDay.objects.filter(facility=facility).aggregate(at=Max("at"))["at"]
