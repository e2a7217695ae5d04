"""What one transaction does to one patient's record is one entry of the access log, which names each resource."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

COLUMNS = """
ALTER TABLE record.audit
    ADD COLUMN what   text[] COLLATE "C",  -- Type/id of each resource, where there are several
    ADD COLUMN number xid8;                -- of the transaction that writes; may add to its entries until it ends
CREATE UNIQUE INDEX audit_one ON record.audit (number, account, action, patient, at) NULLS NOT DISTINCT
    WHERE number IS NOT NULL;
"""
OWN = """ALTER POLICY seen ON {table} USING (nullif(current_setting('tuetinh.everything', true), '') <> 'no'
  OR (number = pg_current_xact_id_if_assigned() AND account = current_setting('tuetinh.account', true))
  OR record.logged(patient, facility));
CREATE POLICY told ON {table} FOR UPDATE USING (
  number = pg_current_xact_id_if_assigned() AND account = current_setting('tuetinh.account', true));"""


def open_own(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    with editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT polrelid::regclass::text FROM pg_policy"
            " WHERE polname = 'seen' AND polrelid::regclass::text LIKE 'record.audit%'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(OWN.format(table=table))


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0024_pre_destroyed")]
    operations: ClassVar = [
        migrations.RunSQL([COLUMNS]),
        migrations.RunPython(open_own, migrations.RunPython.noop),
    ]
