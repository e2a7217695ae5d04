"""Who pays no co-payment: groups of the card, small costs, five years running, and none of it out of level."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest

from tuetinh.care.insurance.benefits import Line, split
from tuetinh.care.insurance.entitlement import CardTerm, Situation, small_cost

HOME = Situation(on=date(2026, 3, 2), cards=(CardTerm(4),))
AWAY = replace(HOME, reason="own_choice", level="specialised", former="central", inpatient=True)


def shares(amount: int, situation: Situation) -> tuple[D, D, D, D]:
    """Rate, fund, co-payment and patient's own of one covered line."""
    found = split([Line("X", D(1), D(amount))], situation)
    return found.rate, found.fund, found.copay, found.patient


@pytest.mark.parametrize(("digit", "rate"), [(1, 100), (2, 100), (3, 95), (4, 80), (5, 100)])
def test_the_group_of_the_card_gives_the_rate(digit: int, rate: int) -> None:
    fund = D(1_000_000) * rate / 100
    assert shares(1_000_000, replace(HOME, cards=(CardTerm(digit),))) == (D(rate), fund, 1_000_000 - fund, D(0))


@pytest.mark.parametrize(("digit", "rate"), [(1, 40), (2, 40), (3, 38), (4, 32), (5, 40)])
def test_own_choice_of_a_central_hospital_leaves_forty_per_cent_of_it(digit: int, rate: int) -> None:
    fund = D(1_000_000) * rate / 100
    assert shares(1_000_000, replace(AWAY, cards=(CardTerm(digit),))) == (D(rate), fund, 1_000_000 - fund, D(0))


@pytest.mark.parametrize(
    ("day", "limit"), [(date(2024, 7, 1), 351_000), (date(2026, 6, 30), 351_000), (date(2026, 7, 1), 379_500)]
)
def test_a_cost_is_small_below_fifteen_per_cent_of_the_base_salary(day: date, limit: int) -> None:
    assert small_cost(day) == D(limit)
    there = replace(HOME, on=day)
    assert shares(limit - 1, there) == (D(100), D(limit - 1), D(0), D(0))
    assert shares(limit, there)[0] == D(80)


def test_a_small_cost_counts_the_whole_visit_and_not_the_line() -> None:
    found = split([Line("X", D(1), D(200_000)), Line("Y", D(1), D(200_000))], HOME)
    assert (found.rate, found.fund, found.copay) == (D(80), D(320_000), D(80_000))


def test_five_years_running_waive_the_copayment_in_level_only() -> None:
    assert shares(5_000_000, replace(HOME, exempt=True)) == (D(100), D(5_000_000), D(0), D(0))
    assert shares(5_000_000, replace(AWAY, exempt=True)) == (D(32), D(1_600_000), D(3_400_000), D(0))


def test_without_a_card_everything_is_the_patients_own() -> None:
    assert shares(100_000, replace(HOME, cards=(), exempt=True)) == (D(0), D(0), D(0), D(100_000))


def test_what_is_above_the_ceiling_is_the_patients_own_even_at_full_rate() -> None:
    line = Line("X", D(2), D(3_000_000), kind="supply", ceiling=D(2_500_000))
    found = split([line], replace(HOME, cards=(CardTerm(2),)))
    assert (found.fund, found.copay, found.patient) == (D(5_000_000), D(0), D(1_000_000))
