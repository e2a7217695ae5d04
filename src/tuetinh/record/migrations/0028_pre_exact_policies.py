"""Policies ask for the exact word, and tables of the record that had none get one."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tuetinh.record.postgresql import policies

OLD = "(NULLIF(current_setting('tuetinh.everything'::text, true), ''::text) <> 'no'::text)"
FOUND = """SELECT c.oid::regclass::text, quote_ident(p.polname), pg_get_expr(p.polqual, p.polrelid),
  pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE strpos(pg_get_expr(p.polqual, p.polrelid), %s) > 0 OR strpos(pg_get_expr(p.polwithcheck, p.polrelid), %s) > 0"""


def ask_exactly(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    with editor.connection.cursor() as cursor:
        cursor.execute(FOUND, [OLD, OLD])
        found = cursor.fetchall()
        for table, name, using, check in found:
            told = [f"{word} ({said.replace(OLD, policies.EVERYTHING)})"
                    for word, said in (("USING", using), ("WITH CHECK", check)) if said]
            cursor.execute(f"ALTER POLICY {name} ON {table} {' '.join(told)}")


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0027_pre_audit_position")]
    operations: ClassVar = [
        migrations.RunPython(ask_exactly, migrations.RunPython.noop),
        policies.close("record.relation", "record.denial", "record.merge", "record.merge_moved", "record.merge_row"),
        policies.close("record.subscription", "record.subscription_event", "record.bulk_job", "record.bulk_seen"),
    ]
