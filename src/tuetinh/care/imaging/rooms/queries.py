"""What is free, who comes when, who still waits for a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet

from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.rooms.models import Booking, Chosen, Room
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.care.imaging.rules.kinds import Protocol
from tuetinh.commons.catalogues.api import is_holiday
from tuetinh.commons.identity.api import names_of
from tuetinh.record.asker import Asker

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
SUNDAY = 7  # isoweekday


@dataclass(frozen=True, slots=True)
class Slot:
    """A time of a room's day. booking: what takes it; begins: whether that begins here. name: of the person."""

    starts: datetime
    booking: Booking | None = None
    begins: bool = False
    name: str = ""
    past: bool = False


def rooms(facility: str, *, all_: bool = False) -> QuerySet[Room]:
    """The rooms of a facility by name: those in use, or all."""
    found = Room.objects.filter(facility=facility).order_by("name")
    return found if all_ else found.filter(enabled=True)


def protocols(exams: Sequence[Exam], facility: str) -> dict[int, Protocol]:
    """How examinations are done, by their id: as a person chose, else as their names tell."""
    book = in_force(facility)
    chosen = dict(Chosen.objects.filter(exam__in=exams).values_list("exam_id", "protocol"))
    found = {}
    for exam in exams:
        told = book.protocol(chosen.get(exam.pk, ""))
        protocol = told or book.protocol_for(exam.modality, exam.description)
        if protocol:
            found[exam.pk] = protocol
    return found


def protocol_of(exam: Exam) -> Protocol | None:
    """How one examination is done."""
    return protocols([exam], exam.facility).get(exam.pk)


def rooms_for(exam: Exam, protocol: Protocol | None) -> list[Room]:
    """The rooms in which an examination may be done."""
    fitting = set(protocol.modalities) if protocol else {exam.modality}
    return [room for room in rooms(exam.facility) if fitting & set(room.modalities)]


def booking_of(exam: Exam) -> Booking | None:
    """When and where an examination is booked."""
    return Booking.objects.filter(exam=exam, cancelled_at=None).select_related("room").first()


def rooms_booked(exams: Sequence[Exam]) -> dict[int, str]:
    """The rooms into which examinations are booked, by name."""
    live = Booking.objects.filter(exam__in=exams, cancelled_at=None)
    return dict(live.values_list("exam_id", "room__name"))


def grid(room: Room, day: date) -> list[datetime]:
    """The times of a room on a day at which somebody may come; none where it is closed. A holiday is as a Sunday."""
    if str(SUNDAY if is_holiday(day) else day.isoweekday()) not in room.days:
        return []
    at, until = (datetime.combine(day, clock, HANOI) for clock in (room.opens, room.closes))
    step = timedelta(minutes=room.slot)
    found = []
    while at + step <= until:
        found.append(at)
        at += step
    return found


def length(room: Room, minutes: int) -> timedelta:
    """How long a room is taken for so many minutes: whole slots."""
    return timedelta(minutes=-(-minutes // room.slot) * room.slot)


def taken(room_ids: Collection[int], day: date) -> dict[int, list[Booking]]:
    """What takes rooms on a day, by room, in the order of time."""
    first = datetime.combine(day, time.min, HANOI)
    rows = Booking.objects.filter(
        room__in=room_ids, cancelled_at=None, starts__lt=first + timedelta(days=1), ends__gt=first
    )
    found: dict[int, list[Booking]] = {id_: [] for id_ in room_ids}
    for row in rows.select_related("exam").order_by("starts"):
        found[row.room_id].append(row)
    return found


def free(room: Room, day: date, minutes: int, busy: Iterable[Booking], exam: Exam | None = None) -> list[datetime]:
    """The times from now on at which a room is free for so many minutes; what takes it for `exam` itself is free."""
    now, span = datetime.now(UTC), length(room, minutes)
    times = grid(room, day)
    if not times:
        return []
    until = datetime.combine(day, room.closes, HANOI)
    others = [one for one in busy if exam is None or one.exam_id != exam.pk]
    return [
        at
        for at in times
        if at >= now and at + span <= until and not any(b.starts < at + span and b.ends > at for b in others)
    ]


def day_of(asker: Asker, room: Room, day: date) -> list[Slot]:
    """A room's day, slot by slot, and what takes it outside its hours."""
    now, busy = datetime.now(UTC), taken([room.pk], day)[room.pk]
    names = names_of(asker, {one.exam.patient for one in busy if one.exam})
    times = sorted({*grid(room, day), *(one.starts.astimezone(HANOI) for one in busy)})
    shown = []
    for at in times:
        found = next((one for one in busy if one.starts <= at < one.ends), None)
        name = names.get(found.exam.patient, "") if found and found.exam else ""
        shown.append(Slot(at, found, found is not None and found.starts == at, name, at < now))
    return shown


def waiting(facility: str, modality: str = "") -> QuerySet[Exam]:
    """Orders that nobody has given a time yet: the urgent first, then those that wait longest."""
    rows = Exam.objects.filter(facility=facility, stage=Exam.Stage.ORDERED)
    rows = rows.filter(modality=modality) if modality else rows
    return rows.order_by("-urgent", "ordered_at", "id")


def waiting_by_modality(facility: str) -> list[tuple[str, int]]:
    """How many wait for a time, by modality."""
    counted = waiting(facility).order_by().values("modality").annotate(n=Count("pk")).order_by("modality")
    return [(row["modality"], row["n"]) for row in counted]


def load(room_ids: Collection[int], first: date, days: int) -> dict[tuple[int, date], int]:
    """How many are booked into rooms on each of some days."""
    begin = datetime.combine(first, time.min, HANOI)
    rows = Booking.objects.filter(
        Q(exam__isnull=False), room__in=room_ids, cancelled_at=None,
        starts__gte=begin, starts__lt=begin + timedelta(days=days),
    ).values_list("room_id", "starts")  # fmt: skip
    found: dict[tuple[int, date], int] = {}
    for room, starts in rows:
        key = room, starts.astimezone(HANOI).date()
        found[key] = found.get(key, 0) + 1
    return found
