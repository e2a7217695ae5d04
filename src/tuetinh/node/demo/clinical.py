"""Facts of past visits as FHIR resources. Ids follow the person's, so the same seed gives the same record."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from tuetinh.commons.catalogues import api as catalogues
from tuetinh.node.demo import places
from tuetinh.node.demo.people import Resident
from tuetinh.record import r4

LOINC = "http://loinc.org"
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"
MACHINES, MACHINE = "https://tuetinh.vn/fhir/sid/ma-may", "SH.3.DEMO1"  # MA_MAY
CVX = "http://hl7.org/fhir/sid/cvx"
# code: name, unit, decimals, low and high of the reference range
VITALS = {
    "8867-4": ("Mạch", "/min", 0), "8310-5": ("Nhiệt độ", "Cel", 1), "29463-7": ("Cân nặng", "kg", 1),
    "8302-2": ("Chiều cao", "cm", 0),
}  # fmt: skip
LABS = {
    "4548-4": ("HbA1c", "%", 1, "4.0", "6.0"),
    "14749-6": ("Glucose", "mmol/L", 1, "3.9", "6.4"),
    "14682-9": ("Creatinin", "umol/L", 0, "44", "97"),
    "14647-2": ("Cholesterol toàn phần", "mmol/L", 1, "2.6", "5.2"),
    "718-7": ("Huyết sắc tố (HGB)", "g/L", 0, "120", "170"),
    "6690-2": ("Bạch cầu (WBC)", "10*9/L", 1, "4.0", "10.0"),
}


def instant(moment: datetime) -> str:
    """A moment as the record writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def subject(person: Resident) -> r4.Reference:
    """The reference to a person."""
    return r4.Reference(reference=f"Patient/{person.id}")


def coded(system: str, code: str, display: str | None = None) -> r4.CodeableConcept:
    """A concept of one coding."""
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code, display=display)], text=display)


@cache
def _diagnosis(code: str) -> r4.CodeableConcept:
    entry = catalogues.icd10(code)
    if entry is None:
        raise KeyError(code)
    return catalogues.condition_code(entry)


@cache
def _drug(code: str) -> r4.CodeableConcept:
    entry = catalogues.drug(code)
    if entry is None:
        raise KeyError(code)
    return catalogues.drug_code(entry)


def encounter(  # noqa: PLR0917
    person: Resident, id_: str, start: datetime, end: datetime, facility: str, doctor: r4.Reference, reason: str
) -> r4.Encounter:
    """A finished ambulatory visit."""
    name = places.by_id()[facility].name
    room = f"{facility}-kham" if places.by_id()[facility].kind == "station" else f"{facility}-noi-1"
    return r4.Encounter(
        id=id_,
        identifier=[r4.Identifier(system="https://tuetinh.vn/fhir/ma-lk", value=id_)],
        status="finished",
        class_=r4.Coding(system=f"{HL7}/v3-ActCode", code="AMB", display="ambulatory"),
        subject=subject(person),
        participant=[r4.EncounterParticipant(individual=doctor)],
        period=r4.Period(start=instant(start), end=instant(end)),
        reasonCode=[r4.CodeableConcept(text=reason)],
        diagnosis=[
            r4.EncounterDiagnosis(
                condition=r4.Reference(reference=f"Condition/{id_}-cd"),
                use=coded(f"{HL7}/diagnosis-role", "DD"),
                rank=1,
            )
        ],
        hospitalization=r4.EncounterHospitalization(dischargeDisposition=_went_home()),
        location=[r4.EncounterLocation(location=r4.Reference(reference=f"Location/{room}"), status="completed")],
        serviceProvider=r4.Reference(reference=f"Organization/{facility}", display=name),
    )


@cache
def _went_home() -> r4.CodeableConcept:
    """How such a visit ends, as the insurance asks: better (KET_QUA_DTRI), and home (MA_LOAI_RV)."""
    told = (
        catalogues.list_code(name, code).coding or [] for name, code in (("KET_QUA_DTRI", "2"), ("MA_LOAI_RV", "1"))
    )
    return r4.CodeableConcept(coding=[coding for codings in told for coding in codings])


def condition(person: Resident, id_: str, code: str, at: datetime, visit: str = "") -> r4.Condition:
    """A diagnosis: of a visit, or on the problem list when there is no visit."""
    category = "encounter-diagnosis" if visit else "problem-list-item"
    resolved = bool(visit) and code not in person.chronic
    return r4.Condition(
        id=id_,
        clinicalStatus=coded(f"{HL7}/condition-clinical", "resolved" if resolved else "active"),
        verificationStatus=coded(f"{HL7}/condition-ver-status", "confirmed"),
        category=[coded(f"{HL7}/condition-category", category)],
        code=_diagnosis(code),
        subject=subject(person),
        encounter=r4.Reference(reference=f"Encounter/{visit}") if visit else None,
        onsetDateTime=at.date().isoformat(),
        recordedDate=instant(at),
    )


def observation(  # noqa: PLR0917
    person: Resident, id_: str, code: str, value: float, at: datetime, visit: str, facility: str,
    *, order: str = "", worker: r4.Reference | None = None,
) -> r4.Observation:  # fmt: skip
    """A vital sign or a laboratory result. order: what it was measured for; worker: who did."""
    lab = code in LABS
    name, unit, decimals = LABS[code][:3] if lab else VITALS[code]
    amount = quantity(value, unit, decimals)
    limits = (Decimal(LABS[code][3]), Decimal(LABS[code][4])) if lab else None
    return r4.Observation(
        id=id_,
        status="final",
        category=[coded(f"{HL7}/observation-category", "laboratory" if lab else "vital-signs")],
        code=coded(LOINC, code, name),
        subject=subject(person),
        encounter=r4.Reference(reference=f"Encounter/{visit}"),
        effectiveDateTime=instant(at),
        issued=instant(at),
        basedOn=[r4.Reference(reference=f"ServiceRequest/{order}")] if order else None,
        performer=[*([worker] if worker else []), r4.Reference(reference=f"Organization/{facility}")],
        device=r4.Reference(identifier=r4.Identifier(system=MACHINES, value=MACHINE)) if order else None,
        valueQuantity=amount,
        interpretation=[_interpretation(amount.value or Decimal(0), *limits)] if limits else None,
        referenceRange=[_range(*limits, unit)] if limits else None,
    )


def quantity(value: float, unit: str, decimals: int) -> r4.Quantity:
    """A measured amount, with the digits that it was measured with."""
    return r4.Quantity(value=Decimal(f"{value:.{decimals}f}"), unit=unit, system=UCUM, code=unit)


def _interpretation(value: Decimal, low: Decimal, high: Decimal) -> r4.CodeableConcept:
    code = "L" if value < low else "H" if value > high else "N"
    return coded(f"{HL7}/v3-ObservationInterpretation", code)


def _range(low: Decimal, high: Decimal, unit: str) -> r4.ObservationReferenceRange:
    ends = [r4.Quantity(value=end, unit=unit, system=UCUM, code=unit) for end in (low, high)]
    return r4.ObservationReferenceRange(low=ends[0], high=ends[1])


def blood_pressure(person: Resident, id_: str, high: int, low: int, at: datetime, visit: str) -> r4.Observation:  # noqa: PLR0917
    """Systolic and diastolic pressure."""
    parts = (("8480-6", "Huyết áp tâm thu", high), ("8462-4", "Huyết áp tâm trương", low))
    return r4.Observation(
        id=id_,
        status="final",
        category=[coded(f"{HL7}/observation-category", "vital-signs")],
        code=coded(LOINC, "85354-9", "Huyết áp"),
        subject=subject(person),
        encounter=r4.Reference(reference=f"Encounter/{visit}"),
        effectiveDateTime=instant(at),
        component=[
            r4.ObservationComponent(code=coded(LOINC, code, name), valueQuantity=quantity(value, "mm[Hg]", 0))
            for code, name, value in parts
        ],
    )


def report(  # noqa: PLR0917
    person: Resident, id_: str, results: list[str], at: datetime, visit: str, facility: str,
    *, orders: list[str], worker: r4.Reference | None,
) -> r4.DiagnosticReport:  # fmt: skip
    """The laboratory's report over results. orders: what they were measured for; worker: who read them."""
    return r4.DiagnosticReport(
        id=id_,
        status="final",
        category=[coded(f"{HL7}/v2-0074", "LAB")],
        code=coded(LOINC, "11502-2", "Phiếu kết quả xét nghiệm"),
        subject=subject(person),
        encounter=r4.Reference(reference=f"Encounter/{visit}"),
        effectiveDateTime=instant(at),
        issued=instant(at),
        basedOn=[r4.Reference(reference=f"ServiceRequest/{order}") for order in orders],
        performer=[r4.Reference(reference=f"Organization/{facility}")],
        resultsInterpreter=[worker] if worker else None,
        result=[r4.Reference(reference=f"Observation/{result}") for result in results],
    )


def prescription(  # noqa: PLR0917
    person: Resident,
    id_: str,
    drug: str,
    text: str,
    days: int,
    amount: int,
    at: datetime,
    visit: str,
    doctor: r4.Reference,
) -> r4.MedicationRequest:
    """One line of a prescription; text: the dose in words."""
    entry = catalogues.drug(drug)
    return r4.MedicationRequest(
        id=id_,
        status="completed",
        intent="order",
        medicationCodeableConcept=_drug(drug),
        subject=subject(person),
        encounter=r4.Reference(reference=f"Encounter/{visit}"),
        authoredOn=instant(at),
        requester=doctor,
        dosageInstruction=[r4.Dosage(sequence=1, text=text)],
        dispenseRequest=r4.MedicationRequestDispenseRequest(
            quantity=r4.Quantity(value=Decimal(amount), unit=entry.unit if entry else None),
            expectedSupplyDuration=r4.Duration(value=Decimal(days), unit="ngày", system=UCUM, code="d"),
        ),
    )


def allergy(person: Resident, at: datetime) -> r4.AllergyIntolerance:
    """An allergy that everyone must see."""
    drug = person.allergy != "hải sản"
    return r4.AllergyIntolerance(
        id=f"{person.id}-du",
        clinicalStatus=coded(f"{HL7}/allergyintolerance-clinical", "active"),
        verificationStatus=coded(f"{HL7}/allergyintolerance-verification", "confirmed"),
        category=["medication" if drug else "food"],
        criticality="high" if drug else "low",
        code=r4.CodeableConcept(text=person.allergy.capitalize()),
        patient=subject(person),
        recordedDate=instant(at),
        reaction=[r4.AllergyIntoleranceReaction(manifestation=[r4.CodeableConcept(text="Nổi mề đay, ngứa")])],
    )


def immunization(person: Resident, n: int, cvx: str, name: str, dose: int, at: datetime) -> r4.Immunization:  # noqa: PLR0917
    """A dose given at the station."""
    return r4.Immunization(
        id=f"{person.id}-t{n}",
        status="completed",
        vaccineCode=coded(CVX, cvx, name),
        patient=subject(person),
        occurrenceDateTime=at.date().isoformat(),
        primarySource=True,
        lotNumber=f"{cvx}{at:%y%m}",
        performer=[r4.ImmunizationPerformer(actor=r4.Reference(reference=f"Organization/{person.station}"))],
        protocolApplied=[r4.ImmunizationProtocolApplied(doseNumberPositiveInt=dose)],
    )


def coverage(person: Resident) -> r4.Coverage:
    """The insurance card, as the insurer keeps it."""
    classes = (("group", person.card[:2], f"{HL7}/coverage-class"), ("plan", person.card[2], f"{HL7}/coverage-class"))
    ours = ("registered-facility", person.hospital, "https://tuetinh.vn/fhir/CodeSystem/coverage-class")
    return r4.Coverage(
        id=f"{person.id}-bh",
        identifier=[r4.Identifier(system="http://fhir.ehealth.gov.vn/core/sid/insurance_number", value=person.card)],
        status="active",
        type=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/v3-ActCode", code="PUBLICPOL")], text="Bảo hiểm y tế"),
        subscriberId=person.card,
        beneficiary=subject(person),
        period=r4.Period(start=person.valid_from, end=person.valid_to),
        payor=[r4.Reference(display="Bảo hiểm xã hội Việt Nam")],
        class_=[r4.CoverageClass(type=coded(system, code), value=value) for code, value, system in (*classes, ours)],
    )
