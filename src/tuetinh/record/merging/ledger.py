"""The ledger of merges: who became whom, what moved, and what was undone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step

MOST_HOPS = 50  # of a chain of merges


class Merge(NamedTuple):
    """One merge. `undone` is None while it is in force; versions are those of the two Patients before it."""

    id: str
    source: str
    target: str
    at: datetime
    account: str
    role: str
    facility: str
    reason: str
    moved: int
    source_version: int
    target_version: int
    key: int
    undone: datetime | None = None
    undone_account: str | None = None
    undone_role: str | None = None
    undone_reason: str | None = None


_COLUMNS = ", ".join(Merge._fields)


def of_source(person: str) -> Step[Merge | None]:
    """The merge in force that made this person part of another."""
    rows = yield Query(f"SELECT {_COLUMNS} FROM record.merge WHERE source = %s AND undone IS NULL", (person,))
    return Merge(*rows[0]) if rows else None


def by_id(id_: str) -> Step[Merge | None]:
    """A merge, undone or not."""
    rows = yield Query(f"SELECT {_COLUMNS} FROM record.merge WHERE id = %s", (id_,))
    return Merge(*rows[0]) if rows else None


def by_ids(ids: Sequence[str]) -> Step[list[Merge]]:
    """Merges, undone or not, newest first."""
    rows = yield Query(f"SELECT {_COLUMNS} FROM record.merge WHERE id = ANY (%s) ORDER BY at DESC, id", (list(ids),))
    return [Merge(*row) for row in rows]


def became(person: str) -> Step[list[str]]:
    """Ids of those who are part of this person now, by merges in force, through any number of them."""
    rows = yield Query(
        """WITH RECURSIVE one (id, hops) AS (
      SELECT source, 1 FROM record.merge WHERE target = %s AND undone IS NULL
      UNION ALL SELECT m.source, hops + 1 FROM one JOIN record.merge m ON m.target = one.id
      WHERE m.undone IS NULL AND hops < %s
    ) SELECT DISTINCT id FROM one ORDER BY id""",
        (person, MOST_HOPS),
    )
    return [row[0] for row in rows]


def latest(*, before: datetime | None, limit: int, person: str = "") -> Step[list[Merge]]:
    """Merges, undone ones too, newest first, of everyone or of one person."""
    mine = "AND (source = %(person)s OR target = %(person)s)" if person else ""
    sql = f"SELECT {_COLUMNS} FROM record.merge WHERE at < %s {mine} ORDER BY at DESC, id LIMIT %s"
    params: tuple[object, ...] = ((before.isoformat() if before else "infinity"), limit)
    if person:
        sql = sql.replace("%(person)s", "%s")
        params = (params[0], person, person, limit)
    rows = yield Query(sql, params)
    return [Merge(*row) for row in rows]


def chains(people: Sequence[str]) -> Step[dict[str, list[Merge]]]:
    """For each of these people who was merged: the merges that lead to the survivor, in their order."""
    found: dict[str, list[Merge]] = {}
    steps: dict[str, Merge] = {}
    ask = set(people)
    for _ in range(MOST_HOPS):
        if not ask:
            break
        rows = yield Query(
            f"SELECT {_COLUMNS} FROM record.merge WHERE source = ANY(%s::text[]) AND undone IS NULL",
            (array(sorted(ask)),),
        )
        new = {row[1]: Merge(*row) for row in rows}
        steps |= new
        ask = {merge.target for merge in new.values()} - steps.keys()
    for person in people:
        at, chain = person, list[Merge]()
        while at in steps and len(chain) <= MOST_HOPS:
            chain.append(steps[at])
            at = steps[at].target
        if chain:
            found[person] = chain
    return found


def note(merge: str, moved: Iterable[tuple[str, str, Sequence[str]]]) -> Step[None]:
    """Write down what belongs to the source of a merge: type, id and paths, which add to those that are known."""
    rows = list(moved)
    if rows:
        yield Query(
            "INSERT INTO record.merge_moved (merge, type, id, paths) SELECT %s, t, i, p::text[] FROM "
            "unnest(%s::text[], %s::text[], %s::text[]) AS new (t, i, p) "
            "ON CONFLICT (merge, type, id) DO UPDATE SET paths = ARRAY("
            "SELECT DISTINCT p FROM unnest(merge_moved.paths || excluded.paths) p ORDER BY p)",
            (merge, array(r[0] for r in rows), array(r[1] for r in rows), array(array(r[2]) for r in rows)),
        )


def types(merge: str) -> Step[list[tuple[str, int]]]:
    """How many resources of each type belong to the source of a merge."""
    rows = yield Query(
        "SELECT type, count(*) FROM record.merge_moved WHERE merge = %s GROUP BY type ORDER BY type", (merge,)
    )
    return [(row[0], int(row[1])) for row in rows]


def batch(merge: str, type_: str, after: str, limit: int) -> Step[dict[str, list[str]]]:
    """The next resources of a type that belong to the source of a merge: id and paths, in the order of the ids."""
    rows = yield Query(
        "SELECT id, paths FROM record.merge_moved WHERE merge = %s AND type = %s AND id > %s ORDER BY id LIMIT %s",
        (merge, type_, after, limit),
    )
    return {row[0]: list(row[1]) for row in rows}
