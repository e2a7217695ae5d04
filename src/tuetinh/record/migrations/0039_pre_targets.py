"""Let Provenances be of the patient whose things they are about, and labelled as these: see sql/targets.sql."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies

SQL = Path(__file__).parent.parent / "sql"
# What is of no patient is asked of `record.lets`, as in 0029.
QUICK = f"""ALTER POLICY door ON record."{{table}}" USING (
  {policies.EVERYTHING}
  OR (labels = 0 AND patient IS NOT NULL AND (current_setting('tuetinh.open', true) = ' * '
    OR strpos(current_setting('tuetinh.open', true), ' Provenance ') > 0)
    AND NOT EXISTS (SELECT FROM record.denial d WHERE d.patient = record."{{table}}".patient OFFSET 0))
  OR record.lets('Provenance', patient, custodian, labels))"""
DROP = """DROP FUNCTION record.patients_of(text[]); DROP FUNCTION record.provenances(bigint[]);
DROP FUNCTION record.give(text[], text[], text[])"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0038_post_of_patients")]
    operations: ClassVar = [
        migrations.RunSQL((SQL / "targets.sql").read_text(encoding="utf-8"), DROP),
        migrations.RunSQL([(SQL / name).read_text(encoding="utf-8") for name in ("labels.sql", "lets.sql")]),
        migrations.RunSQL([QUICK.format(table=table) for table in ("Provenance", "Provenance_history")]),
    ]
