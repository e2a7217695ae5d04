"""Create the record's tables, one partition for each resource type."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tuetinh.record.types import RESOURCE_TYPES

SCHEMA = Path(__file__).parent.parent / "sql" / "schema.sql"

PARTITION = """
CREATE TABLE record."{t}" PARTITION OF record.resource FOR VALUES IN ('{t}');
CREATE UNIQUE INDEX ON record."{t}" (key);
CREATE INDEX ON record."{t}" USING gin (tokens);
CREATE INDEX ON record."{t}" (updated, key);
CREATE INDEX ON record."{t}" (patient, key) WHERE patient IS NOT NULL;
CREATE TABLE record."{t}_date" PARTITION OF record.date_index FOR VALUES IN ('{t}');
CREATE INDEX ON record."{t}_date" (key);
CREATE INDEX ON record."{t}_date" (param, low, key);
CREATE INDEX ON record."{t}_date" (param, high, key);
CREATE TABLE record."{t}_number" PARTITION OF record.number_index FOR VALUES IN ('{t}');
CREATE INDEX ON record."{t}_number" (key);
CREATE INDEX ON record."{t}_number" (param, low, key);
CREATE TABLE record."{t}_string" PARTITION OF record.string_index FOR VALUES IN ('{t}');
CREATE INDEX ON record."{t}_string" (key);
CREATE INDEX ON record."{t}_string" (param, norm, key);
CREATE TABLE record."{t}_history" PARTITION OF record.history FOR VALUES IN ('{t}');
"""


def create(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    editor.execute(SCHEMA.read_text(encoding="utf-8"))
    for type_ in RESOURCE_TYPES:
        editor.execute(PARTITION.format(t=type_))


class Migration(migrations.Migration):
    initial = True
    operations: ClassVar = [migrations.RunPython(create, migrations.RunPython.noop)]
