"""Give to patients what is of them: of types outside of HL7's compartment (`index.BESIDE`), and what documents show."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

LACKING = """SELECT id, body FROM record."{type}" WHERE type = '{type}' AND patient IS NULL AND NOT deleted"""
GIVEN = "UPDATE record.{table} SET patient = %s WHERE type = %s AND id = %s"
SHOWING = """SELECT body, patient, custodian FROM record."{type}"
WHERE type = '{type}' AND patient IS NOT NULL AND position('"url":"Binary/'::bytea IN body) > 0"""
SHOW = "SELECT record.show(%s::text[], %s::text[], %s::text[], ARRAY[NULL]::text[])"


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record import r4
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.search import index
    from tuetinh.record.steps import enter

    for type_ in sorted(index.BESIDE):
        with transaction.atomic():
            conn = enter(SYSTEM)
            with conn.cursor("lacking") as rows:
                for id_, body in rows.execute(LACKING.format(type=type_)):
                    patient = index.shard_of(r4.decode(bytes(body)))[1]
                    for table in (f'"{type_}"', f'"{type_}_history"', "feed", "content") if patient else ():
                        conn.execute(GIVEN.format(table=table), [patient, type_, id_])
    for type_ in sorted(index.SHOWING):
        with transaction.atomic():
            conn = enter(SYSTEM)
            with conn.cursor("showing") as rows:
                for body, patient, custodian in rows.execute(SHOWING.format(type=type_)):
                    for name in index.shown(r4.decode(bytes(body))):
                        conn.execute(SHOW, [[name.partition("/")[2]], [patient], [custodian]])


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("record", "0037_pre_shown")]
    operations: ClassVar = [migrations.RunPython(fill, migrations.RunPython.noop)]
