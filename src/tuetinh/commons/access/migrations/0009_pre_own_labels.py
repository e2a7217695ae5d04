"""A rule also says which labels a role sees in what its own facility has written; rules that were made get the shipped ones."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def give(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.commons.access.roles import ROLES

    for role in ROLES.values():
        if role.own_labels:
            apps.get_model("access", "SightRule").objects.filter(role=role.name).update(own_labels=role.own_labels)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("access", "0008_post_consents")]
    operations: ClassVar = [
        migrations.AddField("sightrule", "own_labels", models.TextField(blank=True, default="")),
        migrations.RunPython(give, migrations.RunPython.noop),
    ]
