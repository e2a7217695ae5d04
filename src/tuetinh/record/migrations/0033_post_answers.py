"""Have the database refuse changes of what another facility answers for: see sql/answers.sql."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
SOME = "nullif(current_setting('tuetinh.everything', true), '') IS DISTINCT FROM 'yes'"
ELSEWHERE = """({row}.custodian <> '' AND {row}.custodian <> coalesce(current_setting('tuetinh.facility', true), '')
    AND coalesce(current_setting('tuetinh.elsewhere', true), '') <> ' * '
    AND strpos(coalesce(current_setting('tuetinh.elsewhere', true), ''), ' ' || {row}.type || ' ') = 0)"""
CLOSED = "strpos(coalesce(current_setting('tuetinh.closed', true), ''), ' ' || {row}.type || ' ') > 0"
TRIGGER = """CREATE TRIGGER {name} AFTER {what} ON record.{table} FOR EACH ROW
  WHEN ({when}) EXECUTE FUNCTION record.refuse()"""
CHANGES = "UPDATE OR DELETE"
OLD = f"{SOME} AND ({ELSEWHERE} OR {CLOSED})".format(row="OLD")
TRIGGERS = (
    *((table, "answers", CHANGES, OLD) for table in ("resource", "history", "content")),
    ("resource", "opens", "INSERT", f"{SOME} AND {CLOSED}".format(row="NEW")),
    ("history", "opens", "INSERT", f"{SOME} AND ({ELSEWHERE} OR {CLOSED})".format(row="NEW")),
    ("feed", "answers", CHANGES, SOME),
)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0032_pre_follow")]
    operations: ClassVar = [
        migrations.RunSQL((SQL / "answers.sql").read_text(encoding="utf-8"), "DROP FUNCTION record.refuse()"),
        migrations.RunSQL(
            [TRIGGER.format(table=table, name=name, what=what, when=when) for table, name, what, when in TRIGGERS],
            [f"DROP TRIGGER {name} ON record.{table}" for table, name, *_ in TRIGGERS],
        ),
    ]
