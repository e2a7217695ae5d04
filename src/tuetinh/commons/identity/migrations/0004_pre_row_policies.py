"""Let no row exist for whom it is not."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies


class Migration(migrations.Migration):
    dependencies: ClassVar = [("identity", "0003_pre_doubts")]
    operations: ClassVar = [
        policies.close("identity_person", "identity_number", "identity_seen"),
    ]
