"""What pages and other modules ask about prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from django.db.models import Q

from .actions import PriceRow
from .drugs import drugs
from .models import Price
from .services import billables, consultations


def price(facility: str, code: str, on: date) -> Decimal | None:
    """The price of a code at a facility on a day; the province's where the facility has none, None where nobody has."""
    return prices(facility, [code], on).get(code)


def prices(facility: str, codes: Iterable[str], on: date) -> dict[str, Decimal]:
    """The prices of several codes in one query; codes without a price are left out."""
    rows = Price.objects.filter(
        Q(valid_to=None) | Q(valid_to__gte=on), facility__in=("", facility), code__in=list(codes), valid_from__lte=on
    ).order_by("facility")  # "" sorts first, so that the facility's own overwrites the province's
    return {row.code: row.amount for row in rows}


def starter_prices() -> Iterator[PriceRow]:
    """A list to start from or to demonstrate with: TT 39/2018 for services, invented amounts for medicines."""
    yield from (PriceRow(s.code, "service", Decimal(s.reference_price)) for s in consultations())
    yield from (PriceRow(b.code, "service", Decimal(b.price)) for b in billables() if b.price)
    yield from (PriceRow(d.code, "drug", Decimal(d.demo_price)) for d in drugs())
