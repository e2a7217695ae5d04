"""Let the history of a rare type be read from the change feed without reading all of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0001_pre_schema")]
    operations: ClassVar = [
        migrations.RunSQL("CREATE INDEX feed_type ON record.feed (type, position)", "DROP INDEX record.feed_type"),
    ]
