"""What a citizen shared by a code, and who has opened it. The allowance of a facility itself is a Consent."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Share(models.Model):
    """A record shown to whoever has the code, for some hours. The code is known only by its SHA-256.

    pin: hashed as passwords are, "" for none. misses: wrong PINs so far. ended: when taken back, or shut by wrong PINs.
    order: id of the ServiceRequest whose report and pictures alone are shown; its pin is the person's date of birth.
    most: how often it opens, None for as often as one likes.
    """

    class Scope(models.TextChoices):
        """How much: what lasts; everything but sensitive data; everything; one examination of imaging."""

        SUMMARY = "summary"
        ORDINARY = "ordinary"
        ALL = "all"
        EXAM = "exam"

    patient = models.CharField(max_length=64)
    digest = models.BinaryField(max_length=32, unique=True)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    pin = models.CharField(max_length=128, blank=True)
    misses = models.PositiveSmallIntegerField(default=0)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    until = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    order = models.CharField(max_length=64, blank=True)
    most = models.PositiveSmallIntegerField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["patient", "-at"]), models.Index(fields=["order", "-at"])]


class Opening(models.Model):
    """That a share was opened: by an account at a facility's desk, or on some device by whoever had the code.

    consent: id of the Consent that lets the facility see the record meanwhile, "" where it does not come to that.
    """

    share = models.ForeignKey(Share, on_delete=models.CASCADE, related_name="openings")
    at = models.DateTimeField()
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    facility = models.CharField(max_length=64, blank=True)
    consent = models.CharField(max_length=64, blank=True)


class Miss(models.Model):
    """A code that opens nothing, or a wrong PIN, from an address; forgotten after a day."""

    address = models.GenericIPAddressField()
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["address", "at"]), models.Index(fields=["at"])]
