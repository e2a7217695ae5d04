"""Let no row exist for whom it is not."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies


class Migration(migrations.Migration):
    dependencies: ClassVar = [("access", "0017_pre_late_reviews")]
    operations: ClassVar = [
        policies.close("access_glass", patient="patient"),
        policies.close("access_guardianship"),
    ]
