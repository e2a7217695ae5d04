"""History of a type or of everything, read from the change feed, newest first."""

from __future__ import annotations

from datetime import datetime

from tuetinh.record.asker import Asker
from tuetinh.record.r4 import RESOURCES
from tuetinh.record.statements import COLUMNS, array
from tuetinh.record.steps import Query, Step
from tuetinh.record.store import Stored, shows

END = 2**63 - 1
Position = int


def changes(
    asker: Asker, type_: str | None, *, below: Position = END, since: datetime | None = None, limit: int = 100
) -> Step[list[tuple[Position, Stored]]]:
    """Versions of a type (or of all types within the asker's scopes) that came before a feed position."""
    types = [type_] if type_ else [t for t in RESOURCES if asker.may("r", t)]
    where = ["position < %s"]
    params: list[object] = [below]
    if len(types) < len(RESOURCES):
        where.append("type = ANY(%s::text[])" if type_ is None else "type = %s")
        params.append(array(types) if type_ is None else type_)
    if since is not None:
        where.append("at >= %s::timestamptz")
        params.append(since.isoformat())
    if asker.patient is not None:
        where.append("shard = %s")
        params.append(asker.patient)
    params.append(limit)
    feed = yield Query(
        f"SELECT position, type, id, version FROM record.feed WHERE {' AND '.join(where)}"
        " ORDER BY position DESC LIMIT %s",
        params,
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


def _versions(type_: str) -> str:
    columns = ", ".join(f"r.{c}" for c in COLUMNS.split(", "))
    parts = (
        f"""SELECT {columns} FROM unnest(%s::text[], %s::int[]) AS w(id, version)
JOIN record."{table}" r ON r.type = '{type_}' AND r.id = w.id AND r.version = w.version"""
        for table in (type_, f"{type_}_history")
    )
    return " UNION ALL ".join(parts)
