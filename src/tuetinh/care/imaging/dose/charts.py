"""Bars as SVG, drawn by the server: the 75th percentile, the median in it, and the reference level as a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

WIDTH, LEFT, RIGHT, LINE = 760, 236, 130, 24


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. said: its values in words; level: the reference level, if there is one."""

    label: str
    median: float
    p75: float
    said: str
    level: float | None = None


@dataclass(frozen=True, slots=True)
class _Drawn:
    bar: Bar
    y: int
    middle: int
    median: str
    p75: str
    level: str
    end: str


def bars(name: str, rows: Sequence[Bar]) -> SafeString:
    """Draw a chart with its name for those who do not see it; "" without a value."""
    top = max((max(row.p75, row.level or 0) for row in rows), default=0)
    if not top:
        return SafeString()
    scale = (WIDTH - LEFT - RIGHT) / top
    drawn = [
        _Drawn(
            row, 4 + LINE * place, 4 + LINE * place + 12, f"{row.median * scale:.1f}", f"{row.p75 * scale:.1f}",
            f"{LEFT + row.level * scale:.1f}" if row.level else "",
            f"{LEFT + max(row.p75, row.level or 0) * scale + 6:.1f}",
        )
        for place, row in enumerate(rows)
    ]  # fmt: skip
    context = {"name": name, "bars": drawn, "width": WIDTH, "left": LEFT, "height": LINE * len(rows) + 8}
    return mark_safe(render_to_string("imaging/dose_bars.svg", context))  # noqa: S308 - our own template
