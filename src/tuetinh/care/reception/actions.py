"""What the desks do with visits: open, call, start, finish, cancel. One transaction each."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tuetinh.care.billing.api import NoPrice, cancel_charge, charge
from tuetinh.care.insurance.api import COLLECTED, EXAMINED, kinds_to_choose, say_kind
from tuetinh.care.reception import facts
from tuetinh.care.reception.errors import (
    AlreadyWaiting,
    NoReason,
    NoRoom,
    NotAllowed,
    NoVisit,
    UnknownCare,
    WrongState,
)
from tuetinh.care.reception.models import Counter, Turn
from tuetinh.care.reception.queries import OPEN, Visit, today, visits
from tuetinh.commons.catalogues.api import consultations
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

if TYPE_CHECKING:
    from collections.abc import Sequence

DESK = frozenset({"reception", "station", "system"})
ROOM = frozenset({"doctor", "nurse", "station", "system"})
GENERAL = "02.03"  # TT 39/2018/TT-BYT: Khám Nội tổng hợp, for rooms of no department of their own


def open_visit(
    asker: Asker,
    patient_id: str,
    facility: str,
    room: str,
    reason: str,
    *,
    priority: bool = False,
    kind: str = "own",
    care: str = EXAMINED,
) -> Visit:
    """Receive a person: an Encounter, the consultation fee, and a number in the room's queue.

    kind: one of facts.REASONS; care: kind of care (MA_LOAI_KCB) of who does not lie in. Raises NoRoom, UnknownCare,
    AlreadyWaiting, NotAllowed; the record's NotFound for an unknown person.
    """
    _allow(asker, DESK)
    if asker.role != "system" and facility != asker.facility:
        raise NotAllowed
    now = timezone.now()
    if care not in kinds_to_choose(timezone.localdate(now), stay=False):
        raise UnknownCare
    with transaction.atomic():
        patient = cast(r4.Patient, record.read(asker, "Patient", patient_id))
        places = record.read_many(SYSTEM, "Location", [room])
        organizations = record.read_many(SYSTEM, "Organization", [facility])
        place = cast("r4.Location | None", places.get(room))
        organization = cast("r4.Organization | None", organizations.get(facility))
        if place is None or organization is None or _owner(place) != facility or not facts.is_consulting(place):
            raise NoRoom
        row = _queue(record.new_id(), patient_id, facility, room, priority=priority)
        encounter = facts.encounter(
            row.encounter,
            patient,
            facility=organization,
            room=place,
            reason=reason.strip(),
            kind=kind,
            at=timezone.localtime(now),
        )
        say_kind(encounter, care, timezone.localdate(now))
        stored = record.create(asker, encounter)
        if care != COLLECTED:  # nobody examines who only collects medicines
            _charge_consultation(asker, stored, place)
        _tell(row)
    return visits(asker, [row])[0]


def call_next(asker: Asker, room: str) -> Visit | None:
    """Call the next who waits in the room: priority first, then by number; None when nobody waits."""
    _allow(asker, ROOM | DESK)
    with transaction.atomic():
        rows = Turn.objects.select_for_update(skip_locked=True).filter(
            facility=asker.facility, room=room, day=today(), state="waiting"
        )
        row = rows.order_by("-priority", "number").first()
        if row is None:
            return None
        _call(row)
    return visits(asker, [row])[0]


def call(asker: Asker, encounter_id: str) -> Visit:
    """Call one visit, again if need be."""
    _allow(asker, ROOM | DESK)
    with transaction.atomic():
        row = _locked(asker, encounter_id, ("waiting", "called", "away"))
        _call(row)
    return visits(asker, [row])[0]


def start(asker: Asker, encounter_id: str) -> Visit:
    """Begin the consultation; the one who begins leads it. Raises WrongState when somebody else did."""
    _allow(asker, ROOM)
    practitioner = asker.practitioner
    with transaction.atomic():
        row = _locked(asker, encounter_id, OPEN)
        if row.state == "in-progress":
            if row.doctor not in ("", practitioner):
                raise WrongState
            return visits(asker, [row])[0]
        row.state, row.doctor = "in-progress", practitioner
        row.called_at = row.called_at or timezone.now()
        row.save(update_fields=["state", "doctor", "called_at"])
        encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
        encounter.status = "in-progress"
        if practitioner:
            individual = r4.Reference(reference=f"Practitioner/{practitioner}")
            encounter.participant = [r4.EncounterParticipant(individual=individual)]
        record.update(asker, encounter)
        _tell(row)
    return visits(asker, [row])[0]


def set_away(asker: Asker, encounter_id: str) -> Visit:
    """The person did not come when called; the number may be called again."""
    _allow(asker, ROOM | DESK)
    with transaction.atomic():
        row = _locked(asker, encounter_id, ("waiting", "called"))
        row.state = "away"
        row.save(update_fields=["state"])
        _tell(row)
    return visits(asker, [row])[0]


def move(asker: Asker, encounter_id: str, room: str) -> Visit:
    """Send a waiting person to another room of the facility, with a number of that room."""
    _allow(asker, DESK | ROOM)
    with transaction.atomic():
        row = _locked(asker, encounter_id, ("waiting", "called", "away"))
        place = cast("r4.Location | None", record.read_many(SYSTEM, "Location", [room]).get(room))
        if place is None or _owner(place) != row.facility or not facts.is_consulting(place):
            raise NoRoom
        publish(f"queue:{row.room}")
        row.room, row.number, row.state = room, _number(room), "waiting"
        _save_once(row)
        encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
        reference = r4.Reference(reference=f"Location/{room}", display=place.name)
        encounter.location = [r4.EncounterLocation(location=reference, status="active")]
        record.update(asker, encounter)
        _tell(row)
    return visits(asker, [row])[0]


def finish(
    asker: Asker,
    encounter_id: str,
    *,
    diagnoses: Sequence[r4.EncounterDiagnosis] = (),
    dispositions: Sequence[r4.Coding] = (),
) -> Visit:
    """End the visit. dispositions: codings of KET_QUA_DTRI and MA_LOAI_RV (Encounter.hospitalization)."""
    _allow(asker, ROOM)
    with transaction.atomic():
        row = _locked(asker, encounter_id, ("in-progress",))
        encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
        encounter.status = "finished"
        end = timezone.localtime().isoformat(timespec="seconds")
        encounter.period = r4.Period(start=encounter.period.start if encounter.period else None, end=end)
        for place in encounter.location or []:
            place.status = "completed"
        if diagnoses:
            encounter.diagnosis = list(diagnoses)
        if dispositions:
            concept = r4.CodeableConcept(coding=list(dispositions))
            encounter.hospitalization = r4.EncounterHospitalization(dischargeDisposition=concept)
        record.update(asker, encounter)
        row.state = "finished"
        row.save(update_fields=["state"])
        _tell(row)
    return visits(asker, [row])[0]


def reopen(asker: Asker, encounter_id: str, reason: str) -> Visit:
    """Take a finished visit up again; the reason stays on the Encounter's history."""
    _allow(asker, ROOM)
    if not reason.strip():
        raise NoReason
    with transaction.atomic():
        row = _locked(asker, encounter_id, ("finished",))
        encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
        encounter.status = "in-progress"
        if encounter.period:
            encounter.period.end = None
        coded = r4.EncounterStatusHistory(
            status="finished", period=r4.Period(end=timezone.localtime().isoformat(timespec="seconds"))
        )
        encounter.statusHistory = [*(encounter.statusHistory or []), coded]
        record.update(asker, encounter)
        row.state = "in-progress"
        _save_once(row)
        _tell(row)
    return visits(asker, [row])[0]


def cancel(asker: Asker, encounter_id: str, reason: str) -> Visit:
    """Cancel a visit that has not begun, and take its charges back."""
    _allow(asker, DESK)
    if not reason.strip():
        raise NoReason
    with transaction.atomic():
        row = _locked(asker, encounter_id, ("waiting", "called", "away"))
        encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
        encounter.status = "cancelled"
        encounter.reasonCode = [*(encounter.reasonCode or []), r4.CodeableConcept(text=reason.strip())]
        record.update(asker, encounter)
        charged = record.search(SYSTEM, "ChargeItem", f"context=Encounter/{encounter_id}&_count=100").resources
        for item in charged:
            cancel_charge(SYSTEM, cast(str, item.id))
        row.state = "cancelled"
        row.save(update_fields=["state"])
        _tell(row)
    return visits(asker, [row])[0]


def _queue(encounter: str, patient: str, facility: str, room: str, *, priority: bool) -> Turn:
    row = Turn(
        encounter=encounter,
        patient=patient,
        facility=facility,
        room=room,
        day=today(),
        number=_number(room),
        priority=priority,
        arrived_at=timezone.now(),
    )
    _save_once(row)
    return row


def _save_once(row: Turn) -> None:
    """Save a queue row; the database lets nobody wait twice in one room."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise AlreadyWaiting from error


def _number(room: str) -> int:
    """The next number of a room today; two desks at once never get the same."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{Counter._meta.db_table}" (room, day, last) VALUES (%s, %s, 1) '
            "ON CONFLICT (room, day) DO UPDATE SET last = reception_counter.last + 1 RETURNING last",
            [room, today()],
        )
        return int(cursor.fetchone()[0])


def _charge_consultation(asker: Asker, encounter: r4.Encounter, place: r4.Location) -> None:
    """Charge the consultation of the room's department; a facility without a price for it charges none."""
    department = facts.department(place).removeprefix("K")
    # Consultation codes are GROUP.DEPARTMENT, the department being the number of MA_KHOA (QĐ 7603, KHAM).
    code = next((s.code for s in consultations() if s.code.partition(".")[2] == department), GENERAL)
    try:
        charge(asker, encounter, code, source_reference=f"Encounter/{encounter.id}")
    except NoPrice:
        return


def _call(row: Turn) -> None:
    row.state, row.called_at = "called", timezone.now()
    row.save(update_fields=["state", "called_at"])
    _tell(row)


def hold(asker: Asker, encounter_id: str) -> str:
    """Let nobody else change the visit until the transaction ends; returns its state. Raises NoVisit."""
    return _locked(asker, encounter_id, Turn.State.values).state


def _locked(asker: Asker, encounter_id: str, states: Sequence[str]) -> Turn:
    """The queue row of a visit of the asker's facility, locked; raises NoVisit, WrongState."""
    row = Turn.objects.select_for_update().filter(encounter=encounter_id).first()
    if row is None or (asker.role != "system" and row.facility != asker.facility):
        raise NoVisit
    if row.state not in states:
        raise WrongState
    return row


def _owner(place: r4.Location) -> str:
    return ((place.managingOrganization.reference or "") if place.managingOrganization else "").rpartition("/")[2]


def _tell(row: Turn) -> None:
    publish(f"queue:{row.room}")
    publish(f"visit:{row.encounter}")


def _allow(asker: Asker, roles: frozenset[str]) -> None:
    if asker.role not in roles:
        raise NotAllowed
