"""Let rows that carry no label, of types that the asker sees whole, exist without a call of a function for each."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tuetinh.record.types import RESOURCE_TYPES

EVERYTHING = "nullif(current_setting('tuetinh.everything', true), '') <> 'no'"
OPEN = """labels = 0 AND (current_setting('tuetinh.open', true) = ' * '
  OR strpos(current_setting('tuetinh.open', true), ' {type} ') > 0)"""
# Who forbids nothing at all; of others `record.lets` knows more. A Patient is known by name whatever it forbids. With
# OFFSET the planner does not weigh reading all denials at once, which takes as long as the rest of planning.
UNFORBIDDEN = " AND NOT EXISTS (SELECT FROM record.denial d WHERE d.patient = {table}.patient OFFSET 0)"
LETS = "record.lets('{type}', patient, custodian, labels)"
POLICY = "ALTER POLICY door ON record.{table} USING ({rows})"


def open_(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    for type_ in RESOURCE_TYPES:
        for table in (f'"{type_}"', f'"{type_}_history"'):
            quick = OPEN if type_ == "Patient" else OPEN + UNFORBIDDEN
            rows = f"{EVERYTHING} OR ({quick}) OR {LETS}".format(type=type_, table=table)
            editor.execute(POLICY.format(table=table, rows=rows))


def close(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    for type_ in RESOURCE_TYPES:
        for table in (f'"{type_}"', f'"{type_}_history"'):
            rows = f"{EVERYTHING} OR {LETS}".format(type=type_)
            editor.execute(POLICY.format(table=table, rows=rows))


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0018_post_contained")]
    operations: ClassVar = [migrations.RunPython(open_, close)]
