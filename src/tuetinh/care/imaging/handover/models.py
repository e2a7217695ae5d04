"""What is made to be taken along."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Package(models.Model):
    """The pictures and the report of an examination as one file, made in the background, fetched for some days.

    asker: in whose name it is made (packed). key: of the file's name. done, total: bytes of objects, while it is made.
    """

    class Kind(models.TextChoices):
        """What the file is: for a USB stick, or to be burnt on a disc."""

        ZIP = "zip"
        ISO = "iso"

    class State(models.TextChoices):
        """Whether it can be fetched."""

        WAITING = "waiting"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"

    exam = models.ForeignKey("imaging.Exam", on_delete=models.CASCADE, related_name="packages")
    kind = models.CharField(max_length=3, choices=Kind)
    asker = models.TextField()
    key = models.UUIDField(unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    made = models.DateTimeField()
    expires = models.DateTimeField()
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["state", "expires"], name="imaging_package_expiry")]

    @property
    def share(self) -> int:
        """How far it is, in percent."""
        return min(self.done * 100 // max(self.total, 1), 99)
