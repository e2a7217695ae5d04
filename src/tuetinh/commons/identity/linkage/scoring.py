"""Weighs pairs of people on DuckDB, with the conditions of the model: the same that Splink runs for everyone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from tuetinh.commons.identity.linkage.features import COLUMNS, TYPES, UNIQUE, Features
from tuetinh.commons.identity.linkage.model import Model

if TYPE_CHECKING:
    import duckdb

CERTAIN, PROBABLE, POSSIBLE, NOT = "certain", "probable", "possible", "certainly-not"  # match-grade of FHIR R4
_here = threading.local()


@dataclass(frozen=True, slots=True)
class Score:
    """What two records say. weight in bits, prior included; levels: comparison and level that held, and its weight.

    grade: `certain` when a number says so and nothing contradicts, `probable` from the threshold `same` on, `possible`
    from `review` on, else `certainly-not`.
    """

    left: str
    right: str
    weight: float
    probability: float
    grade: str
    levels: dict[str, tuple[str, float]]


def score(model: Model, pairs: Sequence[tuple[Features, Features]]) -> list[Score]:
    """Weigh these pairs, in their order."""
    if not pairs:
        return []
    people = {one.id: one for pair in pairs for one in pair}
    con = _connection()
    con.execute("DELETE FROM person; DELETE FROM pair")
    con.executemany(_insert(), [_row(one) for one in people.values()])
    con.executemany("INSERT INTO pair VALUES (?, ?, ?)", [(i, a.id, b.id) for i, (a, b) in enumerate(pairs)])
    rows = con.execute(_statement(msgspec.json.encode(model))).fetchall()
    return [_score(model, a.id, b.id, row[1:]) for (a, b), row in zip(pairs, rows, strict=True)]


def _score(model: Model, left: str, right: str, positions: Sequence[int]) -> Score:
    told = list(zip(model.comparisons, positions, strict=True))
    weight = model.prior + sum(c.comparison_levels[at].weight for c, at in told)
    grade, levels = judged(model, weight, positions)
    chance = 1 / (1 + 2.0 ** min(-weight, 1000))
    return Score(left, right, round(weight, 2), chance, grade, levels)


def judged(model: Model, weight: float, positions: Sequence[int]) -> tuple[str, dict[str, tuple[str, float]]]:
    """The grade of a pair, and the levels that held. A number that is the same decides, unless name and birth date both
    are another's: then a person looks at it."""
    levels = {}
    for comparison, at in zip(model.comparisons, positions, strict=True):
        level = comparison.comparison_levels[at]
        levels[comparison.output_column_name] = (level.label_for_charts, level.weight)
    if levels["number"][0] == "same":
        return (POSSIBLE if are_strange(levels) else CERTAIN), levels
    if weight >= model.thresholds.same:
        return PROBABLE, levels
    return (POSSIBLE if weight >= model.thresholds.review else NOT), levels


def are_strange(levels: dict[str, tuple[str, float]]) -> bool:
    """Whether name and birth date both are another's."""
    return levels["name"][0] == "other" and levels["birth"][0] in ("other", "about", "year", "null")


def _connection() -> duckdb.DuckDBPyConnection:
    """A connection of this thread, in memory."""
    con: duckdb.DuckDBPyConnection | None = getattr(_here, "con", None)
    if con is None:
        import duckdb

        con = _here.con = duckdb.connect(config={"threads": "1"})
        con.execute(table("person"))
        con.execute("CREATE TABLE pair (n integer, l text, r text)")
    return con


def table(name: str) -> str:
    """The statement that creates a table of features."""
    columns = ", ".join(f"{column} {TYPES.get(column, 'text')}" for column in COLUMNS)
    return f"CREATE TABLE {name} ({columns})"


def _insert() -> str:
    return f"INSERT INTO person VALUES ({', '.join('?' * len(COLUMNS))})"


def _row(one: Features) -> list[object]:
    return [getattr(one, column) for column in COLUMNS]


@lru_cache(maxsize=8)
def _statement(encoded: bytes) -> str:
    model = msgspec.json.decode(encoded, type=Model)
    return f"SELECT n, {', '.join(gammas(model))} FROM pair JOIN ({sides()}) USING (l, r) ORDER BY n"


def gammas(model: Model) -> list[str]:
    """For each comparison, the expression of the position of the level that holds."""
    found = []
    for comparison in model.comparisons:
        cases = [
            f"WHEN {level.sql_condition} THEN {number}"
            for number, level in enumerate(comparison.comparison_levels)
            if level.sql_condition != "ELSE"
        ]
        found.append(f"CASE {' '.join(cases)} ELSE {len(comparison.comparison_levels) - 1} END")
    return found


def sides(pairs: str = "pair", people: str = "person", more: str = "l") -> str:
    """Both rows of each pair side by side, as the conditions name them; more: a column of the pairs to keep."""
    columns = ", ".join(f"a.{c} AS {c}_l, b.{c} AS {c}_r" for c in COLUMNS if c != "id")
    return (
        f"SELECT l, r, {more} AS more, {columns} FROM {pairs} JOIN {people} a ON a.id = l JOIN {people} b ON b.id = r"
    )


__all__ = ["CERTAIN", "NOT", "POSSIBLE", "PROBABLE", "UNIQUE", "Score", "gammas", "score", "sides", "table"]
