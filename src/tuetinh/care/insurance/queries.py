"""What pages, other modules and the simulated gateway ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import cast
from urllib.parse import quote

from django.db.models import Q

from tuetinh.care.insurance import facts
from tuetinh.care.insurance.claim_inputs import Inputs, inputs_of
from tuetinh.care.insurance.entitlement import Situation, card_rate
from tuetinh.care.insurance.models import SimulatedCard
from tuetinh.care.insurance.simulator import Card as KnownCard
from tuetinh.care.insurance.situations import FacilityFacts, card_term, ended, moment, situation
from tuetinh.care.insurance.situations import facility as facility_facts
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker


def cards(asker: Asker, patient: str) -> list[facts.Card]:
    """The person's cards, the one that lasts longest first."""
    page = record.search(asker, "Coverage", f"beneficiary=Patient/{patient}&_count=50")
    return facts.cards_of(cast("list[r4.Coverage]", page.resources))


def card_on(asker: Asker, patient: str, day: date) -> facts.Card | None:
    """The card in force on a day; of several the one with the highest benefit (NĐ 188/2025 Đ38)."""
    return _best(cards(asker, patient), day)


def cards_of_visit(asker: Asker, encounter: r4.Encounter, end: date) -> list[facts.Card]:
    """The cards that a visit until a day rests on: the best of each of its days, the last of them at its end.

    One that expired in the visit is among them, for the fund goes on paying (NĐ 188/2025 Đ38).
    """
    patient = _id_of(encounter.subject)
    return cards_of_days(cards(asker, patient), encounter, end) if patient else []


def simulated_card(number: str) -> KnownCard | None:
    """The demo province's card of a card number, BHXH number or personal number."""
    row = SimulatedCard.objects.filter(Q(number=number) | Q(bhxh=number) | Q(cccd=number)).first()
    if row is None:
        return None
    return KnownCard(**{name: getattr(row, name) for name in KnownCard.__slots__})


def visit_situation(
    asker: Asker, encounter: r4.Encounter, *, now: date | None = None
) -> tuple[Situation, list[facts.Card], FacilityFacts]:
    """The benefit situation of a visit, the cards that it rests on (the last of them at its end), and the facility."""
    return visit_situations(asker, [encounter], now=now)[encounter.id or ""]


def visit_situations(
    asker: Asker,
    encounters: Iterable[r4.Encounter],
    *,
    now: date | None = None,
    inputs: Mapping[str, Inputs] | None = None,
) -> dict[str, tuple[Situation, list[facts.Card], FacilityFacts]]:
    """The same of several visits, by their ids. inputs: what they rest on, where it was read already."""
    from django.utils import timezone

    day, visits = now or timezone.localdate(), list(encounters)
    resting_on = inputs_of(visits) if inputs is None else inputs
    people = {encounter.id: _id_of(encounter.subject) for encounter in visits}
    providers = {encounter.id: _id_of(encounter.serviceProvider) or asker.facility for encounter in visits}
    held = _cards_of(asker, sorted({*people.values()} - {""}))
    organizations = record.read_many(asker, "Organization", sorted({*providers.values()} - {""}))
    found = {}
    for encounter in visits:
        known = held.get(people[encounter.id], [])
        counting = cards_of_days(known, encounter, ended(encounter) or day)
        place = providers[encounter.id]
        here = facility_facts(cast("r4.Organization | None", organizations.get(place)), place)
        found[encounter.id or ""] = (
            situation(encounter, known, counting, here, resting_on[encounter.id or ""], now=day),
            counting,
            here,
        )
    return found


def _cards_of(asker: Asker, patients: list[str]) -> dict[str, list[facts.Card]]:
    """The cards of several people."""
    found: dict[str, list[r4.Coverage]] = {}
    page = None
    while patients:
        query = "beneficiary=" + ",".join(f"Patient/{id_}" for id_ in patients) + "&_count=500"
        result = record.search(asker, "Coverage", query, page)
        for one in cast("list[r4.Coverage]", result.resources):
            found.setdefault(_id_of(one.beneficiary), []).append(one)
        page = result.next
        if page is None:
            break
    return {patient: facts.cards_of(coverages) for patient, coverages in found.items()}


def _id_of(reference: r4.Reference | None) -> str:
    return (reference.reference or "").rpartition("/")[2] if reference else ""


def facility_of(asker: Asker, encounter: r4.Encounter) -> FacilityFacts:
    """The facility of a visit: its service provider, else the asker's own."""
    provider = encounter.serviceProvider.reference if encounter.serviceProvider else None
    id_ = (provider or f"Organization/{asker.facility}").rpartition("/")[2]
    found = record.read_many(asker, "Organization", [id_]) if id_ else {}
    return facility_facts(cast("r4.Organization | None", found.get(id_)), id_)


def facility_with(code: str) -> str:
    """Id of the Organization that a facility's insurance code (MA_CSKCB) or its own id names, "" for none."""
    if code in record.read_many(SYSTEM, "Organization", [code]):
        return code
    found = record.search(SYSTEM, "Organization", f"identifier={quote(code, safe='')}&_count=2").resources
    found = found or record.search(SYSTEM, "Organization", "active=true&_count=500").resources
    named = [one.id or "" for one in found if facility_facts(cast(r4.Organization, one), one.id or "").code == code]
    return named[0] if named else ""


def facility_names(codes: Iterable[str]) -> dict[str, str]:
    """Names of the facilities that these insurance codes (MA_CSKCB) or ids name, of those that the record knows."""
    wanted = sorted({*codes} - {""})
    if not wanted:
        return {}
    found = [*record.read_many(SYSTEM, "Organization", wanted).values()]
    asked = ",".join(quote(code, safe="") for code in wanted)
    found += record.search(SYSTEM, "Organization", f"identifier={asked}&_count={len(wanted)}").resources
    named = {facility_facts(one, one.id or "").code: one.name or "" for one in cast("list[r4.Organization]", found)}
    return {code: named[code] for code in wanted if named.get(code)}


def cards_of_days(known: list[facts.Card], encounter: r4.Encounter, end: date) -> list[facts.Card]:
    """The best card of each day of a visit until a day, in the order of their last days."""
    at = moment(encounter.period.start if encounter.period else None)
    began = at.date() if at else end
    found: dict[str, facts.Card] = {}
    for number in range(max((end - began).days, 0) + 1):
        if card := _best(known, began + timedelta(days=number)):
            found.pop(card.number, None)
            found[card.number] = card
    return list(found.values())


def _best(known: list[facts.Card], day: date) -> facts.Card | None:
    def rate(card: facts.Card) -> Decimal:
        term = card_term(card)
        return card_rate([term] if term else [], day)

    return max((card for card in known if card.holds_on(day)), key=rate, default=None)
