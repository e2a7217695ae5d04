"""Resources that were changed between two pages of a search, put where they stood when it began, if they matched then.

What a former version was found and sorted by, no index knows; it is taken out of that version again. Few resources are
changed while one client turns pages. They are told as they are now; deleted ones are not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cmp_to_key, partial
from typing import Any

from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.search import json_paths
from tuetinh.record.search.compile import FORMER, MOST_MOVED, SORT_COLUMNS, Moved, moved_statement
from tuetinh.record.search.conditions import Condition
from tuetinh.record.search.holds import Facts, beyond, holds
from tuetinh.record.search.index import extract
from tuetinh.record.search.page import Position
from tuetinh.record.search.params import Param
from tuetinh.record.search.parse import Search, Sort
from tuetinh.record.search.values import instant
from tuetinh.record.steps import Query, Row, Step, computed


def put_in(
    asker: Asker, search: Search, rows: list[Row], after: Position, *, limit: int, scope: Sequence[Condition]
) -> Step[list[Row]]:
    """Return the first rows of a page and of what was changed since, in the order of the search.

    scope: what must hold, for the asker, of a resource as it is now.
    """
    last = rows[-1] if len(rows) == limit else None
    asked = Moved(after, scope, tuple(beyond(search.conditions, search.types)), last)
    while True:
        changed: list[Row] = yield Query(*moved_statement(asker, search, asked), prepare=False)
        former = (yield from computed(partial(_matching, search, asked, changed))) if changed else []
        rows = _merged(search, rows, former, after, limit)
        if len(changed) < MOST_MOVED:
            return rows
        asked = replace(asked, key=changed[-1][2])


def _matching(search: Search, asked: Moved, changed: Iterable[Row]) -> list[Row]:
    """Return those whose former version matches, as rows of a page with its sort values."""
    found = []
    for row in changed:
        updated, body, *tests = row[FORMER:]
        resource: Any = r4.decode(bytes(body))
        known = {condition: bool(test) for (_, condition), test in zip(asked.beyond, tests, strict=True)}
        facts = Facts(row[0], row[1], updated, extract(resource), known)
        if all(holds(condition, facts) for condition in search.conditions):
            texts = partial(json_paths.texts, resource=resource)
            found.append((*row[:FORMER], *(value(by, facts, texts) for by in search.sort)))
    return found


def _merged(search: Search, rows: list[Row], former: list[Row], after: Position, limit: int) -> list[Row]:
    falls = not search.sort or search.sort[0].descending

    def compare(one: Row, other: Row) -> int:
        for by, a, b in zip(search.sort, one[FORMER:], other[FORMER:], strict=True):
            if (order := _order(by, a, b)) != 0:
                return order
        return int(other[2] - one[2]) if falls else int(one[2] - other[2])

    end = (*[None] * 2, after.key, *[None] * 6, *after.values)
    beyond = [row for row in former if compare(row, end) > 0]
    return sorted([*rows, *beyond], key=cmp_to_key(compare))[:limit]


def value(by: Sort, facts: Facts, texts: Callable[[Param], Collection[str]]) -> str | None:
    """Return a sort value, as text, of a version: such as that which the first page saw.

    texts: gives what the paths of a parameter lead to in it, as `json_paths.texts` does.
    """
    if by.param is None:
        return facts.id if by.code == "_id" else facts.updated.isoformat()
    best = max if by.descending else min
    if by.param.type not in SORT_COLUMNS:
        found = texts(by.param)
        if any(leaf.exists for leaf in by.param.leaves):
            truth = any(leaf.truth for leaf in by.param.leaves)
            return "true" if any(text != "false" or not truth for text in found) else "false"
        return best(found, default=None)
    index, names = facts.found_by, by.param.indexed_as
    table, _, _ = SORT_COLUMNS[by.param.type]
    if table == "date":
        return best((low for name, low, _ in index.dates if name in names), key=instant, default=None)
    if table == "string":
        return best((norm for name, norm, _ in index.strings if name in names), default=None)
    number = best((row[4] for row in index.numbers if row[0] in names), default=None)
    return None if number is None else str(number)


def _order(by: Sort, one: str | None, other: str | None) -> int:
    """Compare two sort values as the database does; none comes last."""
    if one is None or other is None:
        return (one is None) - (other is None)
    a, b = _comparable(by, one), _comparable(by, other)
    order = int(a > b) - int(a < b)
    return -order if by.descending else order


def key(by: Sort, text: str | None) -> Any:
    """Return by what a sort value is compared to others, as the database does."""

    def compare(one: str | None, other: str | None) -> int:
        return _order(by, one, other)

    return cmp_to_key(compare)(text)


def _comparable(by: Sort, text: str) -> Any:
    kind = by.param.type if by.param else "date" if by.code == "_lastUpdated" else "token"
    if kind == "date":
        return instant(text)
    return Decimal(text) if kind in ("number", "quantity") else text
