"""Statistics of methods: Passing–Bablok, Bland–Altman, and measurement uncertainty from the top down (Nordtest)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Pairs = Sequence[tuple[float, float]]
FEWEST = 10  # pairs; CLSI EP09 asks for 40


@dataclass(frozen=True, slots=True)
class Line:
    """y = intercept + slope · x with their 95 % intervals."""

    slope: float
    slope_low: float
    slope_high: float
    intercept: float
    intercept_low: float
    intercept_high: float

    @property
    def equal(self) -> bool:
        """Whether both methods may be the same: 1 within the slope's interval, and 0 within the intercept's."""
        return self.slope_low <= 1 <= self.slope_high and self.intercept_low <= 0 <= self.intercept_high


@dataclass(frozen=True, slots=True)
class Agreement:
    """Mean difference (second minus first) and the limits within which 95 % of differences lie."""

    bias: float
    sd: float
    low: float
    high: float


def passing_bablok(pairs: Pairs) -> Line:
    """Regression of the second on the first method (J Clin Chem Clin Biochem 1983;21:709). Raises ValueError."""
    import numpy as np

    x, y = np.array(pairs, dtype=float).T
    n = len(x)
    if n < FEWEST or np.ptp(x) == 0:
        message = "too few different pairs"
        raise ValueError(message)
    first, second = np.triu_indices(n, 1)
    dx, dy = x[second] - x[first], y[second] - y[first]
    counted = (dx != 0) | (dy != 0)  # the same point twice says nothing
    dx, dy = dx[counted], dy[counted]
    with np.errstate(divide="ignore"):
        slopes = np.where(dx == 0, np.sign(dy) * np.inf, dy / np.where(dx == 0, 1, dx))
    slopes = np.sort(slopes[slopes != -1])
    count, shift = len(slopes), int(np.sum(slopes < -1))
    slope = _at(slopes, shift, count)
    wide = NormalDist().inv_cdf(0.975) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low_place = round((count - wide) / 2)
    high_place = count - low_place + 1
    low, high = slopes[max(low_place + shift - 1, 0)], slopes[min(high_place + shift - 1, count - 1)]
    intercept, least, most = (float(np.median(y - of * x)) for of in (slope, high, low))
    return Line(slope, float(low), float(high), intercept, least, most)


def _at(slopes: np.ndarray, shift: int, count: int) -> float:
    """The shifted median."""
    if count % 2:
        return float(slopes[(count + 1) // 2 + shift - 1])
    return float((slopes[count // 2 + shift - 1] + slopes[count // 2 + shift]) / 2)


def bland_altman(pairs: Pairs) -> Agreement:
    """Agreement of two methods (Lancet 1986;1:307). Raises ValueError for fewer than two pairs."""
    if len(pairs) < 2:
        message = "too few pairs"
        raise ValueError(message)
    import numpy as np

    differences = np.array([second - first for first, second in pairs])
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    return Agreement(bias, sd, bias - 1.96 * sd, bias + 1.96 * sd)


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Relative standard uncertainties in per cent: within the laboratory, of the bias, together; expanded (k = 2)."""

    within: float
    bias: float | None
    combined: float
    expanded: float


def uncertainty(controls: Sequence[Sequence[float]], rounds: Sequence[tuple[float, float, float]]) -> Uncertainty:
    """Measurement uncertainty by Nordtest TR 537 (ISO/TS 20914).

    controls: the results of each control material; rounds: of external assessment, each our value, the assigned one
    and its relative uncertainty in per cent; without them the bias is left out. Raises ValueError without controls.
    """
    import numpy as np

    spreads = [(np.std(values, ddof=1) / np.mean(values) * 100, len(values)) for values in controls if len(values) > 1]
    if not spreads:
        message = "no control"
        raise ValueError(message)
    freedom = sum(n - 1 for _, n in spreads)
    within = math.sqrt(sum((n - 1) * cv**2 for cv, n in spreads) / freedom)  # TR 537, 5: pooled over levels
    bias = None
    if rounds:
        parts = [(value - assigned) / assigned * 100 for value, assigned, _ in rounds]
        rms = math.sqrt(sum(part**2 for part in parts) / len(parts))
        certain = sum(u for *_, u in rounds) / len(rounds)
        bias = math.hypot(rms, certain)  # TR 537, 6.3
    combined = math.hypot(within, bias or 0)
    return Uncertainty(float(within), bias, combined, 2 * combined)
