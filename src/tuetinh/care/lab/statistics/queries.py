"""What the page of statistics asks: sums by one dimension, and the median and 90th percentile of the time of each step.

Whole months are read as one row of a kind, the days around them as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import DateField, F, Q, QuerySet, Sum
from django.db.models.functions import Cast, TruncMonth

from tuetinh.care.lab.models import SampleCount, StepTime, TestCount

STEPS: Final = ("collect", "transport", "analyse", "sign", "lab", "total")
TEST_SUMS: Final = (
    "ordered", "done", "cancelled", "late", "results", "abnormal", "critical", "judged", "positive", "corrected",
    "fees",
)  # fmt: skip
MONTH: Final = Cast(TruncMonth("day"), DateField())
SAMPLE_SUMS: Final = ("samples", "refused", "critical", "called", "in_time")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which orders: of a laboratory, ordered from the first to the last day, of a bench, a test, an urgency."""

    facility: str
    first: date
    last: date
    bench: str = ""
    test: str = ""
    urgent: bool | None = None

    def spans(self, *, days: bool) -> Q:
        """The rows of the period; days: each day by itself."""
        if days:
            return Q(span="d", day__gte=self.first, day__lte=self.last)
        months, rest = [], Q(pk__in=())
        for start, end in _months(self.first, self.last):
            if start.day == 1 and (end + timedelta(days=1)).day == 1:
                months.append(start)
            else:
                rest |= Q(span="d", day__gte=start, day__lte=end)
        return Q(span="m", day__in=months) | rest if months else rest

    def rows(self, *, days: bool) -> Q:
        """What to read."""
        found = Q(facility=self.facility) & self.spans(days=days)
        if self.bench:
            found &= Q(bench=self.bench)
        if self.urgent is not None:
            found &= Q(urgent=self.urgent)
        return found


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The months of a period, those at its ends as far as they belong to it."""
    while first <= last:
        after = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield first, min(last, after - timedelta(days=1))
        first = after


def tests(asked: Asked, by: str) -> QuerySet[TestCount, dict[str, Any]]:
    """Sums of orders: one row for each `key` (a day, a month, or a value of the column), with TEST_SUMS."""
    rows = TestCount.objects.filter(asked.rows(days=by == "day"))
    if asked.test:
        rows = rows.filter(test=asked.test)
    return _grouped(rows, by, TEST_SUMS, "-ordered")


def samples(asked: Asked, by: str) -> QuerySet[SampleCount, dict[str, Any]]:
    """Sums of specimens by `key`, with SAMPLE_SUMS."""
    rows = SampleCount.objects.filter(asked.rows(days=by == "day"))
    if by == "reason":
        rows = rows.exclude(reason="")
    return _grouped(rows, by, SAMPLE_SUMS, "-samples")


def _grouped(rows: QuerySet[Any], by: str, sums: tuple[str, ...], order: str) -> QuerySet[Any, dict[str, Any]]:
    over_time = by in ("day", "month")
    key = MONTH if by == "month" else F(by)
    grouped = rows.annotate(key=key).values("key").annotate(**{f"sum_{name}": Sum(name) for name in sums})
    return grouped.order_by("key" if over_time else order.replace("-", "-sum_"), "key")


def totals(rows: QuerySet[Any], sums: tuple[str, ...]) -> dict[str, Any]:
    """The sums over all rows of a grouping."""
    found = rows.aggregate(**{name: Sum(f"sum_{name}") for name in sums})
    return {name: value or 0 for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Took:
    """Minutes of a step: the median, the 90th percentile, and of how many orders."""

    median: int
    p90: int
    count: int


def times(asked: Asked, by: str) -> dict[Any, dict[str, Took]]:
    """How long each step took, by key and step; by "" all together under the key ""."""
    rows = StepTime.objects.filter(asked.rows(days=by == "day"))
    rows = rows.exclude(test="") if by == "test" and not asked.test else rows.filter(test=asked.test)
    key = {"": None, "month": MONTH}.get(by, F(by) if by else None)
    rows = rows.annotate(key=key) if key is not None else rows
    names = [*(["key"] if key is not None else []), "step", "minutes"]
    inner, values = rows.values(*names).annotate(n=Sum("count")).order_by().query.sql_with_params()
    chosen = "key" if key is not None else "''"
    # The nearest rank: the first value up to which half, or nine tenths, of the orders were done.
    sql = f"""SELECT key, step, min(minutes) FILTER (WHERE upto * 2 >= total),
      min(minutes) FILTER (WHERE upto * 10 >= total * 9), max(total)
    FROM (SELECT {chosen} AS key, step, minutes, sum(n) OVER (PARTITION BY {chosen}, step ORDER BY minutes) AS upto,
      sum(n) OVER (PARTITION BY {chosen}, step) AS total FROM ({inner}) AS counted) AS ranked
    GROUP BY key, step"""
    found: dict[Any, dict[str, Took]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        for name, step, median, p90, count in cursor.fetchall():
            found.setdefault(name, {})[step] = Took(int(median), int(p90), int(count))
    return found


def share(part: Decimal | int, whole: Decimal | int) -> str:
    """A percentage with one decimal, "" of nothing."""
    return f"{Decimal(100) * part / whole:.1f}".replace(".", ",") if whole else ""
