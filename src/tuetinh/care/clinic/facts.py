"""How the consultation's facts look as FHIR resources."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tuetinh.care.clinic.vitals import BMI, PRESSURE, VITALS, Vital
from tuetinh.commons.catalogues.api import Drug, Icd10, Service, condition_code, drug_code, service_code
from tuetinh.record import r4

HL7: Final = "http://terminology.hl7.org/CodeSystem"
LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
IMAGING: Final = "363679005"
UCUM: Final = "http://unitsofmeasure.org"


def coded(system: str, code: str, text: str | None = None) -> r4.CodeableConcept:
    """A concept of one coding."""
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code, display=text)], text=text)


def visit_of(encounter: r4.Encounter) -> r4.Reference:
    """Reference to the visit."""
    return r4.Reference(reference=f"Encounter/{encounter.id}")


def vital(encounter: r4.Encounter, what: Vital, value: Decimal, at: str, who: r4.Reference | None) -> r4.Observation:
    """One vital sign; its id is of the visit, so that measuring again makes a new version."""
    low, high = what.normal or (None, None)
    interpretation = None
    if low is not None and high is not None:
        code = "L" if value < Decimal(str(low)) else "H" if value > Decimal(str(high)) else "N"
        interpretation = [coded(f"{HL7}/v3-ObservationInterpretation", code)]
    found = _measured(encounter, what.key, coded(LOINC, what.loinc, str(what.label)), at, who)
    found.valueQuantity, found.interpretation = _amount(value, what), interpretation
    return found


def blood_pressure(
    encounter: r4.Encounter, values: dict[str, Decimal], at: str, who: r4.Reference | None
) -> r4.Observation:
    """The panel with its two components."""
    found = _measured(encounter, "pressure", coded(LOINC, PRESSURE, "Huyết áp"), at, who)
    found.component = [
        r4.ObservationComponent(
            code=coded(LOINC, VITALS[key].loinc, str(VITALS[key].label)), valueQuantity=_amount(value, VITALS[key])
        )
        for key, value in values.items()
    ]
    return found


def body_mass_index(encounter: r4.Encounter, value: Decimal, at: str, who: r4.Reference | None) -> r4.Observation:
    """The index computed from weight and height."""
    found = _measured(encounter, "bmi", coded(LOINC, BMI, "BMI"), at, who)
    found.valueQuantity = r4.Quantity(value=value, unit="kg/m²", system=UCUM, code="kg/m2")
    return found


def _amount(value: Decimal, what: Vital) -> r4.Quantity:
    return r4.Quantity(value=value, unit=what.unit, system=UCUM, code=what.ucum)


def _measured(
    encounter: r4.Encounter, key: str, code: r4.CodeableConcept, at: str, who: r4.Reference | None
) -> r4.Observation:
    return r4.Observation(
        id=f"{encounter.id}-{key}",
        status="final",
        category=[coded(f"{HL7}/observation-category", "vital-signs")],
        code=code,
        subject=encounter.subject,
        encounter=visit_of(encounter),
        effectiveDateTime=at,
        performer=[who] if who else None,
    )


def impression(
    encounter: r4.Encounter, *, history: str, examination: str, at: str, who: r4.Reference | None
) -> r4.ClinicalImpression:
    """What was told and what was found."""
    return r4.ClinicalImpression(
        id=f"{encounter.id}-exam",
        status="completed",
        subject=encounter.subject,
        encounter=visit_of(encounter),
        date=at,
        assessor=who,
        description=history or None,
        summary=examination or None,
    )


def condition(encounter: r4.Encounter, place: int, entry: Icd10, at: str, who: r4.Reference | None) -> r4.Condition:
    """A diagnosis of the visit; place 1 is the principal one."""
    return r4.Condition(
        id=f"{encounter.id}-dx{place}",
        clinicalStatus=coded(f"{HL7}/condition-clinical", "active"),
        verificationStatus=coded(f"{HL7}/condition-ver-status", "confirmed"),
        category=[coded(f"{HL7}/condition-category", "encounter-diagnosis")],
        code=condition_code(entry),
        subject=encounter.subject,
        encounter=visit_of(encounter),
        recordedDate=at,
        recorder=who,
    )


def diagnosis(condition_id: str, place: int) -> r4.EncounterDiagnosis:
    """The place of a condition in the visit (Encounter.diagnosis)."""
    return r4.EncounterDiagnosis(
        condition=r4.Reference(reference=f"Condition/{condition_id}"),
        use=coded(f"{HL7}/diagnosis-role", "DD"),
        rank=place,
    )


def imaging_order(
    encounter: r4.Encounter,
    id_: str,
    service: Service,
    *,
    question: str,
    site: str,
    urgent: bool,
    at: str,
    who: r4.Reference | None,
) -> r4.ServiceRequest:
    """An order for imaging. question: what the picture shall tell; site: the part of the body, in words."""
    return r4.ServiceRequest(
        id=id_,
        status="active",
        intent="order",
        priority="urgent" if urgent else "routine",
        category=[coded(SNOMED, IMAGING, "Chẩn đoán hình ảnh")],
        reasonCode=[r4.CodeableConcept(text=question)] if question else None,
        bodySite=[r4.CodeableConcept(text=site)] if site else None,
        code=service_code(service),
        subject=encounter.subject,
        encounter=visit_of(encounter),
        authoredOn=at,
        requester=who,
    )


def allergy(
    encounter: r4.Encounter, substance: str, reaction: str, at: str, who: r4.Reference | None
) -> r4.AllergyIntolerance:
    """An allergy in the words of the one who wrote it down."""
    manifestation = [r4.CodeableConcept(text=reaction)]
    return r4.AllergyIntolerance(
        clinicalStatus=coded(f"{HL7}/allergyintolerance-clinical", "active"),
        verificationStatus=coded(f"{HL7}/allergyintolerance-verification", "confirmed"),
        code=r4.CodeableConcept(text=substance),
        patient=encounter.subject,
        encounter=visit_of(encounter),
        recordedDate=at,
        recorder=who,
        reaction=[r4.AllergyIntoleranceReaction(manifestation=manifestation)] if reaction else None,
    )


def dose_text(drug: Drug, times: Decimal, dose: Decimal, note: str) -> str:
    """The dose in words: amount each time, times a day, route, when (TT 26/2025/TT-BYT Đ6 k5)."""
    amount = f"{_plain(dose)} {drug.dose_unit or drug.unit}"
    text = f"Mỗi lần {amount}, ngày {_plain(times)} lần, {drug.route.lower()}"
    return f"{text} {note}" if note else text


def usual_quantity(times: Decimal, dose: Decimal, days: Decimal, *, package: bool) -> Decimal:
    """How many units a course takes; one where a unit is a package of many doses."""
    return Decimal(1) if package else (times * dose * days).to_integral_value(rounding="ROUND_CEILING")


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}".replace(".", ",")


def prescription(
    encounter: r4.Encounter,
    id_: str,
    drug: Drug,
    *,
    times: Decimal,
    dose: Decimal,
    days: Decimal,
    quantity: Decimal | None,
    note: str,
    at: str,
    who: r4.Reference | None,
) -> r4.MedicationRequest:
    """One line of a prescription. times: a day; dose: dose units each time; quantity: units to hand out.

    Without a quantity it follows from the dose, or is one package that holds many doses.
    """
    if quantity is None:
        quantity = usual_quantity(times, dose, days, package=bool(drug.dose_unit))
    dosage = r4.Dosage(
        sequence=1,
        text=dose_text(drug, times, dose, note),
        patientInstruction=note or None,
        timing=r4.Timing(repeat=r4.TimingRepeat(frequency=int(times), period=Decimal(1), periodUnit="d")),
        doseAndRate=[r4.DosageDoseAndRate(doseQuantity=r4.Quantity(value=dose, unit=drug.dose_unit or drug.unit))],
    )
    return r4.MedicationRequest(
        id=id_,
        status="active",
        intent="order",
        medicationCodeableConcept=drug_code(drug),
        subject=encounter.subject,
        encounter=visit_of(encounter),
        authoredOn=at,
        requester=who,
        dosageInstruction=[dosage],
        dispenseRequest=r4.MedicationRequestDispenseRequest(
            quantity=r4.Quantity(value=quantity, unit=drug.unit),
            expectedSupplyDuration=r4.Duration(value=days, unit="ngày", system=UCUM, code="d"),
        ),
    )
