"""Let the labels of results be read by a statement whose plan is kept: see sql/labels.sql."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0044_post_people_by_name")]
    operations: ClassVar = [
        migrations.RunSQL((SQL / "labels.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop),
    ]
