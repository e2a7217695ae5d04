"""What pages and other modules ask about visits and queues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, cast

from django.db.models import Count, Q
from django.utils import timezone

from tuetinh.care.reception import facts
from tuetinh.care.reception.errors import NoVisit
from tuetinh.care.reception.models import Turn
from tuetinh.commons.identity.api import display_name, find_people
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

if TYPE_CHECKING:
    from django.db.models import QuerySet

OPEN = ("waiting", "called", "in-progress", "away")
PRESENT = ("waiting", "called", "in-progress")


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit as the queues see it. number: of the room and day. birth: as the record has it. sex: FHIR gender."""

    encounter: str
    patient: str
    facility: str
    room: str
    room_name: str
    number: int
    priority: bool
    state: str
    reason: str
    arrived_at: datetime
    called_at: datetime | None
    doctor: str
    name: str
    birth: str
    sex: str


@dataclass(frozen=True, slots=True)
class Room:
    """A consulting room. department: MA_KHOA. waiting: how many wait in it now."""

    id: str
    name: str
    department: str
    waiting: int


def today() -> date:
    """The day by which queues count, in Vietnam."""
    return timezone.localdate()


def visit(asker: Asker, encounter_id: str) -> Visit:
    """One visit of the asker's facility, or of the asker's own; raises NoVisit."""
    row = Turn.objects.filter(encounter=encounter_id).first()
    if row is None or not _may_see(asker, row):
        raise NoVisit
    return visits(asker, [row])[0]


def waiting(asker: Asker, room: str, states: Iterable[str] = PRESENT) -> list[Visit]:
    """Who is in the queue of a room today: priority first, then by number."""
    rows = Turn.objects.filter(facility=asker.facility, room=room, day=today(), state__in=tuple(states))
    return visits(asker, list(rows.order_by("-priority", "number")))


def of_day(facility: str, day: date, states: Iterable[str] = ()) -> QuerySet[Turn]:
    """The visits of a facility on a day, newest first; for lists that page themselves."""
    rows = Turn.objects.filter(facility=facility, day=day).order_by("-id")
    return rows.filter(state__in=tuple(states)) if states else rows


def found(asker: Asker, rows: QuerySet[Turn], typed: str) -> QuerySet[Turn]:
    """Of queue rows those with a number, or of people who fit what was typed."""
    if typed.isascii() and typed.isdigit() and len(typed) <= 4:
        return rows.filter(number=int(typed))
    return rows.filter(patient__in=[hit.id for hit in find_people(asker, typed, limit=100)])


def of_person(asker: Asker, patient: str) -> list[Visit]:
    """The visits of a person that are open today, at every facility; the citizen's own page asks this."""
    if asker.patient not in (None, patient):
        return []
    rows = Turn.objects.filter(patient=patient, day=today(), state__in=OPEN).order_by("id")
    return visits(asker, list(rows))


def ahead(turn: Visit) -> int:
    """How many are called before this visit."""
    rows = Turn.objects.filter(room=turn.room, day=timezone.localdate(turn.arrived_at), state="waiting")
    if turn.priority:
        return rows.filter(priority=True, number__lt=turn.number).count()
    return rows.filter(priority=True).count() + rows.filter(priority=False, number__lt=turn.number).count()


def visits(asker: Asker, rows: list[Turn]) -> list[Visit]:
    """Queue rows with what the record knows of them, in three reads however many there are."""
    encounters = cast("dict[str, r4.Encounter]", record.read_many(asker, "Encounter", [r.encounter for r in rows]))
    people = cast("dict[str, r4.Patient]", record.read_many(asker, "Patient", {r.patient for r in rows}))
    places = cast("dict[str, r4.Location]", record.read_many(SYSTEM, "Location", {r.room for r in rows}))
    return [_visit(row, encounters.get(row.encounter), people.get(row.patient), places.get(row.room)) for row in rows]


def _visit(row: Turn, encounter: r4.Encounter | None, person: r4.Patient | None, place: r4.Location | None) -> Visit:
    reasons = (encounter.reasonCode if encounter else None) or []
    return Visit(
        encounter=row.encounter,
        patient=row.patient,
        facility=row.facility,
        room=row.room,
        room_name=(place.name if place else None) or row.room,
        number=row.number,
        priority=row.priority,
        state=row.state,
        reason=(reasons[0].text or "") if reasons else "",
        arrived_at=row.arrived_at,
        called_at=row.called_at,
        doctor=row.doctor,
        name=display_name(person) if person else "",
        birth=(person.birthDate or "") if person else "",
        sex=(person.gender or "") if person else "",
    )


def rooms(facility: str) -> list[Room]:
    """The consulting rooms of a facility, with how many wait."""
    query = f"organization=Organization/{facility}&status=active&_count=200"
    found = cast("list[r4.Location]", record.search(SYSTEM, "Location", query).resources)
    queued = Turn.objects.filter(facility=facility, day=today(), state="waiting").values_list("room", flat=True)
    counts: dict[str, int] = {}
    for room in queued:
        counts[room] = counts.get(room, 0) + 1
    return sorted(
        (
            Room(place.id or "", place.name or "", facts.department(place), counts.get(place.id or "", 0))
            for place in found
            if facts.is_consulting(place)
        ),
        key=lambda room: room.name,
    )


@dataclass(frozen=True, slots=True)
class Busy:
    """How many came to a facility on a day, and where they stand now."""

    facility: str
    came: int
    waiting: int
    in_progress: int
    finished: int


def province(day: date) -> list[Busy]:
    """Every facility that received people on a day, the busiest first. Numbers only: nobody is named."""
    counted = (
        Turn.objects.filter(day=day)
        .exclude(state="cancelled")
        .values("facility")
        .annotate(
            came=Count("id"),
            waiting=Count("id", filter=Q(state__in=("waiting", "called", "away"))),
            in_progress=Count("id", filter=Q(state="in-progress")),
            finished=Count("id", filter=Q(state="finished")),
        )
        .order_by("-came", "facility")
    )
    rows = list(counted)
    ids = [row["facility"] for row in rows]
    named = cast("dict[str, r4.Organization]", record.read_many(SYSTEM, "Organization", ids))
    names = {id_: place.name or id_ for id_, place in named.items()}
    return [Busy(**row | {"facility": names.get(row["facility"], row["facility"])}) for row in rows]


def came_by_day(first: date, last: date) -> list[tuple[date, int]]:
    """How many people the province received on each day, days without any among them."""
    rows = Turn.objects.filter(day__range=(first, last)).exclude(state="cancelled")
    counted = dict(rows.values_list("day").annotate(came=Count("id")).order_by())
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [(day, counted.get(day, 0)) for day in days]


def _may_see(asker: Asker, row: Turn) -> bool:
    if asker.patient is not None:
        return asker.patient == row.patient
    return asker.role == "system" or asker.facility == row.facility
