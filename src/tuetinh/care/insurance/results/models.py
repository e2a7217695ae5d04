"""What is no clinical fact of the insurer's answers: work under way, and the lists that people work from.

The answers themselves are ClaimResponses of the record; the rows here find and sum them.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Run(models.Model):
    """Work that takes longer than a page may: who started it, how far it is, what came of it.

    kind: `fetch` (results from the gateway), `results` (from a file), `weigh` (refused lines asked of the rules),
    `form`, `approved` (a catalogue). key: what distinguishes it from others of its kind; of each, one is under way at
    most. what: its details. file, name: what was given, or was made. told: what came of it, for the page.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    kind = models.CharField(max_length=10)
    facility = models.CharField(max_length=64)
    key = models.CharField(max_length=100, blank=True)
    what = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    done = models.IntegerField(default=0)
    total = models.IntegerField(default=0)
    told = models.JSONField(default=dict)
    file = models.BinaryField(null=True)
    name = models.CharField(max_length=200, blank=True)
    account = models.CharField(max_length=150)
    began = models.DateTimeField()
    ended = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "kind", "key"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="insurance_one_run",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["facility", "kind", "-id"])]

    @property
    def under_way(self) -> bool:
        """Whether it waits or works."""
        return self.state in (self.State.WAITING, self.State.RUNNING)


class Adjudication(models.Model):
    """The insurer's latest answer to a claim. response: ClaimResponse; transmission: the file that it answers.

    state: `accepted`, `reduced` (a part is refused), `refused`, `pending` (the insurer wants more). digest: of the
    answer, so that the same one is known again. claimed, accepted: of the fund, đồng. lines: how many are reduced.
    """

    class State(models.TextChoices):
        ACCEPTED = "accepted"
        REDUCED = "reduced"
        REFUSED = "refused"
        PENDING = "pending"

    case = models.OneToOneField("insurance.ClaimCase", on_delete=models.PROTECT, related_name="adjudication")
    transmission = models.ForeignKey("insurance.Transmission", on_delete=models.PROTECT, related_name="+")
    facility = models.CharField(max_length=64)
    ended = models.DateTimeField()
    response = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State.choices)
    claimed = models.DecimalField(max_digits=17, decimal_places=2)
    accepted = models.DecimalField(max_digits=17, decimal_places=2)
    lines = models.IntegerField(default=0)
    words = models.TextField(blank=True)
    digest = models.CharField(max_length=64)
    decided = models.DateField()
    taken = models.DateTimeField()
    weighed = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "-ended", "-id"])]


class ReducedLine(models.Model):
    """A line of which the insurer pays less than was claimed. table, place: of the claim; `XML1`, 0 the whole record.

    caught: rules of the present book that speak of this `line`, or of the `visit` alone; None before they were asked.
    """

    adjudication = models.ForeignKey(Adjudication, on_delete=models.CASCADE, related_name="reduced")
    table = models.CharField(max_length=5)
    place = models.IntegerField()
    code = models.CharField(max_length=255, blank=True)
    name = models.TextField(blank=True)
    claimed = models.DecimalField(max_digits=17, decimal_places=2)
    accepted = models.DecimalField(max_digits=17, decimal_places=2)
    reason = models.CharField(max_length=50, blank=True)
    words = models.TextField(blank=True)
    caught = models.JSONField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["adjudication", "table", "place"], name="insurance_one_reduction")
        ]


class Settlement(models.Model):
    """What the insurer settles for a month (`2026-11`) or quarter (`2026-Q4`) of a facility, as it told last."""

    facility = models.CharField(max_length=64)
    period = models.CharField(max_length=7)
    claimed = models.DecimalField(max_digits=17, decimal_places=2)
    accepted = models.DecimalField(max_digits=17, decimal_places=2)
    refused = models.DecimalField(max_digits=17, decimal_places=2)
    state = models.CharField(max_length=100, blank=True)
    words = models.TextField(blank=True)
    taken = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["facility", "period"], name="insurance_one_settlement")
        ]


class Dispute(models.Model):
    """What a facility holds against a reduction (TT 12/2026, form 09/BH). amount: the difference when it was opened.

    reason: as the insurer gave it. until: last day to send it. number: of the paper under which it went.
    """

    class State(models.TextChoices):
        OPEN = "open"
        SENT = "sent"
        ACCEPTED = "accepted"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"

    case = models.ForeignKey("insurance.ClaimCase", on_delete=models.PROTECT, related_name="disputes")
    facility = models.CharField(max_length=64)
    table = models.CharField(max_length=5)
    place = models.IntegerField()
    name = models.TextField(blank=True)
    amount = models.DecimalField(max_digits=17, decimal_places=2)
    won = models.DecimalField(max_digits=17, decimal_places=2, default=0)
    reason = models.TextField(blank=True)
    ground = models.CharField(max_length=20)
    text = models.TextField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    until = models.DateField()
    number = models.CharField(max_length=100, blank=True)
    opened = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["case", "table", "place"],
                condition=models.Q(state__in=["open", "sent"]),
                name="insurance_one_dispute",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["facility", "state", "until", "id"])]


class DisputeStep(models.Model):
    """One step of a dispute: to which state, who, when, and what they wrote."""

    dispute = models.ForeignKey(Dispute, on_delete=models.CASCADE, related_name="steps")
    state = models.CharField(max_length=9)
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    words = models.TextField(blank=True)
