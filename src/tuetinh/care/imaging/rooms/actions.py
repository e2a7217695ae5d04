"""What the imaging desk does with rooms and times, and the administrator with rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F
from psycopg.errors import ExclusionViolation

from tuetinh.care.imaging.errors import (
    NeedsReason,
    NoDevice,
    NoRoom,
    NotAllowed,
    NotFree,
    NoTime,
    PersonBusy,
    RoomTaken,
    WrongStage,
)
from tuetinh.care.imaging.models import Device, Exam
from tuetinh.care.imaging.rooms import queries
from tuetinh.care.imaging.rooms.models import Booking, Chosen, Room, RoomMachine
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import Asker

OPEN = (Exam.Stage.ORDERED, Exam.Stage.SCHEDULED)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is said of a room, in the terms of `models.Room`; devices: ids of the machines that stand in it."""

    name: str
    modalities: Sequence[str]
    opens: time
    closes: time
    days: str
    slot: int
    devices: Sequence[int] = ()
    enabled: bool = True


def save_room(asker: Asker, room_id: int | None, draft: Draft) -> Room:
    """Open a room of the asker's facility, or change it. Raises NotAllowed, NoRoom, RoomTaken, NoDevice."""
    if asker.role != "admin" or not asker.facility:
        raise NotAllowed
    told = {
        "name": draft.name, "modalities": list(draft.modalities), "opens": draft.opens, "closes": draft.closes,
        "days": draft.days, "slot": draft.slot, "enabled": draft.enabled,
    }  # fmt: skip
    try:
        with transaction.atomic():
            if room_id is None:
                room = Room.objects.create(facility=asker.facility, **told)
            else:
                found = Room.objects.select_for_update().filter(pk=room_id, facility=asker.facility).first()
                if found is None:
                    raise NoRoom
                room = found
                for field, value in told.items():
                    setattr(room, field, value)
                room.save()
            _place(room, draft.devices)
            return room
    except IntegrityError as error:
        raise RoomTaken from error


FIRST: Final = (("X-quang", ["DX", "CR"], 10), ("Siêu âm", ["US"], 15), ("Cắt lớp vi tính", ["CT"], 15))
"""Rooms that a facility begins with: name, modalities, minutes of a slot."""


def first_rooms(facility: str) -> None:
    """Open the rooms that a facility begins with, unless it has some."""
    with transaction.atomic():
        if not Room.objects.filter(facility=facility).exists():
            Room.objects.bulk_create(
                Room(
                    facility=facility, name=name, modalities=modalities, slot=slot, opens=time(7), closes=time(16, 30),
                    days="12345",
                )
                for name, modalities, slot in FIRST
            )  # fmt: skip


def _place(room: Room, wanted: Sequence[int]) -> None:
    """Let these machines, and no others, stand in a room; they leave the one in which they stood."""
    devices = list(Device.objects.filter(pk__in=wanted, facility=room.facility))
    if len(devices) < len(set(wanted)):
        raise NoDevice
    room.machines.exclude(device__in=devices).delete()
    for device in devices:
        RoomMachine.objects.update_or_create(device=device, defaults={"room": room})


def choose(asker: Asker, exam_id: int, protocol: str) -> Exam:
    """Say how an examination is done; "" as its name tells. Raises NotAllowed, WrongStage."""
    with transaction.atomic():
        exam = _own(asker, exam_id)
        _choose(exam, protocol)
    return exam


def _choose(exam: Exam, protocol: str) -> None:
    known = in_force(exam.facility).protocol(protocol)
    if protocol and (known is None or exam.modality not in known.modalities):
        raise WrongStage
    named = in_force(exam.facility).protocol_for(exam.modality, exam.description)
    if known is None or known == named:
        Chosen.objects.filter(exam=exam).delete()
    else:
        Chosen.objects.update_or_create(exam=exam, defaults={"protocol": protocol})


def book(asker: Asker, exam_id: int, room_id: int, at: datetime) -> Booking:
    """Give an examination a room at a time, or move it there. Worklists of machines tell it from now on.

    Raises NotAllowed, WrongStage, NoRoom, NoTime, NotFree, PersonBusy.
    """
    with transaction.atomic():
        # Whoever books the same person at the same time waits for these rows.
        whose = Exam.objects.filter(pk=exam_id, facility=asker.facility).values("patient")
        list(Exam.objects.select_for_update().filter(patient__in=whose, stage__in=OPEN).order_by("pk"))
        exam = _own(asker, exam_id)
        protocol = queries.protocol_of(exam)
        room = next((one for one in queries.rooms_for(exam, protocol) if one.pk == room_id), None)
        if room is None:
            raise NoRoom
        minutes = protocol.minutes if protocol else room.slot
        ends = at + queries.length(room, minutes)
        local = at.astimezone(queries.HANOI)
        if at < datetime.now(UTC) or local not in queries.free(room, local.date(), minutes, ()):
            raise NoTime
        others = Booking.objects.filter(exam__patient=exam.patient, cancelled_at=None).exclude(exam=exam)
        if others.filter(starts__lt=ends, ends__gt=at).exists():
            raise PersonBusy
        _release(asker, exam, "")
        booking = _take(room, asker, at, ends, exam=exam)
        exam.device, exam.scheduled_at, exam.stage = _machine(room, exam), at, Exam.Stage.SCHEDULED
        exam.save(update_fields=["device", "scheduled_at", "stage"])
        publish(f"imaging:{exam.facility}")
    return booking


def _machine(room: Room, exam: Exam) -> Device | None:
    """The machine of a room that is to do an examination: of its modality rather than of another one."""
    found = Device.objects.filter(place__room=room, enabled=True).order_by("name")
    return found.filter(modality=exam.modality).first() or found.first()


def _take(
    room: Room, asker: Asker, at: datetime, ends: datetime, *, exam: Exam | None = None, note: str = ""
) -> Booking:
    try:
        with transaction.atomic():
            return Booking.objects.create(
                room=room, exam=exam, starts=at, ends=ends, note=note, account=asker.account, at=datetime.now(UTC)
            )
    except IntegrityError as error:
        if isinstance(error.__cause__, ExclusionViolation):
            raise NotFree from error
        raise


def cancel(asker: Asker, exam_id: int, why: str) -> Exam:
    """Take an examination's time back; it waits for another one. Raises NotAllowed, WrongStage, NeedsReason."""
    if not why.strip():
        raise NeedsReason
    with transaction.atomic():
        exam = _own(asker, exam_id)
        if not _release(asker, exam, why.strip()[:300]):
            raise WrongStage
        exam.device, exam.scheduled_at, exam.stage = None, exam.ordered_at, Exam.Stage.ORDERED
        exam.save(update_fields=["device", "scheduled_at", "stage"])
        publish(f"imaging:{exam.facility}")
    return exam


def _release(asker: Asker, exam: Exam, why: str) -> int:
    live = Booking.objects.filter(exam=exam, cancelled_at=None)
    return live.update(cancelled_at=datetime.now(UTC), cancelled_by=asker.account, why=why)


def close(asker: Asker, room_id: int, at: datetime, minutes: int, note: str) -> Booking:
    """Keep a room free of examinations for a while, as for upkeep. Raises NotAllowed, NoRoom, NeedsReason, NotFree."""
    if asker.role != "imaging":
        raise NotAllowed
    if not note.strip():
        raise NeedsReason
    room = queries.rooms(asker.facility).filter(pk=room_id).first()
    if room is None:
        raise NoRoom
    with transaction.atomic():
        booking = _take(room, asker, at, at + timedelta(minutes=minutes), note=note.strip()[:200])
        publish(f"imaging:{room.facility}")
    return booking


def reopen(asker: Asker, booking_id: int) -> None:
    """Let a room be booked again that was closed for a while. Raises NotAllowed, NoRoom."""
    if asker.role != "imaging":
        raise NotAllowed
    live = Booking.objects.filter(pk=booking_id, room__facility=asker.facility, exam=None, cancelled_at=None)
    with transaction.atomic():
        if not live.update(cancelled_at=datetime.now(UTC), cancelled_by=asker.account, why=F("note")):
            raise NoRoom
        publish(f"imaging:{asker.facility}")


def _own(asker: Asker, exam_id: int) -> Exam:
    """The examination, locked, while it has not begun. Another facility's is not there."""
    if asker.role != "imaging" or not asker.facility:
        raise NotAllowed
    exam = Exam.objects.select_for_update(of=("self",)).filter(pk=exam_id, facility=asker.facility).first()
    if exam is None or exam.stage not in OPEN:
        raise WrongStage
    return exam
