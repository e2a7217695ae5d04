"""Let row policies decide which rows exist for whom: see sql/ and docs/decisions/record-row-policies.md."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tuetinh.record.types import RESOURCE_TYPES

SQL = Path(__file__).parent.parent / "sql"

# Short, for searches are planned each time. Who sees everything is let by before a function is called. It is asked by
# `<>`, of which the planner believes that most rows fulfil it; of `=` it believes that hardly one does.
EVERYTHING = "nullif(current_setting('tuetinh.everything', true), '') <> 'no'"
ROWS = f"{EVERYTHING} OR record.lets({{type}}, patient, custodian, labels)"
CLOSED = "ALTER TABLE record.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
DOOR = f"{CLOSED} CREATE POLICY door ON record.{{table}} USING ({{rows}}) WITH CHECK ({{rows}});"
# An index row exists with the resource that it is of. What is added comes with a resource that was just let in.
INDEX = f"""{CLOSED}
CREATE POLICY seen ON record.{{table}} FOR SELECT USING ({{rows}});
CREATE POLICY removed ON record.{{table}} FOR DELETE USING ({{rows}});
CREATE POLICY added ON record.{{table}} FOR INSERT WITH CHECK (record.sight({{type}}) > 0);"""
OF_INDEX = f"{EVERYTHING} OR record.{{exists}}(key)"
# A function, because the planner would count a subquery here for every row, though most askers never come to it.
EXISTS = """CREATE FUNCTION record.{exists}(wanted bigint) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1 AS $$
BEGIN RETURN record.sight({type}) = 4 OR EXISTS (SELECT FROM record.{resource} WHERE key = wanted); END $$"""
# The access log is added to by whoever acts, and changed by nobody; months are moved by the house.
AUDIT = f"""{CLOSED}
CREATE POLICY added ON record.{{table}} FOR INSERT WITH CHECK (true);
CREATE POLICY seen ON record.{{table}} FOR SELECT
  USING ({EVERYTHING} OR record.lets('AuditEvent', patient, NULL, 0));
CREATE POLICY moved ON record.{{table}} FOR DELETE USING ({EVERYTHING});"""


def close(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record.postgresql.owner import settle

    for type_ in RESOURCE_TYPES:
        rows = ROWS.format(type=f"'{type_}'")
        for table in (f'"{type_}"', f'"{type_}_history"'):
            editor.execute(DOOR.format(table=table, rows=rows))
        exists = f'"{type_}_exists"'
        editor.execute(EXISTS.format(exists=exists, resource=f'"{type_}"', type=f"'{type_}'"))
        for kind in ("date", "number", "string"):
            table = f'"{type_}_{kind}"'
            of = OF_INDEX.format(exists=exists)
            editor.execute(INDEX.format(table=table, type=f"'{type_}'", rows=of))
    for table in ("resource", "history", "feed"):
        editor.execute(DOOR.format(table=table, rows=ROWS.format(type="type")))
    editor.execute(DOOR.format(table="content", rows=f"{EVERYTHING} OR record.lets(type, patient, custodian, 0)"))
    editor.execute(EXISTS.format(exists="resource_exists", resource="resource", type="'*'"))
    for table in ("date_index", "number_index", "string_index"):
        of = OF_INDEX.format(exists="resource_exists")
        editor.execute(INDEX.format(table=table, type="type", rows=of))
    with editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'record.audit'::regclass"
            " UNION ALL SELECT 'record.audit'"
        )
        for (name,) in cursor.fetchall():
            editor.execute(AUDIT.format(table=name.removeprefix("record.")))

        def execute(sql: str) -> object:
            cursor.execute(sql)
            return cursor

        settle(execute)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0012_pre_subscriptions")]
    operations: ClassVar = [
        migrations.RunSQL([(SQL / name).read_text(encoding="utf-8") for name in ("policies.sql", "lets.sql")]),
        migrations.RunPython(close, migrations.RunPython.noop),
    ]
