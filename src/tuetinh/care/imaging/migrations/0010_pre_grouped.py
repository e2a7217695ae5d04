"""Let the pictures that a machine makes for several orders in one step be of each of these."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("imaging", "0009_pre_fixed")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="GroupedStudy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("study_instance_uid", models.CharField(db_collation="C", db_index=True, max_length=64)),
                ("exam", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="imaging.exam")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("exam", "study_instance_uid"), name="imaging_grouped_once")
                ],
            },
        ),
    ]
