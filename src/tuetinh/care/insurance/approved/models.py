"""The rows of the catalogues that the insurer has approved for a facility."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class ApprovedItem(models.Model):
    """One row of a catalogue (01 to 06/DM) with the days on which it is in force; until: None while it is.

    key: what tells it from every other row of its catalogue; code: by which claims name it. price: the highest that the
    fund pays. row: all of its columns, as they were sent.
    """

    facility = models.CharField(max_length=64)
    catalogue = models.CharField(max_length=2)
    key = models.CharField(max_length=500)
    code = models.CharField(max_length=255)
    name = models.TextField(blank=True)
    price = models.DecimalField(max_digits=17, decimal_places=3, null=True)
    tender = models.CharField(max_length=255, blank=True)
    registration = models.CharField(max_length=255, blank=True)
    since = models.DateField()
    until = models.DateField(null=True)
    row = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["facility", "catalogue", "key", "since"], name="insurance_one_approval")
        ]
        indexes: ClassVar = [models.Index(fields=["facility", "catalogue", "code"])]
