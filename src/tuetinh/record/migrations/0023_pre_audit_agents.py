"""The access log says with which browser or program somebody came, and why what was tried did not come about."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

COLUMNS = """
ALTER TABLE record.audit
    ADD COLUMN agent  text COLLATE "C",  -- User-Agent
    ADD COLUMN reason text COLLATE "C";  -- of the outcome, in a word
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0022_pre_audit_events")]
    operations: ClassVar = [migrations.RunSQL([COLUMNS])]
