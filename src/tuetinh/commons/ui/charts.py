"""Bars as SVG, drawn by the server: standing over time, lying for names; each with a second, paler one where asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.template.loader import render_to_string

WIDTH, HEIGHT, LEFT, LINE = 760, 240, 230, 22


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it is of, its value, in words, and the value of the paler one behind it."""

    label: str
    value: Decimal
    said: str
    behind: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Drawn:
    bar: Bar
    x: str
    y: str
    width: str
    height: str
    back: str  # length of the paler one
    back_at: str
    middle: str
    named: bool


def bars(name: str, rows: Sequence[Bar], *, standing: bool) -> str:
    """Draw a chart with its name for those who do not see it; "" without a value."""
    top = max((max(row.value, row.behind) for row in rows), default=Decimal(0))
    if not top:
        return ""
    drawn = [
        _standing(place, row, top, len(rows)) if standing else _lying(place, row, top) for place, row in enumerate(rows)
    ]
    height = HEIGHT + 30 if standing else LINE * len(rows) + 6
    context = {"name": name, "bars": drawn, "standing": standing, "width": WIDTH, "height": height}
    return render_to_string("ui/bars.svg", context) + "\n"  # plain text, as a print takes it


def _standing(place: int, row: Bar, top: Decimal, count: int) -> _Drawn:
    step = Decimal(WIDTH - 20) / count
    wide = min(step * Decimal("0.7"), Decimal(60))
    x = 10 + step * place + (step - wide) / 2
    high, back = ((HEIGHT - 20) * value / top for value in (row.value, row.behind))
    every = max(1, -(-count // 16))  # labels that do not run into each other
    return _Drawn(
        row, f"{x:.1f}", f"{HEIGHT - high:.1f}", f"{wide:.1f}", f"{high:.1f}", f"{back:.1f}", f"{HEIGHT - back:.1f}",
        f"{x + wide / 2:.1f}", named=place % every == 0,
    )  # fmt: skip


def _lying(place: int, row: Bar, top: Decimal) -> _Drawn:
    long, back = ((WIDTH - LEFT - 90) * value / top for value in (row.value, row.behind))
    y = 4 + LINE * place
    return _Drawn(
        row, str(LEFT), str(y), f"{long:.1f}", str(LINE - 6), f"{back:.1f}", f"{LEFT + max(long, back) + 6:.1f}",
        f"{y + (LINE - 6) / 2 + 4:.1f}", named=True,
    )  # fmt: skip
