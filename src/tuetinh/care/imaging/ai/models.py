"""Models that were brought, what they said of studies, and what readers thought of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class AiModel(models.Model):
    """A version of a model that an administrator brought; never altered. description: a `model.Model`."""

    name = models.CharField(max_length=30)
    version = models.CharField(max_length=20)
    description = models.JSONField()
    digest = models.BinaryField(max_length=32)
    size = models.BigIntegerField()
    added_at = models.DateTimeField()
    added_by = models.CharField(max_length=150)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["name", "version"], name="imaging_ai_model_once")]


class AiResult(models.Model):
    """What a version of a model says of a study, or that it is still to say it.

    rule: of imaging's rules, by which the study was given to it. last: the object of the archive up to which it has
    looked; looked, among: at how many pictures of how many. pictures: {instance, frame, score, boxes} of each.
    """

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    study = models.ForeignKey("imaging.Study", on_delete=models.CASCADE, related_name="ai_results")
    facility = models.CharField(max_length=64)
    model = models.CharField(max_length=30)
    version = models.CharField(max_length=20)
    rule = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    next_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    fault = models.CharField(max_length=20, blank=True)
    done_at = models.DateTimeField(null=True)
    last = models.BigIntegerField(default=0)
    looked = models.PositiveIntegerField(default=0)
    among = models.PositiveIntegerField(default=0)
    score = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    pictures = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "model", "version"], name="imaging_ai_result_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_at"], name="imaging_ai_result_due", condition=Q(state="waiting")),
            models.Index(fields=["facility", "model", "version"], name="imaging_ai_result_counted"),
        ]

    @property
    def observation(self) -> str:
        """The id of its Observation in the record."""
        return f"ai-result-{self.pk}"

    @property
    def found(self) -> bool:
        """Whether something was found."""
        return self.score is not None and self.threshold is not None and self.score >= self.threshold


class AiOpinion(models.Model):
    """What a reader thought of a result as it was then; the newest of an account counts, none is altered."""

    result = models.ForeignKey(AiResult, on_delete=models.CASCADE, related_name="opinions")
    account = models.CharField(max_length=150)
    at = models.DateTimeField()
    agrees = models.BooleanField()
    score = models.FloatField()
