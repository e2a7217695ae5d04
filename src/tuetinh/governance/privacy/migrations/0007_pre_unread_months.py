"""Let a trace of a breach say which months of the access log it could not read."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("privacy", "0006_pre_retention")]
    operations: ClassVar = [
        migrations.AddField("breachtrace", "unread", models.TextField(blank=True, default="", db_default="")),
    ]
