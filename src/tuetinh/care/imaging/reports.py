"""The readings of examinations: templates in words, a draft, the signed report (DiagnosticReport with its PDF)."""

from __future__ import annotations

import csv
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from django.db import transaction
from django.utils.translation import gettext as _

from tuetinh.care.imaging import grouped
from tuetinh.care.imaging.devices import made_by
from tuetinh.care.imaging.errors import NeedsReason, NotAllowed, NothingWritten, WrongStage
from tuetinh.care.imaging.facts import HANOI, MA_MAY
from tuetinh.care.imaging.models import Exam, Study
from tuetinh.care.imaging.reading import claims, keys, readers, structured
from tuetinh.care.imaging.reading.queries import case_of
from tuetinh.care.insurance.api import claim_is_changed
from tuetinh.commons.access.api import place_name
from tuetinh.commons.documents.api import pdf
from tuetinh.commons.identity.api import banner, display_name
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

LOINC: Final = "http://loinc.org"
FINDINGS: Final = "59776-5"  # Procedure findings Narrative
READ: Final = (Exam.Stage.STARTED, Exam.Stage.DONE, Exam.Stage.REPORTED)
_TEMPLATES: Final = Path(__file__).parent / "data" / "report_templates.csv"
_SECTION: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
_OBSERVED: Final = "http://terminology.hl7.org/CodeSystem/observation-category"


@dataclass(frozen=True, slots=True)
class Template:
    """Words that a reading begins with."""

    key: str
    modality: str
    title: str
    findings: str
    conclusion: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What is written of an examination. status: of the DiagnosticReport, "" where there is none yet."""

    findings: str = ""
    conclusion: str = ""
    status: str = ""


def may_report(asker: Asker) -> bool:
    """Whether the asker reads pictures, and so writes what is in them."""
    return asker.role == "imaging"


@cache
def templates(modality: str) -> tuple[Template, ...]:
    """The templates for a modality, in the order of their file."""
    with _TEMPLATES.open(encoding="utf-8", newline="") as file:
        return tuple(Template(**row) for row in csv.DictReader(file) if row["modality"] == modality)


def report_id(exam: Exam) -> str:
    """The id of the report of an examination."""
    return f"img-{exam.accession_number}"


def reading_of(asker: Asker, exam: Exam) -> Reading:
    """What is written so far."""
    report = record.read_many(asker, "DiagnosticReport", [report_id(exam)]).get(report_id(exam))
    if not isinstance(report, r4.DiagnosticReport):
        return Reading()
    found = record.read_many(asker, "Observation", [f"{report_id(exam)}-findings"]).values()
    findings = next((one.valueString or "" for one in found if isinstance(one, r4.Observation)), "")
    return Reading(findings, report.conclusion or "", report.status or "")


def write(asker: Asker, exam_id: int, findings: str, conclusion: str) -> Exam:
    """Keep a draft of the reading. Raises NotAllowed, NotReader, WrongStage, TakenByOther."""
    with transaction.atomic():
        exam = lock(asker, exam_id)
        if exam.stage == Exam.Stage.REPORTED:
            raise WrongStage
        _put(asker, exam, Reading(findings.strip(), conclusion.strip(), "preliminary"), None)
    return exam


def sign(asker: Asker, exam_id: int, findings: str, conclusion: str, why: str = "") -> Exam:
    """Sign the reading: it is a result from now on. One that was signed is amended, with a reason.

    Raises NotAllowed, NotReader, NeedsSecond, WrongStage, TakenByOther, NothingWritten, NeedsReason.
    """
    from tuetinh.care.imaging.jobs import store_documents

    findings, conclusion, why = findings.strip(), conclusion.strip(), why.strip()
    with transaction.atomic():
        exam = lock(asker, exam_id, signing=True)
        if not findings or not conclusion:
            raise NothingWritten
        again = exam.stage == Exam.Stage.REPORTED
        if again and not why:
            raise NeedsReason
        reading = Reading(findings, conclusion, "amended" if again else "final")
        _put(asker, exam, reading, paper(asker, exam, reading, why))
        exam.stage = Exam.Stage.REPORTED
        exam.ended_at = exam.ended_at or datetime.now(HANOI)
        exam.read_by = asker.practitioner or asker.account[:64]
        exam.save(update_fields=["stage", "ended_at", "read_by"])
        _complete(asker, exam)
        claims.signed(asker, exam)
        store_documents.defer(exam=exam.pk)
        publish(f"imaging:{exam.facility}")
        if exam.encounter:
            claim_is_changed(exam.encounter, _("Trả hoặc sửa kết quả chẩn đoán hình ảnh sau khi gửi: gửi lại."))
            publish(f"visit:{exam.encounter}")
    return exam


def lock(asker: Asker, exam_id: int, *, signing: bool = False) -> Exam:
    """The examination, locked and taken by the asker, where it can be read. Another facility's is not there.

    Raises NotAllowed, NotReader, NeedsSecond, WrongStage, TakenByOther.
    """
    if not may_report(asker):
        raise NotAllowed
    readers.check(asker, signing=signing)
    exam = Exam.objects.select_for_update().filter(pk=exam_id, facility=asker.facility).first()
    if exam is None or exam.stage not in READ:
        raise WrongStage
    claims.hold(asker, exam)
    return exam


def _put(asker: Asker, exam: Exam, reading: Reading, document: bytes | None) -> None:
    order = cast("r4.ServiceRequest", record.read(asker, "ServiceRequest", exam.order))
    moment = datetime.now(HANOI)
    now = moment.isoformat(timespec="seconds")
    taken = (exam.started_at or exam.ended_at or moment).astimezone(HANOI).isoformat(timespec="seconds")
    who = r4.Reference(reference=f"Practitioner/{asker.practitioner}") if asker.practitioner else None
    about: dict[str, Any] = {"subject": order.subject, "encounter": order.encounter}
    based = [r4.Reference(reference=f"ServiceRequest/{exam.order}")]
    findings = r4.Observation(
        id=f"{report_id(exam)}-findings",
        status=reading.status,
        category=[_coded(_OBSERVED, "imaging")],
        code=_coded(LOINC, FINDINGS, "Mô tả hình ảnh"),
        basedOn=based,
        effectiveDateTime=taken,
        issued=now,
        valueString=reading.findings or None,
        component=_fields(exam),
        performer=[*_taker(exam), *([who] if who else [])] or None,
        device=_machine(exam),
        **about,
    )
    enter(asker)
    studies = Study.objects.filter(grouped.studies_of(exam)).values_list("resource", flat=True)
    known = record.read_many(asker, "ImagingStudy", studies)
    report = r4.DiagnosticReport(
        id=report_id(exam),
        status=reading.status,
        category=[_coded(_SECTION, "RAD")],
        code=order.code,
        basedOn=based,
        effectiveDateTime=taken,
        issued=now,
        resultsInterpreter=[who] if who else None,
        result=[r4.Reference(reference=f"Observation/{findings.id}")],
        imagingStudy=[r4.Reference(reference=f"ImagingStudy/{id_}") for id_ in known] or None,
        conclusion=reading.conclusion or None,
        presentedForm=[r4.Attachment(contentType="application/pdf", data=b64encode(document).decode())]
        if document
        else None,
        **about,
    )
    record.put_many(asker, [findings])
    record.put_many(asker, [report])


def _taker(exam: Exam) -> list[r4.Reference]:
    """Who took the pictures, where the record knows them: claims name them (QĐ 3176, bảng 3, trường 34)."""
    known = record.read_many(SYSTEM, "Practitioner", {exam.taken_by} - {""})
    return [r4.Reference(reference=f"Practitioner/{one}") for one in known]


def _machine(exam: Exam) -> r4.Reference | None:
    """On which machine, as claims name it (MA_MAY)."""
    machine = made_by(exam)
    if machine is None:
        return None
    code = r4.Identifier(system=MA_MAY, value=machine.ministry_code) if machine.ministry_code else None
    return r4.Reference(identifier=code, display=machine.name)


def _fields(exam: Exam) -> list[r4.ObservationComponent] | None:
    case = case_of(exam)
    return structured.components(case.template, case.answers) if case else None


def _coded(system: str, code: str, text: str | None = None) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)], text=text)


def _complete(asker: Asker, exam: Exam) -> None:
    order = cast("r4.ServiceRequest", record.lock_many(asker, "ServiceRequest", [exam.order])[exam.order])
    if order.status == "active":
        order.status = "completed"
        record.update(asker, order)


def paper(asker: Asker, exam: Exam, reading: Reading, why: str = "") -> bytes:
    """The report as people take it home."""
    person = banner(asker, exam.patient)
    data = {
        "facility": {"name": place_name("Organization", exam.facility)},
        "patient": {
            "name": person.name,
            "number": person.number,
            "sex": person.sex,
            "birth": "/".join(reversed(person.birth.split("-"))),
        },
        "number": exam.accession_number,
        "service": exam.description,
        "modality": exam.modality,
        "done": exam.ended_at or exam.started_at,
        "findings": reading.findings,
        "conclusion": reading.conclusion,
        "status": reading.status,
        "why": why,
        "signer": _signer(asker, exam, reading),
        "signed": datetime.now(HANOI),
        "pictures": keys.for_paper(asker, exam),
    }
    return pdf("imaging/report.typ", data, "A4")


def _signer(asker: Asker, exam: Exam, reading: Reading) -> str:
    """The name under a signed reading: of whoever signs it now, else of the one who did."""
    if reading.status not in ("final", "amended"):
        return ""
    known = record.read_many(SYSTEM, "DiagnosticReport", [report_id(exam)]).get(report_id(exam))
    who = f"Practitioner/{asker.practitioner}"
    if isinstance(known, r4.DiagnosticReport) and known.status == reading.status and known.resultsInterpreter:
        who = known.resultsInterpreter[0].reference or who
    id_ = who.rpartition("/")[2]
    found = record.read_many(SYSTEM, "Practitioner", [id_]).get(id_)
    return display_name(r4.Patient(name=found.name)) if isinstance(found, r4.Practitioner) else ""
