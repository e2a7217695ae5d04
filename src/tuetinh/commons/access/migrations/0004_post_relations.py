"""Keep the relations to patients that come from what is stored already."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.commons.access.sight import relations
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.steps import run

    for type_ in relations.TYPES:
        last: int | None = 0
        while last is not None:
            with transaction.atomic():
                last = run(SYSTEM, relations.fill(type_, last))


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("access", "0003_pre_smart"), ("record", "0017_pre_what_holds")]
    operations: ClassVar = [migrations.RunPython(fill, migrations.RunPython.noop)]
