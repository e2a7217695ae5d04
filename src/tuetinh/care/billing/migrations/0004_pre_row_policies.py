"""Let no row exist for whom it is not."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies


class Migration(migrations.Migration):
    dependencies: ClassVar = [("billing", "0003_post_one_seal")]
    operations: ClassVar = [
        policies.close("billing_bill", patient="patient"),
    ]
