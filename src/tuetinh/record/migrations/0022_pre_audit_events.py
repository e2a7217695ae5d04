"""Answer the access log as AuditEvent: from where, asking what, with what outcome; who may see which entries; archives."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

LETS = Path(__file__).parent.parent / "sql" / "lets.sql"
COLUMNS = """
ALTER TABLE record.audit
    ADD COLUMN practitioner text COLLATE "C",  -- whose account it is
    ADD COLUMN address      text COLLATE "C",  -- from which the request came
    ADD COLUMN query        text COLLATE "C",  -- what was asked beyond the name of a resource
    ADD COLUMN outcome      text COLLATE "C";  -- audit-event-outcome, NULL for a success
-- Entries lie in the order of time: a summary of ranges costs writers nothing, where three B-trees doubled their cost.
CREATE INDEX audit_at ON record.audit USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
-- Months that were taken out of the database, each into a file.
CREATE TABLE record.audit_archive (
    month   text        PRIMARY KEY COLLATE "C",  -- 2026-01
    first   bigint      NOT NULL,  -- positions
    last    bigint      NOT NULL,
    entries bigint      NOT NULL,
    at      timestamptz NOT NULL
);
"""
SEEN = """DROP POLICY IF EXISTS seen ON {table};
CREATE POLICY seen ON {table} FOR SELECT
  USING (nullif(current_setting('tuetinh.everything', true), '') <> 'no' OR record.logged(patient, facility));"""


def narrow(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT polrelid::regclass::text FROM pg_policy"
                       " WHERE polname = 'seen' AND polrelid::regclass::text LIKE 'record.audit%'")
        for (table,) in cursor.fetchall():
            cursor.execute(SEEN.format(table=table))


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0021_pre_allowances")]
    operations: ClassVar = [
        migrations.RunSQL([COLUMNS]),
        migrations.RunSQL([LETS.read_text(encoding="utf-8")]),
        migrations.RunPython(narrow, migrations.RunPython.noop),
    ]
