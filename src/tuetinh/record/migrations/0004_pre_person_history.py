"""Let a citizen's history be read from the change feed without reading everybody's."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0003_pre_pending_lists")]
    operations: ClassVar = [
        migrations.RunSQL("CREATE INDEX feed_shard ON record.feed (shard, position)", "DROP INDEX record.feed_shard"),
    ]
