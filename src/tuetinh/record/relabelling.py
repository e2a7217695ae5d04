"""Labels made anew for what is stored: when lists of sensitive codes have come or changed."""

from __future__ import annotations

from tuetinh.record import inherited, labels, r4
from tuetinh.record.statements import array
from tuetinh.record.steps import Many, Query, Step

BATCH = 1000
START = ("", 0)
Place = tuple[str, int]  # id and version


def batch(type_: str, table: str, after: Place) -> Step[Place | None]:
    """Label the next rows of a table of the type (`""` current ones, `_history`), and their entries in the change feed.

    Versions before have at least the labels of the current one, which come first. Returns how far it came, None at the
    end. Running it again changes nothing more. Needs a transaction.
    """
    now = (
        "labels"
        if not table
        else f"""coalesce((SELECT c.labels FROM record."{type_}" c
      WHERE c.type = '{type_}' AND c.id = r.id), 0)"""
    )
    rows = yield Query(
        f'SELECT id, version, shard, labels, body, {now} FROM record."{type_}{table}" r '
        f"WHERE type = '{type_}' AND (id, version) > (%s, %s) AND body IS NOT NULL ORDER BY id, version LIMIT {BATCH}",
        after,
    )
    changed = []
    for id_, version, shard, was, body, current in rows:
        bits = labels.row(body) | (current if table else 0)
        names = inherited.named(r4.decode(body)) if not table and type_ in inherited.TYPES else []
        if names or bits != was:
            changed.append((bits, array(names), id_, version, shard))
    left = labels.ELSEWHERE if type_ in labels.AT_HOME else 0
    for where in (f'"{type_}{table}"', "feed") if changed else ():
        yield Many(
            f"""UPDATE record.{where} SET labels = n.labels
            FROM (SELECT %s::integer | (record.inherited(%s::text[]) << {left})) AS n(labels)
            WHERE type = '{type_}' AND id = %s AND version = %s AND shard = %s AND {where}.labels <> n.labels""",
            changed,
        )
    return (rows[-1][0], rows[-1][1]) if rows else None
