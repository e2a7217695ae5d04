"""Let no row exist for whom it is not."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies


class Migration(migrations.Migration):
    dependencies: ClassVar = [("portal", "0002_pre_exams")]
    operations: ClassVar = [
        policies.close("portal_share"),
    ]
