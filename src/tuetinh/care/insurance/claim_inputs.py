"""What the benefit of a visit rests on besides its own facts: referral, appointment, what was paid this year.

Read for many visits in three searches. The desk need not be allowed to read what others wrote, and does not see it:
what comes out is who pays what.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.annexes.lists import annexes_of, standing
from tuetinh.care.insurance.entitlement import ZERO, copay_limit, law
from tuetinh.care.insurance.filling.reading import code, id_of, search_all
from tuetinh.care.insurance.papers.facts import REFERRAL, holds_a_year
from tuetinh.care.insurance.situations import ended, is_examination, moment
from tuetinh.commons.catalogues.api import ICD10, after_working_days
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

PAYMENT: Final = replace(SYSTEM, purpose="HPAYMT")
PRICE_PARTS: Final = "https://tuetinh.vn/fhir/CodeSystem/price-part"


@dataclass(frozen=True, slots=True)
class Inputs:
    """paid_at: when the visit was paid in full. referral, appointment: valid papers that it came with.

    copaid: co-payment of this year's earlier visits; free_since: when that passed six base salaries, if it did.
    """

    paid_at: datetime | None = None
    referral: r4.ServiceRequest | None = None
    appointment: r4.Appointment | None = None
    copaid: Decimal = ZERO
    free_since: datetime | None = None


@dataclass(slots=True)
class _Person:
    referrals: list[r4.ServiceRequest] = field(default_factory=list)
    appointments: list[r4.Appointment] = field(default_factory=list)
    invoices: list[r4.Invoice] = field(default_factory=list)


def inputs_of(encounters: Iterable[r4.Encounter]) -> dict[str, Inputs]:
    """The inputs of each visit, by its id."""
    visits = list(encounters)
    people: dict[str, _Person] = {id_: _Person() for visit in visits if (id_ := id_of(visit.subject))}
    if people:
        _read(people)
    return {visit.id or "": _inputs(visit, people.get(id_of(visit.subject), _Person())) for visit in visits}


def _read(people: dict[str, _Person]) -> None:
    ids = ",".join(f"Patient/{id_}" for id_ in sorted(people))
    for order in search_all(PAYMENT, r4.ServiceRequest, f"subject={ids}&category={REFERRAL.system}|{REFERRAL.code}"):
        people[id_of(order.subject)].referrals.append(order)
    for appointment in search_all(PAYMENT, r4.Appointment, f"patient={ids}&status=booked,arrived,fulfilled"):
        for participant in appointment.participant:
            if (known := people.get(id_of(participant.actor))) is not None:
                known.appointments.append(appointment)
    for invoice in search_all(PAYMENT, r4.Invoice, f"subject={ids}&status=balanced"):
        people[id_of(invoice.subject)].invoices.append(invoice)


def _inputs(visit: r4.Encounter, known: _Person) -> Inputs:
    began = moment(visit.period.start if visit.period else None)
    day = began.date() if began else date.max
    own = [one for one in known.invoices if visit.id in {i.value for i in one.identifier or []}]
    paid = max((at for one in own if (at := moment(one.date))), default=None)
    copaid, free = _this_year([one for one in known.invoices if one not in own], began, ended(visit) or day)
    place = f"Organization/{id_of(visit.serviceProvider)}"
    came_with = {reference.reference for reference in visit.basedOn or []}
    referral = next(
        (
            one for one in sorted(known.referrals, key=lambda one: one.authoredOn or "", reverse=True)
            if f"ServiceRequest/{one.id}" in came_with or (
                one.status == "active"
                and place in {to.reference for to in one.performer or []}
                and covers(one.occurrencePeriod, day)
            )
        ),
        None,
    )  # fmt: skip
    came_for = {reference.reference for reference in visit.appointment or []}
    appointment = next(
        (
            one for one in sorted(known.appointments, key=lambda one: one.start or "")
            if f"Appointment/{one.id}" in came_for or (one.status == "booked" and _holds(one, place, day))
        ),
        None,
    )  # fmt: skip
    return Inputs(paid, referral, appointment, copaid, free)


def covers(period: r4.Period | None, day: date) -> bool:
    """Whether a paper's days of validity have this one among them."""
    if period is None:
        return False
    since, until = moment(period.start), moment(period.end)
    return (since is None or since.date() <= day) and (until is None or day <= until.date())


def _holds(one: r4.Appointment, place: str, day: date) -> bool:
    """Whether an appointment to be seen again is of this facility, and of these days."""
    at = moment(one.start)
    here = place in {about.reference for about in one.supportingInformation or []}
    if at is None or not here or not at.date() <= day:
        return False
    return day <= after_working_days(at.date(), law()["revisit_working_days"])


def _this_year(invoices: list[r4.Invoice], began: datetime | None, end: date) -> tuple[Decimal, datetime | None]:
    """Co-payment of the year before a visit, and when it passed the limit."""
    total, free = ZERO, None
    dated = sorted((at, n) for n, one in enumerate(invoices) if (at := moment(one.date)))
    for at, n in dated:
        if began is None or at >= began or at.year != end.year:
            continue
        for part in invoices[n].totalPriceComponent or []:
            codes = {(c.system, c.code) for c in (part.code.coding if part.code else None) or []}
            if (PRICE_PARTS, "copay") in codes and part.amount and part.amount.value is not None:
                total += part.amount.value
        if free is None and total > copay_limit(at.date()):
            free = at
    return total, free


def use_papers(asker: Asker, encounter: r4.Encounter) -> None:
    """Write on a visit that ends which papers it came with, and that the appointment was kept: it counts once.

    Inside the caller's transaction.
    """
    found = inputs_of([encounter])[encounter.id or ""]
    if found.referral is None and found.appointment is None:
        return
    if found.referral is not None:
        encounter.basedOn = [r4.Reference(reference=f"ServiceRequest/{found.referral.id}")]
        if found.referral.status == "active" and not holds_a_year(found.referral):
            found.referral.status = "completed"
            record.update(PAYMENT, found.referral)  # it is of the facility that referred the person
    if found.appointment is not None:
        encounter.appointment = [r4.Reference(reference=f"Appointment/{found.appointment.id}")]
        if found.appointment.status != "fulfilled":
            found.appointment.status = "fulfilled"
            record.update(asker, found.appointment)
    record.update(asker, encounter)
