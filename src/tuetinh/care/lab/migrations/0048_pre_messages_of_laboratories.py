"""Let a message of a machine exist for its laboratory alone; of none yet, for who administers the whole province."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies

HERE = "coalesce(current_setting('tuetinh.facility', true), '')"
MINE = "facility = nullif(current_setting('tuetinh.facility', true), '')"
OTHERS = "SELECT FROM access_account a WHERE a.id::text = current_setting('tuetinh.account', true) AND NOT (a.role = 'admin')"
ROWS = f"{policies.TOLD} AND ({policies.EVERYTHING} OR {MINE} OR ({HERE} = '' AND NOT EXISTS ({OTHERS})))"
CHANGE = "ALTER POLICY door ON lab_message USING ({rows}) WITH CHECK ({rows})"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("lab", "0047_pre_told"), ("access", "0001_pre_accounts")]
    operations: ClassVar = [
        migrations.RunSQL(CHANGE.format(rows=ROWS), CHANGE.format(rows=policies.rows())),
    ]
