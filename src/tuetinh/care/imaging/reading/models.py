"""What of the reading room is no clinical fact: who reads what, who reads an examination now, and peer reviews."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Reader(models.Model):
    """Somebody who reads for a facility. account: id. modalities, regions: what of, [] for everything.

    Where a facility has named nobody, each account of its imaging desk reads and signs.
    """

    class Level(models.TextChoices):
        """Whether a senior reads after them."""

        RESIDENT = "resident"
        SENIOR = "senior"

    facility = models.CharField(max_length=64)
    account = models.CharField(max_length=150)
    level = models.CharField(max_length=10, choices=Level, default=Level.SENIOR)
    modalities = models.JSONField(default=list)
    regions = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "account"], name="imaging_reader_once")]


class ReadingRules(models.Model):
    """What a facility has decided of its readings. reviewed: percent of signed ones that a peer reads again."""

    facility = models.CharField(max_length=64, primary_key=True)
    reviewed = models.PositiveSmallIntegerField(default=0)


class ReadingCase(models.Model):
    """The reading of an examination on its way. Its row is changed only while the examination's is locked.

    reader: account that has it now, until `held_until`. first_by, first_at: the reading that waits for a second one.
    note: why a senior gave it back. template, answers: of `structured`. keys: [series, object, frame] of key images.
    finding: what somebody must be called about, until `called_at`.
    """

    exam = models.OneToOneField("imaging.Exam", on_delete=models.CASCADE, primary_key=True, related_name="case")
    reader = models.CharField(max_length=150, blank=True)
    held_until = models.DateTimeField(null=True)
    first_by = models.CharField(max_length=150, blank=True)
    first_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=500, blank=True)
    template = models.CharField(max_length=40, blank=True)
    answers = models.JSONField(default=dict)
    keys = models.JSONField(default=list)
    finding = models.CharField(max_length=500, blank=True)
    finding_at = models.DateTimeField(null=True)
    called_at = models.DateTimeField(null=True)
    signed_by = models.CharField(max_length=150, blank=True)
    signed_at = models.DateTimeField(null=True)
    documents = models.JSONField(default=dict)  # what is stored of it as DICOM: `of` which version, the `report`'s UIDs

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["finding_at"],
                name="imaging_case_to_call",
                condition=Q(called_at=None, finding_at__isnull=False),
            ),
            models.Index(fields=["signed_at"], name="imaging_case_signed"),
        ]


class PeerReview(models.Model):
    """A signed reading that another reader judges without knowing whose it is. score: RADPEER, 1 agrees to 4."""

    exam = models.ForeignKey("imaging.Exam", on_delete=models.CASCADE, related_name="reviews")
    facility = models.CharField(max_length=64)
    modality = models.CharField(max_length=16, blank=True)
    author = models.CharField(max_length=150)
    chosen_at = models.DateTimeField()
    reviewer = models.CharField(max_length=150, blank=True)
    score = models.PositiveSmallIntegerField(null=True)
    matters = models.BooleanField(default=False)  # for the patient
    comment = models.CharField(max_length=1000, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["exam"], name="imaging_review_once")]
        indexes: ClassVar = [models.Index(fields=["facility", "done_at"], name="imaging_review_open")]
