"""How lying in looks in FHIR: class and places of an Encounter, beds and departments, a medicine that was given."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Final

from tuetinh.record import r4

ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PLACES: Final = "http://terminology.hl7.org/CodeSystem/location-physical-type"
ROOM_KINDS: Final = "https://tuetinh.vn/fhir/CodeSystem/room-kind"
INPATIENT: Final = "IMP"
BED: Final = "bd"


def is_bed(place: r4.Location) -> bool:
    """Whether a place is a bed."""
    return any(coding.code == BED for coding in (place.physicalType.coding if place.physicalType else None) or [])


def is_department(place: r4.Location) -> bool:
    """Whether a place is a department with beds."""
    codings = [coding for concept in place.type or [] for coding in concept.coding or []]
    return any(coding.system == ROOM_KINDS and coding.code == "department" for coding in codings)


def department_code(place: r4.Location) -> str:
    """MA_KHOA of a department, or ""."""
    codings = [coding for concept in place.type or [] for coding in concept.coding or []]
    return next((coding.code or "" for coding in codings if (coding.system or "").endswith("/ma-khoa")), "")


def within(place: r4.Location) -> str:
    """Id of the place that a place is part of."""
    return ((place.partOf.reference or "") if place.partOf else "").rpartition("/")[2]


def lies_in(encounter: r4.Encounter) -> bool:
    """Whether a visit is one of an inpatient."""
    return bool(encounter.class_ and encounter.class_.code == INPATIENT)


def admit(encounter: r4.Encounter, department: r4.Location, bed: r4.Location, at: datetime, reason: str) -> None:
    """Write that the person lies in from now on, why, and in which bed."""
    now = at.isoformat(timespec="seconds")
    began = encounter.period.start if encounter.period else None
    before = encounter.class_ or r4.Coding(system=ACT_CODE, code="AMB")
    encounter.class_ = r4.Coding(system=ACT_CODE, code=INPATIENT, display="inpatient encounter")
    encounter.classHistory = [
        r4.EncounterClassHistory(class_=copy.copy(before), period=r4.Period(start=began, end=now)),
        r4.EncounterClassHistory(class_=encounter.class_, period=r4.Period(start=now)),
    ]
    if reason:
        encounter.reasonCode = [*(encounter.reasonCode or []), r4.CodeableConcept(text=reason)]
    move(encounter, department, bed, at)


def move(encounter: r4.Encounter, department: r4.Location, bed: r4.Location, at: datetime) -> None:
    """Write that the person lies in another bed from now on."""
    now = at.isoformat(timespec="seconds")
    for one in encounter.location or []:
        if one.status == "active":
            one.status = "completed"
            one.period = r4.Period(start=one.period.start if one.period else None, end=now)
    encounter.location = [
        *(encounter.location or []),
        *(
            r4.EncounterLocation(
                location=r4.Reference(reference=f"Location/{place.id}", display=place.name), status="active",
                physicalType=place.physicalType, period=r4.Period(start=now),
            )
            for place in (department, bed)
        ),
    ]  # fmt: skip


def given(
    encounter: r4.Encounter, order: r4.MedicationRequest, at: datetime, who: r4.Reference | None
) -> r4.MedicationAdministration:
    """A medicine as it was given."""
    dose = (order.dosageInstruction or [r4.Dosage()])[0]
    each = (dose.doseAndRate or [r4.DosageDoseAndRate()])[0].doseQuantity
    return r4.MedicationAdministration(
        status="completed",
        medicationCodeableConcept=order.medicationCodeableConcept,
        subject=encounter.subject,
        context=r4.Reference(reference=f"Encounter/{encounter.id}"),
        effectiveDateTime=at.isoformat(timespec="seconds"),
        performer=[r4.MedicationAdministrationPerformer(actor=who)] if who else None,
        request=r4.Reference(reference=f"MedicationRequest/{order.id}"),
        dosage=r4.MedicationAdministrationDosage(text=dose.text, dose=each) if each or dose.text else None,
    )
