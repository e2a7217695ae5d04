"""Workitems, who wants to hear of them, and what they are still to be told."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Workitem(models.Model):
    """A Unified Procedure Step of a facility (PS3.4 CC.2). attributes: DICOM JSON without state and transaction.

    exam, result: the reading or the model's work that it stands for; none where a system made it.
    """

    class State(models.TextChoices):
        """How far it is (PS3.4, CC.1.1)."""

        SCHEDULED = "SCHEDULED"
        IN_PROGRESS = "IN PROGRESS"
        COMPLETED = "COMPLETED"
        CANCELED = "CANCELED"

    uid = models.CharField(max_length=64, db_collation="C", unique=True)
    facility = models.CharField(max_length=64)
    state = models.CharField(max_length=11, choices=State, default=State.SCHEDULED)
    transaction_uid = models.CharField(max_length=64, blank=True)
    exam = models.OneToOneField("imaging.Exam", null=True, on_delete=models.CASCADE)
    result = models.OneToOneField("imaging.AiResult", null=True, on_delete=models.CASCADE)
    attributes = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "state", "id"], name="imaging_workitem_list")]

    @property
    def patient(self) -> str:
        """The Patient of the house's own work, "" of what a system made: that tells it itself."""
        if self.exam:
            return self.exam.patient
        return (self.result and self.result.study.patient) or ""


class Subscriber(models.Model):
    """Who wants to be told of a workitem, or of all of the facility (workitem none).

    wanted: of all that tell these values by tag (a filtered subscription). locks: what ended is kept for it.
    """

    title = models.CharField(max_length=16)
    facility = models.CharField(max_length=64)
    workitem = models.ForeignKey(Workitem, null=True, on_delete=models.CASCADE)
    suspended = models.BooleanField(default=False)  # of all: it is told of no new one (PS3.4, CC.2.3)
    suspended_at = models.DateTimeField(null=True)
    wanted = models.JSONField(default=dict, db_default={})
    locks = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "title", "workitem"], nulls_distinct=False, name="imaging_subscriber_once"
            ),
        ]


class EventReport(models.Model):
    """What a subscriber is to be told (PS3.4, CC.2.4); it goes once it was sent."""

    title = models.CharField(max_length=16)
    facility = models.CharField(max_length=64)
    body = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "title", "id"], name="imaging_eventreport_next")]
