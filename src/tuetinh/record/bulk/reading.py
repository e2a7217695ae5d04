"""How an export reads rows: in PostgreSQL's binary form, and of bodies no more at once than fit in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from tuetinh.record.asker import Asker
from tuetinh.record.steps import Row, enter

AT_ONCE = 4 * 1024 * 1024  # bytes of bodies in memory, beside one larger body
BODIES = 200  # of one statement


def rows(asker: Asker, sql: str, params: Sequence[Any]) -> list[Row]:
    """Rows of a statement in PostgreSQL's binary form, which takes the memory of the bodies once."""
    with psycopg.Cursor(enter(asker)) as cursor:
        cursor.execute(sql, params, prepare=False, binary=True)
        return cursor.fetchall()


def one(asker: Asker, sql: str, *params: Any) -> Any:
    """The single value of a statement."""
    return rows(asker, sql, params)[0][0]


def groups(keys: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Keys, with the sizes of their bodies, whose bodies may be in memory at once."""
    group: list[tuple[int, int]] = []
    size = 0
    for key in keys:
        if group and (size + key[1] > AT_ONCE or len(group) == BODIES):
            yield group
            group, size = [], 0
        group.append(key)
        size += key[1]
    if group:
        yield group
