"""What of pictures at a distance is no clinical fact: opinions on their way, studies on their way to another node."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Opinion(models.Model):
    """A question about studies that another facility, or somebody there, was asked. Its row is the lock of all that.

    order: id of the ServiceRequest, which has the question. to_account: who alone is asked, "" for all who read there.
    """

    order = models.CharField(max_length=64, unique=True)
    patient = models.CharField(max_length=64)
    studies = models.JSONField()  # UIDs
    facility = models.CharField(max_length=64)
    asked_by = models.CharField(max_length=150)
    to_facility = models.CharField(max_length=64)
    to_account = models.CharField(max_length=150, blank=True)
    urgent = models.BooleanField(default=False)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    reminded_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    opened_by = models.CharField(max_length=150, blank=True)
    answered_at = models.DateTimeField(null=True)
    answered_by = models.CharField(max_length=150, blank=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["to_facility", "closed_at", "-urgent", "due_at"], name="imaging_opinion_received"),
            models.Index(fields=["facility", "-asked_at"], name="imaging_opinion_asked"),
            models.Index(fields=["due_at"], name="imaging_opinion_due", condition=Q(answered_at=None, closed_at=None)),
            models.Index(fields=["patient"], name="imaging_opinion_patient"),
        ]


class Sending(models.Model):
    """A study that is sent to a machine, or without one to the node above, object by object, until it has all.

    next_at: when it is tried again.
    """

    study_instance_uid = models.CharField(max_length=64, db_collation="C")
    device = models.ForeignKey("imaging.Device", null=True, on_delete=models.CASCADE)
    facility = models.CharField(max_length=64)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    next_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)  # in a row that failed
    fault = models.CharField(max_length=200, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["next_at"], name="imaging_sending_due", condition=Q(done_at=None))]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["study_instance_uid", "device"], name="imaging_sending_once", nulls_distinct=False
            ),
        ]


class SentObject(models.Model):
    """An object that has been sent. held: it waits for a person at the node above, or the machine does not take it."""

    sending = models.ForeignKey(Sending, on_delete=models.CASCADE, related_name="sent")
    sop_instance_uid = models.CharField(max_length=64, db_collation="C")
    held = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sending", "sop_instance_uid"], name="imaging_sent_once"),
        ]
