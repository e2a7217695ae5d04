"""Keep what the stored Consents of patients forbid and allow."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.commons.access.sight import consents
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.steps import run

    last: int | None = 0
    while last is not None:
        with transaction.atomic():
            last = run(SYSTEM, consents.fill(last))


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("access", "0007_pre_glass")]
    operations: ClassVar = [migrations.RunPython(fill, migrations.RunPython.noop)]
