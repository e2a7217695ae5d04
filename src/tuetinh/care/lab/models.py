"""What of the laboratory is no clinical fact: messages as they came, tubes on their way, analysers' own codes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Tube(models.Model):
    """The way of one specimen through the laboratory: its number and where it stands. What it holds is in the record.

    Its row is the lock of everything that is done to the specimen, its orders and its results.
    """

    class Stage(models.TextChoices):
        """Where it stands."""

        ORDERED = "ordered"
        RECEIVED = "received"
        RESULTED = "resulted"
        RELEASED = "released"
        REJECTED = "rejected"
        CANCELLED = "cancelled"

    number = models.CharField(max_length=20, unique=True)
    facility = models.CharField(max_length=64)
    specimen = models.CharField(max_length=64, unique=True)
    encounter = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    orders = models.JSONField(default=list)  # ids of the ServiceRequests
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.ORDERED)
    urgent = models.BooleanField(default=False)
    critical = models.BooleanField(default=False)  # holds a critical value that nobody has acknowledged
    ordered_at = models.DateTimeField()
    received_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["facility", "stage", "-urgent", "ordered_at", "id"]),
            models.Index(fields=["encounter"]),
        ]


class Counter(models.Model):
    """The last number given to a tube of a facility on a day."""

    facility = models.CharField(max_length=64)
    day = models.DateField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "day"], name="lab_counter_day")]


class Analyser(models.Model):
    """An analyser or middleware that sends messages: its own name (MSH-3, MSH-4), and from where it calls."""

    sender = models.CharField(max_length=300)  # `application|facility` of MSH
    address = models.GenericIPAddressField(null=True, blank=True)  # tells two of the same name apart
    facility = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    device = models.CharField(max_length=64, blank=True)  # Device id
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sender", "address"], name="lab_analyser_once", nulls_distinct=False),
        ]


class AnalyserCode(models.Model):
    """What an analyser means by one of its codes. analyte: a key of ours, "" for what is never reported.

    unit: the unit where the message says none; factor: what its numbers are multiplied by to be in our unit.
    """

    analyser = models.ForeignKey(Analyser, on_delete=models.CASCADE, related_name="meanings")
    code = models.CharField(max_length=100)
    analyte = models.CharField(max_length=20, blank=True)
    unit = models.CharField(max_length=40, blank=True)
    factor = models.DecimalField(max_digits=18, decimal_places=9, default=1)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["analyser", "code"], name="lab_analyser_code_once")]


class Message(models.Model):
    """One message as it came, kept before it is acknowledged. A message sent again is counted, not kept again."""

    class State(models.TextChoices):
        """What became of it."""

        MATCHED = "matched"
        UNMATCHED = "unmatched"
        BROKEN = "broken"
        NOTED = "noted"  # understood and accepted, but no result: a patient's data from another system
        ASIDE = "aside"  # a technician put it aside with a reason

    received_at = models.DateTimeField()
    peer = models.CharField(max_length=64, blank=True)
    facility = models.CharField(max_length=64, blank=True)
    sender = models.CharField(max_length=300, blank=True)
    analyser = models.ForeignKey(Analyser, null=True, on_delete=models.SET_NULL, db_index=False)
    control_id = models.CharField(max_length=200, blank=True)
    digest = models.BinaryField(max_length=32)
    kind = models.CharField(max_length=40, blank=True)
    raw = models.BinaryField()
    state = models.CharField(max_length=10, choices=State)
    reason = models.CharField(max_length=40, blank=True)
    place = models.CharField(max_length=60, blank=True)
    ack = models.BinaryField(null=True)
    copies = models.PositiveIntegerField(default=1)
    tube = models.ForeignKey(Tube, null=True, on_delete=models.PROTECT)
    note = models.CharField(max_length=500, blank=True)
    handled_by = models.CharField(max_length=64, blank=True)
    handled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sender", "control_id", "digest"], name="lab_message_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["facility", "-received_at"],
                name="lab_message_open",
                condition=Q(state__in=["unmatched", "broken"]),
            ),
            models.Index(fields=["-received_at"], name="lab_message_received"),
            models.Index(fields=["analyser", "-received_at"], name="lab_message_analyser"),
        ]
