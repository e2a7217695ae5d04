"""Histograms and scattergrams of machines: read as the model's description says.

Two forms are in use. Counts (Mindray): whole numbers, one a channel, the highest byte first, as embedded data of an
OBX; its width and its discriminators, in channels, are results of their own. Axes (Horiba): streams of numbers. One
holds left, right, low, high, the count and the places of the ticks along, the same up, the count of columns, that of
points, and the columns one after the other, of which the first are sizes and counts; the stream of discriminators
holds the four limits, the count of columns, the count of lines, and their sizes first.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from tuetinh.care.lab.machines.drivers import Driver, Histogram
from tuetinh.care.lab.machines.messages import Curve, Order, Result

MOST = 20_000  # points of one curve
_LARGEST = 16 * 1024 * 1024  # bytes of all streams of one message
_STREAM = "floatle-stream/deflate:base64"


def of_results(order: Order, driver: Driver) -> None:
    """Take the curves out of the results of an order, with what belongs to them. What cannot be read stays a result."""
    for form in driver.description.histograms:
        said = {result.code.code: result for result in order.results}
        if form.at in said and (curve := _counts(said[form.at].content, form, said)):
            order.curves.append(curve)
            own = {form.at, form.width_at, *form.lines}
            order.results = [result for result in order.results if result.code.code not in own]


@dataclass(slots=True)
class Streams:
    """Reads the streams of one message. room: bytes that they may still have, inflated."""

    room: int = _LARGEST

    def curve(self, driver: Driver, name: str, lines: str, points: str) -> Curve | None:
        """The curve that an M record names, of its two streams; None where the model has none of this name."""
        form = next((f for f in driver.description.histograms if f.at.casefold() == name.casefold()), None)
        numbers = self._numbers(points) if form else ()
        return _axes(form, numbers, self._numbers(lines)) if form and numbers else None

    def _numbers(self, text: str) -> Sequence[float]:
        """The numbers of `FLOATLE-stream/deflate:base64^…`; none where it is no such thing or there is no room."""
        kind, _, data = text.partition("^")
        if kind.strip().casefold() != _STREAM or self.room <= 0:
            return ()
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            raw = inflater.decompress(base64.b64decode(data, validate=True), self.room)
        except ValueError:
            return ()
        except zlib.error:  # which does not say how much was inflated before
            self.room = 0
            return ()
        self.room -= len(raw)
        if not inflater.eof:
            return ()
        numbers = struct.unpack(f"<{len(raw) // 4}f", raw[: len(raw) // 4 * 4])
        return numbers if all(map(math.isfinite, numbers)) else ()


def _counts(content: bytes, form: Histogram, said: dict[str, Result]) -> Curve | None:
    told = said[form.width_at].number if form.width_at in said else None
    width = form.width if told is None else int(told)
    if width not in (1, 2, 4) or not content or len(content) % width or len(content) // width > MOST:
        return None
    counts = [int.from_bytes(content[at : at + width], "big") for at in range(0, len(content), width)]
    lines = {float(n) for code in form.lines if code in said and (n := said[code].number) is not None}
    inside = tuple(sorted(line for line in lines if 0 < line < len(counts)))
    return Curve(form.title, tuple((float(x), float(y)) for x, y in enumerate(counts)), inside, unit=form.unit)


def _axes(form: Histogram, numbers: Sequence[float], lines: Sequence[float]) -> Curve | None:
    left, right, low, high = numbers[:4] if len(numbers) > 4 else (0.0,) * 4
    ticks, at = _listed(numbers, 4)
    _, at = _listed(numbers, at)
    if len(numbers) < at + 2 or not (left < right and low < high):
        return None
    columns, count = int(numbers[at]), int(numbers[at + 1])
    if columns < 2 or not 0 < count <= MOST or len(numbers) != at + 2 + columns * count:
        return None
    xs, ys = (numbers[at + 2 + n * count : at + 2 + (n + 1) * count] for n in range(2))
    cuts = tuple(sorted(x for x in lines[6 : 6 + int(lines[5])] if left < x < right)) if len(lines) > 5 else ()
    points = tuple(zip(xs, ys, strict=True))
    return Curve(form.title, points, cuts, tuple(ticks), (left, right, low, high), form.unit, form.form == "matrix")


def _listed(numbers: Sequence[float], at: int) -> tuple[Sequence[float], int]:
    """A list that begins with its length at a place, and the place after it."""
    if at >= len(numbers) or not 0 <= numbers[at] <= MOST:
        return (), len(numbers)
    end = at + 1 + int(numbers[at])
    return numbers[at + 1 : end], end
