"""Searches as steps (`record.steps`): one statement a page, and one for each type of included resources."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from tuetinh.record import contents, granular
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.search import moved
from tuetinh.record.search import page as pages
from tuetinh.record.search.additions import refresh
from tuetinh.record.search.compile import (
    count_statement,
    is_settled,
    matching_statement,
    page_statements,
    rows_of,
)
from tuetinh.record.search.conditions import Condition, Tokens
from tuetinh.record.search.includes import MAX_INCLUDED, bring
from tuetinh.record.search.merged import survivors
from tuetinh.record.search.page import PageRefused, Position
from tuetinh.record.search.params import added
from tuetinh.record.search.parse import Search, parse
from tuetinh.record.search.resolve import TooCostly, resolve
from tuetinh.record.search.where import Sql, where
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import Query, Row, Step
from tuetinh.record.types import RESOURCE_TYPES
from tuetinh.record.validate.problem import Problem

__all__ = ["MAX_INCLUDED", "Found", "Hit", "PageRefused", "TooCostly", "matched", "matching", "read", "search", "total"]


class Hit(NamedTuple):
    """A resource of a page: its bytes as stored, and why it is there (`match` or `include`)."""

    type: str
    id: str
    key: int
    version: int
    updated: datetime
    patient: str | None
    body: bytes
    mode: str


@dataclass(frozen=True, slots=True)
class Found:
    """One page. `next` is the token of the page after it; `total` is None unless asked for.

    cut: more would have been included than a page may bring along.
    """

    hits: list[Hit] = field(default_factory=list)
    next: str | None = None
    total: int | None = None
    cut: bool = False


def read(
    type_: str | None, query: str | Iterable[tuple[str, str]], *, lenient: bool = False
) -> Step[tuple[Search, list[Problem]]]:
    """Read a query as `parse.parse` does, with the search parameters that users have added by now."""
    pairs = query if isinstance(query, str) else list(query)
    known = added()
    wanted, problems = parse(type_, pairs, lenient=lenient)
    if (problems or known.params) and (yield from refresh()) is not known:
        return parse(type_, pairs, lenient=lenient)
    return wanted, problems


def search(asker: Asker, search: Search, *, secret: bytes, page: str | None = None) -> Step[Found]:
    """Find one page of what the asker may see. Raises PageRefused."""
    after = pages.read(secret, asker, search, page) if page else None
    wanted = (yield from survivors(search)) if after and after.survivors else search
    found, last = yield from _page(asker, wanted, after)
    if not found.hits and after is None and (wanted := (yield from survivors(search))) is not search:
        found, last = yield from _page(asker, wanted, after)
    if last is None:
        return found
    return replace(found, next=pages.write(secret, asker, search, replace(last, survivors=wanted is not search)))


def _page(asker: Asker, search: Search, after: Position | None) -> Step[tuple[Found, Position | None]]:
    """One page, and the position of its end if there is more."""
    allowed = yield from _ready(asker, search)
    if allowed is None:
        return Found(total=0 if search.total != "none" else None), None
    counted = after.total if after else (yield from _total(asker, allowed))
    if search.count == 0 or search.summary == "count":
        return Found(total=counted if counted is not None else (yield from _count(asker, allowed))), None
    rows: list[Row] = []
    prepare = None if is_settled(allowed) else False
    for sql, params in page_statements(asker, allowed, after):
        if len(rows) <= search.count:
            rows += yield Query(sql, [*params, search.count + 1 - len(rows)], prepare=prepare)
    if after is not None:
        limit = search.count + 1
        rows = yield from moved.put_in(asker, allowed, rows, after, limit=limit, scope=_scope(asker, search))
    count = yield from contents.fitting([row[6] for row in rows[: search.count]])
    hits = [_hit(row, "match") for row in rows[:count]]
    end = None
    if len(rows) > count:
        last = rows[count - 1]
        end = Position(last[2], tuple(last[9:]), last[7], last[8], counted)
    included, more = yield from bring(asker, search.includes, [row[:7] for row in rows[:count]])
    return Found(hits + [_hit(row, "include") for row in included], None, counted, more), end


def total(asker: Asker, search: Search) -> Step[int]:
    """Count every match that the asker may see."""
    search = yield from survivors(search)
    allowed = yield from _ready(asker, search)
    return 0 if allowed is None else (yield from _count(asker, allowed))


def _count(asker: Asker, ready: Search) -> Step[int]:
    sql, params = count_statement(asker, ready)
    rows = yield Query(sql, params, prepare=False)
    return int(rows[0][0])


def matching(asker: Asker, search: Search, limit: int) -> Step[list[tuple[str, str, int, int]]]:
    """Find type, id, key and version of the first matches."""
    rows = yield from _matching(asker, search, limit)
    if not rows and (wanted := (yield from survivors(search))) is not search:
        rows = yield from _matching(asker, wanted, limit)
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _matching(asker: Asker, search: Search, limit: int) -> Step[list[Row]]:
    allowed = yield from _ready(asker, search)
    if allowed is None:
        return []
    sql, params = matching_statement(asker, allowed, limit)
    return (yield Query(sql, params, prepare=False))


def matched(asker: Asker, search: Search) -> Step[Sql | None]:
    """What must hold of a row `r` of the type's table to match and be seen by the asker; None when no row can.

    For those who go through a table in their own order. Raises like a search.
    """
    ready = yield from _ready(asker, search)
    return None if ready is None else where(rows_of(asker, ready), ready.conditions)


def _ready(asker: Asker, search: Search) -> Step[Search | None]:
    """Return the search within the asker's scopes, with conditions that SQL can be made of; None if nothing is left.

    Raises Forbidden, BadRequest for a value set that is not known, TooCostly.
    """
    allowed = _allowed(asker, search)
    if allowed is None:
        return None
    conditions: tuple[Condition, ...] = yield from resolve(asker, allowed.types, allowed.conditions)
    return replace(allowed, conditions=conditions)


def _allowed(asker: Asker, search: Search) -> Search | None:
    """Leave the types that the asker's scopes name and add what their queries ask; None if there is none.

    Raises Forbidden where a condition looks beyond the resource, for it could tell what a query leaves out.
    """
    if len(search.types) == 1 and asker.may_some("s", search.types[0]):
        wanted = _scope(asker, search)
        if any(not one.hashes for one in wanted):
            return None
        search = replace(search, conditions=(*search.conditions, *wanted))
    else:
        types = tuple(t for t in (search.types or RESOURCE_TYPES) if asker.may("s", t))
        search = replace(search, types=types)
    if asker.is_granular and search.is_chained:
        message = "a chained search is not possible with scopes that have a query"
        raise Forbidden(message)
    return search if search.types else None


def _scope(asker: Asker, search: Search) -> list[Tokens]:
    """What the queries of the asker's scopes ask of a resource."""
    if len(search.types) != 1:
        return []
    return [Tokens(tuple(sorted(clause))) for clause in granular.clauses(asker.scopes, "s", search.types[0])]


def _total(asker: Asker, search: Search) -> Step[int | None]:
    """The total that is asked for. An estimate is of all rows: for those for whom not all exist, they are counted."""
    sees_all = asker.sight == EVERYTHING and asker.patient is None
    if search.total == "accurate" or (search.total == "estimate" and not sees_all):
        return (yield from _count(asker, search))
    if search.total == "estimate":
        sql, params = count_statement(asker, search)
        select = sql.replace("SELECT count(*)", "SELECT 1", 1)
        rows = yield Query(f"EXPLAIN (FORMAT JSON) {select}", params, prepare=False)
        plan = rows[0][0] if isinstance(rows[0][0], list) else json.loads(rows[0][0])
        return int(plan[0]["Plan"]["Plan Rows"])
    return None


def _hit(row: Row, mode: str) -> Hit:
    return Hit(row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6]), mode)
