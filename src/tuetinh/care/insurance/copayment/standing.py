"""How a person stands with the co-payment of the year, for the desks and for the person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils import timezone

from tuetinh.care.insurance.claim_inputs import PAYMENT, copays_of
from tuetinh.care.insurance.entitlement import copay_limit
from tuetinh.care.insurance.facts import Card
from tuetinh.care.insurance.queries import card_on
from tuetinh.care.insurance.situations import copaid


@dataclass(frozen=True, slots=True)
class Standing:
    """The year of a person with a card. copaid: paid together, by receipts and by the insurer's paper; limit: six base
    salaries.

    full: whether five years running are full, from when the limit counts. free_since: since when the paper waives it.
    """

    card: Card
    year: int
    copaid: Decimal
    limit: Decimal
    full: bool
    free_since: str = ""

    @property
    def passed(self) -> bool:
        """Whether six base salaries are paid."""
        return self.copaid >= self.limit

    @property
    def left(self) -> Decimal:
        """What is left until then."""
        return max(self.limit - self.copaid, Decimal(0))

    @property
    def needs_paper(self) -> bool:
        """Whether the person should fetch the insurer's paper now."""
        return self.full and self.passed and not self.free_since


def standing(patient: str, day: date | None = None) -> Standing | None:
    """How a person stands on a day; None without a card that holds then.

    What other facilities wrote is counted, and told as a sum alone.
    """
    today = day or timezone.localdate()
    card = card_on(PAYMENT, patient, today)
    if card is None:
        return None
    inputs = copays_of(patient, timezone.localtime())
    return Standing(
        card=card,
        year=today.year,
        copaid=copaid(card, inputs, today),
        limit=copay_limit(today),
        full="" < card.five_years <= today.isoformat(),
        free_since=card.exempt_from if card.exempt_from[:4] == str(today.year) else "",
    )
