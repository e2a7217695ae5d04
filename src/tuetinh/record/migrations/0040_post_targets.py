"""Give stored Provenances to the patients whose things they are about."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

BATCH = 1000
LACKING = f"""SELECT id, patient, body, key FROM record."Provenance"
WHERE type = 'Provenance' AND patient IS NULL AND NOT deleted AND key > %s ORDER BY key LIMIT {BATCH}"""


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record import targets
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.steps import enter, run

    after = 0
    while True:
        with transaction.atomic():
            rows = enter(SYSTEM).execute(LACKING, [after]).fetchall()
            if not rows:
                break
            run(SYSTEM, targets.give([row[:3] for row in rows]))
            after = rows[-1][3]


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("record", "0039_pre_targets")]
    operations: ClassVar = [migrations.RunPython(fill, migrations.RunPython.noop)]
