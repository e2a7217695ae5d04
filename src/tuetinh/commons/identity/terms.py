"""Search conditions over lexemes, with how many people they are expected to match."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

from tuetinh.commons.identity.words import pair
from tuetinh.record.steps import Query, Step

KEEP_STATISTICS = 300.0  # seconds


class Condition(NamedTuple):
    """A tsquery and the share of all people that it matches; share 0 is rare or unknown."""

    text: str
    share: float


class Shares:
    """How common lexemes are, as PostgreSQL's own statistics tell; empty until the first ANALYZE."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.people = 0.0
        self._shares: dict[str, float] = {}
        self._until = 0.0

    def refresh(self) -> Step[None]:
        """Read the statistics again when they are old."""
        if self._until > time.monotonic():
            return
        rows = yield Query(
            "SELECT c.reltuples, s.most_common_elems::text::text[], s.most_common_elem_freqs FROM pg_class c "
            "LEFT JOIN pg_stats s ON s.tablename = c.relname AND s.schemaname = current_schema() "
            "AND s.attname = 'keys' "
            "WHERE c.oid = 'identity_person'::regclass"
        )
        self.people, elements, frequencies = rows[0]
        self._shares = dict(zip(elements or [], frequencies or [], strict=False))
        self._until = time.monotonic() + KEEP_STATISTICS

    def lexeme(self, lexeme: str) -> Condition:
        """The condition of one lexeme."""
        return Condition(f"'{lexeme}'", self._shares.get(lexeme, 0.0))

    def rows(self, condition: Condition) -> float:
        """How many people a condition is expected to match."""
        return max(self.people, 0.0) * condition.share


def every(conditions: Iterable[Condition]) -> Condition | None:
    """All of them; None when there are none."""
    parts = list(dict.fromkeys(conditions))
    if not parts:
        return None
    return Condition("(" + " & ".join(p.text for p in parts) + ")", min(p.share for p in parts))


def some(conditions: Iterable[Condition]) -> Condition | None:
    """At least one of them; None when there are none."""
    parts = list(dict.fromkeys(conditions))
    if not parts:
        return None
    return Condition("(" + " | ".join(p.text for p in parts) + ")", min(1.0, sum(p.share for p in parts)))


def together(shares: Shares, choices: list[list[str]]) -> Condition | None:
    """One word of each choice, all in one name: asked by pairs of words, which are far rarer than the words."""
    if any(not choice for choice in choices):
        return None
    if len(choices) == 1:
        return some(shares.lexeme(word) for word in choices[0])
    parts = [some(shares.lexeme(pair(a, b)) for a in one for b in other) for one, other in combinations(choices, 2)]
    return every(part for part in parts if part)
