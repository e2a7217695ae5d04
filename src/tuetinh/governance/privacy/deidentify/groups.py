"""Groups that are large enough: nobody stands out by sex, year of birth and place among those who are exported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from tuetinh.governance.privacy.deidentify.elements import Quasi

LEVELS: Final = 5


def coarser(one: Quasi, level: int) -> Quasi:
    """What is told at a level: 0 all; 1 no commune; 2 the decade of birth; 3 no province; 4 nothing."""
    if level >= 1:
        one = replace(one, commune="")
    if level >= 2 and one.year is not None:
        one = replace(one, year=one.year // 10 * 10)
    if level >= 3:
        one = replace(one, province="")
    return replace(one, gender="", year=None) if level >= 4 else one


@dataclass(frozen=True, slots=True)
class Plan:
    """What is told of whom. levels: of each combination that occurs; None: its people are left out.

    before: the smallest group if all were told; counts: people by level; left_out: how many are.
    """

    k: int
    levels: dict[Quasi, int | None]
    before: int
    after: int
    counts: tuple[int, ...]
    left_out: int

    def told(self, one: Quasi) -> Quasi | None:
        """What is told of somebody, None where they are left out."""
        level = self.levels.get(one)
        return None if level is None else coarser(one, level)


def plan(people: Iterable[Quasi], k: int) -> Plan:
    """Tell as much of each as leaves nobody in a group of less than k who are told alike."""
    found = Counter(people)
    levels: dict[Quasi, int | None] = dict.fromkeys(found)
    counts, waiting, smallest = [], dict(found), 0
    for level in range(LEVELS):
        groups: Counter[Quasi] = Counter()
        for one, number in waiting.items():
            groups[coarser(one, level)] += number
        fits = {one: number for one, number in waiting.items() if groups[coarser(one, level)] >= k}
        levels.update(dict.fromkeys(fits, level))
        counts.append(sum(fits.values()))
        told = [groups[coarser(one, level)] for one in fits]
        smallest = min([size for size in (smallest, *told) if size], default=0)
        waiting = {one: number for one, number in waiting.items() if one not in fits}
    return Plan(k, levels, min(found.values(), default=0), smallest, tuple(counts), sum(waiting.values()))
