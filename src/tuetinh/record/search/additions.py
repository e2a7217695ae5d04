"""Search parameters that users add: SearchParameter resources, kept as rows that every process reads.

A write tells the generation of the parameters with which its entries were made. Where that is not the record's any
more, nothing is written: the process reads the parameters and makes the entries anew. So whatever is written after a
parameter was stored has its entries, in all processes, without a message between them; `reindex` makes those of what
was written before. Searches by what a process does not know, and by any added parameter, look first whether something
changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from tuetinh.record import r4
from tuetinh.record.errors import Conflict, Unprocessable
from tuetinh.record.projections import Written
from tuetinh.record.search import definitions
from tuetinh.record.search.params import Added, Param, added, keep_added
from tuetinh.record.steps import Query, Row, Step

CURRENT = "coalesce((SELECT number FROM record.search_generation), 0)"
CHANNEL = "record_search"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('record.search_parameter', 0))"
_COLUMNS = "number, base, code, type, expression, targets, url, components, state, id"
_KNOWN = f"SELECT {_COLUMNS} FROM record.search_parameter WHERE state <> 'leaving' ORDER BY number"
_CHANGED = (
    "INSERT INTO record.search_generation (number) VALUES (nextval('record.search_generations'))"
    " ON CONFLICT (one) DO UPDATE SET number = excluded.number"
)


def refresh() -> Step[Added]:
    """Return the added parameters as the record (or the own transaction) has them now."""
    ((generation,),) = yield Query(f"SELECT {CURRENT}")
    known = added()
    if known.generation == generation:
        return known
    columns = ", ".join(f"p.{name}" for name in _COLUMNS.split(", "))
    join = "LEFT JOIN record.search_parameter p ON p.state <> 'leaving'"
    rows = yield Query(f"SELECT g.now, {columns} FROM (SELECT {CURRENT} AS now) g {join} ORDER BY p.number")
    by_type: dict[str, list[Param]] = {}
    for row in rows:
        if row[1] is not None:
            param = _param(row[1:])
            by_type.setdefault(param.base, []).append(param)
    found = Added(rows[0][0], {type_: tuple(params) for type_, params in by_type.items()})
    keep_added(found)
    return found


def _param(row: Row) -> Param:
    number, base, code, type_, expression, targets, url, components, state, _ = row
    parts = tuple((one, other) for one, other in msgspec.json.decode(components, type=list[tuple[str, str]]))
    return Param(base, code, type_, expression, tuple(targets), url, parts, number, state == "ready")


def changed() -> Step[None]:
    """Tell all processes that the parameters are others now, when the transaction ends; wake the reindexing."""
    yield Query(_CHANGED)
    yield Query("SELECT pg_notify(%s, '')", [CHANNEL])


def follow(written: Sequence[Written]) -> Step[None]:
    """Keep the parameters in step with SearchParameter resources. Raises Unprocessable, Conflict."""
    yield Query(_LOCK)
    moved = False
    for one in written:
        moved |= yield from _follow(one)
    if moved:
        yield from changed()
        yield from _check_composites()


def _follow(one: Written) -> Step[bool]:
    """Take one version over; returns whether that changed anything for searches."""
    resource = one.resource
    wanted: list[Param] = []
    if isinstance(resource, r4.SearchParameter) and resource.status == "active":
        wanted = definitions.read(resource)
    rows = yield Query(_KNOWN)
    mine = {_bare(_param(row)): row[0] for row in rows if row[9] == one.id}
    others = {(row[1], row[2]): row for row in rows if row[9] != one.id}
    for param in wanted:
        if (taken := others.get((param.base, param.code))) is not None:
            message = f"{param.code!r} of {param.base} is what SearchParameter/{taken[9]} ({taken[6]}) is called"
            raise Conflict(message, "SearchParameter.code")
    gone = [number for param, number in mine.items() if param not in wanted]
    fresh = [param for param in wanted if param not in mine]
    if gone:
        sql = "UPDATE record.search_parameter SET state = 'leaving', ended = NULL WHERE number = ANY(%s::bigint[])"
        yield Query(sql, [gone])
    for param in fresh:
        yield Query(
            "INSERT INTO record.search_parameter (id, url, base, code, type, expression, targets, components)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s::text[], %s)",
            [
                *(one.id, param.url, param.base, param.code, param.type, param.expression),
                *(list(param.declared_targets), msgspec.json.encode(param.components).decode()),
            ],
        )
    return bool(gone or fresh)


def _bare(param: Param) -> Param:
    """Return the definition alone."""
    return replace(param, number=0, ready=True)


def _check_composites() -> Step[None]:
    """Refuse a composite whose parts are not there, or no longer."""
    found: Iterable[Param] = [_param(row) for row in (yield Query(_KNOWN))]
    for param in found:
        if param.type == "composite":
            try:
                definitions.check_composite(param, [p for p in found if p.base == param.base])
            except Unprocessable as error:
                message = f"the composite {param.url} of {param.base} would not hold: {error}"
                raise Unprocessable(message, "SearchParameter") from None
