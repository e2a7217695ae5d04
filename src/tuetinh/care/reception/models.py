"""The queue: who waits where today. The visit itself is an Encounter of the record."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Counter(models.Model):
    """The last number that a room gave on a day."""

    room = models.CharField(max_length=64)
    day = models.DateField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["room", "day"], name="reception_one_counter")]


class Turn(models.Model):
    """A visit's place in the queue of a room, and the row that state changes lock."""

    class State(models.TextChoices):
        """Where the visit stands; UI words are in `words.STATES`."""

        WAITING = "waiting"
        CALLED = "called"
        IN_PROGRESS = "in-progress"
        AWAY = "away"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    encounter = models.CharField(max_length=64, unique=True)
    patient = models.CharField(max_length=64)
    facility = models.CharField(max_length=64)
    room = models.CharField(max_length=64)
    day = models.DateField()
    number = models.PositiveIntegerField()
    priority = models.BooleanField(default=False)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    doctor = models.CharField(max_length=64, blank=True)  # Practitioner
    arrived_at = models.DateTimeField()
    called_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["room", "day", "number"], name="reception_number_once"),
            models.UniqueConstraint(
                fields=["patient", "room", "day"],
                condition=models.Q(state__in=("waiting", "called", "in-progress", "away")),
                name="reception_waits_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["facility", "day", "room", "state"]),
            models.Index(fields=["patient", "-day"]),
            models.Index(fields=["day", "facility", "state"]),
        ]
