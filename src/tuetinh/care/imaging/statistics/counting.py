"""The job that adds up pictures: each once, also when it is killed, for sum and position are one transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction

from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.archive.models import Upkeep

JOB: Final = "count"
BATCH: Final = 20_000
RIPE: Final = timedelta(minutes=5)  # after which nothing with a smaller id is still on its way


def count(batches: int = 50) -> int:
    """Add up the pictures that are not added up yet; how many there were."""
    total = 0
    for _ in range(batches):
        with transaction.atomic():
            state, _made = Upkeep.objects.select_for_update().get_or_create(job=JOB)
            ripe = datetime.now(UTC) - RIPE
            [(last, pictures)] = ask(_ADD, state.cursor, state.cursor, ripe, BATCH)
            state.told_at = datetime.now(UTC)
            if last:
                state.cursor, state.seen = last, state.seen + pictures
            state.save()
        total += pictures
        if pictures < BATCH:
            break
    return total


_ADD: Final = """
WITH batch AS (
  SELECT i.id, s.custodian, (i.received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS day, i.source, se.modality, i.size
  FROM imaging_instance i JOIN imaging_study s ON s.id = i.study_id JOIN imaging_series se ON se.id = i.series_id
  WHERE i.id > %s AND i.id < coalesce(
    (SELECT min(y.id) FROM imaging_instance y WHERE y.id > %s AND y.received_at >= %s), 9223372036854775807)
  ORDER BY i.id LIMIT %s
), added AS (
  INSERT INTO imaging_picturecount (facility, day, source, modality, pictures, size)
  SELECT custodian, day, source, modality, count(*), sum(size) FROM batch GROUP BY 1, 2, 3, 4
  ON CONFLICT (facility, day, source, modality) DO UPDATE SET
    pictures = imaging_picturecount.pictures + excluded.pictures, size = imaging_picturecount.size + excluded.size
)
SELECT max(id), count(*) FROM batch"""
