"""What pages and other modules ask about prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import cast

from django.db.models import Q

from .actions import Kind, PriceRow
from .drugs import Drug, drugs
from .models import MedicineCode, Price
from .services import billables, consultations

DEMO_TENDER, DEMO_SUPPLY_TENDER = "01/QĐ-DEMO;G1;N4;2026", "02/QĐ-DEMO;G1;N0;2026"
DEMO_BED_DAYS = (
    ("K03.1911", "Ngày giường Nội khoa loại 1, Khoa Nội", 171_400),
    ("K18.1911", "Ngày giường Nội khoa loại 1, Khoa Nhi", 171_400),
    ("K19.1927", "Ngày giường Ngoại khoa loại 2, Khoa Ngoại", 204_400),
)
DEMO_SUPPLIES = (
    ("N03.01.020", "Bơm tiêm nhựa 5 ml", "Cái", 800),
    ("N03.05.010", "Dây truyền dịch", "Bộ", 4_500),
    ("N04.01.010", "Kim luồn tĩnh mạch", "Cái", 9_500),
    ("N02.03.020", "Gạc phẫu thuật vô trùng", "Gói", 3_200),
    ("N05.02.030", "Chỉ khâu liền kim", "Sợi", 52_000),
)


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
    return {row.code: _row(row) for row in rows}


def priced(facility: str, kind: Kind, on: date) -> list[PriceRow]:
    """All lines of a kind of the price list that holds at a facility on a day, by their names."""
    rows = Price.objects.filter(
        Q(valid_to=None) | Q(valid_to__gte=on), facility__in=("", facility), kind=kind, valid_from__lte=on
    ).order_by("facility")
    found = {row.code: _row(row) for row in rows}
    return sorted(found.values(), key=lambda row: (row.name, row.code))


def medicine_codes(facility: str) -> dict[str, str]:
    """The insurer's codes of medicines (MA_THUOC) that a facility entered, by medicine."""
    return dict(MedicineCode.objects.filter(facility=facility).values_list("medicine", "code"))


def without_code(facility: str) -> list[Drug]:
    """Medicines that neither the formulary nor the facility knows the insurer's code of."""
    own = medicine_codes(facility)
    return [one for one in drugs() if not one.substance_code and one.code not in own]


def _row(price: Price) -> PriceRow:
    kind = cast("Kind", price.kind)
    return PriceRow(price.code, kind, price.amount, price.registration, price.tender, price.name, price.unit)


def starter_prices() -> Iterator[PriceRow]:
    """A list to start from or to demonstrate with: TT 39/2018 for services, all else invented."""
    yield from (PriceRow(s.code, "service", Decimal(s.reference_price)) for s in consultations())
    yield from (PriceRow(b.code, "service", Decimal(b.price)) for b in billables() if b.price)
    for number, medicine in enumerate(drugs(), 1):
        amount, registration = Decimal(medicine.demo_price), f"VD-{number:05}-DEMO"
        yield PriceRow(medicine.code, "drug", amount, registration, DEMO_TENDER)
    for code, name, cost in DEMO_BED_DAYS:
        yield PriceRow(code, "bed", Decimal(cost), name=name, unit="Ngày")
    for code, name, unit, cost in DEMO_SUPPLIES:
        yield PriceRow(code, "supply", Decimal(cost), tender=DEMO_SUPPLY_TENDER, name=name, unit=unit)
