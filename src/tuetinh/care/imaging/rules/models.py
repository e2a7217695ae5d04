"""What administrators made of the rules of imaging."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class RuleChange(models.Model):
    """A rule as somebody made it; the newest of a code holds. Never altered. facility "": everywhere."""

    kind = models.CharField(max_length=12)
    code = models.CharField(max_length=40)
    facility = models.CharField(max_length=64, blank=True)
    content = models.JSONField()
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    why = models.CharField(max_length=500)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "code", "-id"], name="imaging_rule_newest")]
