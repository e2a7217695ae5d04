from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="Draft",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("encounter", models.CharField(max_length=64)),
                ("account", models.CharField(max_length=64)),
                ("form", models.CharField(max_length=20)),
                ("fields", models.JSONField()),
                ("window", models.CharField(max_length=40)),
                ("saved_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["encounter", "account", "form"], name="clinic_one_draft"),
                ],
            },
        ),
    ]
