"""Create the tables of person search."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "schema.sql"


class Migration(migrations.Migration):
    initial = True
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"), migrations.RunSQL.noop)]
