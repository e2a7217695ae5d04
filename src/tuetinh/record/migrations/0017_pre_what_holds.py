"""Let relations hold for some days after the end of care, labelled rows need one, and denials count for whole types."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

LETS = Path(__file__).parent.parent / "sql" / "lets.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0016_pre_merges")]
    operations: ClassVar = [migrations.RunSQL([LETS.read_text(encoding="utf-8")], migrations.RunSQL.noop)]
