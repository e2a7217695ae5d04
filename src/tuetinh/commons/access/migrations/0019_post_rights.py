"""Label anew what is stored, by more codes and by what it names; take relations and denials from facts as they count now."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def renew(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    from tuetinh.commons.access.sight import relations
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.steps import run

    import_module("tuetinh.commons.access.migrations.0006_post_labels").relabel(apps, editor)
    import_module("tuetinh.commons.access.migrations.0008_post_consents").fill(apps, editor)
    for type_ in ("Encounter", "EpisodeOfCare"):
        last: int | None = 0
        while last is not None:
            with transaction.atomic():
                last = run(SYSTEM, relations.fill(type_, last))


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("access", "0018_pre_row_policies"), ("record", "0030_post_labels_rise")]
    operations: ClassVar = [migrations.RunPython(renew, migrations.RunPython.noop)]
