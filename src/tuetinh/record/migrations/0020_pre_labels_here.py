"""Let an asker see more labels in what its own facility has written than elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

LETS = Path(__file__).parent.parent / "sql" / "lets.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0019_pre_open_types")]
    operations: ClassVar = [migrations.RunSQL([LETS.read_text(encoding="utf-8")], migrations.RunSQL.noop)]
