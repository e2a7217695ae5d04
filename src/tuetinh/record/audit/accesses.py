"""Who has looked at a person's record here: the access log, gathered so that a person can read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.audit.event import WRITES
from tuetinh.record.errors import Forbidden
from tuetinh.record.merging.ledger import became
from tuetinh.record.steps import enter, run

NAMED = "citizen"
_DAYS = """
SELECT max(position), min(at), max(at), role, facility, purpose, array_agg(DISTINCT one ORDER BY one),
       bool_or(action = ANY(%s)), CASE WHEN role = %s THEN account ELSE '' END
FROM record.audit, string_to_table(type, ',') AS one
WHERE patient = %s AND account <> %s AND event IS NULL
GROUP BY (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, account, role, facility, purpose
HAVING max(position) < %s
ORDER BY max(position) DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Access:
    """What one account did with a person's record on one day.

    position: what `before` of the next page takes. purpose: v3 PurposeOfUse. types: resource types, sorted. changed:
    whether it also wrote. The account itself is not told: a role at a facility answers for it. Only whom nobody else
    answers for is named by account, the role of `NAMED`: somebody who acts for the person.
    """

    position: int
    first: datetime
    last: datetime
    role: str
    facility: str
    purpose: str
    types: tuple[str, ...]
    changed: bool
    account: str


def accesses(asker: Asker, patient_id: str, before: int | None = None, limit: int = 50) -> list[Access]:
    """Who but the asker has seen or changed the person's record, newest first; `before`: position of the last shown.

    Records that were merged into it are part of it, with what was logged of them before. Raises Forbidden unless it is
    the asker's own record, or the asker administers.
    """
    if asker.patient != patient_id and asker.role not in ("admin", "system"):
        message = "the access log is for the person whose record it is"
        raise Forbidden(message)
    before = before if before is not None else 2**62
    rows = []
    for one in (patient_id, *run(SYSTEM, became(patient_id))):
        enter(replace(asker, patient=asker.patient and one))
        with connection.cursor() as cursor:
            cursor.execute(_DAYS, [WRITES, NAMED, one, asker.account, before, limit])
            rows += cursor.fetchall()
    enter(asker)
    rows = sorted(rows, reverse=True)[:limit]
    return [
        Access(position, first, last, role, facility, purpose, tuple(types), changed, account)
        for position, first, last, role, facility, purpose, types, changed, account in rows
    ]
