"""Let relations know who alone has brought them about, and appointments be a kind of their own: neither opens labels."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
KNOWN = """ALTER TABLE record.relation ADD COLUMN made_by text COLLATE "C" NOT NULL DEFAULT '';
UPDATE record.relation SET kind = 'appointment' WHERE kind = 'consultation' AND starts_with(source, 'Appointment/');
DROP FUNCTION IF EXISTS record.related(text);
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0040_post_targets")]
    operations: ClassVar = [
        migrations.RunSQL(KNOWN),
        migrations.RunSQL((SQL / "lets.sql").read_text(encoding="utf-8")),
    ]
