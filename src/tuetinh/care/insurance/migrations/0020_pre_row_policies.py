"""Let no row exist for whom it is not."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies


class Migration(migrations.Migration):
    dependencies: ClassVar = [("insurance", "0019_pre_strange")]
    operations: ClassVar = [
        policies.close("insurance_claimcase", patient="patient"),
        policies.close("insurance_transmission"),
    ]
