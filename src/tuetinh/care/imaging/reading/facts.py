"""How a call about an urgent finding looks in FHIR: a Communication. The one place that knows."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tuetinh.care.imaging.models import Exam
from tuetinh.record import r4
from tuetinh.record.asker import Asker

CODES: Final = "https://tuetinh.vn/fhir/CodeSystem/imaging"
CALL: Final = "critical-call"
_MODES: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"


def call(asker: Asker, exam: Exam, finding: str, told: str, *, answered: bool, at: datetime) -> r4.Communication:
    """Build the log of a call about a finding: who was called, whether they answered and read it back, when."""
    when = at.isoformat(timespec="seconds")
    by = r4.Reference(reference=f"Practitioner/{asker.practitioner}") if asker.practitioner else None
    said = "Đã đọc lại." if answered else "Không liên lạc được."
    return r4.Communication(
        status="completed" if answered else "not-done",
        category=[r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=CALL)])],
        priority="stat",
        medium=[r4.CodeableConcept(coding=[r4.Coding(system=_MODES, code="PHONE")])],
        subject=r4.Reference(reference=f"Patient/{exam.patient}"),
        encounter=r4.Reference(reference=f"Encounter/{exam.encounter}") if exam.encounter else None,
        basedOn=[r4.Reference(reference=f"ServiceRequest/{exam.order}")],
        sent=when,
        received=when if answered else None,
        sender=r4.Reference(reference=f"Organization/{exam.facility}"),
        payload=[r4.CommunicationPayload(contentString=text) for text in (finding, told, said)],
        note=[r4.Annotation(authorReference=by or r4.Reference(display=asker.account), text=told, time=when)],
    )
