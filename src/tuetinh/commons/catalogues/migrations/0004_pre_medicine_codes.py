"""The insurer's codes of medicines as facilities enter them."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("catalogues", "0003_pre_beds_and_supplies")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="MedicineCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("facility", models.CharField(max_length=64)),
                ("medicine", models.CharField(max_length=120)),
                ("code", models.CharField(max_length=50)),
                ("at", models.DateTimeField(auto_now=True)),
                ("account", models.CharField(max_length=64)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("facility", "medicine"), name="medicine_code_once")],
            },
        ),
    ]
