"""Remember which pictures of the archive cannot be opened."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("imaging", "0011_pre_workitems")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="Unreadable",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "fault",
                    models.CharField(
                        blank=True,
                        choices=[("cut", "Cut"), ("large", "Large"), ("syntax", "Syntax"), ("broken", "Broken")],
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("frame", models.PositiveIntegerField(default=1)),
                ("found_at", models.DateTimeField()),
                ("asked_at", models.DateTimeField(null=True)),
                ("left_at", models.DateTimeField(null=True)),
                (
                    "instance",
                    models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, to="imaging.instance"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("left_at", None)), fields=["-found_at"], name="imaging_unreadable_open"
                    )
                ],
            },
        ),
    ]
