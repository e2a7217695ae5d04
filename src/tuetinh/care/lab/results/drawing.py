"""The curves of machines as SVG."""

from __future__ import annotations

from django.template.loader import render_to_string

from tuetinh.care.lab.machines.messages import Curve

LEFT, RIGHT, TOP, BOTTOM = 40.0, 464.0, 24.0, 208.0


def curve(one: Curve) -> bytes:
    """Draw a curve: an area of counts over sizes, or the cells as dots, with the discriminators as lines."""
    xs, ys = [x for x, _ in one.points], [y for _, y in one.points]
    left, right, low, high = one.limits or (min(xs), max(xs), 0.0, max(ys))
    wide, tall = (right - left) or 1.0, (high - low) or 1.0

    def along(x: float) -> str:
        return f"{LEFT + (min(max(x, left), right) - left) / wide * (RIGHT - LEFT):.1f}"

    def up(y: float) -> str:
        return f"{BOTTOM - (min(max(y, low), high) - low) / tall * (BOTTOM - TOP):.1f}"

    if one.dots:
        path = "".join(f"M{along(x)} {up(y)}h0" for x, y in one.points)
    else:
        top = "".join(f"L{along(x)} {up(y)}" for x, y in one.points)
        path = f"M{along(xs[0])} {BOTTOM}{top}L{along(xs[-1])} {BOTTOM}Z"
    ticks = one.ticks or tuple(left + wide * n / 4 for n in range(5))
    context = {
        "curve": one, "path": path, "lines": [along(x) for x in one.lines],
        "ticks": [(along(x), f"{x:.0f}" if x >= 100 else f"{x:.3g}".replace(".", ",")) for x in ticks],
    }  # fmt: skip
    return render_to_string("lab/curve.svg", context).strip().encode()
