"""Tables 2 and 3: what was prescribed, handed out, ordered and done, and what it cost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Final

from tuetinh.care.insurance.claim_tables import REGISTRATION, TENDER
from tuetinh.care.insurance.filling.lines import (
    FORM,
    FUEL,
    MODEL,
    PROCESSING,
    RECURRED,
    REUSED,
    SOURCE,
    STRENGTH,
    SUPPLY_PACKAGE,
    USED_IN,
)
from tuetinh.care.insurance.filling.reading import ICD9, MACHINE
from tuetinh.care.insurance.intake import reading
from tuetinh.care.insurance.intake.reading import LISTS, SNOMED
from tuetinh.care.insurance.intake.stay import Stay
from tuetinh.care.insurance.situations import (
    CEILING,
    COST_GROUP,
    EXAMINATION,
    FUND_SHARE,
    INSURED_PRICE,
    OTHER_SOURCES,
    SCOPE,
    SUPPLIES,
)
from tuetinh.care.insurance.tables import Row
from tuetinh.commons.catalogues.api import SERVICES, SUBSTANCES, Drug, drug_code, drugs, service
from tuetinh.record import r4

UCUM: Final = "http://unitsofmeasure.org"
TEXTS: Final = {
    "SO_DANG_KY": REGISTRATION, "TT_THAU": TENDER, "GOI_VTYT": SUPPLY_PACKAGE, "MA_HIEU_SP": MODEL,
    "MA_NHOM": COST_GROUP, "MA_PP_CHEBIEN": PROCESSING, "MA_CSKCB_THUOC": SOURCE, "MA_XANG_DAU": FUEL,
}  # fmt: skip
AID: Final = {f"T_NGUONKHAC_{name}": url for name, url in OTHER_SOURCES.items()}
FLAGS: Final = {"VET_THUONG_TP": RECURRED, "TAI_SU_DUNG": REUSED}
NO_ORDER: Final = ("13", "14", "15", "16")  # MA_NHOM of examinations and days in bed, which nobody orders
MEASURED: Final = ("1", "2", "3")  # laboratory, imaging, function tests
KINDS: Final = {
    "1": ("108252007", "Laboratory procedure"),
    "2": ("363679005", "Imaging"),
    "8": ("387713003", "Surgical procedure"),
}
OF_SUPPLY: Final = "10"
# LIEU_DUNG: amount each time * times a day * days [amount a day] (QĐ 3176, bảng 2, trường 12).
_DOSE = re.compile(
    r"(?P<each>\d+(?:\.\d+)?) (?P<unit>[^/*]{1,50})/lần \* (?P<times>\d{1,3}) lần/ngày \* (?P<days>\d{1,4}) ngày"
    r"(?: \[[^\]]*\])?"
)


def numbered(rows: list[Row]) -> Iterator[tuple[str, Row]]:
    """The rows with their STT, by which a later file finds them again; else with their place."""
    seen: Counter[str] = Counter()
    for place, row in enumerate(rows, 1):
        told = row.get("STT", "")
        number = f"{int(told):04}" if re.fullmatch("[0-9]{1,6}", told) else f"r{place:04}"
        seen[number] += 1
        yield (number if seen[number] == 1 else f"{number}.{seen[number]}"), row


# Medicines ----------------------------------------------------------------------------------------------------------


def add_medicines(stay: Stay) -> None:
    """Add the facts of table 2."""
    inpatient = stay.made[0].class_.code == "IMP"  # type: ignore[attr-defined]
    for number, row in numbered(stay.told.tables.get("XML2", [])):
        concept = _medicine(row)
        order = _prescription(stay, number, row, concept)
        stay.add(order, "XML2", number)
        stay.add(_given(stay, number, row, order) if inpatient else _handed_out(stay, number, row, order))
        charge = _charge(stay, f"c2{number}", row, concept, order)
        stay.add(charge, "XML2", number)
        stay.add_row("XML2", charge)


def _medicine(row: Row) -> r4.CodeableConcept:
    """The code of our formulary where exactly this medicine is in it, else the national ingredient."""
    substance, name = reading.code(row.get("MA_THUOC", "")), row.get("TEN_THUOC", "")
    if known := _formulary().get((substance, name, row.get("HAM_LUONG", ""), row.get("DUONG_DUNG", ""))):
        return drug_code(known)
    coding = [r4.Coding(system=SUBSTANCES, code=substance)] if substance else None
    return r4.CodeableConcept(coding=coding, text=name or substance or "?")


@cache
def _formulary() -> dict[tuple[str, str, str, str], Drug]:
    """The medicines that no other has the same ingredient, name, strength and route as."""
    found: dict[tuple[str, str, str, str], list[Drug]] = {}
    for one in drugs():
        found.setdefault((one.substance_code, one.name, one.strength, one.route_code), []).append(one)
    return {key: ones[0] for key, ones in found.items() if len(ones) == 1}


def _prescription(stay: Stay, number: str, row: Row, concept: r4.CodeableConcept) -> r4.MedicationRequest:
    told = [(STRENGTH, row.get("HAM_LUONG", "")), (FORM, row.get("DANG_BAO_CHE", ""))]
    dose, days = _dosage(row)
    quantity, unit = reading.amount(row.get("SO_LUONG", "")), row.get("DON_VI_TINH")
    return r4.MedicationRequest(
        id=f"{stay.id}-m{number}",
        extension=[r4.Extension(url=url, valueString=text) for url, text in told if text] or None,
        status="completed",
        intent="order",
        medicationCodeableConcept=concept,
        subject=stay.subject,
        encounter=stay.encounter,
        authoredOn=reading.at(row.get("NGAY_YL", "")) or None,
        requester=stay.who(row.get("MA_BAC_SI", "")),
        dosageInstruction=[dose] if dose else None,
        dispenseRequest=r4.MedicationRequestDispenseRequest(
            quantity=None if quantity is None else r4.Quantity(value=quantity, unit=unit),
            expectedSupplyDuration=r4.Duration(value=days, unit="ngày", system=UCUM, code="d") if days else None,
        )
        if quantity is not None or days
        else None,
    )


def _dosage(row: Row) -> tuple[r4.Dosage | None, Decimal | None]:
    """The dose, and for how many days."""
    dose, words = row.get("LIEU_DUNG", ""), row.get("CACH_DUNG", "")
    route = reading.coded(f"{LISTS}/duong-dung", row["DUONG_DUNG"]) if row.get("DUONG_DUNG") else None
    found = _DOSE.fullmatch(dose)
    if found is None:
        if not (dose or words or route):
            return None, None
        note = words if dose and words not in ("", dose) else None
        return r4.Dosage(text=dose or words or None, patientInstruction=note, route=route), None
    each = r4.Quantity(value=Decimal(found["each"]), unit=found["unit"])
    timing = r4.Timing(repeat=r4.TimingRepeat(frequency=int(found["times"]) or 1, period=Decimal(1), periodUnit="d"))
    return (
        r4.Dosage(
            text=words or None, route=route, timing=timing, doseAndRate=[r4.DosageDoseAndRate(doseQuantity=each)]
        ),
        Decimal(found["days"]),
    )


def _handed_out(stay: Stay, number: str, row: Row, order: r4.MedicationRequest) -> r4.MedicationDispense:
    at = reading.at(row.get("NGAY_TH_YL", "")) or reading.at(row.get("NGAY_YL", ""))
    return r4.MedicationDispense(
        id=f"{stay.id}-md{number}",
        status="completed",
        medicationCodeableConcept=order.medicationCodeableConcept,
        subject=stay.subject,
        context=stay.encounter,
        authorizingPrescription=[r4.Reference(reference=f"MedicationRequest/{order.id}")],
        quantity=order.dispenseRequest.quantity if order.dispenseRequest else None,
        whenHandedOver=at or None,
    )


def _given(stay: Stay, number: str, row: Row, order: r4.MedicationRequest) -> r4.MedicationAdministration:
    at = reading.at(row.get("NGAY_TH_YL", "")) or order.authoredOn or reading.at(stay.told.summary["NGAY_VAO"])
    return r4.MedicationAdministration(
        id=f"{stay.id}-ma{number}",
        status="completed",
        medicationCodeableConcept=order.medicationCodeableConcept,
        subject=stay.subject,
        context=stay.encounter,
        effectiveDateTime=at,
        request=r4.Reference(reference=f"MedicationRequest/{order.id}"),
    )


# Services and supplies ----------------------------------------------------------------------------------------------


def add_services(stay: Stay) -> dict[str, list[tuple[r4.ServiceRequest, Row]]]:
    """Add the facts of table 3; returns the orders of each code, for the results of table 4."""
    orders: dict[str, list[tuple[r4.ServiceRequest, Row]]] = {}
    for number, row in numbered(stay.told.tables.get("XML3", [])):
        concept = _service(row)
        order = None
        if not row.get("MA_VAT_TU") and row.get("MA_NHOM") not in NO_ORDER:
            order = _order(stay, number, row, concept)
            stay.add(order, "XML3", number)
            orders.setdefault(reading.code(row.get("MA_DICH_VU", "")), []).append((order, row))
            if row.get("MA_NHOM") not in MEASURED:
                stay.add(_procedure(stay, number, row, order, concept), "XML3", number)
        charge = _charge(stay, f"c3{number}", row, concept, order)
        stay.add(charge, "XML3", number)
        stay.add_row("XML3", charge)
    return orders


def _service(row: Row) -> r4.CodeableConcept:
    if supply := reading.code(row.get("MA_VAT_TU", "")):
        return reading.coded(SUPPLIES, supply, row.get("TEN_VAT_TU", ""))
    code = reading.code(row.get("MA_DICH_VU", ""))
    known = service(code)
    name = row.get("TEN_DICH_VU") or (known.name if known else code) or "?"
    coding = [r4.Coding(system=SERVICES, code=code, display=known.name if known else None)] if code else None
    return r4.CodeableConcept(coding=coding, text=name)


def _order(stay: Stay, number: str, row: Row, concept: r4.CodeableConcept) -> r4.ServiceRequest:
    kind = KINDS.get(row.get("MA_NHOM", ""))
    category = [r4.CodeableConcept(coding=[r4.Coding(system=SNOMED, code=kind[0], display=kind[1])])] if kind else None
    return r4.ServiceRequest(
        id=f"{stay.id}-s{number}",
        status="completed",
        intent="order",
        category=category,
        code=concept,
        subject=stay.subject,
        encounter=stay.encounter,
        authoredOn=reading.at(row.get("NGAY_YL", "")) or None,
        requester=stay.who(row.get("MA_BAC_SI", "")),
        performer=[stay.provider],
    )


def _procedure(
    stay: Stay, number: str, row: Row, order: r4.ServiceRequest, concept: r4.CodeableConcept
) -> r4.Procedure:
    """What was done. Its codes are those of the operation (ICD-9-CM) beside the service's."""
    begun, done = (reading.at(row.get(name, "")) for name in ("NGAY_TH_YL", "NGAY_KQ"))
    begun = begun or reading.at(row.get("NGAY_YL", ""))
    codings = [r4.Coding(system=ICD9, code=reading.code(one)) for one in reading.parts(row.get("MA_PTTT_QT", ""))]
    surgical = row.get("MA_NHOM") == "8"
    kind = r4.Coding(system=SNOMED, code=KINDS["8"][0], display=KINDS["8"][1])
    anaesthesia = reading.code(row.get("PP_VO_CAM", ""))
    where = row.get("VI_TRI_TH_DVKT")
    return r4.Procedure(
        id=f"{stay.id}-p{number}",
        basedOn=[r4.Reference(reference=f"ServiceRequest/{order.id}")],
        status="completed",
        category=r4.CodeableConcept(coding=[kind]) if surgical else None,
        code=r4.CodeableConcept(coding=[*codings, *(concept.coding or [])] or None, text=concept.text),
        subject=stay.subject,
        encounter=stay.encounter,
        performedPeriod=r4.Period(start=begun or None, end=done or None)
        if (begun or done) and begun <= (done or "9")
        else None,
        performer=[r4.ProcedurePerformer(actor=one) for one in stay.everyone(row.get("NGUOI_THUC_HIEN", "")) or []]
        or None,
        bodySite=[reading.coded(f"{LISTS}/vi-tri", where)] if where else None,
        usedCode=[reading.coded(f"{LISTS}/pp-vo-cam", anaesthesia)] if anaesthesia else None,
        usedReference=_machines(row),
    )


def _machines(row: Row) -> list[r4.Reference] | None:
    named = reading.parts(row.get("MA_MAY", ""))
    return [r4.Reference(identifier=r4.Identifier(system=MACHINE, value=one)) for one in named] or None


# Charges ------------------------------------------------------------------------------------------------------------


def _charge(stay: Stay, key: str, row: Row, concept: r4.CodeableConcept, order: r4.Resource | None) -> r4.ChargeItem:
    price = _counted(row.get("DON_GIA_BV", "") or row.get("DON_GIA", ""))
    quantity = _counted(row.get("SO_LUONG", ""))
    special = reading.amount(row.get("TYLE_TT_DV", ""))
    at = reading.at(row.get("NGAY_YL", ""))
    return r4.ChargeItem(
        id=f"{stay.id}-{key}",
        extension=_said(row, price) or None,
        status="billed",
        code=concept,
        subject=stay.subject,
        context=stay.encounter,
        occurrenceDateTime=at or None,
        performingOrganization=stay.provider,
        quantity=None if quantity is None else r4.Quantity(value=quantity, unit=row.get("DON_VI_TINH")),
        factorOverride=None if special in (None, Decimal(100)) else special / 100,
        priceOverride=None if price is None else reading.money(price),
        supportingInformation=[r4.Reference(reference=f"{order.resourceType}/{order.id}")] if order else None,
    )


def _counted(text: str) -> Decimal | None:
    """An amount that the benefit rules can take: none is below zero."""
    found = reading.amount(text)
    return None if found is not None and found < 0 else found


def _aid(row: Row, price: Decimal | None) -> dict[str, Decimal]:
    """Other sources of a line, by their addresses; none where they are more than the line has cost, or may have.

    What an examination without TYLE_TT_DV has cost depends on those before it.
    """
    told = {url: found for name, url in AID.items() if (found := _counted(row.get(name, "")))}
    share = reading.amount(row.get("TYLE_TT_DV", ""))
    known = service(reading.code(row.get("MA_DICH_VU", "")))
    if share is None and known is not None and known.group == EXAMINATION:
        return {}
    quantity = _counted(row.get("SO_LUONG", ""))
    cost = (price or Decimal(0)) * (1 if quantity is None else quantity) * (100 if share is None else share) / 100
    return told if sum(told.values()) <= cost.quantize(Decimal("0.01")) else {}


def _said(row: Row, price: Decimal | None) -> list[r4.Extension]:
    """What the benefit rules and the claim read beside price and quantity."""
    found = [r4.Extension(url=url, valueString=row[name]) for name, url in TEXTS.items() if row.get(name)]
    if row.get("TEN_THUOC") and row.get("MA_DICH_VU"):
        found.append(r4.Extension(url=USED_IN, valueString=row["MA_DICH_VU"]))
    amounts = _aid(row, price)
    if ceiling := _counted(row.get("T_TRANTT", "")):
        amounts[CEILING] = ceiling
    found += [r4.Extension(url=url, valueMoney=reading.money(value)) for url, value in amounts.items()]
    found += [r4.Extension(url=url, valueBoolean=True) for name, url in FLAGS.items() if row.get(name) == "1"]
    insured = reading.amount(row.get("DON_GIA_BH", ""))
    if insured is not None and insured != price:
        found.append(r4.Extension(url=INSURED_PRICE, valueMoney=reading.money(insured)))
    share = reading.amount(row.get("TYLE_TT_BH", ""))
    if share not in (None, Decimal(100)):
        found.append(r4.Extension(url=FUND_SHARE, valueDecimal=share))
    if row.get("PHAM_VI") in ("2", "3"):
        found.append(r4.Extension(url=SCOPE, valueInteger=int(row["PHAM_VI"])))
    return found
