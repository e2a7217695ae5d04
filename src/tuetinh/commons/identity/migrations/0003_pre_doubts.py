"""Create where desks tell of wrong merges."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "doubts.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("identity", "0002_pre_matching")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"), migrations.RunSQL.noop)]
