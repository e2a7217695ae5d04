"""Resources that were changed between two pages of a sorted search, put where they stood when it began.

What a sort key of a former version was, no index knows; it is taken out of that version again. Few resources are
changed while one client turns pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from tuetinh.record import r4
from tuetinh.record.search import json_paths
from tuetinh.record.search.compile import SORT_COLUMNS
from tuetinh.record.search.index import extract
from tuetinh.record.search.page import Position
from tuetinh.record.search.parse import Search, Sort
from tuetinh.record.search.values import instant
from tuetinh.record.steps import Row

FORMER = 9  # the columns of a page before those of the former version


def put_in(search: Search, rows: list[Row], moved: Iterable[Row], after: Position, limit: int) -> list[Row]:
    """Return the first rows of a page and of what was changed since, in the order of the search."""
    falls = not search.sort or search.sort[0].descending

    def compare(one: Row, other: Row) -> int:
        for by, a, b in zip(search.sort, one[FORMER:], other[FORMER:], strict=True):
            if (order := _order(by, a, b)) != 0:
                return order
        return int(other[2] - one[2]) if falls else int(one[2] - other[2])

    end = (*[None] * 2, after.key, *[None] * 6, *after.values)
    former = [(*row[:FORMER], *_values(search, row)) for row in moved]
    beyond = [row for row in former if compare(row, end) > 0]
    return sorted([*rows, *beyond], key=cmp_to_key(compare))[:limit]


def _values(search: Search, row: Row) -> list[str | None]:
    """Return the sort values, as text, of the version that the first page saw."""
    updated, body = row[FORMER:]
    resource: Any = r4.decode(bytes(body))
    return [_value(by, resource, row[1], updated) for by in search.sort]


def _value(by: Sort, resource: Any, id_: str, updated: datetime) -> str | None:
    if by.param is None:
        return id_ if by.code == "_id" else updated.isoformat()
    best = max if by.descending else min
    if by.param.type not in SORT_COLUMNS:
        texts = json_paths.texts(by.param, resource)
        if any(leaf.exists for leaf in by.param.leaves):
            return ("true" if any(text != "false" for text in texts) else "false") if texts else None
        return best(texts, default=None)
    index, names = extract(resource), by.param.indexed_as
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


def _comparable(by: Sort, text: str) -> Any:
    kind = by.param.type if by.param else "date" if by.code == "_lastUpdated" else "token"
    if kind == "date":
        return instant(text)
    return Decimal(text) if kind in ("number", "quantity") else text
