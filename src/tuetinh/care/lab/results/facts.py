"""How validation, calls and notices look in FHIR: Provenance, Communication, Task. The one place that knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from tuetinh.care.lab.facts import id_of, instant, now, ref, unit_of, value_of
from tuetinh.care.lab.results.rules import Notifiable
from tuetinh.commons.catalogues.api import ICD10
from tuetinh.record import r4
from tuetinh.record.asker import Asker

CODES: Final = "https://tuetinh.vn/fhir/CodeSystem/laboratory"
CALL, CASE = "critical-call", "case-notification"
_STEPS: Final = {
    "technical-validation": ("verifier", "Verifier"),  # the technician
    "medical-validation": ("legal", "Legal Authenticator"),  # the doctor of the laboratory, who signs
}
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def _own(code: str) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=code)])


def who(asker: Asker) -> r4.Reference:
    """Whoever acts, as a reference."""
    if asker.practitioner:
        return ref("Practitioner", asker.practitioner)
    return r4.Reference(display=asker.account)


def validation(asker: Asker, targets: Iterable[str], step: str, note: str = "") -> r4.Provenance:
    """Build the mark of a step of validation on results (`Observation/…`). note: why against what was held."""
    role, display = _STEPS[step]
    agent = r4.ProvenanceAgent(
        type=r4.CodeableConcept(coding=[r4.Coding(system=_PARTICIPATION, code=role, display=display)]),
        who=who(asker),
        onBehalfOf=ref("Organization", asker.facility) if asker.facility else None,
    )
    return r4.Provenance(
        target=[r4.Reference(reference=target) for target in targets],
        recorded=now(),
        activity=_own(step),
        reason=[r4.CodeableConcept(text=note)] if note else None,
        agent=[agent],
    )


def call(
    asker: Asker, results: list[r4.Observation], told: str, *, facility: str, answered: bool, at: datetime
) -> r4.Communication:
    """Build the log of a call about critical results: who was called, whether they answered and read it back, when."""
    words = ", ".join(
        f"{(r.code.text if r.code else '') or ''} {value_of(r).replace('.', ',')} {unit_of(r)}".strip() for r in results
    )
    said = "Đã đọc lại." if answered else "Không liên lạc được."
    return r4.Communication(
        status="completed" if answered else "not-done",
        category=[_own(CALL)],
        priority="stat",
        medium=[
            r4.CodeableConcept(
                coding=[r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ParticipationMode", code="PHONE")]
            )
        ],
        subject=results[0].subject,
        encounter=results[0].encounter,
        about=[ref("Observation", r.id or "") for r in results],
        basedOn=results[0].basedOn,
        sent=instant(at),
        received=instant(at) if answered else None,
        sender=ref("Organization", facility),
        recipient=None,
        payload=[
            r4.CommunicationPayload(contentString=words),
            r4.CommunicationPayload(contentString=told),
            r4.CommunicationPayload(contentString=said),
        ],
        note=[r4.Annotation(authorReference=who(asker), text=told, time=now())],
    )


def case_id(result: r4.Observation) -> str:
    """Id of the notice of a case: one for a result, however often it is told."""
    return f"{result.id}-case"


def case(result: r4.Observation, rule: Notifiable, facility: str) -> r4.Task:
    """Build the notice of a case to surveillance, due within the hours of its disease."""
    due = datetime.now(UTC) + timedelta(hours=rule.hours)
    disease = r4.CodeableConcept(coding=[r4.Coding(system=ICD10, code=rule.icd10, display=rule.vi)], text=rule.vi)
    return r4.Task(
        id=case_id(result),
        status="requested",
        intent="order",
        priority="stat" if rule.group == "A" else "urgent",
        code=_own(CASE),
        description=rule.vi,
        focus=ref("Observation", result.id or ""),
        for_=result.subject,
        encounter=result.encounter,
        authoredOn=now(),
        requester=ref("Organization", facility) if facility else None,
        reasonCode=disease,
        reasonReference=r4.Reference(reference=f"Specimen/{id_of(result.specimen)}") if result.specimen else None,
        restriction=r4.TaskRestriction(period=r4.Period(end=instant(due))),
    )
