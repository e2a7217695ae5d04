"""Studies that are held, and the proof of what was destroyed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class StudyHold(models.Model):
    """A study that must not be destroyed for now: a dispute, an inquiry. A hold of a person is privacy's."""

    study = models.ForeignKey("imaging.Study", on_delete=models.PROTECT, related_name="holds")
    facility = models.CharField(max_length=64)
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    released_by = models.CharField(max_length=150, blank=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study"], condition=Q(released_at=None), name="imaging_hold_open"),
        ]
        indexes: ClassVar = [models.Index(fields=["facility", "-id"], name="imaging_hold_facility")]


class DestroyedObject(models.Model):
    """An object that was destroyed, by its names and hash; nothing else of it is left."""

    decision = models.CharField(max_length=200, db_index=True)
    custodian = models.CharField(max_length=64)
    account = models.CharField(max_length=150)
    study_instance_uid = models.CharField(max_length=64)
    sop_instance_uid = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    at = models.DateTimeField()
