"""What of pathology is no clinical fact: the way of cases, their blocks and slides, lending, opinions asked for."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class PathologyCase(models.Model):
    """A case on its way; what was asked and said is in the record. Its row locks the case and all that is of it.

    number: the accession, given at reception. request, report: ids of the ServiceRequest and the DiagnosticReport.
    """

    class Stage(models.TextChoices):
        """Where it stands."""

        ORDERED = "ordered"
        RECEIVED = "received"
        GROSSED = "grossed"  # described and cut
        STAINED = "stained"  # slides are there to be read
        DRAFTED = "drafted"
        SIGNED = "signed"
        CANCELLED = "cancelled"

    number = models.CharField(max_length=20, unique=True, null=True)
    facility = models.CharField(max_length=64)
    encounter = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    request = models.CharField(max_length=64, unique=True)
    service = models.CharField(max_length=20)
    template = models.CharField(max_length=20)
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.ORDERED)
    urgent = models.BooleanField(default=False)
    call_due = models.BooleanField(default=False)  # the theatre waits for the result of a frozen section
    ordered_at = models.DateTimeField()
    received_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    signed_at = models.DateTimeField(null=True)
    signed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["facility", "stage", "-urgent", "due_at", "id"], name="lab_pathology_stage"),
            models.Index(fields=["encounter"], name="lab_pathology_visit"),
            models.Index(fields=["patient"], name="lab_pathology_patient"),
        ]


class PathologyPiece(models.Model):
    """A part that was sent in (`A`), a block (`A1`) or a slide (`A1-HE`). specimen: id of its Specimen."""

    class Level(models.TextChoices):
        """What it is."""

        PART = "part"
        BLOCK = "block"
        SLIDE = "slide"

    case = models.ForeignKey(PathologyCase, on_delete=models.PROTECT, related_name="pieces")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    level = models.CharField(max_length=5, choices=Level)
    label = models.CharField(max_length=20)
    what = models.CharField(max_length=200, blank=True)  # what the part is, or the stain
    specimen = models.CharField(max_length=64, unique=True)
    place = models.CharField(max_length=100, blank=True)  # in the archive

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["case", "label"], name="lab_pathology_piece_once")]


class PathologyLoan(models.Model):
    """A block or slide that was lent out; at most one open loan each."""

    piece = models.ForeignKey(PathologyPiece, on_delete=models.PROTECT, related_name="loans")
    borrower = models.CharField(max_length=200)
    purpose = models.CharField(max_length=200, blank=True)
    lent_at = models.DateTimeField()
    lent_by = models.CharField(max_length=150)
    returned_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["piece"], condition=models.Q(returned_at__isnull=True), name="lab_pathology_loan_open"
            )
        ]


class PathologyOpinion(models.Model):
    """A second opinion that was asked for. observation: id of the answer in the record."""

    case = models.ForeignKey(PathologyCase, on_delete=models.PROTECT, related_name="opinions")
    asked_of = models.CharField(max_length=200)
    question = models.CharField(max_length=500)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)
    answered_at = models.DateTimeField(null=True)
    answered_by = models.CharField(max_length=150, blank=True)
    observation = models.CharField(max_length=64, blank=True)
