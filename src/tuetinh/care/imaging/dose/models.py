"""The register of doses, made anew from the archive whenever something of a study has come."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Dose(models.Model):
    """What one study gave. ctdi: CTDIvol, mGy, the largest of its scans; dlp: mGy·cm; dap: Gy·cm²; agd: mGy a view.

    protocol: code of a rule of imaging where an order is known, else the machine's own name of it. source: of SOURCES.
    region, description: as they were told, for reference levels. events: the exposures one by one.
    """

    class Source(models.TextChoices):
        """From what it was read."""

        RDSR = "rdsr"
        IMAGES = "images"
        MPPS = "mpps"

    study_instance_uid = models.CharField(max_length=64, db_collation="C", unique=True)
    facility = models.CharField(max_length=64)
    patient = models.CharField(max_length=64, blank=True)
    exam = models.ForeignKey("imaging.Exam", null=True, on_delete=models.SET_NULL, related_name="doses")
    modality = models.CharField(max_length=16)
    at = models.DateTimeField()
    machine = models.CharField(max_length=200)
    protocol = models.CharField(max_length=200, blank=True)
    region = models.CharField(max_length=100, blank=True)
    description = models.CharField(max_length=300, blank=True)
    age = models.PositiveSmallIntegerField(null=True)
    ctdi = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    dlp = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    dap = models.DecimalField(max_digits=14, decimal_places=5, null=True)
    agd = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    seconds = models.DecimalField(max_digits=12, decimal_places=2, null=True)  # of fluoroscopy
    events = models.JSONField(default=list)
    source = models.CharField(max_length=8, choices=Source)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["facility", "modality", "at"], name="imaging_dose_at"),
            models.Index(fields=["patient", "at"], name="imaging_dose_patient", condition=~Q(patient="")),
        ]


class DoseDue(models.Model):
    """A study whose dose is to be read anew. at: since when."""

    study_instance_uid = models.CharField(max_length=64, db_collation="C", primary_key=True)
    at = models.DateTimeField(db_index=True)
