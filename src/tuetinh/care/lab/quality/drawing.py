"""Charts of quality as SVG: a series over its limits, and points of two methods with their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string

LEFT, RIGHT, TOP, BOTTOM = 90, 740, 20, 260


@dataclass(frozen=True, slots=True)
class Point:
    """One value: where along, how high, whether it is out of its limits, and what it says."""

    label: str
    value: float
    out: bool
    said: str
    x: float = 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """A line across: its height, what it says, whether it is the one to be at."""

    value: float
    label: str
    strong: bool = False


def series(name: str, points: Sequence[Point], levels: Sequence[Level]) -> str:
    """Draw values one after the other, joined, over lines across; "" for none."""
    if not points:
        return ""
    low, high = _span([p.value for p in points] + [level.value for level in levels])
    step = (RIGHT - LEFT) / max(len(points) - 1, 1)
    placed = [(p, f"{LEFT + place * step:.1f}", _up(p.value, low, high)) for place, p in enumerate(points)]
    every = max(1, -(-len(points) // 8))
    context = {
        "name": name, "path": " ".join(f"{x},{y}" for _, x, y in placed),
        "points": [(p, x, y, place % every == 0) for place, (p, x, y) in enumerate(placed)],
        "levels": [(level, _up(level.value, low, high)) for level in levels],
    }  # fmt: skip
    return render_to_string("lab/series.svg", context) + "\n"  # plain text, as a print takes it


def scatter(
    name: str, points: Sequence[Point], *, lines: Sequence[tuple[float, float, bool]] = (),
    levels: Sequence[Level] = (), across: str, up: str,
) -> str:  # fmt: skip
    """Draw points by `x` and `value`. lines: slope, intercept, and whether it is the strong one."""
    xs = [p.x for p in points]
    left, right = _span(xs)
    low, high = _span([p.value for p in points] + [level.value for level in levels])

    def along(x: float) -> str:
        return f"{LEFT + (x - left) / (right - left) * (RIGHT - LEFT):.1f}"

    context = {
        "name": name, "across": across, "up": up,
        "points": [(p, along(p.x), _up(p.value, low, high)) for p in points],
        "levels": [(level, _up(level.value, low, high)) for level in levels],
        "lines": [
            (*(along(x) for x in (left, right)), *(_up(slope * x + start, low, high) for x in (left, right)), strong)
            for slope, start, strong in lines
        ],
        "ends": [(along(x), f"{x:.4g}".replace(".", ",")) for x in (min(xs), max(xs))],
    }  # fmt: skip
    return render_to_string("lab/scatter.svg", context) + "\n"


def _span(values: Sequence[float]) -> tuple[float, float]:
    """From where to where an axis goes: a little beyond its values."""
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _up(value: float, low: float, high: float) -> str:
    return f"{BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP):.1f}"
