"""What pages, other modules and the simulated gateway ask."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import cast

from django.db.models import Q

from tuetinh.care.insurance import facts
from tuetinh.care.insurance.benefits import Situation
from tuetinh.care.insurance.models import SimulatedCard
from tuetinh.care.insurance.simulator import Card as KnownCard
from tuetinh.care.insurance.situations import FacilityFacts, ended, situation
from tuetinh.care.insurance.situations import facility as facility_facts
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker


def cards(asker: Asker, patient: str) -> list[facts.Card]:
    """The person's cards, the one that lasts longest first."""
    page = record.search(asker, "Coverage", f"beneficiary=Patient/{patient}&_count=50")
    return _ordered(cast("list[r4.Coverage]", page.resources))


def _ordered(coverages: Iterable[r4.Coverage]) -> list[facts.Card]:
    found = [facts.card(one) for one in coverages]
    return sorted(
        (card for card in found if card.number), key=lambda card: (card.active, card.valid_to or "9"), reverse=True
    )


def card_on(asker: Asker, patient: str, day: date) -> facts.Card | None:
    """The card in force on a day; of several the one with the highest benefit (NĐ 188/2025 Đ38)."""
    return _best(cards(asker, patient), day)


def _best(known: list[facts.Card], day: date) -> facts.Card | None:
    from tuetinh.care.insurance.benefits import card_rate

    holding = [card for card in known if card.holds_on(day)]
    return max(holding, key=lambda card: card_rate(card.digit), default=None)


def simulated_card(number: str) -> KnownCard | None:
    """The demo province's card of a card number, BHXH number or personal number."""
    row = SimulatedCard.objects.filter(Q(number=number) | Q(bhxh=number) | Q(cccd=number)).first()
    if row is None:
        return None
    return KnownCard(**{name: getattr(row, name) for name in KnownCard.__slots__})


def visit_situation(
    asker: Asker, encounter: r4.Encounter, *, now: date | None = None
) -> tuple[Situation, facts.Card | None, FacilityFacts]:
    """The benefit situation of a visit, the card it rests on, and the facility."""
    return visit_situations(asker, [encounter], now=now)[encounter.id or ""]


def visit_situations(
    asker: Asker, encounters: Iterable[r4.Encounter], *, now: date | None = None
) -> dict[str, tuple[Situation, facts.Card | None, FacilityFacts]]:
    """The same of several visits, by their ids."""
    from django.utils import timezone

    day, visits = now or timezone.localdate(), list(encounters)
    people = {encounter.id: _id_of(encounter.subject) for encounter in visits}
    providers = {encounter.id: _id_of(encounter.serviceProvider) or asker.facility for encounter in visits}
    held = _cards_of(asker, sorted({*people.values()} - {""}))
    organizations = record.read_many(asker, "Organization", sorted({*providers.values()} - {""}))
    found = {}
    for encounter in visits:
        card = _best(held.get(people[encounter.id], []), ended(encounter) or day)
        place = providers[encounter.id]
        here = facility_facts(cast("r4.Organization | None", organizations.get(place)), place)
        found[encounter.id or ""] = situation(encounter, card, here, now=day), card, here
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
    return {patient: _ordered(coverages) for patient, coverages in found.items()}


def _id_of(reference: r4.Reference | None) -> str:
    return (reference.reference or "").rpartition("/")[2] if reference else ""


def facility_of(asker: Asker, encounter: r4.Encounter) -> FacilityFacts:
    """The facility of a visit: its service provider, else the asker's own."""
    provider = encounter.serviceProvider.reference if encounter.serviceProvider else None
    id_ = (provider or f"Organization/{asker.facility}").rpartition("/")[2]
    found = record.read_many(asker, "Organization", [id_]) if id_ else {}
    return facility_facts(cast("r4.Organization | None", found.get(id_)), id_)
