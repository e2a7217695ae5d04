"""Let what somebody gave who acts for a patient end with their own right."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0041_pre_made_by")]
    operations: ClassVar = [
        migrations.RunSQL("ALTER TABLE record.relation ADD COLUMN through text COLLATE \"C\" NOT NULL DEFAULT ''"),
        migrations.RunSQL((SQL / "lets.sql").read_text(encoding="utf-8")),
    ]
