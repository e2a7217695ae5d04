"""Find the pictures that belong to no visit, the oldest first."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("imaging", "0006_pre_labels")]
    operations: ClassVar = [
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                fields=["custodian", "received_at", "id"],
                name="imaging_study_unvisited",
                condition=models.Q(encounter=""),
            ),
        ),
    ]
