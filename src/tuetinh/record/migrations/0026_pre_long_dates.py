"""Dates that are long: what overlaps a period and is not long begins within a day before it, in one range of one index."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

COLUMN = """
ALTER TABLE record.date_index ADD COLUMN long boolean NOT NULL GENERATED ALWAYS AS
  (CASE WHEN isfinite(low) AND isfinite(high) THEN high - low > interval '1 day' ELSE true END) STORED;
CREATE INDEX ON record.date_index (param, high, key) WHERE long;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0025_pre_one_entry")]
    operations: ClassVar = [migrations.RunSQL([COLUMN])]
