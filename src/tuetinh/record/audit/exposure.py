"""Whom somebody has seen: the access log, gathered by patient, for when an account or an address was misused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from tuetinh.record.asker import Asker
from tuetinh.record.audit import reading
from tuetinh.record.audit.event import WRITES
from tuetinh.record.errors import BadRequest
from tuetinh.record.steps import enter

CHUNK: Final = 5000  # patients of one statement
_SEEN: Final = """
SELECT patient, min(at), max(at), count(*), bool_or(action = ANY(%s))
FROM record.audit
WHERE at >= %s AND at < %s AND {by} AND patient > %s AND coalesce(outcome, '0') = '0' AND event IS NULL
GROUP BY patient ORDER BY patient LIMIT %s
"""
_BY: Final = ("account", "client", "address")


@dataclass(frozen=True, slots=True)
class Exposed:
    """One patient whose record was seen. entries: of the access log; changed: whether it was also written."""

    patient: str
    first: datetime
    last: datetime
    entries: int
    changed: bool


def exposed(
    asker: Asker, since: datetime, until: datetime, *, account: str = "", client: str = "", address: str = ""
) -> Iterator[Exposed]:
    """Every patient whom this account, client and address together saw from `since` until before `until`.

    In the order of their ids, with flat memory. Raises BadRequest when none of the three is given, Forbidden unless the
    asker keeps watch; of other facilities' entries it finds none.
    """
    reading.allow(asker, "s")
    given = [(name, value) for name, value in zip(_BY, (account, client, address), strict=True) if value]
    if not given:
        message = "an account, a client or an address is needed"
        raise BadRequest(message)
    sql = _SEEN.format(by=" AND ".join(f"{name} = %s" for name, _ in given))
    after = ""
    while True:
        enter(asker)
        with connection.cursor() as cursor:
            cursor.execute(sql, [WRITES, since, until, *(value for _, value in given), after, CHUNK])
            rows = cursor.fetchall()
        yield from (Exposed(*row) for row in rows)
        if len(rows) < CHUNK:
            return
        after = rows[-1][0]
