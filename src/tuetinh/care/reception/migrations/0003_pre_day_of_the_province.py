"""The health department counts the visits of a day in every facility."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Index the queue by day first."""

    dependencies: ClassVar = [("reception", "0002_pre_waits_once_a_day")]
    operations: ClassVar = [
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(fields=["day", "facility", "state"], name="reception_t_day_ccc28f_idx"),
        ),
    ]
