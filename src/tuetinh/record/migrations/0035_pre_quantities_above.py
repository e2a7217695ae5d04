"""Quantities above a value are found by an index, and the planner knows how values go with their units.

Most quantities of one unit are of few codes, and how large they are depends on the unit: without these statistics a
common value looked rare, and all that have its unit were read.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

CREATE = """
CREATE INDEX number_base_high ON record.number_index (param, base, base_high, key) WHERE base IS NOT NULL;
CREATE STATISTICS record."Observation_number_units" (mcv) ON param, base, base_low, base_high
  FROM record."Observation_number";
ALTER STATISTICS record."Observation_number_units" SET STATISTICS 1000;
ANALYZE record."Observation_number";
"""
REVERSE = """
DROP STATISTICS record."Observation_number_units";
DROP INDEX record.number_base_high;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0034_post_answers")]
    operations: ClassVar = [migrations.RunSQL(CREATE, REVERSE)]
