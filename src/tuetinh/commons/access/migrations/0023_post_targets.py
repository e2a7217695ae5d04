"""Label stored Provenances as what they are about."""

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

    labelled.register()
    for table in ("", "_history"):
        place: relabelling.Place | None = relabelling.START
        while place is not None:
            with transaction.atomic():
                place = run(SYSTEM, relabelling.batch("Provenance", table, place))


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("access", "0022_post_unknown_actors"), ("record", "0042_pre_through")]
    operations: ClassVar = [migrations.RunPython(relabel, migrations.RunPython.noop)]
