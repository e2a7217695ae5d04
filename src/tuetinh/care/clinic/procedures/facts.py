"""How surgery and procedures look as FHIR resources: the order, and what was done for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tuetinh.care.clinic.facts import visit_of
from tuetinh.commons.catalogues.api import Service, icd9, list_code, service_code
from tuetinh.record import r4

ICD9: Final = "http://hl7.org/fhir/sid/icd-9-cm"


def order(encounter: r4.Encounter, id_: str, service: Service, at: str, who: r4.Reference | None) -> r4.ServiceRequest:
    """The order of something that was done at once."""
    return r4.ServiceRequest(
        id=id_,
        status="completed",
        intent="order",
        code=service_code(service),
        subject=encounter.subject,
        encounter=visit_of(encounter),
        authoredOn=at,
        requester=who,
    )


def done(
    encounter: r4.Encounter,
    id_: str,
    service: Service,
    *,
    start: str,
    end: str,
    people: Sequence[str],
    anaesthesia: str,
    note: str,
    machines: Sequence[r4.Reference] = (),
) -> r4.Procedure:
    """What was done for the order of the same id. people: ids of practitioners; anaesthesia: PP_VO_CAM or ""."""
    concept = service_code(service)
    if code := icd9(service.code):
        concept.coding = [*(concept.coding or []), r4.Coding(system=ICD9, code=code)]
    return r4.Procedure(
        id=id_,
        status="completed",
        code=concept,
        subject=encounter.subject,
        encounter=visit_of(encounter),
        basedOn=[r4.Reference(reference=f"ServiceRequest/{id_}")],
        performedPeriod=r4.Period(start=start, end=end),
        performer=[
            r4.ProcedurePerformer(actor=r4.Reference(reference=f"Practitioner/{one}")) for one in people
        ] or None,
        usedCode=[list_code("PP_VO_CAM", anaesthesia)] if anaesthesia else None,
        usedReference=list(machines) or None,
        note=[r4.Annotation(text=note)] if note else None,
    )  # fmt: skip
