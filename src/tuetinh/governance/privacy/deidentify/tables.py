"""Tables of counts in which no small cell can be read or worked out from the sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

HIDDEN: Final = None
Cells = list[list[int | None]]


def with_sums(counts: Sequence[Sequence[int]]) -> list[list[int]]:
    """The table with the sum of each row at its end, and of each column below."""
    rows = [[*row, sum(row)] for row in counts]
    return [*rows, [sum(column) for column in zip(*rows, strict=True)]] if rows else []


def suppressed(counts: Sequence[Sequence[int]], k: int) -> Cells:
    """The table with its sums, in which cells from 1 to less than k are hidden (None), and as many others with them
    that each row and each column with a hidden cell hides at least two, which together count k or more.
    """
    whole = with_sums(counts)
    hidden = {(r, c) for r, row in enumerate(whole) for c, n in enumerate(row) if 0 < n < k}
    lines = [[(r, c) for c in range(len(row))] for r, row in enumerate(whole)]
    lines += [[(r, c) for r in range(len(whole))] for c in range(len(whole[0]))] if whole else []
    changed = True
    while changed:
        changed = False
        for line in lines:
            while (more := _another(line, whole, hidden, k)) is not None:
                hidden.add(more)
                changed = True
    return [[HIDDEN if (r, c) in hidden else n for c, n in enumerate(row)] for r, row in enumerate(whole)]


def _another(
    line: Sequence[tuple[int, int]], whole: Sequence[Sequence[int]], hidden: set[tuple[int, int]], k: int
) -> tuple[int, int] | None:
    """The next cell of a line to be hidden, the smallest that counts something before empty ones; None when it is safe.

    A sum counts as what it adds up, so that it does not vouch for the cells that it is made of.
    """
    gone = [cell for cell in line if cell in hidden]
    inner = [cell for cell in gone if cell != line[-1]]
    if not gone or (len(gone) > 1 and (line[-1] in hidden or sum(whole[r][c] for r, c in inner) >= k)):
        return None
    rest = [cell for cell in line if cell not in hidden]

    def cost(cell: tuple[int, int]) -> tuple[bool, bool, int]:
        number = whole[cell[0]][cell[1]]
        return number == 0, cell == line[-1], number

    return min(rest, key=cost, default=None)
