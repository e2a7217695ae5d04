"""Let Binaries follow the owners of their context by a function, which may change what other facilities answer for."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0031_post_whether_there")]
    operations: ClassVar = [
        migrations.RunSQL(
            (SQL / "follow.sql").read_text(encoding="utf-8"),
            "DROP FUNCTION record.follow(bigint[], text[], text[], text[])",
        )
    ]
