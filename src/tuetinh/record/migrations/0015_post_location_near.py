"""Make the entries of stored Locations anew: where they are, for `near`."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def remake(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.search.reindex import batch
    from tuetinh.record.steps import run

    last, count = 0, 1
    while count:
        with transaction.atomic():
            last, count = run(SYSTEM, batch("Location", last))


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("record", "0014_pre_search_parameters")]
    operations: ClassVar = [migrations.RunPython(remake, migrations.RunPython.noop)]
