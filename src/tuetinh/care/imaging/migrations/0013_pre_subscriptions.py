"""Let subscribers of workitems choose them, keep what has ended, and be suspended from a moment on."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("imaging", "0012_pre_unreadable")]
    operations: ClassVar = [
        migrations.AddField("subscriber", "wanted", models.JSONField(db_default={}, default=dict)),
        migrations.AddField("subscriber", "locks", models.BooleanField(db_default=False, default=False)),
        migrations.AddField("subscriber", "suspended_at", models.DateTimeField(null=True)),
    ]
