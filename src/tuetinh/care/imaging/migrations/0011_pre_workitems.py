"""Keep what systems are given to do (Unified Procedure Steps), and who is told of it."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("imaging", "0010_pre_grouped"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="EventReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=16)),
                ("facility", models.CharField(max_length=64)),
                ("body", models.JSONField()),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "indexes": [models.Index(fields=["facility", "title", "id"], name="imaging_eventreport_next")],
            },
        ),
        migrations.CreateModel(
            name="Workitem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.CharField(db_collation="C", max_length=64, unique=True)),
                ("facility", models.CharField(max_length=64)),
                ("state", models.CharField(choices=[("SCHEDULED", "Scheduled"), ("IN PROGRESS", "In Progress"), ("COMPLETED", "Completed"), ("CANCELED", "Canceled")], default="SCHEDULED", max_length=11)),
                ("transaction_uid", models.CharField(blank=True, max_length=64)),
                ("attributes", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("exam", models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, to="imaging.exam")),
                ("result", models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, to="imaging.airesult")),
            ],
        ),
        migrations.CreateModel(
            name="Subscriber",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=16)),
                ("facility", models.CharField(max_length=64)),
                ("suspended", models.BooleanField(default=False)),
                ("workitem", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to="imaging.workitem")),
            ],
        ),
        migrations.AddIndex(
            model_name="workitem",
            index=models.Index(fields=["facility", "state", "id"], name="imaging_workitem_list"),
        ),
        migrations.AddConstraint(
            model_name="subscriber",
            constraint=models.UniqueConstraint(fields=("facility", "title", "workitem"), name="imaging_subscriber_once", nulls_distinct=False),
        ),
    ]
