"""Find the relations of care that goes on, among all that have no end."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0045_pre_labels_of_results")]
    operations: ClassVar = [
        migrations.RunSQL(
            """CREATE INDEX relation_left_open ON record.relation (source)
            WHERE until = 'infinity' AND kind IN ('treating', 'consultation', 'referral')""",
            "DROP INDEX record.relation_left_open",
        ),
    ]
