"""What the keeping of objects needs to know: where they lie beside the disk, how far its jobs are, what they found."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Stored(models.Model):
    """A content that the object store has, looked at after it was put there; its file here may go."""

    digest = models.BinaryField(max_length=32, unique=True)
    size = models.BigIntegerField()
    stored_at = models.DateTimeField()


class Upkeep(models.Model):
    """How far a job is that goes through all objects, again and again.

    cursor: the last object that it has seen in this round; seen, done, saved: since the round began, saved in bytes.
    fault: why it could not go on when it last tried.
    """

    job = models.CharField(max_length=10, primary_key=True)
    cursor = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # the last whole round
    told_at = models.DateTimeField(null=True)
    seen = models.BigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    saved = models.BigIntegerField(default=0)
    fault = models.CharField(max_length=300, blank=True)


class Finding(models.Model):
    """An object whose file is not what was kept."""

    class Fault(models.TextChoices):
        """What is wrong."""

        MISSING = "missing"
        SIZE = "size"
        CONTENT = "content"

    instance = models.ForeignKey("imaging.Instance", null=True, on_delete=models.SET_NULL)
    sop_instance_uid = models.CharField(max_length=64)
    digest = models.BinaryField(max_length=32)
    fault = models.CharField(max_length=10, choices=Fault)
    found_at = models.DateTimeField()
    mended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["digest"], condition=Q(mended_at=None), name="imaging_finding_open"),
        ]


class Unreadable(models.Model):
    """A picture of the archive whose pixels cannot be decoded; the file is as it came.

    digest: of the file that was tried, empty of one that is yet to be; frame: the first that fails.
    """

    class Fault(models.TextChoices):
        """What is wrong."""

        CUT = "cut"  # there is less than its header says
        LARGE = "large"  # there would be more than memory holds
        SYNTAX = "syntax"  # nothing here decodes this transfer syntax
        BROKEN = "broken"

    instance = models.OneToOneField("imaging.Instance", on_delete=models.CASCADE)
    digest = models.BinaryField(max_length=32)
    fault = models.CharField(max_length=10, choices=Fault, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    frame = models.PositiveIntegerField(default=1)
    found_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)  # when somebody noted that the machine is to send it again
    left_at = models.DateTimeField(null=True)  # when somebody decided that it stays as it is

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["-found_at"], name="imaging_unreadable_open", condition=Q(left_at=None)),
        ]
