"""Tell from the change feed at once whether code systems, value sets or maps have changed; keep closure tables."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

INDEX = """
CREATE INDEX feed_terminology ON record.feed (position) WHERE type IN ('CodeSystem', 'ValueSet', 'ConceptMap')
"""
CLOSURE = """
CREATE TABLE record.closure (
    account  text    NOT NULL COLLATE "C",
    name     text    NOT NULL COLLATE "C",
    version  integer NOT NULL,
    codes    jsonb   NOT NULL,  -- [[system, version, code, number of the call that brought it], …]
    PRIMARY KEY (account, name)
)
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0004_pre_person_history")]
    operations: ClassVar = [
        migrations.RunSQL(INDEX, "DROP INDEX record.feed_terminology"),
        migrations.RunSQL(CLOSURE, "DROP TABLE record.closure"),
    ]
