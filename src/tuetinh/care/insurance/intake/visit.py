"""The visit of table 1: Encounter, diagnoses, weight, that it was paid, and the Claim itself."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.cases import REASONS
from tuetinh.care.insurance.claim_inputs import COPAY, OUT_OF_LEVEL, PRICE_PARTS
from tuetinh.care.insurance.entitlement import is_in_level, is_inpatient
from tuetinh.care.insurance.facts import INSURER
from tuetinh.care.insurance.filling.reading import LOINC
from tuetinh.care.insurance.filling.summary import CHART, MA_LK
from tuetinh.care.insurance.intake import reading
from tuetinh.care.insurance.intake.reading import LISTS
from tuetinh.care.insurance.intake.stay import Stay
from tuetinh.care.insurance.situations import CODE, REASON
from tuetinh.care.insurance.tables import Row
from tuetinh.commons.catalogues.api import ICD10, icd10
from tuetinh.record import r4

HL7: Final = "http://terminology.hl7.org/CodeSystem"
ACT_CODE: Final = f"{HL7}/v3-ActCode"
TRADITIONAL: Final = f"{LISTS}/ma-benh-yhct"
ENCOUNTER: Final = "https://tuetinh.vn/fhir/sid/encounter"
AMOUNT: Final = "https://tuetinh.vn/fhir/StructureDefinition/claim-amount"
BEDS: Final = ("14", "15", "16")  # MA_NHOM
EMERGENCY: Final = "2"  # MA_DOITUONG_KCB
SUMS: Final = ("T_TONGCHI_BH", "T_BNTT", "T_BNCCT", "T_BHTT", "T_NGUONKHAC")


def add(stay: Stay, coverage: str) -> None:
    """Add the facts of table 1. coverage: id of the card that the claim rests on, "" for none."""
    row = stay.told.summary
    diagnoses = _conditions(stay, row)
    encounter = _encounter(stay, row, diagnoses)
    stay.made.insert(0, encounter)
    stay.add_row("XML1", encounter)
    if (weight := reading.amount(row.get("CAN_NANG", ""))) is not None:
        stay.add(_weight(stay, weight, reading.at(row["NGAY_VAO"])))
    if blood := row.get("NHOM_MAU"):
        stay.add(_observed(stay, "blood-group", "882-1", reading.at(row["NGAY_VAO"]), valueString=blood))
    if paid := reading.at(row.get("NGAY_TTOAN", "")):
        stay.add(_invoice(stay, row, paid))
    if advice := row.get("GHI_CHU"):
        stay.add(_advice(stay, advice))
    if coverage:
        stay.add(_claim(stay, row, coverage, diagnoses))


def _encounter(stay: Stay, row: Row, diagnoses: list[r4.EncounterDiagnosis]) -> r4.Encounter:
    start, end = reading.at(row["NGAY_VAO"]), reading.at(row.get("NGAY_RA", ""))
    identifiers = [r4.Identifier(system=MA_LK, value=stay.told.ma_lk)]
    if chart := row.get("MA_HSBA"):
        identifiers.append(r4.Identifier(system=CHART, value=chart))
    reasons = [row.get(name, "") for name in ("LY_DO_VV", "LY_DO_VNT")]
    leader = next((who for one in _doctors(stay) if (who := stay.who(one))), None)
    reason = row.get("MA_DOITUONG_KCB", "")
    codes = [_listed(name, row) for name in ("MA_LOAI_KCB", "MA_TAI_NAN", "MA_LY_DO_VNT", "MA_DOITUONG_KCB")]
    return r4.Encounter(
        id=stay.id,
        meta=stay.meta,
        extension=[r4.Extension(url=REASON, valueCode=REASONS.get(reason, "own_choice"))] if reason else None,
        identifier=identifiers,
        status="finished" if end else "in-progress",
        class_=_class(row),
        classHistory=_classes(row, start, end),
        type=[one for one in codes if one] or None,
        subject=stay.subject,
        participant=[r4.EncounterParticipant(individual=leader)] if leader else None,
        period=r4.Period(start=start, end=end or None),
        reasonCode=[r4.CodeableConcept(text=text) for text in dict.fromkeys(reasons) if text] or None,
        diagnosis=diagnoses or None,
        hospitalization=_hospitalization(row),
        location=_moves(stay, row, start),
        serviceProvider=stay.provider,
    )


def _class(row: Row) -> r4.Coding:
    if is_inpatient(row.get("MA_LOAI_KCB", "")):
        return r4.Coding(system=ACT_CODE, code="IMP")
    return r4.Coding(system=ACT_CODE, code="EMER" if row.get("MA_DOITUONG_KCB") == EMERGENCY else "AMB")


def _classes(row: Row, start: str, end: str) -> list[r4.EncounterClassHistory] | None:
    """When an outpatient became an inpatient (NGAY_VAO_NOI_TRU)."""
    admitted = reading.at(row.get("NGAY_VAO_NOI_TRU", ""))
    if _class(row).code != "IMP" or not start < admitted <= (end or "9"):
        return None
    parts = (("AMB", start, admitted), ("IMP", admitted, end))
    return [
        r4.EncounterClassHistory(
            class_=r4.Coding(system=ACT_CODE, code=code), period=r4.Period(start=since, end=until or None)
        )
        for code, since, until in parts
    ]


def _listed(name: str, row: Row) -> r4.CodeableConcept | None:
    value = reading.code(row.get(name, ""))
    return reading.coded(f"{LISTS}/{name.lower().replace('_', '-')}", value) if value else None


def _hospitalization(row: Row) -> r4.EncounterHospitalization | None:
    left = [one for name in ("KET_QUA_DTRI", "MA_LOAI_RV") if (one := _listed(name, row))]
    if destination := row.get("MA_NOI_DEN"):
        left.append(reading.coded(f"{LISTS}/ma-cskcb", destination))
    codings = [coding for one in left for coding in one.coding or []]
    paper = row.get("GIAY_CHUYEN_TUYEN")
    found = r4.EncounterHospitalization(
        preAdmissionIdentifier=r4.Identifier(value=paper) if paper else None,
        origin=_facility(row.get("MA_NOI_DI", "")),
        destination=_facility(row.get("MA_NOI_DEN", "")),
        dischargeDisposition=r4.CodeableConcept(coding=codings) if codings else None,
    )
    return found if found != r4.EncounterHospitalization() else None


def _facility(code: str) -> r4.Reference | None:
    return r4.Reference(identifier=r4.Identifier(system=CODE, value=code)) if code else None


def _doctors(stay: Stay) -> list[str]:
    """Licences of the doctors who ordered, the first of the visit first."""
    lines = [line for name in ("XML3", "XML2") for line in stay.told.tables.get(name, [])]
    lines.sort(key=lambda line: line.get("NGAY_YL", "9"))
    return list(dict.fromkeys(line["MA_BAC_SI"] for line in lines if line.get("MA_BAC_SI")))


def _moves(stay: Stay, row: Row, start: str) -> list[r4.EncounterLocation] | None:
    """The departments in their order; each from the first thing that was ordered there."""
    first: dict[str, str] = {}
    for name in ("XML2", "XML3"):
        for line in stay.told.tables.get(name, []):
            told = reading.at(line.get("NGAY_YL", ""))
            if len(told) > 10 and (department := line.get("MA_KHOA")):
                first[department] = min(first.get(department, told), told)
    found = []
    for place, code in enumerate(dict.fromkeys(map(reading.code, reading.parts(row.get("MA_KHOA", ""))))):
        since = start if place == 0 else first.get(code, "")
        period = r4.Period(start=since) if since else None
        found.append(r4.EncounterLocation(location=stay.department(code), status="completed", period=period))
    return [*found, *_beds(stay)] or None


def _beds(stay: Stay) -> list[r4.EncounterLocation]:
    """The beds of the days in bed, from when to when."""
    found = []
    for line in stay.told.tables.get("XML3", []):
        since, until = (reading.at(line.get(name, "")) for name in ("NGAY_YL", "NGAY_KQ"))
        if line.get("MA_NHOM") in BEDS and since:
            period = r4.Period(start=since, end=until if until > since else None)
            for bed in reading.parts(line.get("MA_GIUONG", "")):
                place = stay.bed(reading.code(line.get("MA_KHOA", "")), bed)
                found.append(r4.EncounterLocation(location=place, status="completed", period=period))
    return found


def _conditions(stay: Stay, row: Row) -> list[r4.EncounterDiagnosis]:
    """The final diagnoses in their order, and the one of the arrival where it was another; in words what was told."""
    codes = [code for name in ("MA_BENH_CHINH", "MA_BENH_KT") for code in reading.parts(row.get(name, ""))]
    codes = list(dict.fromkeys(map(reading.code, codes)))
    words, told = row.get("CHAN_DOAN_RV", ""), reading.parts(row.get("CHAN_DOAN_RV", ""))
    texts = told if len(told) == len(codes) else [words, *map(_name, codes[1:])]
    traditional = [reading.code(one) for one in reading.parts(row.get("MA_BENH_YHCT", ""))]
    found = []
    for place, (code, text) in enumerate(zip(codes, texts or map(_name, codes), strict=False), 1):
        coding = [r4.Coding(system=ICD10, code=code, display=_name(code))]
        if place == 1:  # traditional medicine names the same illness, in codes of its own
            coding += [r4.Coding(system=TRADITIONAL, code=one) for one in traditional]
        found.append(_diagnosis(stay, f"dx{place}", "DD", place, r4.CodeableConcept(coding=coding, text=text or None)))
    if not codes and (words or traditional):
        coding = [r4.Coding(system=TRADITIONAL, code=one) for one in traditional]
        concept = r4.CodeableConcept(coding=coding or None, text=words or None)
        found.append(_diagnosis(stay, "dx1", "DD", 1, concept))
    if (arrival := row.get("CHAN_DOAN_VAO", "")) and arrival != words:
        found.append(_diagnosis(stay, "dxad", "AD", len(found) + 1, r4.CodeableConcept(text=arrival)))
    return found


def _name(code: str) -> str:
    known = icd10(code)
    return known.vi if known else code


def _diagnosis(stay: Stay, key: str, use: str, rank: int, concept: r4.CodeableConcept) -> r4.EncounterDiagnosis:
    row = stay.told.summary
    ended = reading.at(row.get("NGAY_RA", ""))
    at_start = use == "AD"
    condition = r4.Condition(
        id=f"{stay.id}-{key}",
        clinicalStatus=None if at_start else reading.coded(f"{HL7}/condition-clinical", "active"),
        verificationStatus=reading.coded(f"{HL7}/condition-ver-status", "provisional" if at_start else "confirmed"),
        category=[reading.coded(f"{HL7}/condition-category", "encounter-diagnosis")],
        code=concept,
        subject=stay.subject,
        encounter=stay.encounter,
        recordedDate=reading.at(row["NGAY_VAO"]) if at_start or not ended else ended,
    )
    stay.add(condition)
    return r4.EncounterDiagnosis(
        condition=r4.Reference(reference=f"Condition/{condition.id}"),
        use=reading.coded(f"{HL7}/diagnosis-role", use),
        rank=rank,
    )


def _weight(stay: Stay, value: Decimal, at: str) -> r4.Observation:
    kilograms = r4.Quantity(value=value, unit="kg", system="http://unitsofmeasure.org", code="kg")
    return _observed(stay, "weight", "29463-7", at, valueQuantity=kilograms)


def _advice(stay: Stay, advice: str) -> r4.CarePlan:
    """What the person was told to do afterwards."""
    return r4.CarePlan(
        id=f"{stay.id}-plan", status="active", intent="plan", subject=stay.subject, encounter=stay.encounter,
        description=advice,
    )  # fmt: skip


def _observed(stay: Stay, key: str, loinc: str, at: str, **value: object) -> r4.Observation:
    return r4.Observation(
        id=f"{stay.id}-{key}",
        status="final",
        category=[reading.coded(f"{HL7}/observation-category", "vital-signs" if key == "weight" else "laboratory")],
        code=reading.coded(LOINC, loinc),
        subject=stay.subject,
        encounter=stay.encounter,
        effectiveDateTime=at,
        **value,
    )


def _invoice(stay: Stay, row: Row, paid: str) -> r4.Invoice:
    """That the visit was paid, and what the person paid (NGAY_TTOAN)."""
    own = sum((reading.amount(row.get(name, "")) or Decimal(0) for name in ("T_BNTT", "T_BNCCT")), Decimal(0))
    total = reading.amount(row.get("T_TONGCHI_BV", ""))
    return r4.Invoice(
        id=f"{stay.id}-paid",
        identifier=[r4.Identifier(system=ENCOUNTER, value=stay.id)],
        status="balanced",
        subject=stay.subject,
        date=paid,
        issuer=stay.provider,
        totalPriceComponent=_copaid(row),
        totalNet=reading.money(own),
        totalGross=None if total is None else reading.money(total),
    )


def _copaid(row: Row) -> list[r4.InvoiceLineItemPriceComponent] | None:
    """The co-payment, which counts for the limit of the year unless the person came out of level."""
    amount = reading.amount(row.get("T_BNCCT", ""))
    if not amount or amount < 0:
        return None
    ended = date.fromisoformat(reading.day(row.get("NGAY_RA", "")) or reading.day(row["NGAY_VAO"]))
    inpatient = is_inpatient(row.get("MA_LOAI_KCB", ""))
    in_level = is_in_level(row.get("MA_DOITUONG_KCB", ""), ended, inpatient=inpatient)
    codes = (COPAY,) if in_level else (COPAY, OUT_OF_LEVEL)
    code = r4.CodeableConcept(coding=[r4.Coding(system=PRICE_PARTS, code=one) for one in codes])
    return [r4.InvoiceLineItemPriceComponent(type="informational", code=code, amount=reading.money(amount))]


def _claim(stay: Stay, row: Row, coverage: str, diagnoses: list[r4.EncounterDiagnosis]) -> r4.Claim:
    """What was claimed, in sum."""
    start, end = reading.at(row["NGAY_VAO"]), reading.at(row.get("NGAY_RA", ""))
    total = reading.amount(row.get("T_TONGCHI_BV", ""))
    told = [(name, value) for name in SUMS if (value := reading.amount(row.get(name, ""))) is not None]
    parts = [
        r4.Extension(
            url=AMOUNT,
            extension=[r4.Extension(url="name", valueCode=name), r4.Extension(url="value", valueDecimal=value)],
        )
        for name, value in told
    ]
    return r4.Claim(
        id=f"{stay.id}-claim",
        extension=parts or None,
        identifier=[r4.Identifier(system=MA_LK, value=stay.told.ma_lk)],
        status="active",
        type=reading.coded(f"{HL7}/claim-type", "institutional"),
        use="claim",
        patient=stay.subject,
        billablePeriod=r4.Period(start=start, end=end or None),
        created=end or start,
        insurer=INSURER,
        provider=stay.provider,
        priority=reading.coded(f"{HL7}/processpriority", "normal"),
        diagnosis=[
            r4.ClaimDiagnosis(sequence=place, diagnosisReference=one.condition)
            for place, one in enumerate(diagnoses, 1)
        ]
        or None,
        insurance=[r4.ClaimInsurance(sequence=1, focal=True, coverage=r4.Reference(reference=f"Coverage/{coverage}"))],
        total=None if total is None else reading.money(total),
    )
