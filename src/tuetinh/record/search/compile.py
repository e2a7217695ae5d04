"""A `Search` as one SQL statement.

Identifiers come from the list of resource types alone; everything that a client sent is a parameter. The GIN index on
`tokens` answers tokens, references and uris together; dates, numbers and strings are EXISTS on the index tables by key.

Order: newest first by `key`, which a resource keeps for life, and `key` breaks the ties of every `_sort`; values that
are not there come last. A page continues after the last row of the page before (keyset), so resources written
meanwhile move nothing. With `_sort=_lastUpdated` the order is that of the first page's snapshot: a resource changed
since then stands where its version of that moment stood, which history knows, so none is skipped or repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tuetinh.record.asker import Asker
from tuetinh.record.search.conditions import (
    Condition,
    Dates,
    DateValue,
    Ids,
    Numbers,
    NumberValue,
    Present,
    Strings,
    Tokens,
    Updated,
)
from tuetinh.record.search.page import Position
from tuetinh.record.search.parse import Search, Sort
from tuetinh.record.types import RESOURCE_TYPES

TYPES = frozenset(RESOURCE_TYPES)
ROW = "r.type, r.id, r.key, r.version, r.updated, r.patient, r.body"
SORT_COLUMNS = {"date": ("date", "low"), "string": ("string", "norm"), "number": ("number", "low")}
SORT_COLUMNS["quantity"] = SORT_COLUMNS["number"]
LAST_CHARACTER = "\U0010ffff"

# Beside rows that the first page's snapshot saw, those that this very transaction wrote before it.
SEEN = "(pg_visible_in_snapshot(r.xid, %s::pg_snapshot) OR r.xid = pg_current_xact_id_if_assigned()) IS TRUE"


@dataclass
class Statement:
    """SQL under construction with its parameters, in the order of their places."""

    parts: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)

    def add(self, sql: str, *params: Any) -> None:
        self.parts.append(sql)
        self.params += params

    def all_of(self) -> str:
        return " AND ".join(self.parts)


def bigints(values: Sequence[int]) -> str:
    """Return an array literal; lists of Python integers would change their type with their size."""
    return "{" + ",".join(map(str, values)) + "}"


def page_statement(asker: Asker, search: Search, after: Position | None) -> tuple[str, list[Any]]:
    """Return the statement of one page: one row more than `count` tells that there is another page.

    Columns: type, id, key, version, updated, patient, body, snapshot, now, then the sort values as text.
    """
    limit = search.count + 1
    if not (after and search.sort and search.sort[0].code == "_lastUpdated"):
        sql, params = _select(asker, search, after, changed=None)
        return f"{sql} LIMIT %s", [*params, limit]
    # Two halves: rows as the first page saw them, and rows changed since, at the place of their former version.
    same, same_params = _select(asker, search, after, changed=False)
    moved, moved_params = _select(asker, search, after, changed=True)
    order = ", ".join([*(f"s{n}{_direction(key)}" for n, key in enumerate(search.sort)), "key DESC"])
    names = ", ".join(["type, id, key, version, updated, patient, body, snapshot, now", *_names(search.sort)])
    columns = ", ".join(["type, id, key, version, updated, patient, body, snapshot, now", *_texts(search.sort)])
    union = f"(({same} LIMIT %s) UNION ALL ({moved} LIMIT %s)) page"
    sql = f"SELECT {columns} FROM (SELECT {names} FROM {union}) page ORDER BY {order} LIMIT %s"
    return sql, [*same_params, limit, *moved_params, limit, limit]


def _names(sort: Sequence[Sort]) -> list[str]:
    return [f"s{n}" for n in range(len(sort))]


def _texts(sort: Sequence[Sort]) -> list[str]:
    return [f"s{n}::text AS t{n}" for n in range(len(sort))]


def count_statement(asker: Asker, search: Search) -> tuple[str, list[Any]]:
    """Return the statement that counts every match."""
    where = _where(asker, search)
    return f"SELECT count(*) FROM {_table(search)} r WHERE {where.all_of()}", where.params


def matching_statement(asker: Asker, search: Search, limit: int) -> tuple[str, list[Any]]:
    """Return the statement of the first matches without bodies: type, id, key, version."""
    where = _where(asker, search)
    return (
        f"SELECT r.type, r.id, r.key, r.version FROM {_table(search)} r WHERE {where.all_of()} ORDER BY r.key DESC LIMIT %s",
        [*where.params, limit],
    )


def _table(search: Search, suffix: str = "") -> str:
    if len(search.types) == 1 and search.types[0] in TYPES:
        return f'record."{search.types[0]}{suffix}"'
    return "record.history" if suffix else "record.resource"


def _where(asker: Asker, search: Search) -> Statement:
    """Return the conditions on rows `r`, the asker's compartment among them."""
    where = Statement()
    if len(search.types) != 1:
        where.add("r.type = ANY(%s::text[])", list(search.types))
    where.add("NOT r.deleted")
    if asker.patient is not None:
        where.add("r.patient = %s", asker.patient)
    for condition in _merged(search.conditions):
        _condition(where, search, condition)
    return where


def _merged(conditions: Sequence[Condition]) -> list[Condition | tuple[int, ...]]:
    """Put tokens that must all be there into one containment, which GIN answers by one intersection."""
    alone = [c.hashes[0] for c in conditions if isinstance(c, Tokens) and len(c.hashes) == 1 and not c.negate]
    others = [c for c in conditions if not (isinstance(c, Tokens) and len(c.hashes) == 1 and not c.negate)]
    return [*([tuple(alone)] if alone else []), *others]


def _condition(where: Statement, search: Search, condition: Condition | tuple[int, ...]) -> None:
    match condition:
        case tuple():
            where.add("r.tokens @> %s::bigint[]", bigints(condition))
        case Tokens(hashes, negate):
            if hashes:
                where.add(f"{'NOT ' if negate else ''}r.tokens && %s::bigint[]", bigints(hashes))
            elif not negate:
                where.add("false")
        case Ids(values):
            where.add("r.id = ANY(%s::text[])", list(values))
        case Updated(values):
            where.add(*_any_of(_date, values, "r.updated", "r.updated + interval '1 microsecond'"))
        case Present(table, params, present):
            where.add(f"{'' if present else 'NOT '}{_exists(search, table, 'true')}", list(params))
        case Dates(params, values):
            sql, *values_params = _any_of(_date, values, "i.low", "i.high")
            where.add(_exists(search, "date", sql), list(params), *values_params)
        case Numbers(params, values):
            sql, *values_params = _any_of(_number, values)
            where.add(_exists(search, "number", sql), list(params), *values_params)
        case Strings(params, mode, values):
            sql, *values_params = _any_of(STRING_TESTS[mode], values)
            where.add(_exists(search, "string", sql), list(params), *values_params)


def _exists(search: Search, table: str, test: str) -> str:
    return f"EXISTS (SELECT FROM {_table(search, f'_{table}')} i WHERE i.key = r.key AND i.param = ANY(%s::text[]) AND {test})"


def _any_of(test: Any, values: Sequence[Any], *columns: str) -> list[Any]:
    """OR the tests of the values: the SQL, then its parameters."""
    found = [test(value, *columns) for value in values]
    return ["(" + " OR ".join(f"({sql})" for sql, *_ in found) + ")", *(x for _, *params in found for x in params)]


def _date(value: DateValue, low: str, high: str) -> list[Any]:
    """Compare ranges (FHIR R4, Search, 3.1.1.4.6); a bound that each match keeps comes first, for the index."""
    s, e = "%s::timestamptz", "%s::timestamptz"
    match value.prefix:
        case "eq":
            return [f"{low} >= {s} AND {low} < {e} AND {high} <= {e}", value.low, value.high, value.high]
        case "ne":
            return [f"NOT ({low} >= {s} AND {high} <= {e})", value.low, value.high]
        case "gt":
            return [f"{high} > {e}", value.high]
        case "lt":
            return [f"{low} < {s}", value.low]
        case "ge":
            return [f"{high} > {s} AND ({high} > {e} OR {low} >= {s})", value.low, value.high, value.low]
        case "le":
            return [f"{low} < {e} AND ({low} < {s} OR {high} <= {e})", value.high, value.low, value.high]
        case "sa":
            return [f"{low} >= {e}", value.high]
        case "eb":
            return [f"{high} <= {s}", value.low]
    return [f"{low} < {e} AND {high} > {s}", value.high, value.low]


def _number(value: NumberValue) -> list[Any]:
    n = "%s::numeric"
    exact, low, high = str(value.value), str(value.low), str(value.high)
    match value.prefix:
        case "eq":
            found = [f"i.low >= {n} AND i.low < {n} AND i.high < {n}", low, high, high]
        case "ne":
            found = [f"NOT (i.low >= {n} AND i.high < {n})", low, high]
        case "gt":
            found = [f"i.high > {n}", exact]
        case "lt":
            found = [f"i.low < {n}", exact]
        case "ge":
            found = [f"i.high >= {n}", exact]
        case "le":
            found = [f"i.low <= {n}", exact]
        case "sa":
            found = [f"i.low > {n}", exact]
        case "eb":
            found = [f"i.high < {n}", exact]
        case _:
            found = [f"i.low <= {n} AND i.high >= {n}", high, low]
    if value.system is not None:
        found = [f"{found[0]} AND i.system = %s", *found[1:], value.system]
    if value.code is not None:
        found = [f"{found[0]} AND i.code = %s", *found[1:], value.code]
    return found


STRING_TESTS = {
    # A range instead of LIKE: it uses the index under every plan.
    "starts": lambda text: ["i.norm >= %s AND i.norm < %s", text, text + LAST_CHARACTER],
    "contains": lambda text: ["position(%s in i.norm) > 0", text],
    "exact": lambda text: ["i.exact = %s", text],
}


# -- order ------------------------------------------------------------------------------------------------------------


def _select(asker: Asker, search: Search, after: Position | None, *, changed: bool | None) -> tuple[str, list[Any]]:
    """Return the ordered rows after a position, without limit.

    changed: None for all rows; False for those that the snapshot of the first page saw in their present version;
    True for those changed since, with the moment of the version that it saw as `_lastUpdated`.
    """
    lead = Statement()
    where = _where(asker, search)
    values = [_sort_value(search, key, n, lead) for n, key in enumerate(search.sort)]
    if changed is not None and after is not None:
        # Nothing that began an hour before the first page can still have been unseen by it.
        where.add(SEEN if not changed else f"NOT ({SEEN})", after.snapshot)
        if changed:
            where.add("r.updated >= %s::timestamptz - interval '1 hour'", after.began)
            lead.add(
                f"CROSS JOIN LATERAL (SELECT h.updated, h.deleted FROM {_table(search, '_history')} h"
                " WHERE h.type = r.type AND h.id = r.id AND pg_visible_in_snapshot(h.xid, %s::pg_snapshot)"
                " ORDER BY h.version DESC LIMIT 1) former",
                after.snapshot,
            )
            where.add("NOT former.deleted")
            values[0] = "former.updated"
    if after is not None:
        where.add(*_beyond(search.sort, values, after.values, after.key))
    text = "" if changed is not None else "::text"
    columns = [f"{value}{text} AS s{n}" for n, value in enumerate(values)]
    order = ", ".join([*(f"{v}{_direction(k)}" for v, k in zip(values, search.sort, strict=True)), "r.key DESC"])
    moment = (
        "%s::text AS snapshot, %s::text AS now"
        if after
        else "pg_current_snapshot()::text AS snapshot, now()::text AS now"
    )
    sql = (
        f"SELECT {', '.join([ROW, moment, *columns])} FROM {_table(search)} r {' '.join(lead.parts)}"
        f" WHERE {where.all_of()} ORDER BY {order}"
    )
    return sql, [*([after.snapshot, after.began] if after else []), *lead.params, *where.params]


def _direction(key: Sort) -> str:
    return " DESC NULLS LAST" if key.descending else " ASC NULLS LAST"


def _sort_value(search: Search, key: Sort, n: int, lead: Statement) -> str:
    """Return the column to sort by; of several values the first in the wanted direction."""
    if key.param is None:
        return "r.id" if key.code == "_id" else "r.updated"
    table, column = SORT_COLUMNS[key.param.type]
    best = "max" if key.descending else "min"
    lead.add(
        f"CROSS JOIN LATERAL (SELECT {best}(i.{column}) AS value FROM {_table(search, f'_{table}')} i"
        f" WHERE i.key = r.key AND i.param = ANY(%s::text[])) k{n}",
        list(key.param.indexed_as),
    )
    return f"k{n}.value"


def _beyond(sort: Sequence[Sort], columns: Sequence[str], values: Sequence[str | None], key: int) -> list[Any]:
    """Return the condition for rows that come after the given sort values and key, and its parameters."""
    if not sort:
        return ["r.key < %s", key]
    rest, *rest_params = _beyond(sort[1:], columns[1:], values[1:], key)
    column, value = columns[0], values[0]
    if value is None:
        return [f"({column} IS NULL AND {rest})", *rest_params]
    cast = _cast(sort[0])
    sign = "<" if sort[0].descending else ">"
    # The bound that every row keeps, apart for the index on (updated, key).
    missing = "" if sort[0].param is None else f" OR {column} IS NULL"
    bound = f"({column} {sign}= %s::{cast}{missing})"
    return [
        f"{bound} AND ({column} {sign} %s::{cast}{missing} OR ({column} = %s::{cast} AND {rest}))",
        value,
        value,
        value,
        *rest_params,
    ]


def _cast(key: Sort) -> str:
    if key.param is None:
        return "text" if key.code == "_id" else "timestamptz"
    return {"date": "timestamptz", "string": "text"}.get(key.param.type, "numeric")
