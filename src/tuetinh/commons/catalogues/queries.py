"""What pages and other modules ask about prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import cast

from django.db.models import Q

from .actions import Kind, PriceRow
from .drugs import drugs
from .models import Price
from .services import billables, consultations

DEMO_TENDER = "01/QĐ-DEMO;G1;N4;2026"


def price(facility: str, code: str, on: date) -> Decimal | None:
    """The price of a code at a facility on a day; the province's where the facility has none, None where nobody has."""
    row = listed(facility, code, on)
    return row.amount if row else None


def listed(facility: str, code: str, on: date) -> PriceRow | None:
    """The line of the price list behind `price`."""
    return price_rows(facility, [code], on).get(code)


def prices(facility: str, codes: Iterable[str], on: date) -> dict[str, Decimal]:
    """The prices of several codes in one query; codes without a price are left out."""
    return {code: row.amount for code, row in price_rows(facility, codes, on).items()}


def price_rows(facility: str, codes: Iterable[str], on: date) -> dict[str, PriceRow]:
    """The lines of the price list behind `prices`, in one query."""
    rows = Price.objects.filter(
        Q(valid_to=None) | Q(valid_to__gte=on), facility__in=("", facility), code__in=list(codes), valid_from__lte=on
    ).order_by("facility")  # "" sorts first, so that the facility's own overwrites the province's
    return {r.code: PriceRow(r.code, cast("Kind", r.kind), r.amount, r.registration, r.tender) for r in rows}


def starter_prices() -> Iterator[PriceRow]:
    """A list to start from or to demonstrate with: TT 39/2018 for services, all invented for medicines."""
    yield from (PriceRow(s.code, "service", Decimal(s.reference_price)) for s in consultations())
    yield from (PriceRow(b.code, "service", Decimal(b.price)) for b in billables() if b.price)
    for number, medicine in enumerate(drugs(), 1):
        amount, registration = Decimal(medicine.demo_price), f"VD-{number:05}-DEMO"
        yield PriceRow(medicine.code, "drug", amount, registration, DEMO_TENDER)
