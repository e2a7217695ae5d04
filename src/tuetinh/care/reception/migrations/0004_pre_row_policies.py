"""Let no row exist for whom it is not."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies


class Migration(migrations.Migration):
    dependencies: ClassVar = [("reception", "0003_pre_day_of_the_province")]
    operations: ClassVar = [
        policies.close("reception_turn"),
    ]
