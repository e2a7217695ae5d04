"""Rooms, the machines in them, and who is booked into them when."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Room(models.Model):
    """A room. modalities: DICOM's, of what is done in it. days: ISO weekdays on which it is open, as `12345`.

    slot: minutes between the times at which somebody may come.
    """

    facility = models.CharField(max_length=64)
    name = models.CharField(max_length=100)
    modalities = models.JSONField(default=list)
    opens = models.TimeField()
    closes = models.TimeField()
    days = models.CharField(max_length=7)
    slot = models.PositiveSmallIntegerField()
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "name"], name="imaging_room_once")]


class RoomMachine(models.Model):
    """A machine stands in one room."""

    device = models.OneToOneField("imaging.Device", on_delete=models.CASCADE, related_name="place")
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="machines")


class Chosen(models.Model):
    """The protocol that a person chose for an examination, instead of the one that its name tells."""

    exam = models.OneToOneField("imaging.Exam", on_delete=models.CASCADE, primary_key=True, related_name="chosen")
    protocol = models.CharField(max_length=40)


class Booking(models.Model):
    """A room that is taken for a while: by an examination or, without one, for what `note` says.

    That no room is taken twice is the constraint `imaging_booking_alone` of the database (migration 0002).
    """

    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="bookings")
    exam = models.ForeignKey("imaging.Exam", null=True, on_delete=models.CASCADE, related_name="bookings")
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    account = models.CharField(max_length=150)
    at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=150, blank=True)
    why = models.CharField(max_length=300, blank=True)  # it was cancelled

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["exam"], name="imaging_booking_of_exam", condition=Q(cancelled_at=None)),
        ]
        indexes: ClassVar = [models.Index(fields=["room", "starts"], name="imaging_booking_day")]
