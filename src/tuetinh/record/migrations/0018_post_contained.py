"""Make the entries of stored resources that contain others anew: what they are found by through these."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tuetinh.record.types import RESOURCE_TYPES


def remake(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.search.reindex import batch
    from tuetinh.record.steps import run

    for type_ in RESOURCE_TYPES:
        last, count = 0, 1
        while count:
            with transaction.atomic():
                last, count = run(SYSTEM, batch(type_, last, containers=True))


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("record", "0017_pre_what_holds")]
    operations: ClassVar = [migrations.RunPython(remake, migrations.RunPython.noop)]
