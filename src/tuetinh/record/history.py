"""History of a type or of everything, read from the change feed, newest first."""

from __future__ import annotations

from tuetinh.record.asker import Asker
from tuetinh.record.permits import shows
from tuetinh.record.r4 import RESOURCES
from tuetinh.record.statements import COLUMNS, array
from tuetinh.record.steps import Query, Step
from tuetinh.record.versioning import EVER, Span, Stored

END = 2**63 - 1
MOST_COUNTED = 100_000
Position = int
# Of a version that was replaced by then, the next one was there.
_REPLACED = """EXISTS (SELECT FROM record.{table} n
WHERE n.type = f.type AND n.id = f.id AND n.version = f.version + 1 AND n.updated <= %s::timestamptz)"""


def changes(
    asker: Asker, type_: str | None, *, below: Position = END, span: Span = EVER, limit: int = 100
) -> Step[list[tuple[Position, Stored]]]:
    """Versions of a type (or of all types within the asker's scopes) that came before a feed position."""
    where, params = _where(asker, type_, span)
    feed = yield Query(
        f"SELECT position, type, id, version FROM record.feed f WHERE {where} AND position < %s"
        " ORDER BY position DESC LIMIT %s",
        [*params, below, limit],
    )
    wanted: dict[str, list[tuple[str, int]]] = {}
    for _, name, id_, version in feed:
        wanted.setdefault(name, []).append((id_, version))
    found: dict[tuple[str, str, int], Stored] = {}
    for name, pairs in wanted.items():
        ids, numbers = array(p[0] for p in pairs), array(str(p[1]) for p in pairs)
        for row in (yield Query(_versions(name), (ids, numbers, ids, numbers))):
            if shows(asker, "r", name, row[3], row[5]):
                found[name, row[0], row[1]] = Stored(name, row[0], row[1], row[2], row[3], row[5], created=row[1] == 1)
    return [(f[0], found[f[1], f[2], f[3]]) for f in feed if (f[1], f[2], f[3]) in found]


def count(asker: Asker, type_: str | None, *, span: Span = EVER) -> Step[int | None]:
    """How many versions `changes` has on all pages; None where they are more than are worth to be counted."""
    if asker.is_granular:
        return None  # what a query leaves out, only the bodies tell
    where, params = _where(asker, type_, span)
    sql = f"SELECT count(*) FROM (SELECT FROM record.feed f WHERE {where} LIMIT {MOST_COUNTED + 1}) few"
    ((found,),) = yield Query(sql, params)
    return found if found <= MOST_COUNTED else None


def _where(asker: Asker, type_: str | None, span: Span) -> tuple[str, list[object]]:
    types = [type_] if type_ else [t for t in RESOURCES if asker.may("r", t)]
    where, params = ["true"], list[object]()
    if len(types) < len(RESOURCES):
        where.append("type = ANY(%s::text[])" if type_ is None else "type = %s")
        params.append(array(types) if type_ is None else type_)
    if asker.patient is not None:
        where.append("shard = %s")
        params.append(asker.patient)
    for moment, nothing, test in ((span.since, EVER.since, ">="), (span.before, EVER.before, "<")):
        if moment != nothing:
            where.append(f"at {test} %s::timestamptz")
            params.append(moment)
    if span.after != EVER.after:
        where += [f"NOT {_REPLACED.format(table=table)}" for table in ("resource", "history")]
        params += [span.after, span.after]
    return " AND ".join(where), params


def _versions(type_: str) -> str:
    columns = ", ".join(f"r.{c}" for c in COLUMNS.split(", "))
    parts = (
        f"""SELECT {columns} FROM unnest(%s::text[], %s::int[]) AS w(id, version)
JOIN record."{table}" r ON r.type = '{type_}' AND r.id = w.id AND r.version = w.version"""
        for table in (type_, f"{type_}_history")
    )
    return " UNION ALL ".join(parts)
