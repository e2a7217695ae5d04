"""Let people who act for a patient, and what the patient has shared, pass by what is forbidden to facilities."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

LETS = Path(__file__).parent.parent / "sql" / "lets.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0020_pre_labels_here")]
    operations: ClassVar = [migrations.RunSQL([LETS.read_text(encoding="utf-8")], migrations.RunSQL.noop)]
