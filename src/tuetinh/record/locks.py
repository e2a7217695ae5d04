"""Locks on resources and on ids that are about to be made, as steps; each needs a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tuetinh.record import permits, statements
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Conflict, TooLarge
from tuetinh.record.steps import Query, Row, Step
from tuetinh.record.versioning import Stored

MOST_LOCKED = 4000  # ids; the locks of all transactions share a table of the database, which must not be full


def lock(type_: str, id_: str, concerned: Sequence[str] = ()) -> Step[Row | None]:
    """Lock and return the current row: the columns of `statements.COLUMNS`, then key, shard, custodian, labels, free.

    concerned: people whom the next version will name. free: neither they nor the current patient was merged.
    """
    rows = yield Query(statements.lock(type_), (statements.array(concerned), id_, id_))
    return rows[0] if rows else None


def lock_many(asker: Asker, type_: str, ids: Iterable[str]) -> Step[list[Stored]]:
    """Lock those of these ids that exist for the asker, in their order, and return their current versions."""
    permits.allow(asker, "r", type_)
    names = statements.array(sorted(set(ids)))
    rows = yield Query(statements.lock_many(type_), (statements.array(()), names, names))
    return [
        Stored(type_, r[0], r[1], r[2], r[3], r[5])
        for r in rows
        if not r[4] and permits.shows(asker, "r", type_, r[3], r[5])
    ]


def lock_ids(type_: str, ids: Iterable[str]) -> Step[None]:
    """Keep others from making these ids until the transaction ends (an id is unique over all shards of a type)."""
    yield from _lock_names({type_: list(ids)})


def _lock_names(by_type: Mapping[str, Sequence[str]]) -> Step[None]:
    """Lock ids of types in one order, whatever order they are given in."""
    for type_, ids in by_type.items():
        if len(ids) > MOST_LOCKED:
            message = f"{len(ids)} resources of {type_} are named by their ids at once; {MOST_LOCKED} can be"
            raise TooLarge(message)
    names = statements.array(f"{type_}/{id_}" for type_ in sorted(by_type) for id_ in sorted(by_type[type_]))
    yield Query("SELECT pg_advisory_xact_lock(hashtextextended(n, 0)) FROM unnest(%s::text[]) n", (names,))


def refuse_known(names: Iterable[tuple[str, str]]) -> Step[None]:
    """Lock (type, id) that are about to be made and raise Conflict where one is taken. Needs a transaction."""
    by_type: dict[str, list[str]] = {}
    for type_, id_ in names:
        by_type.setdefault(type_, []).append(id_)
    if not by_type:
        return
    yield from _lock_names(by_type)
    sql = " UNION ALL ".join(f"SELECT '{type_}', id FROM ({statements.taken(type_)}) t" for type_ in by_type)
    if rows := (yield Query(sql, [statements.array(ids) for ids in by_type.values()])):
        message = f"{'/'.join(min(rows))} exists already"
        raise Conflict(message)


def taken(type_: str, ids: Sequence[str]) -> Step[list[str]]:
    """Which of these ids exist, also as tombstones, and also where the asker does not see them; sorted."""
    if not ids:
        return []
    rows = yield Query(statements.taken(type_), (statements.array(ids),))
    return sorted(row[0] for row in rows)
