"""Every resource of a type that exists for an asker, as it is stored, with flat memory: what exports are made of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.db import connection

from tuetinh.record import contents, permits
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter, run

ROWS: Final = 200  # of one statement: a body may have megabytes


def bodies(asker: Asker, type_: str, *, patient: str = "", since: datetime | None = None) -> Iterator[bytes]:
    """The stored JSON of the current versions of a type in their order, with stand-ins for large contents.

    patient: only of this compartment; since: only what changed from then on. Within a transaction of one snapshot all
    of it is of one moment. `written` gives a body as it leaves. Raises Forbidden where the asker's scopes do not name
    the type.
    """
    permits.allow(asker, "r", type_, whole=True)
    where = ""
    values: list[Any] = []
    if since:
        where += " AND updated >= %s"
        values.append(since)
    if patient:
        where += f" AND {'id' if type_ == 'Patient' else 'patient'} = %s"
        values.append(patient)
    sql = f"""SELECT key, body FROM record."{type_}" WHERE type = '{type_}' AND NOT deleted AND key > %s{where}
    ORDER BY key LIMIT {ROWS}"""
    after = 0
    while True:
        enter(asker)  # anew: between two pages others may have asked on this connection
        with connection.cursor() as cursor:
            cursor.execute(sql, [after, *values])
            rows = cursor.fetchall()
        for _, body in rows:
            yield bytes(body)
        if len(rows) < ROWS:
            return
        after = rows[-1][0]


def written(asker: Asker, body: bytes) -> Iterator[bytes]:
    """A stored body as it leaves, piece by piece, with its large contents. Raises RecordError for one that is lost."""
    run(asker, contents.ready())
    return contents.stream(body)
