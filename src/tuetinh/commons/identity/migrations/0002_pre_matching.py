"""Create what matching reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "matching.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("identity", "0001_pre_search")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"), migrations.RunSQL.noop)]
