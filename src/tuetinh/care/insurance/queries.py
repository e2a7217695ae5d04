"""What pages, other modules and the simulated gateway ask."""

from __future__ import annotations

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
    found = [facts.card(one) for one in cast("list[r4.Coverage]", page.resources)]
    return sorted(
        (card for card in found if card.number), key=lambda card: (card.active, card.valid_to or "9"), reverse=True
    )


def card_on(asker: Asker, patient: str, day: date) -> facts.Card | None:
    """The card in force on a day; of several the one with the highest benefit (NĐ 188/2025 Đ38)."""
    from tuetinh.care.insurance.benefits import card_rate

    holding = [card for card in cards(asker, patient) if card.holds_on(day)]
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
    from django.utils import timezone

    day = now or timezone.localdate()
    patient = (encounter.subject.reference or "").rpartition("/")[2] if encounter.subject else ""
    card = card_on(asker, patient, ended(encounter) or day)
    here = facility_of(asker, encounter)
    return situation(encounter, card, here, now=day), card, here


def facility_of(asker: Asker, encounter: r4.Encounter) -> FacilityFacts:
    """The facility of a visit: its service provider, else the asker's own."""
    provider = encounter.serviceProvider.reference if encounter.serviceProvider else None
    id_ = (provider or f"Organization/{asker.facility}").rpartition("/")[2]
    found = record.read_many(asker, "Organization", [id_]) if id_ else {}
    return facility_facts(cast("r4.Organization | None", found.get(id_)), id_)
