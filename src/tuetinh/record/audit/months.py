"""One partition of the access log for each month, made before the month begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import LiteralString

from django.db import connection, transaction

from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

AHEAD = 3
_FOUND = "SELECT to_regclass(%s) IS NOT NULL"
_MAKE: tuple[LiteralString, ...] = (
    "LOCK TABLE record.audit_default IN ACCESS EXCLUSIVE MODE",
    "CREATE TABLE record.{name} (LIKE record.audit INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    # It grows evenly. As PostgreSQL comes, a young one is sampled each minute and gone through each few.
    " WITH (autovacuum_analyze_threshold = 20000, autovacuum_vacuum_insert_threshold = 50000)",
    "WITH moved AS (DELETE FROM record.audit_default WHERE at >= '{first}' AND at < '{next}' RETURNING *)"
    " INSERT INTO record.{name} SELECT * FROM moved",
    "ALTER TABLE record.{name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "ALTER TABLE record.audit ATTACH PARTITION record.{name} FOR VALUES FROM ('{first}') TO ('{next}')",
)


def prepare(today: datetime | None = None) -> list[str]:
    """Make the partitions of this month and the next three where they are missing; the names of what was made.

    Months are those of UTC. What the default partition already holds of a month moves into it.
    """
    made, first = [], (today or datetime.now(UTC)).date().replace(day=1)
    for _ in range(AHEAD + 1):
        following = (first + timedelta(days=32)).replace(day=1)
        name = f"audit_{first:%Y_%m}"
        with transaction.atomic(), connection.cursor() as cursor:
            enter(SYSTEM)
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('record.audit months'))")
            cursor.execute(_FOUND, [f"record.{name}"])
            if not cursor.fetchone()[0]:
                for statement in _MAKE:
                    cursor.execute(statement.format(name=name, first=f"{first} 00:00+00", next=f"{following} 00:00+00"))
                made.append(name)
        first = following
    return made
