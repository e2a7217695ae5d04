"""A `Search` as one SQL statement.

Identifiers come from the list of resource types alone; everything that a client sent is a parameter. The GIN index on
`tokens` answers tokens, references and uris together; dates, numbers and strings are EXISTS on the index tables by key.

Order: newest first by `key`, which a resource keeps for life; `key` breaks the ties of every `_sort`, in the direction
of its first key; values that are not there come last. A page continues after the last row of the page before (keyset),
so resources written meanwhile move nothing. With `_sort=_lastUpdated` the order is that of the first page's snapshot:
a resource changed since then stands where its version of that moment stood, which history knows, so none is skipped or
repeated. A resource whose value of another sort key is changed between two pages may be met twice or not at all.
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
from tuetinh.record.search.parse import Search
from tuetinh.record.types import RESOURCE_TYPES

TYPES = frozenset(RESOURCE_TYPES)
ROW = "r.type, r.id, r.key, r.version, r.updated, r.patient, r.body"
SORT_COLUMNS = {
    "date": ("date", "low", "timestamptz"),
    "string": ("string", "norm", "text"),
    "number": ("number", "low", "numeric"),
    "quantity": ("number", "low", "numeric"),
}
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


def page_statements(asker: Asker, search: Search, after: Position | None) -> list[tuple[str, list[Any]]]:
    """Return the statements of one page, to be asked in turn until it is full, without their last parameter, the limit.

    Columns: type, id, key, version, updated, patient, body, snapshot, now, then the sort values as text.
    """
    if search.sort and search.sort[0].code == "_lastUpdated" and after:
        return [_since_first_page(asker, search, after)]
    if not _walks(asker, search):
        return [_select(asker, search, after)]
    # In the order of the index table first, then what has no entry there.
    ends = after is not None and after.values[0] is None
    return [_select(asker, search, after, walk=walk) for walk in ((False,) if ends else (True, False))]


def _since_first_page(asker: Asker, search: Search, after: Position) -> tuple[str, list[Any]]:
    """Return rows as the first page saw them, with rows changed since at the place of their former version."""
    same, same_params = _select(asker, search, after, changed=False)
    moved, moved_params = _select(asker, search, after, changed=True)
    keys = [Column(f"s{n}", "", by.descending, nullable=by.param is not None) for n, by in enumerate(search.sort)]
    columns = ", ".join(
        ["type, id, key, version, updated, patient, body, snapshot, now", *(f"{k.sql}::text" for k in keys)]
    )
    sql = f"SELECT {columns} FROM (({same}) UNION ALL ({moved})) page ORDER BY {_order(search, keys, 'key')} LIMIT %s"
    return sql, [*same_params, *moved_params]


def _few(search: Search) -> bool:
    """Tell whether a condition surely leaves few rows, such as a patient or an identifier."""
    return any(isinstance(c, Ids) or (isinstance(c, Tokens) and c.selective) for c in search.conditions)


def _walks(asker: Asker, search: Search) -> bool:
    """Tell whether to read the index table of the first sort key in its order.

    Not where a condition leaves few rows: sorting those is sure to be fast, whatever the planner knows of them.
    """
    if len(search.types) != 1 or asker.patient is not None or not search.sort or search.sort[0].param is None:
        return False
    few = _few(search) or any(isinstance(c, Strings | Numbers) for c in search.conditions)
    return search.sort[0].param.one_entry and not few


def count_statement(asker: Asker, search: Search) -> tuple[str, list[Any]]:
    """Return the statement that counts every match."""
    where = _where(asker, search)
    return f"SELECT count(*) FROM {_table(search)} r WHERE {where.all_of()}", where.params


def matching_statement(asker: Asker, search: Search, limit: int) -> tuple[str, list[Any]]:
    """Return the statement of the first matches without bodies: type, id, key, version."""
    where = _where(asker, search)
    rows = f"FROM {_table(search)} r WHERE {where.all_of()} ORDER BY {_order(search, [], 'r.key')} LIMIT %s"
    return f"SELECT r.type, r.id, r.key, r.version {rows}", [*where.params, limit]


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


def _merged(conditions: Sequence[Condition]) -> list[Condition | tuple[Condition, ...]]:
    """Put together what one look at an index answers.

    Tokens that must all be there are one containment; bounds on a date that a resource has once are one range.
    """
    found: dict[Any, list[Condition]] = {}
    for n, condition in enumerate(conditions):
        match condition:
            case Tokens((_,), negate=False):
                found.setdefault("tokens", []).append(condition)
            case Dates(params, single=True):
                found.setdefault(params, []).append(condition)
            case _:
                found.setdefault(n, []).append(condition)
    return [tuple(group) if len(group) > 1 else group[0] for group in found.values()]


def _condition(where: Statement, search: Search, condition: Condition | tuple[Condition, ...]) -> None:
    match condition:
        case tuple():
            _group(where, search, condition)
        case Tokens(hashes, negate):
            if len(hashes) == 1 and not negate:
                where.add("r.tokens @> %s::bigint[]", bigints(hashes))
            elif hashes:
                where.add(f"{'NOT ' if negate else ''}r.tokens && %s::bigint[]", bigints(hashes))
            elif not negate:
                where.add("false")
        case Ids(values):
            where.add("r.id = ANY(%s::text[])", list(values))
            if len(search.types) == 1:
                where.add("r.type = %s", search.types[0])  # leads the primary key
        case Updated(values):
            where.add(*_any_of(_date, values, "r.updated", "r.updated + interval '1 microsecond'"))
        case Present(table, params, present):
            where.add(f"{'' if present else 'NOT '}{_exists(search, table, 'true')}", list(params))
        case Dates():
            _group(where, search, (condition,))
        case Numbers(params, values):
            sql, *values_params = _any_of(_number, values)
            where.add(_exists(search, "number", sql), list(params), *values_params)
        case Strings(params, mode, values):
            sql, *values_params = _any_of(STRING_TESTS[mode], values)
            where.add(_exists(search, "string", sql), list(params), *values_params)


def _group(where: Statement, search: Search, group: Sequence[Condition]) -> None:
    """Add what `_merged` put together."""
    hashes = [c.hashes[0] for c in group if isinstance(c, Tokens)]
    if hashes:
        where.add("r.tokens @> %s::bigint[]", bigints(hashes))
    dates = [c for c in group if isinstance(c, Dates)]
    if dates:
        tests = [_any_of(_date, c.values, "i.low", "i.high") for c in dates]
        sql = _exists(search, "date", " AND ".join(test for test, *_ in tests))
        where.add(sql, list(dates[0].params), *(x for _, *params in tests for x in params))


def _exists(search: Search, table: str, test: str) -> str:
    index = _table(search, f"_{table}")
    return f"EXISTS (SELECT FROM {index} i WHERE i.key = r.key AND i.param = ANY(%s::text[]) AND {test})"


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


@dataclass(frozen=True, slots=True)
class Column:
    """What a sort key compares: SQL, type, direction, and whether it may be null."""

    sql: str
    cast: str
    descending: bool
    nullable: bool = False


def _select(
    asker: Asker, search: Search, after: Position | None, *, changed: bool | None = None, walk: bool | None = None
) -> tuple[str, list[Any]]:
    """Return the ordered rows after a position, without the limit's parameter.

    changed: None for all rows; False for those that the snapshot of the first page saw in their present version;
    True for those changed since, with the moment of the version that it saw as `_lastUpdated`.
    walk: None for all rows; True for those with an entry of the first sort key, in the order of its index table;
    False for those without one.
    """
    lead = Statement()
    where = _where(asker, search)
    columns = [_column(search, n, lead) for n in range(len(search.sort)) if n or walk is None]
    if walk is not None:
        columns.insert(0, _walk(search, where, lead, entries=walk))
    if changed is not None and after is not None:
        # Nothing that began an hour before the first page can still have been unseen by it.
        where.add(SEEN if not changed else f"NOT ({SEEN})", after.snapshot)
        if changed:
            where.add("r.updated >= %s::timestamptz - interval '1 hour'", after.began)
            _former(search, where, lead, after.snapshot)
            columns[0] = Column("former.updated", "timestamptz", columns[0].descending)
    if after is not None and not (walk is False and after.values[0] is not None):
        where.add(*_beyond(columns, after.values, after.key, "<" if _falls(search) else ">"))
    text = "::text" if changed is None else ""
    moment = "%s::text AS snapshot, %s::text AS now" if after else "pg_current_snapshot()::text, now()::text"
    names = [ROW, moment, *(f"{column.sql}{text} AS s{n}" for n, column in enumerate(columns))]
    order = _order(search, [column for column in columns if column.sql != "NULL"], "r.key")
    sql = (
        f"SELECT {', '.join(names)} FROM {_table(search)} r {' '.join(lead.parts)}"
        f" WHERE {where.all_of()} ORDER BY {order}"
    )
    if changed is None:
        sql += " LIMIT %s"
    return sql, [*([after.snapshot, after.began] if after else []), *lead.params, *where.params]


def _falls(search: Search) -> bool:
    """Tell whether keys fall along the pages."""
    return not search.sort or search.sort[0].descending


# Changes nothing, but keeps the planner from reading all rows in this order in the hope of meeting the few wanted ones
# early: it takes the share of a token that it has not counted for a two-hundredth of all rows.
FENCES = {"r.key": "r.key + 0", "r.updated": "r.updated + interval '0'", "r.id": "r.id || ''"}


def _order(search: Search, columns: Sequence[Column], key: str) -> str:
    # NULLS LAST on a column that has none would keep its index from being used.
    keys = [
        (column.sql, f"{'DESC' if column.descending else 'ASC'}{' NULLS LAST' if column.nullable else ''}")
        for column in columns
    ]
    keys.append((key, "DESC" if _falls(search) else "ASC"))
    few = _few(search)
    return ", ".join(f"{FENCES.get(sql, sql) if few else sql} {direction}" for sql, direction in keys)


def _column(search: Search, n: int, lead: Statement) -> Column:
    """Return what to sort by; of several values the first in the wanted direction."""
    by = search.sort[n]
    if by.param is None:
        return (
            Column("r.id", "text", by.descending)
            if by.code == "_id"
            else Column("r.updated", "timestamptz", by.descending)
        )
    table, column, cast = SORT_COLUMNS[by.param.type]
    best = "max" if by.descending else "min"
    lead.add(
        f"CROSS JOIN LATERAL (SELECT {best}(i.{column}) AS value FROM {_table(search, f'_{table}')} i"
        f" WHERE i.key = r.key AND i.param = ANY(%s::text[])) k{n}",
        list(by.param.indexed_as),
    )
    return Column(f"k{n}.value", cast, by.descending, nullable=True)


def _walk(search: Search, where: Statement, lead: Statement, *, entries: bool) -> Column:
    """Return the first sort key as a column of its index table, or as the lack of one."""
    by = search.sort[0]
    if by.param is None:
        return _column(search, 0, lead)
    table, column, cast = SORT_COLUMNS[by.param.type]
    if not entries:
        where.add(f"NOT {_exists(search, table, 'true')}", list(by.param.indexed_as))
        return Column("NULL", "text", by.descending, nullable=True)
    lead.add(f"JOIN {_table(search, f'_{table}')} w ON w.key = r.key AND w.param = %s", by.param.code)
    return Column(f"w.{column}", cast, by.descending)


def _former(search: Search, where: Statement, lead: Statement, snapshot: str) -> None:
    """Join the version that a snapshot saw of a row changed since."""
    lead.add(
        f"CROSS JOIN LATERAL (SELECT h.updated, h.deleted FROM {_table(search, '_history')} h"
        " WHERE h.type = r.type AND h.id = r.id AND pg_visible_in_snapshot(h.xid, %s::pg_snapshot)"
        " ORDER BY h.version DESC LIMIT 1) former",
        snapshot,
    )
    where.add("NOT former.deleted")


def _beyond(columns: Sequence[Column], values: Sequence[str | None], key: int, sign: str) -> list[Any]:
    """Return the condition for rows that come after the given sort values and key, and its parameters."""
    if not columns:
        return [f"r.key {sign} %s", key]
    rest, *params = _beyond(columns[1:], values[1:], key, sign)
    column, value = columns[0], values[0]
    if column.sql == "NULL":
        return [rest, *params]
    if value is None:
        return [f"({column.sql} IS NULL AND {rest})", *params]
    place, beyond = f"%s::{column.cast}", "<" if column.descending else ">"
    null = f" OR {column.sql} IS NULL" if column.nullable else ""
    # The bound that every row keeps stands first and alone, for the index.
    test = (
        f"({column.sql} {beyond}= {place}{null}) AND"
        f" ({column.sql} {beyond} {place}{null} OR ({column.sql} = {place} AND {rest}))"
    )
    return [test, value, value, value, *params]
