"""Let labels rise to older versions, to contents, and to what names a labelled resource; let Binaries be found by documents."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies

SQL = Path(__file__).parent.parent / "sql"
SINCE = """
ALTER TABLE record.relation ADD COLUMN since timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE record.denial ADD COLUMN since timestamptz NOT NULL DEFAULT '-infinity';
"""
RISE = f"""
ALTER TABLE record.content ADD COLUMN labels integer NOT NULL DEFAULT 0;
DROP POLICY door ON record.content;
CREATE POLICY door ON record.content
  USING ({policies.EVERYTHING}
    OR record.lets(type, patient, custodian, labels))
  WITH CHECK ({policies.EVERYTHING}
    OR record.lets(type, patient, custodian, labels));
CREATE TRIGGER rise AFTER INSERT OR UPDATE ON record.resource
  FOR EACH ROW WHEN (NEW.labels <> 0) EXECUTE FUNCTION record.rise();
"""
# As in 0019, but what is of no patient is asked of `record.lets`: these types may hold what is of several.
GATHERING = ("Bundle", "Linkage", "List", "MessageHeader", "QuestionnaireResponse")
QUICK = f"""ALTER POLICY door ON record."{{type}}{{table}}" USING (
  {policies.EVERYTHING}
  OR (labels = 0 AND patient IS NOT NULL AND (current_setting('tuetinh.open', true) = ' * '
    OR strpos(current_setting('tuetinh.open', true), ' {{type}} ') > 0)
    AND NOT EXISTS (SELECT FROM record.denial d WHERE d.patient = record."{{type}}{{table}}".patient OFFSET 0))
  OR record.lets('{{type}}', patient, custodian, labels))"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0028_pre_exact_policies")]
    operations: ClassVar = [
        migrations.RunSQL(SINCE),
        migrations.RunSQL([(SQL / name).read_text(encoding="utf-8") for name in ("labels.sql", "lets.sql")]),
        migrations.RunSQL(RISE),
        migrations.RunSQL([QUICK.format(type=type_, table=table) for type_ in GATHERING for table in ("", "_history")]),
    ]
