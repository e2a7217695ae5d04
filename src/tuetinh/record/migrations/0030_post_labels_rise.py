"""Find stored documents by the Binaries that they show, and give what gathers things of one patient to that patient."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SHOWN = """UPDATE record."{type}" d SET tokens = d.tokens || ARRAY(
  SELECT DISTINCT record.token_hash('attachment' || E'\\x1f' || (u #>> '{{}}'))
  FROM jsonb_path_query(convert_from(d.body, 'UTF8')::jsonb, '$.**.url') AS u WHERE u #>> '{{}}' ~ '^Binary/[^/]+$')
WHERE d.type = '{type}' AND position('"url":"Binary/'::bytea IN d.body) > 0"""
LACKING = """SELECT id, body FROM record."{type}" WHERE type = '{type}' AND patient IS NULL AND NOT deleted"""
GIVEN = "UPDATE record.{table} SET patient = %s WHERE type = %s AND id = %s"


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record import r4
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.search import index
    from tuetinh.record.steps import enter

    for type_ in index.SHOWING:
        with transaction.atomic():
            enter(SYSTEM).execute(SHOWN.format(type=type_))
    for type_ in sorted(index.GATHERING):
        with transaction.atomic():
            conn = enter(SYSTEM)
            for id_, body in conn.execute(LACKING.format(type=type_)).fetchall():
                patient = index.shard_of(r4.decode(bytes(body)))[1]
                for table in (f'"{type_}"', f'"{type_}_history"', "feed") if patient else ():
                    conn.execute(GIVEN.format(table=table), [patient, type_, id_])


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("record", "0029_pre_labels_rise")]
    operations: ClassVar = [migrations.RunPython(fill, migrations.RunPython.noop)]
