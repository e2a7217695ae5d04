"""What analysers mean by their codes, from where they call, and which messages are whose."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies: ClassVar = [("lab", "0001_pre_laboratory")]

    operations: ClassVar = [
        migrations.AddField(
            "analyser", "address", models.GenericIPAddressField(blank=True, null=True),
        ),
        migrations.AddField("analyser", "enabled", models.BooleanField(default=True)),
        migrations.AlterField("analyser", "sender", models.CharField(max_length=300)),
        migrations.AddConstraint(
            "analyser",
            models.UniqueConstraint(fields=("sender", "address"), name="lab_analyser_once", nulls_distinct=False),
        ),
        migrations.CreateModel(
            name="AnalyserCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=100)),
                ("analyte", models.CharField(blank=True, max_length=20)),
                ("unit", models.CharField(blank=True, max_length=40)),
                ("factor", models.DecimalField(decimal_places=9, default=1, max_digits=18)),
                (
                    "analyser",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="meanings", to="lab.analyser"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("analyser", "code"), name="lab_analyser_code_once"),
                ],
            },
        ),
        migrations.AddField(
            "message",
            "analyser",
            models.ForeignKey(
                db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to="lab.analyser"
            ),
        ),
        migrations.AddIndex(
            "message", models.Index(fields=["analyser", "-received_at"], name="lab_message_analyser"),
        ),
    ]
