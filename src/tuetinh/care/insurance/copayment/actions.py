"""Enter and take back the insurer's paper about the co-payment of a year."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final, cast

from django.db import transaction
from django.utils import timezone

from tuetinh.care.insurance import facts
from tuetinh.care.insurance.claim_inputs import PAYMENT
from tuetinh.care.insurance.entitlement import copay_limit
from tuetinh.care.insurance.errors import BadYearPaper, NoCard, NotAllowed
from tuetinh.care.insurance.followers import insurance_changed
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

MAY: Final = frozenset({"reception", "cashier", "system"})
OPEN: Final = 20  # visits of a person that go on


@dataclass(frozen=True, slots=True)
class YearPaper:
    """What the paper says: the co-payment of the year of `on` until that day, and since when none is due any more."""

    amount: Decimal
    on: date
    exempt_from: date | None = None
    number: str = ""


def enter(asker: Asker, patient: str, paper: YearPaper) -> None:
    """Keep a paper with the person's card; it takes the place of the one before.

    Raises NotAllowed, NoCard where no card holds on its day, and BadYearPaper.
    """
    _refuse_wrong(paper)
    with transaction.atomic():
        cards = _cards(asker, patient)
        day = paper.on if any(facts.card(one).holds_on(paper.on) for one in cards) else timezone.localdate()
        mine = next((one for one in cards if facts.card(one).holds_on(day)), None)
        if mine is None:
            raise NoCard
        for one in cards:
            if one.id != mine.id and facts.withdraw_paper(one):
                record.update(_house(asker), one)
        facts.certify(mine, paper.amount, paper.on, paper.exempt_from, paper=paper.number)
        record.update(_house(asker), mine)
        _tell(patient, settled=True)


def take_back(asker: Asker, patient: str) -> None:
    """Take away what was entered, as when it was another person's paper. Raises NotAllowed."""
    with transaction.atomic():
        for one in _cards(asker, patient):
            if facts.withdraw_paper(one):
                record.update(_house(asker), one)
        _tell(patient)


def _refuse_wrong(paper: YearPaper) -> None:
    today, since = timezone.localdate(), paper.exempt_from
    if paper.on > today:
        raise BadYearPaper("on", "on")
    if since and (since > today or since.year != paper.on.year):
        raise BadYearPaper("exempt_from", "exempt_from")
    if since is None and paper.amount >= copay_limit(paper.on):
        raise BadYearPaper("exempt_from", "missing")


def _cards(asker: Asker, patient: str) -> list[r4.Coverage]:
    """The person's cards, which nobody else changes meanwhile."""
    if asker.role not in MAY:
        raise NotAllowed
    found = record.search(asker, "Coverage", f"beneficiary=Patient/{patient}&_count=50").resources
    locked = record.lock_many(PAYMENT, "Coverage", [one.id or "" for one in found])
    return [cast(r4.Coverage, locked[one.id]) for one in found if one.id in locked]


def _house(asker: Asker) -> Asker:
    """The house, for the account that asks: a cashier writes nothing else of a card."""
    return replace(PAYMENT, account=asker.account, facility=asker.facility)


def _tell(patient: str, *, settled: bool = False) -> None:
    """Have who pays what worked out again, and the open pages of the person's visits that go on fetch themselves."""
    insurance_changed(patient, settled=settled)
    query = f"subject=Patient/{patient}&status=arrived,triaged,in-progress,onleave&_count={OPEN}"
    for visit in record.search(PAYMENT, "Encounter", query).resources:
        publish(f"visit:{visit.id}")
