"""A resolved `Search` as SQL: one page, the count, the first matches.

Order: newest first by `key`, which a resource keeps for life, but by date where `parse` says so; `key` breaks the ties
of every `_sort`, in the direction of its first key; values that are not there come last. A page continues after the
last row of the page before (keyset), so resources written meanwhile move nothing. What a resource is found and sorted
by may change between two pages: rows changed since the first page are left out here and put at the place of their
former version by `moved`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuetinh.record.asker import Asker
from tuetinh.record.hashes import token_hash
from tuetinh.record.search import json_paths
from tuetinh.record.search.conditions import AnyOf, Condition, Dates, Ids, Numbers, Strings, Tokens
from tuetinh.record.search.expressions import rules
from tuetinh.record.search.page import Position
from tuetinh.record.search.parse import Search, Sort
from tuetinh.record.search.where import Rows, Sql, add, bigints, entries_in_order, exists, flat, where
from tuetinh.record.steps import Row

ROW = "r.type, r.id, r.key, r.version, r.updated, r.patient, r.body"
SORT_COLUMNS = {
    "date": ("date", "low", "timestamptz"),
    "string": ("string", "norm", "text"),
    "number": ("number", "low", "numeric"),
    "quantity": ("number", "low", "numeric"),
}
MOST_CODES = 40
MOST_MOVED = 2000
FORMER = 9  # the columns of a page before those of the sort values, or of the former version

# Beside rows that the first page's snapshot saw, those that this very transaction wrote before it.
SEEN = "(pg_visible_in_snapshot(r.xid, %s::pg_snapshot) OR r.xid = pg_current_xact_id_if_assigned()) IS TRUE"


@dataclass(frozen=True, slots=True)
class Column:
    """What a sort key compares: SQL, type, direction, and whether it may be null."""

    sql: str
    cast: str
    descending: bool
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """A part of the result that one statement reads in order.

    entries: the rows with (True) or without (False) an entry of the first sort key, in the order of its index table.
    code: the rows that have this code, or none (""), as the first sort key.
    """

    entries: bool | None = None
    code: str | None = None

    def fixed(self) -> bool:
        """Tell whether all rows have the same first sort value."""
        return self.entries is False or self.code is not None


def page_statements(asker: Asker, search: Search, after: Position | None) -> list[tuple[str, list[Any]]]:
    """Return the statements of one page, to be asked in turn until it is full, without their last parameter, the limit.

    Columns: type, id, key, version, updated, patient, body, snapshot, now, then the sort values as text.
    """
    return [_select(asker, search, after, turn) for turn in _turns(asker, search, after)]


@dataclass(frozen=True, slots=True)
class Moved:
    """Which rows that were changed since the first page are asked for.

    scope: what must hold of them as they are now. beyond: of `holds.beyond`. last: the last row of the full page that
    the unchanged ones make. key: of the last row of the statement before.
    """

    after: Position
    scope: Sequence[Condition] = ()
    beyond: Sequence[tuple[Sequence[str], Condition]] = ()
    last: Row | None = None
    key: int = 0


def moved_statement(asker: Asker, search: Search, moved: Moved) -> tuple[str, list[Any]]:
    """Return the statement of rows changed since the first page, each with the version that its snapshot saw.

    Whether that version matches, only its body tells. Columns: those of a page without sort values, then the former
    version's moment and body, and whether each of `beyond` holds.
    """
    after = moved.after
    lasting = [c for c in search.conditions if isinstance(c, Ids)]  # what no change can make true or false
    found = where(rows_of(asker, search), [*moved.scope, *lasting])
    found.add("r.key > %s", moved.key)
    # Nothing that began an hour before the first page can still have been unseen by it.
    found.add(f"NOT ({SEEN}) AND r.version > 1", after.snapshot)
    found.add("r.updated >= %s::timestamptz - interval '1 hour'", after.began)
    if is_stable(search):
        columns = [_column(search, n, Sql()) for n in range(len(search.sort))]
        sign = "<" if _falls(search) else ">"
        found.add(*_beyond(columns, after.values, after.key, sign))
        if moved.last is not None:
            sql, *params = _beyond(columns, moved.last[FORMER:], moved.last[2], sign)
            found.add(f"NOT ({sql})", *params)
    history = rows_of(asker, search).table("_history")
    former = (
        f"SELECT r.key, h.type, h.id, h.updated, h.deleted, h.body FROM {history} h WHERE h.type = r.type"
        " AND h.id = r.id AND pg_visible_in_snapshot(h.xid, %s::pg_snapshot) ORDER BY h.version DESC LIMIT 1"
    )
    tests = Sql()
    for types, condition in moved.beyond:
        add(tests, Rows(tuple(types), "f", asker.patient, former=True), condition)
    fields = [f"{ROW}, %s::text, %s::text, f.updated, f.body", *tests.parts]
    sql = (
        f"SELECT {', '.join(fields)} FROM {_table(search)} r CROSS JOIN LATERAL ({former}) f"
        f" WHERE {found.all_of()} AND NOT f.deleted ORDER BY r.key + 0 LIMIT {MOST_MOVED}"
    )
    return sql, [after.snapshot, after.began, *tests.params, after.snapshot, *found.params]


def count_statement(asker: Asker, search: Search) -> tuple[str, list[Any]]:
    """Return the statement that counts every match."""
    found = where(rows_of(asker, search), search.conditions)
    return f"SELECT count(*) FROM {_table(search)} r WHERE {found.all_of()}", found.params


def matching_statement(asker: Asker, search: Search, limit: int) -> tuple[str, list[Any]]:
    """Return the statement of the first matches without bodies: type, id, key, version."""
    found = where(rows_of(asker, search), search.conditions)
    rows = f"FROM {_table(search)} r WHERE {found.all_of()} ORDER BY {_order(search, [], 'r.key')} LIMIT %s"
    return f"SELECT r.type, r.id, r.key, r.version {rows}", [*found.params, limit]


def rows_of(asker: Asker, search: Search) -> Rows:
    """Return the rows that a search is about."""
    return Rows(search.types, patient=asker.patient)


def is_stable(search: Search) -> bool:
    """Tell whether no change of a resource can move it in the order."""
    return all(by.code == "_id" for by in search.sort)


def _table(search: Search) -> str:
    return Rows(search.types).table()


def _few(search: Search) -> bool:
    """Tell whether a condition surely leaves few rows, such as a patient or an identifier."""
    return any(_leaves_few(condition) for condition in search.conditions)


def is_settled(search: Search) -> bool:
    """Tell whether one plan is the best whatever the values are: to read what has a selective code, and sort it."""
    return _few(search) and all(isinstance(condition, Tokens | Ids) for condition in flat(search.conditions))


def _leaves_few(condition: Condition) -> bool:
    match condition:
        case Ids():
            return not condition.negate
        case Tokens():
            return condition.selective
        case AnyOf(parts):
            return all(_leaves_few(part) for part in parts)
    return False


def _turns(asker: Asker, search: Search, after: Position | None) -> list[Turn]:
    """Return the parts of a result: several where reading an index in order is better than sorting all matches.

    Not where a condition leaves few rows: sorting those is sure to be fast, whatever the planner knows of them.
    """
    few = _few(search) or any(isinstance(c, Strings | Numbers) for c in search.conditions)
    first = search.sort[0] if search.sort else None
    if first is None or first.param is None or few or len(search.types) != 1 or asker.patient is not None:
        return [Turn()]
    value = after.values[0] if after else ""
    if _bounds(search):
        return [Turn(entries=True)]
    if first.param.one_entry:
        return [Turn(entries=False)] if value is None else [Turn(entries=True), Turn(entries=False)]
    codes = _codes(first)
    if not codes:
        return [Turn()]
    start = codes.index(value) if value in codes else len(codes) if value is None else 0
    return [*(Turn(code=code) for code in codes[start:]), Turn(code="")]


def _bounds(search: Search) -> list[Dates]:
    """Return the conditions on the very date by which is sorted first, where a resource has it once."""
    param = search.sort[0].param
    if param is None or not param.one_entry:
        return []
    found = [c for c in flat(search.conditions) if isinstance(c, Dates) and len(c.values) == 1]
    return [c for c in found if c.params == param.indexed_as]


def _codes(by: Sort) -> list[str]:
    """Return the codes that a sort key can have, in its order, where they are few and a resource has one at most."""
    param = by.param
    if param is None or param.type != "token" or not param.single or param.code_systems is None or param.sources:
        return []
    bound = [rules()["codes"].get(leaf.codes, {}) for leaf in param.leaves]
    codes = {code for systems in bound for listed in systems.values() for code in listed}
    return sorted(codes, reverse=by.descending) if len(codes) <= MOST_CODES else []


# -- order ------------------------------------------------------------------------------------------------------------


def _select(asker: Asker, search: Search, after: Position | None, turn: Turn) -> tuple[str, list[Any]]:
    """Return the ordered rows of a turn after a position, without the limit's parameter."""
    lead = Sql()
    bounds = _bounds(search) if turn.entries else []
    rows = rows_of(asker, search)
    found = where(rows, [c for c in flat(search.conditions) if c not in bounds])
    if is_settled(search):
        _believe(found, rows, search)
    columns = [_first(search, found, lead, turn, bounds)] if search.sort else []
    columns += [_column(search, n, lead) for n in range(1, len(search.sort))]
    if after is not None:
        found.add(SEEN, after.snapshot)
        if not turn.fixed() or after.values[0] == (turn.code or None):
            found.add(*_beyond(columns, after.values, after.key, "<" if _falls(search) else ">"))
    moment = "%s::text AS snapshot, %s::text AS now" if after else "pg_current_snapshot()::text, now()::text"
    names = [ROW, moment, *(f"{column.sql}::text AS s{n}" for n, column in enumerate(columns))]
    order = _order(search, [column for column in columns if not _is_constant(column)], "r.key")
    sql = (
        f"SELECT {', '.join(names)} FROM {_table(search)} r {' '.join(lead.parts)}"
        f" WHERE {found.all_of()} ORDER BY {order} LIMIT %s"
    )
    return sql, [*([after.snapshot, after.began] if after else []), *lead.params, *found.params]


def _believe(found: Sql, rows: Rows, search: Search) -> None:
    """Ask for a selective code twice: the planner takes it for rare then without its value, and keeps the plan."""
    for condition in flat(search.conditions):
        if isinstance(condition, Tokens) and condition.selective:
            add(found, rows, condition)


def _is_constant(column: Column) -> bool:
    return column.sql == "NULL" or column.sql.startswith("'")


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


def _first(search: Search, found: Sql, lead: Sql, turn: Turn, bounds: Sequence[Dates]) -> Column:
    """Return the first sort key as the turn has it, its entries within bounds."""
    by = search.sort[0]
    if by.param is None or turn == Turn():
        return _column(search, 0, lead)
    name = by.param.stored
    if turn.code is not None:
        hashed = token_hash(name, turn.code) if turn.code else token_hash(name, "", "", "")
        sql = "r.tokens @> %s::bigint[]"
        found.add(sql if turn.code else f"NOT {sql}", bigints([hashed]))
        # A code of HL7's own, of letters, digits and hyphens.
        return Column(f"'{turn.code}'" if turn.code else "NULL", "text", by.descending, nullable=True)
    table, column, cast = SORT_COLUMNS[by.param.type]
    if not turn.entries:
        found.add(f"NOT {exists(Rows(search.types), table, 'true')}", list(by.param.indexed_as))
        return Column("NULL", "text", by.descending, nullable=True)
    if bounds:
        entries, *params = entries_in_order(Rows(search.types), bounds, descending=by.descending)
        lead.add(f"JOIN ({entries}) w ON w.key = r.key", *params)
        return Column("w.low", cast, by.descending)
    lead.add(f"JOIN {Rows(search.types).table(f'_{table}')} w ON w.key = r.key AND w.param = %s", name)
    return Column(f"w.{column}", cast, by.descending)


def _column(search: Search, n: int, lead: Sql) -> Column:
    """Return what to sort by; of several values the first in the wanted direction."""
    by = search.sort[n]
    if by.param is None:
        if by.code == "_id":
            return Column("r.id", "text", by.descending)
        return Column("r.updated", "timestamptz", by.descending)
    best = "max" if by.descending else "min"
    if by.param.type not in SORT_COLUMNS:
        value = f'{best}(t COLLATE "C")'
        if any(leaf.exists for leaf in by.param.leaves):
            there = "t <> 'false'" if any(leaf.truth for leaf in by.param.leaves) else "true"
            value = f"CASE WHEN bool_or({there}) THEN 'true' ELSE 'false' END"
        sql = f"SELECT {value} AS value FROM record.texts(r.body, %s::jsonpath[]) t"
        lead.add(f"CROSS JOIN LATERAL ({sql}) k{n}", json_paths.array(by.param))
        return Column(f"k{n}.value", "text", by.descending, nullable=True)
    table, column, cast = SORT_COLUMNS[by.param.type]
    lead.add(
        f"CROSS JOIN LATERAL (SELECT {best}(i.{column}) AS value FROM {Rows(search.types).table(f'_{table}')} i"
        f" WHERE i.key = r.key AND i.param = ANY(%s::text[])) k{n}",
        list(by.param.indexed_as),
    )
    return Column(f"k{n}.value", cast, by.descending, nullable=True)


def _beyond(columns: Sequence[Column], values: Sequence[str | None], key: int, sign: str) -> list[Any]:
    """Return the condition for rows that come after the given sort values and key, and its parameters."""
    if not columns:
        return [f"r.key {sign} %s", key]
    rest, *params = _beyond(columns[1:], values[1:], key, sign)
    column, value = columns[0], values[0]
    if _is_constant(column):
        return [rest, *params]
    if value is None:
        return [f"({column.sql} IS NULL AND {rest})", *params]
    place, beyond = f"%s::{column.cast}", "<" if column.descending else ">"
    if column.cast == "text":
        place += ' COLLATE "C"'
    null = f" OR {column.sql} IS NULL" if column.nullable else ""
    # The bound that every row keeps stands first and alone, for the index.
    test = (
        f"({column.sql} {beyond}= {place}{null}) AND"
        f" ({column.sql} {beyond} {place}{null} OR ({column.sql} = {place} AND {rest}))"
    )
    return [test, value, value, value, *params]
