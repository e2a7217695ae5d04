"""Let a Binary without a context of its own belong to the owner of a document that shows it: see sql/shown.sql."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0036_post_index_rows")]
    operations: ClassVar = [
        migrations.RunSQL(
            (SQL / "shown.sql").read_text(encoding="utf-8"),
            "DROP FUNCTION record.shown_by(text[]); DROP FUNCTION record.show(text[], text[], text[], text[])",
        )
    ]
