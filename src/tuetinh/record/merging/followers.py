"""Tables of the modules that name a Patient beside the record: their rows follow a merge, and go back with it."""

from __future__ import annotations

from typing import NamedTuple

from tuetinh.record.merging.ledger import Merge
from tuetinh.record.steps import Query, Step


class Follower(NamedTuple):
    """A column that holds a Patient's id. by: `(column, type)` of a resource to which a row belongs, if to one.

    relation: of what relations say that they come from such a row: `Glass` of those with the source `Glass/ID`.
    clash: what must not come together at the survivor, as a condition on the source's row `s` and the survivor's `t`.
    """

    table: str
    column: str = "patient"
    key: str = "id"
    by: tuple[str, str] | None = None
    clash: str = ""
    relation: str = ""


_followers: dict[str, Follower] = {}


def register(follower: Follower) -> None:
    """Let the rows of a table follow merges. The names are the module's own, never a user's."""
    _followers[f"{follower.table}.{follower.column}"] = follower


def clashes(source: str, target: str) -> Step[list[str]]:
    """Tables in which rows of both people cannot be one person's."""
    found = []
    for one in _followers.values():
        if one.clash:
            rows = yield Query(
                f'SELECT 1 FROM "{one.table}" s, "{one.table}" t '
                f"WHERE s.{one.column} = %s AND t.{one.column} = %s AND {one.clash} LIMIT 1",
                (source, target),
            )
            found += [one.table] if rows else []
    return found


def follow(merge: str, source: str, target: str) -> Step[int]:
    """Turn the source's rows to the target; returns how many."""
    count = 0
    for place, one in _followers.items():
        rows = yield Query(
            f'WITH moved AS (UPDATE "{one.table}" SET {one.column} = %s WHERE {one.column} = %s '
            f"RETURNING {one.key}::text AS row) "
            "INSERT INTO record.merge_row (merge, place, row) SELECT %s, %s, row FROM moved RETURNING 1",
            (target, source, merge, place),
        )
        count += len(rows)
        yield from _relations(one, source, target)
    return count


def _relations(one: Follower, before: str, after: str) -> Step[None]:
    """Let the relations that come from a table's rows be of whom the rows are of now."""
    if one.relation:
        yield Query(
            f"UPDATE record.relation SET patient = %s WHERE patient = %s AND source IN "
            f'(SELECT %s || {one.key}::text FROM "{one.table}" WHERE {one.column} = %s)',
            (after, before, f"{one.relation}/", after),
        )


def go_back(merge: Merge) -> Step[int]:
    """Turn back the rows that had followed, and those made since that belong to what goes back; returns how many."""
    count = 0
    for place, one in _followers.items():
        wanted = f"{one.key}::text IN (SELECT row FROM record.merge_row WHERE merge = %s AND place = %s)"
        params: list[object] = [merge.source, merge.target, merge.id, place]
        if one.by:
            column, type_ = one.by
            wanted += f" OR {column} IN (SELECT id FROM record.merge_moved WHERE merge = %s AND type = %s)"
            params += [merge.id, type_]
        rows = yield Query(
            f'UPDATE "{one.table}" SET {one.column} = %s WHERE {one.column} = %s AND ({wanted}) RETURNING 1', params
        )
        count += len(rows)
        yield from _relations(one, merge.target, merge.source)
    return count
