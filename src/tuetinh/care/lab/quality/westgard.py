"""Westgard's rules (Clin Chem 1981;27:493) over z scores: what speaks against the newest result of a control."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Each rule looks at one control's scores, oldest first and the one in question last, and at the last score of every
# other level of the same run.
Look = Callable[[Sequence[float], Sequence[float]], bool]


def _same_side(scores: Sequence[float], count: int, beyond: float) -> bool:
    last = scores[-count:]
    return len(last) == count and (all(z > beyond for z in last) or all(z < -beyond for z in last))


def _one_beyond(limit: float) -> Look:
    return lambda own, run: abs(own[-1]) > limit


def _two_beyond_two(own: Sequence[float], run: Sequence[float]) -> bool:
    return _same_side(own, 2, 2) or any(_same_side([z, own[-1]], 2, 2) for z in run)


def _four_apart(own: Sequence[float], run: Sequence[float]) -> bool:
    """One level beyond +2 SD, another of the run beyond -2 SD."""
    return any((own[-1] > 2 and z < -2) or (own[-1] < -2 and z > 2) for z in run)


RULES: dict[str, Look] = {
    "1_2s": _one_beyond(2),
    "1_3s": _one_beyond(3),
    "2_2s": _two_beyond_two,
    "R_4s": _four_apart,
    "4_1s": lambda own, run: _same_side(own, 4, 1),
    "10_x": lambda own, run: _same_side(own, 10, 0),
}
LOOKED_AT = 10  # results of one control


def violated(own: Sequence[float], run: Sequence[float] = ()) -> list[str]:
    """Names of the rules that the newest score breaks. own: of its control, oldest first; run: of the other levels."""
    return [name for name, look in RULES.items() if look(own, run)]
