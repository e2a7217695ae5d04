"""What the doctor has typed and not saved yet. It is no clinical fact before it is saved."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Draft(models.Model):
    """The fields of one form of a visit as one account left them: names, each with its list of typed values.

    window: the opened page that it was typed in, see `queries.new_window`.
    """

    encounter = models.CharField(max_length=64)
    account = models.CharField(max_length=64)
    form = models.CharField(max_length=20)
    fields = models.JSONField()
    window = models.CharField(max_length=40)
    saved_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["encounter", "account", "form"], name="clinic_one_draft"),
        ]
