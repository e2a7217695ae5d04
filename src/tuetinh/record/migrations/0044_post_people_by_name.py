"""Let the policy of Patients be short again: desks see them whole, and what 0043 asks of relations is planned each time."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies

SHORT = f"""ALTER POLICY door ON record."{{table}}" USING ({policies.EVERYTHING}
  OR (labels = 0 AND (current_setting('tuetinh.open', true) = ' * '
    OR strpos(current_setting('tuetinh.open', true), ' Patient ') > 0))
  OR record.lets('Patient', patient, custodian, labels))"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0043_post_by_relation")]
    operations: ClassVar = [
        migrations.RunSQL([SHORT.format(table=table) for table in ("Patient", "Patient_history")], migrations.RunSQL.noop)
    ]
