"""Let index rows exist with their resource by a look at its row, not by a function, whose call took ten times as long.

The planner counts a look for every row; of a function it did not know that it costs anything. Those of all types keep
theirs: a look at them would have every partition planned.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies
from tuetinh.record.types import RESOURCE_TYPES

# With OFFSET the planner does not weigh reading all resources at once.
LOOK = 'EXISTS (SELECT FROM record."{type}" r WHERE r.key = record."{table}".key OFFSET 0)'
CALL = 'record."{type}_exists"(key)'
ALTER = """ALTER POLICY seen ON record."{table}" USING ({rows});
ALTER POLICY removed ON record."{table}" USING ({rows});"""
DROP = 'DROP FUNCTION record."{type}_exists"(bigint)'
MAKE = """CREATE FUNCTION record."{type}_exists"(wanted bigint) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1 AS $$
BEGIN RETURN record.sight('{type}') = 4 OR EXISTS (SELECT FROM record."{type}" WHERE key = wanted); END $$"""


def altered(how: str) -> list[str]:
    """The statements that have the index rows of every type exist in a way."""
    rows = f"{policies.EVERYTHING} OR {how}"
    tables = [(type_, f"{type_}_{kind}") for type_ in RESOURCE_TYPES for kind in ("date", "number", "string")]
    return [ALTER.format(table=table, rows=rows.format(type=type_, table=table)) for type_, table in tables]


def each(statement: str) -> list[str]:
    """A statement for every type."""
    return [statement.format(type=type_) for type_ in RESOURCE_TYPES]


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0035_pre_quantities_above")]
    operations: ClassVar = [migrations.RunSQL([*altered(LOOK), *each(DROP)], [*each(MAKE), *altered(CALL)])]
