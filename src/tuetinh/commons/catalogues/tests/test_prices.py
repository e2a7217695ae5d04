from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tuetinh.commons.catalogues import api
from tuetinh.commons.catalogues.models import Price

HERE, CODE = "12104", "01.0002.1778"


@pytest.mark.django_db
def test_a_facility_without_a_price_falls_to_the_province() -> None:
    api.set_price("", api.PriceRow(CODE, "service", Decimal(30_000)), valid_from=date(2026, 1, 1))
    assert api.price(HERE, CODE, date(2026, 1, 1)) == Decimal(30_000)
    api.set_price(HERE, api.PriceRow(CODE, "service", Decimal(32_000)), valid_from=date(2026, 3, 1))
    assert api.price(HERE, CODE, date(2026, 2, 28)) == Decimal(30_000)
    assert api.price(HERE, CODE, date(2026, 3, 1)) == Decimal(32_000)
    assert api.price("12001", CODE, date(2026, 3, 1)) == Decimal(30_000)
    assert api.price(HERE, CODE, date(2025, 12, 31)) is None


@pytest.mark.django_db
def test_a_new_price_ends_the_open_one_the_day_before() -> None:
    api.set_price(HERE, api.PriceRow(CODE, "service", Decimal(1)), valid_from=date(2026, 1, 1))
    api.set_price(HERE, api.PriceRow(CODE, "service", Decimal(2)), valid_from=date(2026, 5, 1))
    rows = Price.objects.order_by("valid_from").values_list("amount", "valid_from", "valid_to")
    assert list(rows) == [(1, date(2026, 1, 1), date(2026, 4, 30)), (2, date(2026, 5, 1), None)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("amount", "start", "end", "error"),
    [
        (5, date(2026, 5, 1), None, "price-overlap"),
        (5, date(2026, 4, 1), None, "price-overlap"),
        (5, date(2026, 4, 1), date(2026, 5, 1), "price-overlap"),
        (-1, date(2027, 1, 1), None, "price-invalid"),
        (5, date(2027, 1, 2), date(2027, 1, 1), "price-invalid"),
    ],
)
def test_a_price_that_overlaps_or_makes_no_sense_changes_nothing(
    amount: int, start: date, end: date | None, error: str
) -> None:
    api.set_price(HERE, api.PriceRow(CODE, "service", Decimal(1)), valid_from=date(2026, 1, 1))
    api.set_price(HERE, api.PriceRow(CODE, "service", Decimal(2)), valid_from=date(2026, 5, 1))
    before = list(Price.objects.order_by("pk").values())
    with pytest.raises(api.CatalogueError) as refused:
        api.set_price(HERE, api.PriceRow(CODE, "service", Decimal(amount)), valid_from=start, valid_to=end)
    assert refused.value.code == error
    assert list(Price.objects.order_by("pk").values()) == before


@pytest.mark.django_db
def test_the_starter_list_is_loaded_once() -> None:
    rows = list(api.starter_prices())
    assert api.load_price_list("", rows, date(2024, 1, 1)) == len(rows) == Price.objects.count()
    assert api.price(HERE, "paracetamol-500-mg-vien-nen", date(2026, 1, 1)) == Decimal(300)
    line = api.listed(HERE, "paracetamol-500-mg-vien-nen", date(2026, 1, 1))
    assert line and (line.registration, line.tender) == ("VD-00001-DEMO", "01/QĐ-DEMO;G1;N4;2026")
    with pytest.raises(api.CatalogueError):
        api.load_price_list("", rows[:1], date(2024, 1, 1))
    assert Price.objects.count() == len(rows)


class NoOverlap(TestCase):
    """Hypothesis' own TestCase rolls back between its examples."""

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 28), st.none() | st.integers(1, 28)), max_size=8))
    def test_prices_never_overlap(self, wanted: list[tuple[int, int | None]]) -> None:
        for start, end in wanted:
            try:
                api.set_price(
                    HERE,
                    api.PriceRow(CODE, "service", Decimal(start)),
                    valid_from=date(2026, 1, start),
                    valid_to=end and date(2026, 1, end),
                )
            except api.CatalogueError:
                continue
        for day in range(1, 29):
            on = date(2026, 1, day)
            rows = [p for p in Price.objects.all() if p.valid_from <= on and (p.valid_to is None or p.valid_to >= on)]
            assert len(rows) <= 1
            assert api.price(HERE, CODE, on) == (rows[0].amount if rows else None)
