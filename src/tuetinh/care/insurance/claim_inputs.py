"""What the benefit of a visit rests on besides its own facts: referral, appointment, other visits of the day and year.

Read for many visits in four searches, and a fifth where somebody came twice on a day. The desk need not be allowed to
read what others wrote, and does not see it: what comes out is who pays what.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
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
CHARGED: Final = frozenset({"planned", "billable", "billed"})  # ChargeItem.status of what is to be paid
NO_VISIT: Final = frozenset({"cancelled", "entered-in-error", "planned"})
DAY: Final = timedelta(days=1)
LOOKED_BACK: Final = 2 * DAY  # for the visit before
PRICE_PARTS: Final = "https://tuetinh.vn/fhir/CodeSystem/price-part"
COPAY, OUT_OF_LEVEL = "copay", "out-of-level"  # codes of it; the second beside the first, of own choice out of level


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a visit rests on. annexes: those of TT 01/2025 that have its principal disease.

    paid_at: when the visit was paid in full. referral, appointment: valid papers that it came with.

    copaid: co-payment of this year's earlier visits; copays: each with its time; free_since: when that reached six base
    salaries, if it did.
    exams_before: examinations that were charged here on the same day, at earlier visits. since_last: from the end of
    the last visit anywhere to the beginning of this one, where that is two days at most; negative where they overlap.
    """

    paid_at: datetime | None = None
    referral: r4.ServiceRequest | None = None
    appointment: r4.Appointment | None = None
    copaid: Decimal = ZERO
    copays: tuple[tuple[datetime, Decimal], ...] = ()
    free_since: datetime | None = None
    exams_before: int = 0
    since_last: timedelta | None = None
    annexes: frozenset[str] = frozenset()


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
    found = {visit.id or "": _inputs(visit, people.get(id_of(visit.subject), _Person())) for visit in visits}
    others: dict[str, list[r4.Encounter]] = defaultdict(list)
    for one in _others(visits, sorted(people)):
        others[id_of(one.subject)].append(one)
    exams, annexes = _exams_before(visits, others), _annexes(visits)
    return {
        visit.id or "": replace(
            found[visit.id or ""],
            exams_before=exams.get(visit.id or "", 0),
            since_last=_since_last(visit, others[id_of(visit.subject)]),
            annexes=annexes.get(visit.id or "", frozenset()),
        )
        for visit in visits
    }


def copays_of(patient: str, at: datetime) -> Inputs:
    """What a person has paid together at any facility from the beginning of the year until a moment."""
    invoices = search_all(PAYMENT, r4.Invoice, f"subject=Patient/{patient}&status=balanced")
    copays, free = _this_year(invoices, at, at.date())
    return Inputs(copaid=sum((amount for _, amount in copays), ZERO), copays=copays, free_since=free)


def _annexes(visits: list[r4.Encounter]) -> dict[str, frozenset[str]]:
    """The annexes that have the principal disease of a visit; nothing more is read where nobody entered any."""
    lists = {place: [*standing(place).values()] for place in {id_of(visit.serviceProvider) for visit in visits}}
    if not any(lists.values()):
        return {}
    first = {visit.id or "": _principal(visit) for visit in visits}
    conditions = record.read_many(PAYMENT, "Condition", sorted({*first.values()} - {""}))
    found = {}
    for visit in visits:
        condition = conditions.get(first.get(visit.id or "", ""))
        if isinstance(condition, r4.Condition):
            found[visit.id or ""] = annexes_of(code(condition.code, ICD10), lists[id_of(visit.serviceProvider)])
    return found


def _principal(visit: r4.Encounter) -> str:
    """Id of the Condition that is the principal diagnosis, or ""; one on arrival (AD) only where there is no other."""
    named = visit.diagnosis or []
    named = [one for one in named if code(one.use) != "AD"] or named
    return id_of(min(named, key=lambda one: one.rank or 99).condition) if named else ""


def _others(visits: list[r4.Encounter], people: list[str]) -> list[r4.Encounter]:
    """All visits of these people in the days around these visits."""
    days = [at.date() for visit in visits if (at := _began(visit))]
    if not people or not days:
        return []
    ids = ",".join(f"Patient/{id_}" for id_ in people)
    query = (
        f"subject={ids}&date=ge{min(days) - LOOKED_BACK}&date=lt{max(days) + 2 * DAY}"  # one more, for the time zone
    )
    return [one for one in search_all(PAYMENT, r4.Encounter, query) if one.status not in NO_VISIT]


def _exams_before(visits: list[r4.Encounter], others: Mapping[str, list[r4.Encounter]]) -> dict[str, int]:
    """Examinations of each person at earlier visits of the same day to the same facility, by the later visit.

    others: all visits of these days, by person.
    """
    earlier = {
        visit.id or "": {one.id or "" for one in others[id_of(visit.subject)] if _earlier_today(one, visit)}
        for visit in visits
    }
    wanted = sorted(set().union(*earlier.values()))
    if not wanted:
        return {}
    charged: Counter[str] = Counter()
    for item in search_all(PAYMENT, r4.ChargeItem, f"context={','.join(f'Encounter/{id_}' for id_ in wanted)}"):
        if item.status in CHARGED and is_examination(item):
            charged[id_of(item.context)] += int(item.quantity.value if item.quantity and item.quantity.value else 1)
    return {visit: sum(charged[one] for one in before) for visit, before in earlier.items() if before}


def _since_last(visit: r4.Encounter, others: list[r4.Encounter]) -> timedelta | None:
    """From the end of the person's visit before to the beginning of this one; one that nobody has ended is over as it
    began.
    """
    at = _began(visit)
    ends = [
        moment(one.period.end) if one.period and one.period.end else begun
        for one in others
        if one.id != visit.id and (begun := _began(one)) and at and begun < at
    ]
    last = max(filter(None, ends), default=None)
    return at - last if at and last and at - last <= LOOKED_BACK else None


def _earlier_today(one: r4.Encounter, visit: r4.Encounter) -> bool:
    """Whether a visit of the person began before another, on the same day, at the same facility."""
    before, at = _began(one), _began(visit)
    same = id_of(one.serviceProvider) == id_of(visit.serviceProvider)
    return same and one.id != visit.id and bool(before and at and before.date() == at.date() and before < at)


def _began(visit: r4.Encounter) -> datetime | None:
    return moment(visit.period.start if visit.period else None)


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
    began = _began(visit)
    day = began.date() if began else date.max
    own = [one for one in known.invoices if visit.id in {i.value for i in one.identifier or []}]
    paid = max((at for one in own if (at := moment(one.date))), default=None)
    copays, free = _this_year([one for one in known.invoices if one not in own], began, ended(visit) or day)
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
    copaid = sum((amount for _, amount in copays), ZERO)
    return Inputs(paid, referral, appointment, copaid, copays, free)


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


def _this_year(
    invoices: list[r4.Invoice], began: datetime | None, end: date
) -> tuple[tuple[tuple[datetime, Decimal], ...], datetime | None]:
    """The co-payments of the year before a visit, in level, and when they reached the limit."""
    total, free = ZERO, None
    found: list[tuple[datetime, Decimal]] = []
    dated = sorted((at, n) for n, one in enumerate(invoices) if (at := moment(one.date)))
    for at, n in dated:
        if began is None or at >= began or at.year != end.year:
            continue
        for part in invoices[n].totalPriceComponent or []:
            codes = {c.code for c in (part.code.coding if part.code else None) or [] if c.system == PRICE_PARTS}
            if COPAY in codes and OUT_OF_LEVEL not in codes and part.amount and part.amount.value is not None:
                total += part.amount.value
                found.append((at, part.amount.value))
        if free is None and total >= copay_limit(at.date()):
            free = at
    return tuple(found), free


def use_papers(asker: Asker, encounter: r4.Encounter) -> None:
    """Write on a visit that ends which papers it came with, and that they were used: all but a referral of a year count
    once.

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
