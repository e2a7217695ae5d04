"""The position of an entry of the access log without a function of its own, which took as long as the rest of a row."""

from typing import ClassVar

from django.db import migrations

# The number of the transaction comes first: whoever has drawn a position is among the numbered ones (see audit/chain.py).
DRAW = """
DO $$
DECLARE one regclass;
BEGIN
  FOR one IN SELECT 'record.audit'::regclass UNION ALL
      SELECT inhrelid FROM pg_inherits WHERE inhparent = 'record.audit'::regclass LOOP
    EXECUTE format('ALTER TABLE %s ALTER position SET DEFAULT'
      ' CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval(''record.audit_position'') END', one);
  END LOOP;
END $$;
DROP FUNCTION record.next_audit_position();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0026_pre_long_dates")]
    operations: ClassVar = [migrations.RunSQL(DRAW)]
