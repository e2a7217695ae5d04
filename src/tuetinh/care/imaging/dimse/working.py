"""What machines are to do and what they tell of it: Modality Worklist (PS3.4 K) and Performed Procedure Step (F.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast
from zoneinfo import ZoneInfo

import tuetinh.care.imaging.library  # noqa: F401

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from pydicom.dataset import Dataset

from tuetinh.care.imaging import grouped
from tuetinh.care.imaging.archive.matching import BadKey
from tuetinh.care.imaging.archive.persons import number_of
from tuetinh.care.imaging.archive.reading import clock, day, words
from tuetinh.care.imaging.dimse.finding import UTF8, values
from tuetinh.care.imaging.dimse.peers import Peer
from tuetinh.care.imaging.dimse.storing import NOT_AUTHORISED, SUCCESS
from tuetinh.care.imaging.dose.due import is_due
from tuetinh.care.imaging.models import Exam, Step
from tuetinh.care.imaging.rooms.queries import protocols, rooms_booked
from tuetinh.care.imaging.rules.kinds import Protocol
from tuetinh.commons.identity import api as identity
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.text import concept_text

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
OPEN: Final = (Exam.Stage.ORDERED, Exam.Stage.SCHEDULED)
MOST: Final = 1000
DUPLICATE, NO_SUCH, INVALID, MISSING, NO_INSTANCE = 0x0111, 0x0112, 0x0106, 0x0120, 0x0117
IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
_STEPS: Final = "00400270"  # Scheduled Step Attributes Sequence
_SEXES: Final = {"male": "M", "female": "F", "other": "O"}


def worklist(peer: Peer, asked: Dataset) -> tuple[list[Dataset], bool]:
    """The steps that wait at the caller's facility and fit the question; whether there may be more. Raises BadKey."""
    step = next(iter(asked.get("ScheduledProcedureStepSequence") or []), Dataset())
    rows = list(_planned(peer, asked, step)[: MOST + 1])
    more, rows = len(rows) > MOST, rows[:MOST]
    how = protocols(rows, peer.device.facility)
    places = rooms_booked(rows)
    wanted = _wanted(peer, rows)
    people = record.read_many(peer.asker, "Patient", {row.patient for row in rows})
    found = []
    for row in rows:
        person = cast("r4.Patient | None", people.get(row.patient))
        if person and _is_of(person, asked, peer.device.facility):
            plan = _Plan(how.get(row.pk), places.get(row.pk, ""), *wanted.get(row.order, ("", "")))
            found.append(_item(row, person, peer, asked, plan))
    return found, more


class _Plan(NamedTuple):
    """How an examination is to be made: by which protocol, in which room, for which doctor, to find out what."""

    protocol: Protocol | None
    place: str
    doctor: str
    question: str


def _wanted(peer: Peer, rows: Sequence[Exam]) -> dict[str, tuple[str, str]]:
    """Who asked for examinations, as DICOM writes names, and why; by their orders."""
    found = record.read_many(peer.asker, "ServiceRequest", {row.order for row in rows})
    orders = [one for one in found.values() if isinstance(one, r4.ServiceRequest)]
    by = {str(one.id): ((one.requester and one.requester.reference) or "").rpartition("/")[2] for one in orders}
    people = record.read_many(peer.asker, "Practitioner", {one for one in by.values() if one})
    names = {id_: _name_of(one) for id_, one in people.items() if isinstance(one, r4.Practitioner)}
    why = {str(one.id): ", ".join(filter(None, map(concept_text, one.reasonCode or []))) for one in orders}
    return {order: (names.get(person, ""), why[order]) for order, person in by.items()}


def _name_of(person: r4.Practitioner) -> str:
    name = next(iter(person.name or []), None)
    if name is None:
        return ""
    said = name.text or " ".join(filter(None, [name.family, *(name.given or [])]))
    return said.replace(" ", "^", 1)[:64]


def _planned(peer: Peer, asked: Dataset, step: Dataset) -> QuerySet[Exam]:
    rows = Exam.objects.filter(facility=peer.device.facility, stage__in=OPEN).select_related("device")
    for dataset, keyword, column in (
        (step, "Modality", "modality"),
        (asked, "AccessionNumber", "accession_number"),
        (asked, "StudyInstanceUID", "study_instance_uid"),
        (asked, "RequestedProcedureID", "accession_number"),
        (step, "ScheduledProcedureStepID", "accession_number"),
    ):
        if wanted := [one for one in values(dataset.get(keyword)) if one and one != "*"]:
            rows = rows.filter(**{f"{column}__in": wanted})
    if station := _one(step, "ScheduledStationAETitle"):
        rows = rows.filter(Q(device__title=station) | Q(device=None))
    if wanted_day := _one(step, "ScheduledProcedureStepStartDate"):
        rows = _between(rows, wanted_day, _one(step, "ScheduledProcedureStepStartTime"))
    return rows.order_by("-urgent", "scheduled_at", "id")


def _one(dataset: Dataset, keyword: str) -> str:
    found = [one for one in values(dataset.get(keyword)) if one and one != "*"]
    return found[0] if found else ""


def _between(rows: QuerySet[Exam], days: str, times: str) -> QuerySet[Exam]:
    """Of these days; the times are the first day's beginning and the last day's end (K.6.1.2.2)."""
    bounds = []
    clocks = times.partition("-") if "-" in times else (times, "", times)
    parts = days.partition("-") if "-" in days else (days, "", days)
    for at, (text, moment) in enumerate(((parts[0], clocks[0]), (parts[2], clocks[2]))):
        if not text.strip():
            bounds.append(None)
            continue
        found, hour = day(text.strip()), clock(moment.strip()) if moment.strip() else None
        if found is None:
            raise BadKey(0x00400002, days)
        usual = datetime.max.time() if at else datetime.min.time()
        bounds.append(datetime.combine(found, hour or usual, HANOI))
    if bounds[0]:
        rows = rows.filter(scheduled_at__gte=bounds[0])
    return rows.filter(scheduled_at__lte=bounds[1]) if bounds[1] else rows


def _is_of(person: r4.Patient, asked: Dataset, facility: str) -> bool:
    number, name = _one(asked, "PatientID"), words(_one(asked, "PatientName"))
    if number and number != number_of(person, facility):
        return False
    if not name:
        return True
    known = words(identity.display_name(person))
    prefix, star, rest = name.partition("*")
    return known.startswith(prefix) and rest in known if star else known == name


def _item(row: Exam, person: r4.Patient, peer: Peer, asked: Dataset, plan: _Plan) -> Dataset:
    """One entry (PS3.4, table K.6-1), with the attributes that were asked for and those without which it is no use."""
    protocol = plan.protocol
    at = row.scheduled_at.astimezone(HANOI)
    step = Dataset()
    step.ScheduledStationAETitle = row.device.title if row.device else peer.title
    step.ScheduledProcedureStepStartDate = f"{at:%Y%m%d}"
    step.ScheduledProcedureStepStartTime = f"{at:%H%M%S}"
    step.ScheduledProcedureStepStartDateTime = f"{at:%Y%m%d%H%M%S%z}"
    step.Modality = row.modality
    step.ScheduledProcedureStepDescription = row.description[:64]
    step.ScheduledProcedureStepID = row.accession_number
    step.ScheduledStationName = row.device.name[:16] if row.device else None
    step.ScheduledProcedureStepStatus = "SCHEDULED"
    step.ScheduledProcedureStepLocation = plan.place[:16]
    if protocol:
        step.ScheduledProtocolCodeSequence = [_code(protocol.code, protocol.vi)]
    if protocol and protocol.contrast:
        step.RequestedContrastAgent = "Iodine" if protocol.contrast == "iodine" else "Gadolinium"
    item = Dataset()
    item.SpecificCharacterSet = UTF8
    item.AccessionNumber = row.accession_number
    item.PatientName = identity.display_name(person).replace(" ", "^", 1)
    item.PatientID = number_of(person, peer.device.facility)
    item.IssuerOfPatientID = peer.device.facility
    item.PatientBirthDate = (person.birthDate or "").replace("-", "") if len(person.birthDate or "") == 10 else ""
    item.PatientSex = _SEXES.get(person.gender or "", "")
    item.StudyInstanceUID = row.study_instance_uid
    item.RequestedProcedureID = row.accession_number
    item.RequestedProcedureDescription = row.description[:64]
    if row.service:
        item.RequestedProcedureCodeSequence = [_code(row.service, row.description)]
    item.RequestingPhysician = item.ReferringPhysicianName = plan.doctor
    item.ReasonForTheRequestedProcedure = plan.question[:64]
    item.RequestedProcedurePriority = "HIGH" if row.urgent else "ROUTINE"
    item.ScheduledProcedureStepSequence = [step]
    for element in asked:
        if element.tag not in item and element.tag.element != 0:
            item.add_new(element.tag, element.VR, [] if element.VR == "SQ" else None)
    return item


def _code(value: str, meaning: str) -> Dataset:
    """A code of this house (PS3.3, 8.1: schemes of one's own begin with 99)."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value[:16], "99TUETINH", meaning[:64]
    return code


def begin(peer: Peer, uid: str, told: Dataset) -> int:
    """N-CREATE: a machine has begun a step (F.7.2.1). Returns the status to answer."""
    if not peer.device.works:
        return NOT_AUTHORISED
    if not uid:
        return NO_INSTANCE
    if str(told.get("PerformedProcedureStepStatus") or "") != IN_PROGRESS:
        return INVALID
    steps = told.get("ScheduledStepAttributesSequence")
    if not steps:
        return MISSING
    now = datetime.now(UTC)
    try:
        with transaction.atomic():
            exams = _exams(peer.device.facility, steps)
            Step.objects.create(
                sop_instance_uid=uid, exam=next(iter(exams), None), facility=peer.device.facility, title=peer.title,
                status=IN_PROGRESS, attributes=_json(told), created_at=now, changed_at=now,
            )  # fmt: skip
            grouped.join(_of_one(exams), (str(one.get("StudyInstanceUID") or "") for one in steps))
            for exam in exams:
                if exam.stage in OPEN:
                    exam.stage, exam.started_at = Exam.Stage.STARTED, now
                    exam.save(update_fields=["stage", "started_at"])
            publish(f"imaging:{peer.device.facility}")
    except IntegrityError:
        return DUPLICATE
    return SUCCESS


def _of_one(exams: list[Exam]) -> list[Exam]:
    """Those of the same person as the first: no pictures are of two."""
    return [exam for exam in exams if exam.patient == exams[0].patient]


def _exams(facility: str, steps: Iterable[Dataset]) -> list[Exam]:
    """The examinations of a step, locked: one machine may make several orders in one (IHE RAD-6, group case)."""
    found: dict[int, Exam] = {}
    rows = Exam.objects.select_for_update().filter(facility=facility)
    for step in steps:
        number = str(step.get("AccessionNumber") or step.get("ScheduledProcedureStepID") or "")
        study = str(step.get("StudyInstanceUID") or "")
        exam = rows.filter(accession_number=number).first() or rows.filter(study_instance_uid=study).first()
        if exam:
            found[exam.pk] = exam
    return list(found.values())


def change(peer: Peer, uid: str, told: Dataset) -> int:
    """N-SET: a machine goes on with a step, has completed or broken it off (F.7.2.2). Returns the status to answer."""
    if not peer.device.works:
        return NOT_AUTHORISED
    with transaction.atomic():
        row = Step.objects.select_for_update().filter(sop_instance_uid=uid, facility=peer.device.facility).first()
        if row is None:
            return NO_SUCH
        if row.status != IN_PROGRESS:  # a completed step may no longer be updated
            return 0x0110
        status = str(told.get("PerformedProcedureStepStatus") or IN_PROGRESS)
        if status not in (IN_PROGRESS, COMPLETED, DISCONTINUED):
            return INVALID
        row.status, row.changed_at = status, datetime.now(UTC)
        row.attributes = {**row.attributes, **_json(told)}
        row.save(update_fields=["status", "changed_at", "attributes"])
        if status != IN_PROGRESS:
            exams = _exams(row.facility, _steps(row)) or [one for one in [row.exam] if one]
            for exam in exams:
                _ended(exam.pk, done=status == COMPLETED, at=row.changed_at, by=_people(row.attributes))
            if status == DISCONTINUED:
                grouped.part(exams)
        publish(f"imaging:{peer.device.facility}")
    return SUCCESS


def _steps(row: Step) -> Iterable[Dataset]:
    """The scheduled steps of a performed one."""
    told = {_STEPS: row.attributes[_STEPS]} if _STEPS in row.attributes else {}
    return Dataset.from_json(told).get("ScheduledStepAttributesSequence") or []


def _people(attributes: dict[str, Any]) -> str:
    """Who took the pictures, as the machine tells it: the operators of its series, else the physician."""
    series = attributes.get("00400340", {}).get("Value", [])
    for tag in ("00081070", "00081050"):
        for one in series:
            for name in one.get(tag, {}).get("Value", []):
                if told := str(name.get("Alphabetic", "")).strip():
                    return told[:150]
    return ""


def _ended(exam_id: int, *, done: bool, at: datetime, by: str = "") -> None:
    """Let the examination, and its order in the record, go on; one that was broken off waits again."""
    exam = Exam.objects.select_for_update().get(pk=exam_id)
    is_due(exam.study_instance_uid)
    if exam.stage != Exam.Stage.STARTED:
        return
    exam.stage, exam.ended_at = (Exam.Stage.DONE, at) if done else (Exam.Stage.SCHEDULED, None)
    exam.taken_by = by if done else ""
    exam.save(update_fields=["stage", "ended_at", "taken_by"])
    order = cast("r4.ServiceRequest | None", record.lock_many(SYSTEM, "ServiceRequest", [exam.order]).get(exam.order))
    if done and order and order.status == "active":
        order.status = "completed"
        record.update(SYSTEM, order)


def _json(dataset: Dataset) -> dict[str, Any]:
    return {tag: value for tag, value in dataset.to_json_dict().items() if "BulkDataURI" not in value}
