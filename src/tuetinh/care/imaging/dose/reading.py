"""Doses into the register: reports first, else pictures, else procedure steps. Safe to repeat."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from django.db import transaction

from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.dose import wire_rdsr, wire_tags
from tuetinh.care.imaging.dose.models import Dose, DoseDue
from tuetinh.care.imaging.dose.told import Told, once
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.models import Device, Exam, Instance, Step, Study
from tuetinh.care.imaging.quiet import fault
from tuetinh.care.imaging.rooms.queries import protocol_of
from tuetinh.commons.identity.api import age
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

log = logging.getLogger(__name__)
T = TypeVar("T")
IONISING: Final = ("CT", "DX", "CR", "XA", "RF", "MG", "PX", "IO")
PICTURES: Final = 400  # of a study that are looked into
_SCANS: Final = "CT"  # its pictures repeat one dose: the first of each series is enough


def read_due(most: int = 500) -> int:
    """Read the doses of studies of which something has come; returns how many were looked at."""
    count = 0
    while count < most and _read_one():
        count += 1
    return count


def _read_one() -> bool:
    with transaction.atomic():
        due = DoseDue.objects.select_for_update(skip_locked=True).order_by("at").first()
        if due is None:
            return False
        read_study(due.study_instance_uid)
        due.delete()
    return True


def read_study(uid: str) -> Dose | None:
    """Read the dose of a study anew; None where nothing tells one, and then the register has none."""
    enter(SYSTEM)
    study = Study.objects.filter(study_instance_uid=uid).first()
    exam = Exam.objects.filter(study_instance_uid=uid).first()
    if exam is None and study and study.order:
        exam = Exam.objects.filter(order=study.order).first()
    told, source, sent_by = _told(study, exam)
    values = _values(told)
    if source == Dose.Source.MPPS and Dose.objects.filter(exam=exam).exclude(source=source).exists():
        told = None  # its pictures are a study of another UID, and tell it better
    if told is None or not any(values[name] is not None for name in ("ctdi", "dlp", "dap", "agd")):
        Dose.objects.filter(study_instance_uid=uid).delete()
        return None
    row, _ = Dose.objects.update_or_create(
        study_instance_uid=uid,
        defaults=values
        | _about(study, exam, told)
        | {"source": source, "machine": _machine(study, exam, told, sent_by)},
    )
    if exam and source != Dose.Source.MPPS:
        Dose.objects.filter(exam=exam, source=Dose.Source.MPPS).exclude(pk=row.pk).delete()
    return row


def _told(study: Study | None, exam: Exam | None) -> tuple[Told | None, str, str]:
    """What tells the dose of a study, what kind of thing that is, and who sent it."""
    if study:
        reports = Instance.objects.filter(study=study, sop_class_uid__in=wire_rdsr.CLASSES).order_by(
            "received_at", "pk"
        )
        told, sent_by = _of_reports(reports[:PICTURES])
        if told:
            return told, Dose.Source.RDSR, sent_by
        told, sent_by = _of_pictures(study)
        if told:
            return told, Dose.Source.IMAGES, sent_by
    if exam:
        for step in Step.objects.filter(exam=exam).exclude(status="IN PROGRESS").order_by("-changed_at"):
            told = wire_tags.of_step(step.attributes)
            if told.events or told.totals:
                return told, Dose.Source.MPPS, f"AE {step.title}"
    return None, "", ""


def _of_reports(rows: Iterable[Instance]) -> tuple[Told | None, str]:
    """All dose reports together; of totals, which later reports repeat, those of the last one."""
    whole, sent_by = None, ""
    for row in rows:
        told = _read(row, None, wire_rdsr.read)
        if told is None:
            continue
        if whole:
            told.events = [*whole.events, *told.events]
        whole, sent_by = told, row.source
    return whole, sent_by


def _of_pictures(study: Study) -> tuple[Told | None, str]:
    rows = Instance.objects.filter(study=study, series__modality__in=IONISING).select_related("series")
    rows = rows.order_by("series", "instance_number", "pk")
    told, sent_by, seen = Told(), "", set()
    looked = 0
    for row in rows.iterator(chunk_size=500):
        if row.series.modality == _SCANS and row.series_id in seen:
            continue
        seen.add(row.series_id)
        looked += 1
        if looked > PICTURES:
            break
        if found := _read(row, wire_tags.KEYWORDS, wire_tags.of_image):
            event, told.machine = found
            told.events.append(event)
            told.modality, sent_by = row.series.modality, row.source
    return (told, sent_by) if told.events else (None, "")


def _read(row: Instance, tags: Any, read: Callable[[Dataset], T | None]) -> T | None:
    """What an object of the archive tells, without its pixels and with these tags only; None where nothing is read."""
    try:
        return read(whole(bytes(row.digest), stop_before_pixels=True, specific_tags=tags))
    except Exception as error:  # pydicom raises whatever the bytes lead it to
        log.warning("imaging: the dose of an object is not read: %s", fault(error))
        return None


def _values(told: Told | None) -> dict[str, Any]:
    told = told or Told()
    return {
        "ctdi": told.most_of("ctdi"), "dlp": told.sum_of("dlp"), "dap": told.sum_of("dap"), "agd": told.most_of("agd"),
        "seconds": told.sum_of("seconds"), "events": [one.as_json() for one in once(told.events)],
    }  # fmt: skip


def _about(study: Study | None, exam: Exam | None, told: Told) -> dict[str, Any]:
    """Whose and what the study is: by its order where there is one, else by what it says itself."""
    patient = (study.patient if study else None) or (exam.patient if exam else "") or ""
    at = (exam and exam.started_at) or _taken(study) or (exam and exam.scheduled_at) or datetime.now(UTC)
    protocol = protocol_of(exam) if exam else None
    found = cast("r4.Patient | None", record.read_many(SYSTEM, "Patient", [patient]).get(patient)) if patient else None
    birth = (found and found.birthDate) or (study and study.patient_birth_date and str(study.patient_birth_date)) or ""
    enter(SYSTEM)
    return {
        "facility": study.custodian if study and study.custodian else exam.facility if exam else "",
        "patient": patient, "exam": exam, "modality": (exam.modality if exam else "") or _modality(study, told),
        "at": at, "protocol": protocol.code if protocol else (told.words("protocol") or _said(study))[:200],
        "region": (protocol.region if protocol else "") or told.words("region")[:100],
        "description": (exam.description if exam else "") or _said(study),
        "age": age(birth, at.astimezone(HANOI).date()) if birth else None,
    }  # fmt: skip


def _taken(study: Study | None) -> datetime | None:
    if study is None or study.study_date is None:
        return None
    return datetime.combine(study.study_date, study.study_time or time(), HANOI)


def _said(study: Study | None) -> str:
    return study.study_description if study else ""


def _modality(study: Study | None, told: Told) -> str:
    """The modality of a study without an order: what its report says, else its first series that is none of text."""
    if told.modality or study is None:
        return told.modality
    found = study.series.exclude(modality__in=("SR", "PR", "KO", "OT", "")).order_by("pk").first()
    return found.modality if found else "OT"


def _machine(study: Study | None, exam: Exam | None, told: Told, sent_by: str) -> str:
    """The machine as the facility calls it; what is not registered, as it calls itself."""
    facility = study.custodian if study else exam.facility if exam else ""
    title = sent_by.removeprefix("AE ") if sent_by.startswith("AE ") else ""
    known = Device.objects.filter(title=title, facility=facility).first() if title else None
    return (known.name if known else told.machine or title or sent_by)[:200]
