"""What the duties leave behind that is no clinical fact: requests of people and what became of them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class SubjectRequest(models.Model):
    """What a person, or whoever acts for them, asked for about their data.

    facility: Organization that answers, "" for the health department. acting: relationship code of whoever acts for the
    person, "" for themselves. applicant, papers: name and papers that a desk has seen. about: `Type/id` of the resource
    that it is about, "" for everything. purpose: v3 PurposeOfUse
    that it would close. law: by whose deadlines it is counted. before, after: versions of `about` when
    it was granted and when that was done. author: Practitioner who wrote what is to be corrected, "" for anybody.
    """

    class State(models.TextChoices):
        """From new to done; the words stand in `words.STATES`."""

        NEW = "new"
        ACCEPTED = "accepted"
        GRANTED = "granted"
        DONE = "done"
        REFUSED = "refused"
        TAKEN_BACK = "taken-back"

    OPEN = (State.NEW, State.ACCEPTED, State.GRANTED)

    patient = models.CharField(max_length=64)
    facility = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=10)
    channel = models.CharField(max_length=10)
    acting = models.CharField(max_length=20, blank=True)
    applicant = models.CharField(max_length=200, blank=True)
    papers = models.CharField(max_length=200, blank=True)
    what = models.TextField()
    about = models.CharField(max_length=140, blank=True)
    purpose = models.CharField(max_length=20, blank=True)
    law = models.CharField(max_length=100)
    received = models.DateTimeField()
    answer_by = models.DateTimeField()
    due = models.DateTimeField()
    answered = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    refusal = models.CharField(max_length=20, blank=True)
    answer = models.TextField(blank=True)
    author = models.CharField(max_length=64, blank=True)
    before = models.PositiveIntegerField(null=True)
    after = models.PositiveIntegerField(null=True)
    closed = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["patient", "-received"]),
            models.Index(fields=["facility", "state", "due"]),
            models.Index(fields=["due"], condition=Q(closed=None), name="privacy_request_open"),
        ]


class RequestStep(models.Model):
    """One step of a request: who did what, when. step: a key of `words.STEPS`."""

    request = models.ForeignKey(SubjectRequest, on_delete=models.PROTECT, related_name="steps")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    step = models.CharField(max_length=12)
    note = models.TextField(blank=True)
