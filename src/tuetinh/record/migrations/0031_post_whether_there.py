"""Have the entries of all Patients made anew: who has no `deceased` is found as one who is not.

So are those of added parameters that ask whether something is there. Workers do it while the node runs.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TYPES = """SELECT DISTINCT base FROM record.search_parameter
WHERE state <> 'leaving' AND expression LIKE '%exists()%' UNION SELECT 'Patient'"""
WANTED = """INSERT INTO record.reindexing (type) SELECT %s WHERE EXISTS (SELECT FROM record."{type}")
ON CONFLICT (type) WHERE ended IS NULL DO NOTHING"""


def remake(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.steps import enter

    enter(SYSTEM)
    with editor.connection.cursor() as cursor:
        cursor.execute(TYPES)
        for (type_,) in cursor.fetchall():
            cursor.execute(WANTED.format(type=type_), [type_])


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0030_post_labels_rise")]
    operations: ClassVar = [migrations.RunPython(remake, migrations.RunPython.noop)]
