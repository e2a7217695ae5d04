"""The access log keeps events that other systems send of themselves."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

COLUMNS = """
ALTER TABLE record.audit ADD COLUMN event text COLLATE "C";  -- an AuditEvent as another system sent it
CREATE INDEX audit_sent ON record.audit (position) WHERE event IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0031_post_whether_there")]
    operations: ClassVar = [migrations.RunSQL([COLUMNS])]
