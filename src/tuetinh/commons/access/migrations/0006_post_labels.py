"""Label what is stored already by the lists of sensitive codes. Where it was ended, it goes on without writing twice."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def relabel(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.commons.access.sight import labelled
    from tuetinh.record import relabelling
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.steps import run
    from tuetinh.record.types import RESOURCE_TYPES

    labelled.register()
    for type_ in RESOURCE_TYPES:
        for table in ("", "_history"):
            place: relabelling.Place | None = relabelling.START
            while place is not None:
                with transaction.atomic():
                    place = run(SYSTEM, relabelling.batch(type_, table, place))


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("access", "0005_pre_rules"), ("record", "0017_pre_what_holds")]
    operations: ClassVar = [migrations.RunPython(relabel, migrations.RunPython.noop)]
