"""How collection, refusal and transport of specimens look in FHIR. The one place that knows."""

from __future__ import annotations

from typing import Final

from tuetinh.care.lab.facts import instant, now, ref
from tuetinh.care.lab.models import Shipment, Tube
from tuetinh.care.lab.results.facts import CODES
from tuetinh.record import r4
from tuetinh.record.asker import Asker

REJECT_REASON: Final = "http://terminology.hl7.org/CodeSystem/v2-0490"
SHIPMENT: Final = "https://tuetinh.vn/fhir/NamingSystem/lab-shipment"


def collected(specimen: r4.Specimen, asker: Asker) -> r4.Specimen:
    """Note on a specimen that it was drawn now, and by whom."""
    specimen.collection = r4.SpecimenCollection(
        collectedDateTime=now(), collector=ref("Practitioner", asker.practitioner) if asker.practitioner else None
    )
    return specimen


def refused(specimen: r4.Specimen, code: str, reason: str) -> r4.Specimen:
    """Note on a specimen that it cannot be analysed. code: of v2 table 0490, or "" where only words are given."""
    specimen.status = "unsatisfactory"
    if code:
        coding = r4.Coding(system=REJECT_REASON, code=code)
        specimen.condition = [*(specimen.condition or []), r4.CodeableConcept(coding=[coding], text=reason)]
    specimen.note = [*(specimen.note or []), r4.Annotation(text=reason, time=now())]
    return specimen


def transport(shipment: Shipment, tubes: list[Tube]) -> r4.Task:
    """Build the task of bringing specimens to another laboratory, with what is to arrive there as its input."""
    specimen = r4.CodeableConcept(coding=[r4.Coding(system=CODES, code="specimen")])
    return r4.Task(
        id=shipment.task,
        identifier=[r4.Identifier(system=SHIPMENT, value=shipment.number)],
        status="in-progress",
        intent="order",
        code=r4.CodeableConcept(coding=[r4.Coding(system=CODES, code="specimen-transport")]),
        authoredOn=instant(shipment.sent_at),
        requester=ref("Organization", shipment.sender),
        owner=ref("Organization", shipment.receiver),
        input=[r4.TaskInput(type=specimen, valueReference=ref("Specimen", tube.specimen)) for tube in tubes],
    )
