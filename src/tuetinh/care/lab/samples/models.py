"""Orders that come again by themselves."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class StandingOrder(models.Model):
    """The same tests at the same hour of so many days of a visit, as a doctor ordered them.

    next_on: the day on which they are due next; none, once it has ended or was stopped.
    """

    facility = models.CharField(max_length=64)
    encounter = models.CharField(max_length=64)
    tests = models.JSONField()  # service codes
    hour = models.TimeField()
    days = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    next_on = models.DateField(null=True)
    urgent = models.BooleanField(default=False)
    note = models.CharField(max_length=300, blank=True)
    requester = models.CharField(max_length=64, blank=True)  # id of the Practitioner
    account = models.CharField(max_length=150)
    at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)
    stopped_by = models.CharField(max_length=150, blank=True)
    why = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["encounter"], name="lab_standing_visit"),
            models.Index(fields=["next_on", "hour"], name="lab_standing_due", condition=Q(next_on__isnull=False)),
        ]
