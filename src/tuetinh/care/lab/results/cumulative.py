"""A person's results over time: a table of days by analytes, and the curve of one as SVG, in the page and in print."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import cast

from django.utils import timezone

from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.queries import Result, read_result
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

RESULTS = 400
COLUMNS = 10


@dataclass(slots=True)
class Row:
    """One analyte: its results by column, newest first, and all of them as points in time."""

    key: str
    name: str
    unit: str
    limits: str
    cells: list[Result | None]
    points: list[tuple[datetime, Decimal]] = field(default_factory=list)
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def drawable(self) -> bool:
        """Whether there is a curve to draw."""
        return len(self.points) > 1


@dataclass(frozen=True, slots=True)
class Table:
    """Columns are moments of sampling, newest first."""

    columns: list[datetime]
    rows: list[Row]


def table(asker: Asker, patient: str) -> Table:
    """The newest released results of a person, in one search."""
    query = f"patient=Patient/{patient}&category=laboratory&status=final,amended,corrected&_sort=-date&_count={RESULTS}"
    found = cast("list[r4.Observation]", record.search(asker, "Observation", query).resources)
    dated = [(at, one) for one in found if (at := _moment(one))]
    columns = list(dict.fromkeys(at.replace(second=0, microsecond=0) for at, _ in dated))[:COLUMNS]
    rows: dict[tuple[str, str], Row] = {}
    for at, one in dated:
        result = read_result(one)
        known = facts.analyte_of(one)
        key = known.key if known else result.loinc
        row = rows.setdefault(
            (key, result.unit), Row(key, result.name, result.unit, result.limits, [None] * len(columns))
        )
        _range(row, one)
        when = at.replace(second=0, microsecond=0)
        if when in columns and row.cells[columns.index(when)] is None:
            row.cells[columns.index(when)] = result
        if result.number is not None:
            row.points.append((at, result.number))
    order = {key: place for place, key in enumerate(analytes())}
    return Table(columns, sorted(rows.values(), key=lambda row: order.get(row.key, len(order))))


def _moment(one: r4.Observation) -> datetime | None:
    text = one.effectiveDateTime or one.issued or ""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return timezone.localtime(at) if at.tzinfo else timezone.make_aware(at)


def _range(row: Row, one: r4.Observation) -> None:
    if row.low is not None or row.high is not None or not one.referenceRange:
        return
    limits = one.referenceRange[0]
    row.low = limits.low.value if limits.low else None
    row.high = limits.high.value if limits.high else None


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve in a box of 1200 × 220: points with their labels, the band of normal, and the scale."""

    row: Row
    line: str
    dots: list[tuple[str, str, Decimal, datetime]]
    band: tuple[str, str] | None  # y and height
    scale: list[tuple[str, Decimal]]


def curve(row: Row | None) -> Curve | None:
    """Draw the points of an analyte, oldest left; None where there are fewer than two."""
    if row is None or not row.drawable:
        return None
    points = sorted(row.points)
    limits = [limit for limit in (row.low, row.high) if limit is not None]
    values = [value for _, value in points] + limits
    low, high = min(values), max(values)
    span = (high - low) or Decimal(1)
    low, high = low - span / 10, high + span / 10
    first, last = points[0][0], points[-1][0]
    seconds = (last - first).total_seconds()

    def x(place: int, at: datetime) -> str:
        share = (at - first).total_seconds() / seconds if seconds else place / (len(points) - 1)
        return f"{60 + 1120 * share:.1f}"

    def y(value: Decimal) -> str:
        return f"{190 - 170 * float((value - low) / (high - low)):.1f}"

    band = None
    if limits:
        top, bottom = y(row.high if row.high is not None else high), y(row.low if row.low is not None else low)
        band = top, f"{float(bottom) - float(top):.1f}"
    dots = [(x(place, at), y(value), value, at) for place, (at, value) in enumerate(points)]
    scale = [
        (y(value), value.normalize() + 0)
        for value in sorted({min(v for _, v in points), max(v for _, v in points), *limits})
    ]
    return Curve(row, " ".join(f"{a},{b}" for a, b, _, _ in dots), dots, band, scale)
