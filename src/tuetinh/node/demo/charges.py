"""What past visits cost: the examination, tests and medicines at the prices of the starter list; all of it is paid."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Final

from tuetinh.care.insurance import api as insurance
from tuetinh.care.lab import api as lab
from tuetinh.commons.catalogues import api as catalogues
from tuetinh.node.demo import places
from tuetinh.node.demo.clinical import HANOI, coverage, instant, subject
from tuetinh.node.demo.people import Resident
from tuetinh.record import r4

EXAMINATION: Final = "02.03"  # TT 39/2018: general medicine
ENCOUNTER: Final = "https://tuetinh.vn/fhir/sid/encounter"


@cache
def prices() -> dict[str, catalogues.PriceRow]:
    """The starter list by code."""
    return {row.code: row for row in catalogues.starter_prices()}


@cache
def service_for(loinc: str) -> str:
    """Code of the service that measures something; of several the first that has a price."""
    for one in lab.tests():
        if one.pick in prices() and any(analyte.loinc == loinc for analyte in one.analytes):
            return one.pick
    raise KeyError(loinc)


def is_covered(code: str) -> bool:
    """Whether the fund knows a medicine (MA_THUOC of its substance)."""
    known = catalogues.drug(code)
    return known is not None and bool(known.substance_code)


def order(person: Resident, id_: str, code: str, at: datetime, visit: str, doctor: r4.Reference) -> r4.ServiceRequest:  # noqa: PLR0917
    """The order of a test."""
    return r4.ServiceRequest(
        id=id_,
        status="completed",
        intent="order",
        category=[r4.CodeableConcept(coding=[r4.Coding(system="http://snomed.info/sct", code="108252007")])],
        code=_service(code),
        subject=subject(person),
        encounter=r4.Reference(reference=f"Encounter/{visit}"),
        authoredOn=instant(at),
        requester=doctor,
    )


@cache
def _service(code: str) -> r4.CodeableConcept:
    found = catalogues.service(code)
    if found is None:
        raise KeyError(code)
    return catalogues.service_code(found)


def charge(  # noqa: PLR0917
    person: Resident, id_: str, code: str, amount: int, at: datetime, visit: str, facility: str, source: str = ""
) -> r4.ChargeItem:
    """A charge of a service or medicine. source: what it rests on."""
    row, medicine = prices()[code], catalogues.drug(code)
    product = ((insurance.REGISTRATION, row.registration), (insurance.TENDER, row.tender))
    return r4.ChargeItem(
        id=id_,
        extension=[r4.Extension(url=url, valueString=told) for url, told in product if told] or None,
        status="billed",
        code=catalogues.drug_code(medicine) if medicine else _service(code),
        subject=subject(person),
        context=r4.Reference(reference=f"Encounter/{visit}"),
        occurrenceDateTime=instant(at),
        performingOrganization=r4.Reference(reference=f"Organization/{facility}"),
        quantity=r4.Quantity(value=Decimal(amount), unit=medicine.unit if medicine else "Lần"),
        priceOverride=r4.Money(value=row.amount, currency="VND"),
        supportingInformation=[r4.Reference(reference=source)] if source else None,
    )


def invoice(person: Resident, visit: str, at: datetime, facility: str, charges: list[r4.ChargeItem]) -> r4.Invoice:
    """That the visit was paid, and what the person paid of it."""
    where = places.by_id()[facility]
    level, former = places.LEVELS[where.kind]
    day = at.astimezone(HANOI).date()
    card = insurance.card(coverage(person)) if person.card else None
    held = card is not None and card.digit is not None and card.holds_on(day)
    situation = insurance.Situation(
        on=day,
        cards=(insurance.CardTerm(card.digit, card.number[:2]),) if held and card and card.digit else (),
        reason="registered" if facility in (person.hospital, person.station) else "own_choice",
        level=level or "basic",  # type: ignore[arg-type]
        former=former,  # type: ignore[arg-type]
        station=where.kind == "station",
    )
    found = insurance.split([insurance.line(item) for item in charges], situation)
    return r4.Invoice(
        id=f"{visit}-hd",
        identifier=[r4.Identifier(system=ENCOUNTER, value=visit)],
        status="balanced",
        subject=subject(person),
        date=instant(at),
        issuer=r4.Reference(reference=f"Organization/{facility}"),
        totalNet=r4.Money(value=found.due, currency="VND"),
        totalGross=r4.Money(value=found.total, currency="VND"),
    )
