"""Labels made anew for what is stored: when lists of sensitive codes have come or changed."""

from __future__ import annotations

from tuetinh.record import labels
from tuetinh.record.steps import Many, Query, Step

BATCH = 1000
START = ("", 0)
Place = tuple[str, int]  # id and version


def batch(type_: str, table: str, after: Place) -> Step[Place | None]:
    """Label the next rows of a table of the type (`""` current ones, `_history`), and their entries in the change feed.

    Returns how far it came, None at the end. Running it again changes nothing more. Needs a transaction.
    """
    rows = yield Query(
        f'SELECT id, version, shard, labels, body FROM record."{type_}{table}" '
        f"WHERE type = '{type_}' AND (id, version) > (%s, %s) AND body IS NOT NULL ORDER BY id, version LIMIT {BATCH}",
        after,
    )
    changed = [
        (bits, id_, version, shard) for id_, version, shard, was, body in rows if (bits := labels.of(body)) != was
    ]
    for where in (f'"{type_}{table}"', "feed") if changed else ():
        yield Many(
            f"UPDATE record.{where} SET labels = %s WHERE type = '{type_}' AND id = %s AND version = %s AND shard = %s",
            changed,
        )
    return (rows[-1][0], rows[-1][1]) if rows else None
