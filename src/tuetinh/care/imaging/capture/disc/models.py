"""A disc that is read in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Disc(models.Model):
    """A disc, stick or folder of another place. patient: whose it is said to be; by: the account that reads it in.

    stored, known, waiting, skipped: its files that are new in the archive, were there, wait for a person, are none.
    listed: UIDs of the objects that its DICOMDIR names. zipped: the file of a ZIP that is being read, with how many of
    its files are done. broken: a ZIP of it could not be read.
    """

    facility = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    by = models.CharField(max_length=150)
    name = models.CharField(max_length=200)
    at = models.DateTimeField()
    stored = models.PositiveIntegerField(default=0)
    known = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    listed = models.JSONField(default=list)
    zipped = models.CharField(max_length=200, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    broken = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "-at"], name="imaging_disc_newest")]

    @property
    def share(self) -> int:
        """How far the ZIP is read, in percent."""
        return min(self.done * 100 // max(self.total, 1), 99)
