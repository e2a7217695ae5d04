"""How pathology looks in FHIR: request, specimens, observations, report, pictures. The one place that knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tuetinh.care.lab.facts import LOINC, id_of, now, ref, report_id
from tuetinh.care.lab.pathology.models import PathologyCase, PathologyPiece
from tuetinh.care.lab.pathology.tables import morphology, services
from tuetinh.care.lab.results.facts import who
from tuetinh.commons.catalogues.api import SERVICES
from tuetinh.record import r4
from tuetinh.record.asker import Asker

SNOMED: Final = "http://snomed.info/sct"
ICD_O: Final = "http://terminology.hl7.org/CodeSystem/icd-o-3"
CODES: Final = "https://tuetinh.vn/fhir/CodeSystem/pathology"
ACCESSION: Final = "https://tuetinh.vn/fhir/NamingSystem/pathology-case"
# LOINC's parts of a surgical pathology report (11529-5).
SECTIONS: Final = {
    "clinical": ("22636-5", "Thông tin lâm sàng"),
    "gross": ("22634-0", "Đại thể"),
    "micro": ("22635-7", "Vi thể"),
    "diagnosis": ("22637-3", "Chẩn đoán giải phẫu bệnh"),
}
_LEVELS: Final = {"part": "Mẫu mô", "block": "Khối nến", "slide": "Tiêu bản"}
_EXAM: Final = r4.CodeableConcept(
    coding=[r4.Coding(system="http://terminology.hl7.org/CodeSystem/observation-category", code="exam")]
)


def _own(code: str, text: str) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=code)], text=text)


def service_code(case: PathologyCase) -> r4.CodeableConcept:
    """The code of what was asked for."""
    what = services()[case.service]
    return r4.CodeableConcept(
        coding=[
            r4.Coding(system=SERVICES, code=what.code, display=what.names[0]),
            r4.Coding(system=LOINC, code="11529-5", display="Surgical pathology study"),
        ],
        text=what.names[0],
    )


def request(asker: Asker, case: PathologyCase, clinical: str, parts: Sequence[str]) -> r4.ServiceRequest:
    """Build the request, with its clinical data as its note."""
    category = r4.Coding(system=SNOMED, code="108252007", display="Laboratory procedure")
    return r4.ServiceRequest(
        id=case.request,
        status="active",
        intent="order",
        category=[r4.CodeableConcept(coding=[category])],
        priority="urgent" if case.urgent else "routine",
        code=service_code(case),
        subject=ref("Patient", case.patient),
        encounter=ref("Encounter", case.encounter),
        authoredOn=now(),
        requester=who(asker),
        performer=[ref("Organization", case.facility)],
        specimen=[ref("Specimen", id_) for id_ in parts],
        note=[r4.Annotation(text=clinical)],
    )


def specimen(case: PathologyCase, piece: PathologyPiece, *, received: bool) -> r4.Specimen:
    """Build a part, block or slide, with what it was cut from as its parent."""
    parent = piece.parent
    made = r4.Specimen(
        id=piece.specimen,
        accessionIdentifier=r4.Identifier(system=ACCESSION, value=f"{case.number}-{piece.label}")
        if case.number
        else None,
        status="available" if received else "unavailable",
        type=r4.CodeableConcept(
            coding=[r4.Coding(system="http://terminology.hl7.org/CodeSystem/v2-0487", code="TISS")],
            text=f"{_LEVELS[piece.level]}: {piece.what}" if piece.what else _LEVELS[piece.level],
        ),
        subject=ref("Patient", case.patient),
        request=[ref("ServiceRequest", case.request)],
        receivedTime=now() if received and not parent else None,
        parent=[ref("Specimen", parent.specimen)] if parent else None,
    )
    if piece.level != "part":
        step = "embedding" if piece.level == "block" else "staining"
        made.processing = [
            r4.SpecimenProcessing(
                description=piece.what or None, procedure=_own(step, piece.what or step), timeDateTime=now()
            )
        ]
    return made


def grossing(asker: Asker, case: PathologyCase) -> r4.Procedure:
    """Build the cutting of a case, as it was done."""
    return r4.Procedure(
        basedOn=[ref("ServiceRequest", case.request)],
        status="completed",
        code=_own("grossing", "Phẫu tích bệnh phẩm"),
        subject=ref("Patient", case.patient),
        encounter=ref("Encounter", case.encounter),
        performedDateTime=now(),
        performer=[r4.ProcedurePerformer(actor=who(asker))] if asker.practitioner else None,
    )


def section_id(case: PathologyCase, key: str) -> str:
    """Id of a part of a report: the same however often it is written."""
    return f"{case.request}-{key}"


def section(asker: Asker, case: PathologyCase, key: str, text: str, *, name: str = "") -> r4.Observation:
    """Build a part of a report: a section of SECTIONS, or a structured field with its own name."""
    if key in SECTIONS:
        code, said = SECTIONS[key]
        concept = r4.CodeableConcept(coding=[r4.Coding(system=LOINC, code=code)], text=said)
    else:
        concept = _own(key, name)
    return r4.Observation(
        id=section_id(case, key),
        basedOn=[ref("ServiceRequest", case.request)],
        status="preliminary",
        category=[_EXAM],
        code=concept,
        subject=ref("Patient", case.patient),
        encounter=ref("Encounter", case.encounter),
        effectiveDateTime=now(),
        issued=now(),
        performer=[ref("Organization", case.facility), who(asker)],
        valueString=text,
    )


def report(
    case: PathologyCase, status: str, sections: Mapping[str, r4.Observation], pictures: Sequence[str], code: str
) -> r4.DiagnosticReport:
    """Build the report over its sections. code: ICD-O-3 morphology, or ""."""
    diagnosis = sections.get("diagnosis")
    coded = r4.CodeableConcept(
        coding=[r4.Coding(system=ICD_O, code=code, display=morphology().get(code))], text=morphology().get(code, code)
    )
    return r4.DiagnosticReport(
        id=report_id(case.request),
        identifier=[r4.Identifier(system=ACCESSION, value=case.number)],
        basedOn=[ref("ServiceRequest", case.request)],
        status=status,
        category=[
            r4.CodeableConcept(
                coding=[
                    r4.Coding(system="http://terminology.hl7.org/CodeSystem/v2-0074", code="PAT", display="Pathology")
                ]
            )
        ],
        code=service_code(case),
        subject=ref("Patient", case.patient),
        encounter=ref("Encounter", case.encounter),
        issued=now(),
        performer=[ref("Organization", case.facility)],
        specimen=[ref("Specimen", piece.specimen) for piece in case.pieces.filter(level="part").order_by("label")],
        result=[ref("Observation", one.id or "") for one in sections.values()] or None,
        media=[r4.DiagnosticReportMedia(link=ref("Media", id_)) for id_ in pictures] or None,
        conclusion=diagnosis.valueString if diagnosis else None,
        conclusionCode=[coded] if code else None,
    )


def code_of(found: r4.DiagnosticReport | None) -> str:
    """The ICD-O-3 code of a report, or ""."""
    concepts = (found.conclusionCode if found else None) or []
    return next((c.code or "" for concept in concepts for c in concept.coding or [] if c.system == ICD_O), "")


def pictures_of(found: r4.DiagnosticReport | None) -> list[str]:
    """Ids of the pictures of a report."""
    return [id_of(one.link) for one in (found.media if found else None) or []]
