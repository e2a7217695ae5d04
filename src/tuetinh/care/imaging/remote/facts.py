"""How a question about pictures, its answer and a reminder look in FHIR. The one place that knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tuetinh.commons.access.api import INVITATION
from tuetinh.record import r4
from tuetinh.record.asker import Asker

IMAGING: Final = "imaging-opinion"
CODES: Final = "https://tuetinh.vn/fhir/CodeSystem/imaging"
REMINDER: Final = "opinion-reminder"
_CONSULTATION: Final = r4.Coding(system="http://snomed.info/sct", code="11429006", display="Consultation")
_SECTION: Final = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v2-0074", code="RAD")


def who(asker: Asker) -> r4.Reference:
    """Whoever acts, as a reference."""
    if asker.practitioner:
        return r4.Reference(reference=f"Practitioner/{asker.practitioner}")
    return r4.Reference(display=asker.account)


def question(
    asker: Asker, patient: str, studies: Sequence[str], to: str, text: str, *, due: datetime, urgent: bool
) -> r4.ServiceRequest:
    """Build the question. studies: ids of ImagingStudy. to: `Organization/…` or `Practitioner/…` that is asked."""
    return r4.ServiceRequest(
        status="active",
        intent="order",
        category=[r4.CodeableConcept(coding=[r4.Coding(system=INVITATION, code=IMAGING)], text="Xin ý kiến về ảnh")],
        code=r4.CodeableConcept(coding=[_CONSULTATION], text="Xin ý kiến về ảnh"),
        priority="urgent" if urgent else "routine",
        subject=r4.Reference(reference=f"Patient/{patient}"),
        requester=who(asker) if asker.practitioner else r4.Reference(reference=f"Organization/{asker.facility}"),
        performer=[r4.Reference(reference=to)],
        reasonCode=[r4.CodeableConcept(text=text)],
        supportingInfo=[r4.Reference(reference=f"ImagingStudy/{one}") for one in studies],
        authoredOn=datetime.now(due.tzinfo).isoformat(timespec="seconds"),
        occurrencePeriod=r4.Period(end=due.isoformat(timespec="seconds")),
    )


def text_of(order: r4.ServiceRequest) -> str:
    """What was asked."""
    return next((one.text or "" for one in order.reasonCode or []), "")


def answer_id(order: str) -> str:
    """Id of the answer to a question."""
    return f"{order}-opinion"


def answer(asker: Asker, order: r4.ServiceRequest, text: str, at: datetime, *, again: bool) -> r4.DiagnosticReport:
    """Build the answer: an opinion on the studies, by whoever gives it. again: it was given before, and is amended."""
    when = at.isoformat(timespec="seconds")
    return r4.DiagnosticReport(
        id=answer_id(str(order.id)),
        status="amended" if again else "final",
        category=[r4.CodeableConcept(coding=[_SECTION])],
        code=r4.CodeableConcept(coding=[_CONSULTATION], text="Ý kiến hội chẩn ảnh"),
        basedOn=[r4.Reference(reference=f"ServiceRequest/{order.id}")],
        subject=order.subject,
        effectiveDateTime=when,
        issued=when,
        performer=[r4.Reference(reference=f"Organization/{asker.facility}")],
        resultsInterpreter=[who(asker)] if asker.practitioner else None,
        imagingStudy=order.supportingInfo,
        conclusion=text,
    )


def reminder(order: str, patient: str, facility: str, to: str, at: datetime) -> r4.Communication:
    """Build the word that an answer is due."""
    return r4.Communication(
        status="completed",
        category=[r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=REMINDER)])],
        priority="urgent",
        subject=r4.Reference(reference=f"Patient/{patient}"),
        basedOn=[r4.Reference(reference=f"ServiceRequest/{order}")],
        sent=at.isoformat(timespec="seconds"),
        sender=r4.Reference(reference=f"Organization/{facility}"),
        recipient=[r4.Reference(reference=f"Organization/{to}")],
        payload=[r4.CommunicationPayload(contentString="Sắp hết hạn trả lời.")],
    )
