"""Label anew what is stored: the closed lists have become longer, and codes of techniques are whole codes."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def renew(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    import_module("tuetinh.commons.access.migrations.0006_post_labels").relabel(apps, editor)


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("access", "0020_pre_second_person"), ("record", "0038_post_of_patients")]
    operations: ClassVar = [migrations.RunPython(renew, migrations.RunPython.noop)]
