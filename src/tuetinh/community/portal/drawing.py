"""The curve of a test as the page draws it: SVG coordinates, so that an old phone needs no script for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 340.0, 168.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 16.0, 12.0, 26.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A measured value. x, y: where it is drawn. label: its day, "" where it would touch the one before."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Everything to draw. line: points of the polyline. band: y and height of the normal range. ticks: y and value."""

    dots: tuple[Dot, ...]
    line: str
    band: tuple[float, float] | None
    ticks: tuple[tuple[float, Decimal], ...]


def curve(
    points: Sequence[tuple[str, Decimal]], low: Decimal | None = None, high: Decimal | None = None
) -> Curve | None:
    """The curve of values, oldest first, with their normal range; None when there are fewer than two.

    points: FHIR date and value. low, high: the ends of normal, None where it is open.
    """
    if len(points) < 2:
        return None
    seen = [value for _, value in points] + [end for end in (low, high) if end is not None]
    bottom, top = min(seen), max(seen)
    room = (top - bottom) / 8 or abs(top) / 10 or Decimal(1)
    bottom, top = (bottom - room if bottom - room >= 0 or bottom < 0 else Decimal(0)), top + room

    def place(value: Decimal) -> float:
        share = float((value - bottom) / (top - bottom))
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    dots = _dots(points, place)
    line = " ".join(f"{dot.x},{dot.y}" for dot in dots)
    band = None
    if low is not None or high is not None:
        upper = place(high) if high is not None else TOP
        lower = place(low) if low is not None else HEIGHT - BOTTOM
        band = (upper, round(lower - upper, 1))
    marks = dict.fromkeys([low, high] if band else [_short(bottom + room), _short(top - room)])
    ticks = tuple((place(mark), mark) for mark in marks if mark is not None)
    return Curve(tuple(dots), line, band, ticks)


def _short(value: Decimal) -> Decimal:
    """A value with three digits, as an axis has room for; no end of normal, which is told as it was given."""
    if not value:
        return Decimal(0)
    return round(value, max(2 - value.adjusted(), 0)).normalize() + 0


def _dots(points: Sequence[tuple[str, Decimal]], place: Callable[[Decimal], float]) -> list[Dot]:
    step = (WIDTH - LEFT - RIGHT) / (len(points) - 1)
    dots: list[Dot] = []
    last = -100.0
    for n, (day, value) in enumerate(points):
        x = round(LEFT + n * step, 1)
        fits = x - last >= 46 and (n == len(points) - 1 or WIDTH - RIGHT - x >= 46)
        label = "/".join(reversed(day[2:7].split("-"))) if fits else ""
        last = x if fits else last
        dots.append(Dot(x, place(value), label))
    return dots
