"""Searches as steps (`record.steps`): one statement a page, and one for each type of included resources."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from tuetinh.record import granular, r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.hashes import token_hash
from tuetinh.record.search import page as pages
from tuetinh.record.search.compile import bigints, count_statement, matching_statement, page_statements
from tuetinh.record.search.conditions import Tokens
from tuetinh.record.search.index import walk
from tuetinh.record.search.page import PageRefused, Position
from tuetinh.record.search.parse import Include, Search
from tuetinh.record.steps import Query, Row, Step
from tuetinh.record.types import RESOURCE_TYPES

# How many resources a page may bring along by _include and _revinclude together.
MAX_INCLUDED = 2000
TYPES = frozenset(RESOURCE_TYPES)
COLUMNS = "r.type, r.id, r.key, r.version, r.updated, r.patient, r.body"

__all__ = ["Found", "Hit", "PageRefused", "matching", "search", "total"]


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
    """One page. `next` is the token of the page after it; `total` is None unless asked for."""

    hits: list[Hit] = field(default_factory=list)
    next: str | None = None
    total: int | None = None


def search(asker: Asker, search: Search, *, secret: bytes, page: str | None = None) -> Step[Found]:
    """Find one page of what the asker may see. Raises PageRefused."""
    after = pages.read(secret, asker, search, page) if page else None
    allowed = _allowed(asker, search)
    if allowed is None:
        return Found(total=0 if search.total != "none" else None)
    counted = yield from _total(asker, allowed)
    if search.count == 0 or search.summary == "count":
        return Found(total=counted if counted is not None else (yield from total(asker, search)))
    rows: list[Row] = []
    for sql, params in page_statements(asker, allowed, after):
        if len(rows) <= search.count:
            rows += yield Query(sql, [*params, search.count + 1 - len(rows)], prepare=False)
    hits = [_hit(row, "match") for row in rows[: search.count]]
    token = None
    if len(rows) > search.count:
        last = rows[search.count - 1]
        token = pages.write(secret, asker, search, Position(last[2], tuple(last[9:]), last[7], last[8]))
    included = yield from _included(asker, search.includes, hits)
    return Found(hits + included, token, counted)


def total(asker: Asker, search: Search) -> Step[int]:
    """Count every match that the asker may see."""
    allowed = _allowed(asker, search)
    if allowed is None:
        return 0
    sql, params = count_statement(asker, allowed)
    rows = yield Query(sql, params, prepare=False)
    return int(rows[0][0])


def matching(asker: Asker, search: Search, limit: int) -> Step[list[tuple[str, str, int, int]]]:
    """Find type, id, key and version of the first matches."""
    allowed = _allowed(asker, search)
    if allowed is None:
        return []
    sql, params = matching_statement(asker, allowed, limit)
    rows = yield Query(sql, params, prepare=False)
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _allowed(asker: Asker, search: Search) -> Search | None:
    """Leave the types that the asker's scopes name and add what their queries ask; None if there is none.

    Raises Forbidden where a condition looks beyond the resource, for it could tell what a query leaves out.
    """
    if len(search.types) == 1 and asker.may_some("s", search.types[0]):
        wanted = granular.clauses(asker.scopes, "s", search.types[0])
        if any(not clause for clause in wanted):
            return None
        search = replace(search, conditions=(*search.conditions, *(Tokens(tuple(sorted(c))) for c in wanted)))
    else:
        types = tuple(t for t in (search.types or RESOURCE_TYPES) if asker.may("s", t))
        search = replace(search, types=types)
    if asker.is_granular and any("." in name or name.startswith("_has") for name, _ in search.pairs):
        message = "a chained search is not possible with scopes that have a query"
        raise Forbidden(message)
    return search if search.types else None


def _total(asker: Asker, search: Search) -> Step[int | None]:
    if search.total == "accurate":
        return (yield from total(asker, search))
    if search.total == "estimate":
        sql, params = count_statement(asker, search)
        select = sql.replace("SELECT count(*)", "SELECT 1", 1)
        rows = yield Query(f"EXPLAIN (FORMAT JSON) {select}", params, prepare=False)
        plan = rows[0][0] if isinstance(rows[0][0], list) else json.loads(rows[0][0])
        return int(plan[0]["Plan"]["Plan Rows"])
    return None


def _hit(row: Row, mode: str) -> Hit:
    return Hit(row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6]), mode)


# -- what comes along -------------------------------------------------------------------------------------------------


def _included(asker: Asker, includes: Sequence[Include], hits: list[Hit]) -> Step[list[Hit]]:
    """Find what the matches refer to and what refers to them, each resource once, up to MAX_INCLUDED."""
    have = {(hit.type, hit.id) for hit in hits}
    found: list[Hit] = []
    wanted: dict[str, dict[str, None]] = {}
    decoded: dict[int, Any] = {}
    for include in includes:
        if include.reverse:
            rows = yield from _pointing(asker, include, hits, MAX_INCLUDED - len(found))
            found += _new(_within(asker, include.source, rows), have)
            continue
        for hit in hits:
            if hit.type == include.source:
                if hit.key not in decoded:
                    decoded[hit.key] = r4.decode(hit.body)
                for type_, id_ in _links(include, decoded[hit.key]):
                    wanted.setdefault(type_, {})[id_] = None
    for type_, ids in wanted.items():
        rows = yield from _by_id(asker, type_, list(ids), MAX_INCLUDED - len(found))
        found += _new(_within(asker, type_, rows), have)
    return found


def _within(asker: Asker, type_: str, rows: list[Row]) -> list[Row]:
    """Leave the rows that the asker may search or read."""
    if asker.may("s", type_) or asker.may("r", type_):
        return rows
    ways = [granular.clauses(asker.scopes, letter, type_) for letter in "sr"]
    return [row for row in rows if any(granular.within_body(way, row[6]) for way in ways)]


def _new(rows: list[Row], have: set[tuple[str, str]]) -> list[Hit]:
    fresh = []
    for row in rows:
        if (row[0], row[1]) not in have:
            have.add((row[0], row[1]))
            fresh.append(_hit(row, "include"))
    return fresh


def _links(include: Include, resource: Any) -> Iterable[tuple[str, str]]:
    """Yield type and id of the local references of the parameters."""
    for param in include.params:
        for leaf in param.leaves:
            if leaf.type != "Reference":
                continue
            for reference in walk([resource], leaf.hops):
                parts = (reference.reference or "").split("/_history/")[0].split("/")
                wanted = include.target or leaf.resolves
                if len(parts) == 2 and parts[0] in TYPES and wanted in (None, parts[0]):
                    yield parts[0], parts[1]


def _by_id(asker: Asker, type_: str, ids: list[str], limit: int) -> Step[list[Row]]:
    own, own_params = _compartment(asker)
    where = f"r.type = %s AND r.id = ANY(%s::text[]){own} AND NOT r.deleted"
    sql = f'SELECT {COLUMNS} FROM record."{type_}" r WHERE {where} LIMIT %s'
    return (yield Query(sql, [type_, ids, *own_params, max(limit, 0)]))


def _pointing(asker: Asker, include: Include, hits: list[Hit], limit: int) -> Step[list[Row]]:
    """Find resources of the include's source that refer to one of the hits."""
    if not (asker.may_some("s", include.source) or asker.may_some("r", include.source)):
        return []
    hashes = [
        token_hash(name, f"{hit.type}/{hit.id}")
        for hit in hits
        for param in include.params
        if include.target in (None, hit.type) and param.resolves in (None, hit.type)
        for name in param.indexed_as
    ]
    if not hashes:
        return []
    own, own_params = _compartment(asker)
    sql = (
        f'SELECT {COLUMNS} FROM record."{include.source}" r WHERE r.tokens && %s::bigint[] AND NOT r.deleted{own}'
        " ORDER BY r.key + 0 DESC LIMIT %s"
    )
    return (yield Query(sql, [bigints(hashes), *own_params, max(limit, 0)]))


def _compartment(asker: Asker) -> tuple[str, list[str]]:
    return ("", []) if asker.patient is None else (" AND r.patient = %s", [asker.patient])
