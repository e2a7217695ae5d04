"""Where the checks of an examination stand. What was answered is a QuestionnaireResponse of the record."""

from __future__ import annotations

from django.db import models


class SafetyCheck(models.Model):
    """The answers for an examination. found: keys of what stops it; overridden: those that a doctor let pass."""

    exam = models.OneToOneField("imaging.Exam", on_delete=models.CASCADE, primary_key=True, related_name="safety")
    response = models.CharField(max_length=64)  # id of the QuestionnaireResponse
    found = models.JSONField(default=list)
    answered_by = models.CharField(max_length=150)
    answered_at = models.DateTimeField()
    overridden = models.JSONField(default=list)
    overridden_by = models.CharField(max_length=150, blank=True)
    overridden_at = models.DateTimeField(null=True)

    @property
    def blocks(self) -> bool:
        """Whether something stops the examination that no doctor let pass."""
        return not set(self.found) <= set(self.overridden)
