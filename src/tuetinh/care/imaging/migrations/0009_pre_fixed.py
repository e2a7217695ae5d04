"""Let an object that waits be taken in with other values, studies be sent to machines, and claims name these."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("imaging", "0008_pre_ai")]
    operations: ClassVar = [
        migrations.AlterField(
            model_name="held",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("assigned", "Assigned"),
                    ("accepted", "Accepted"),
                    ("fixed", "Fixed"),
                    ("rejected", "Rejected"),
                ],
                default="waiting",
                max_length=10,
            ),
        ),
        migrations.AddField("device", "ministry_code", models.CharField(blank=True, db_default="", max_length=100)),
        migrations.AlterField("sending", "study_instance_uid", models.CharField(db_collation="C", max_length=64)),
        migrations.AddField(
            "sending",
            "device",
            models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to="imaging.device"),
        ),
        migrations.AddConstraint(
            "sending",
            models.UniqueConstraint(
                fields=["study_instance_uid", "device"], name="imaging_sending_once", nulls_distinct=False
            ),
        ),
    ]
