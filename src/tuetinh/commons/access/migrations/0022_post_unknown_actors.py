"""Take what Consents forbid anew: who is named in a way that is not known here counts as everybody."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def renew(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    import_module("tuetinh.commons.access.migrations.0008_post_consents").fill(apps, editor)


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("access", "0021_post_longer_lists")]
    operations: ClassVar = [migrations.RunPython(renew, migrations.RunPython.noop)]
