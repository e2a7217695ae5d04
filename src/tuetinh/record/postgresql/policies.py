"""Row policies of the tables beside the record: what migrations of the modules say of theirs.

Nothing exists in a session that was not told who asks; of what is of a patient, only that of the own compartment where
there is one. Conditions are comparisons with settings alone.
"""

from __future__ import annotations

from typing import Final

from django.db import migrations

EVERYTHING: Final = "nullif(current_setting('tuetinh.everything', true) = 'yes', false) IS NOT NULL"
"""Whether everything exists for the asker. Said so, and not as plain equality, because the planner believes of it that
most rows fulfil it, as they do for who sees everything."""
TOLD: Final = "nullif(current_setting('tuetinh.account', true), '') IS NOT NULL"
OWN: Final = "coalesce(current_setting('tuetinh.own', true), '') IN ('', {column})"
CLOSED: Final = "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
DOOR: Final = CLOSED + "; CREATE POLICY door ON {table} USING ({rows}) WITH CHECK ({rows})"
OPENED: Final = (
    "DROP POLICY door ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
)


def rows(patient: str = "") -> str:
    """Which rows exist. patient: the column that says whose they are; without it a compartment hides nothing."""
    return f"{TOLD} AND {OWN.format(column=patient)}" if patient else TOLD


def close(*tables: str, patient: str = "") -> migrations.RunSQL:
    """Put the policy on tables."""
    shut = [DOOR.format(table=table, rows=rows(patient)) for table in tables]
    return migrations.RunSQL("; ".join(shut), "; ".join(OPENED.format(table=table) for table in tables))
