"""Seal what facilities have at their gateway and their bank as all other secrets are; before it had a key of its own.

The old key stays where it is: what is done here may yet be rolled back.
"""

from __future__ import annotations

import contextlib
from typing import ClassVar

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def seal_anew(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record.seals import seal

    path = settings.DATA / "keys" / "secrets.key"
    if not path.exists():
        return
    old = Fernet(path.read_bytes())
    sealed = (("insurance", "GatewayAccount", "gateway", ("secret", "key")), ("billing", "BankAccount", "bank", ("secret",)))
    for app, model, purpose, names in sealed:
        for row in apps.get_model(app, model).objects.all():
            for name in names:
                if kept := getattr(row, name):
                    with contextlib.suppress(InvalidToken):  # it is sealed anew already
                        setattr(row, name, seal(purpose, old.decrypt(bytes(kept))))
            row.save(update_fields=names)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("billing", "0002_pre_bills_of_a_person"), ("insurance", "0003_pre_open_cases")]
    operations: ClassVar = [migrations.RunPython(seal_anew, migrations.RunPython.noop)]
