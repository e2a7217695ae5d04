"""Pictures as they came, added up, so that no page counts millions of rows."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class PictureCount(models.Model):
    """What a machine sent on a day. source: as in Instance; size: in bytes, as they came."""

    facility = models.CharField(max_length=64)
    day = models.DateField()
    source = models.CharField(max_length=80)
    modality = models.CharField(max_length=16)
    pictures = models.PositiveBigIntegerField()
    size = models.PositiveBigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["facility", "day", "source", "modality"], name="imaging_count_once"),
        ]
