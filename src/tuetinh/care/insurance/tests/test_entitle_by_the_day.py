"""What the law gives by the day: cards that change in a stay, repeated services, former law, stations, newborns."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal as D

import pytest
from msgspec import structs

from tuetinh.care.insurance.benefits import Line, split
from tuetinh.care.insurance.entitlement import CardTerm, Situation, base_salary, category
from tuetinh.care.insurance.repeats import bed_days

MARCH = date(2026, 3, 10)
WORKER = CardTerm(4, "DN", date(2026, 1, 1), date(2026, 3, 5))
POOR = CardTerm(2, "HN", date(2026, 3, 6), date(2026, 12, 31))
STAY = Situation(on=MARCH, began=date(2026, 3, 1), cards=(WORKER,), inpatient=True)


def charge(day: int, price: int = 1_000_000, **more: object) -> Line:
    return Line("X", D(1), D(price), on=date(2026, 3, day), **more)  # type: ignore[arg-type]


def test_a_new_card_counts_from_the_day_it_is_valid() -> None:
    found = split([charge(5), charge(6)], replace(STAY, cards=(WORKER, POOR)))
    assert [line.rate for line in found.lines] == [D(80), D(100)]
    assert (found.fund, found.copay, found.patient, found.card_rate) == (D(1_800_000), D(200_000), D(0), D(100))


def test_of_several_cards_the_highest_counts() -> None:
    both = (CardTerm(4), CardTerm(3))
    assert split([charge(2)], replace(STAY, cards=both)).rate == D(95)
    assert split([charge(2)], replace(STAY, cards=both[::-1])).rate == D(95)


def test_a_card_that_expires_in_the_stay_pays_fifteen_days_more() -> None:
    until = replace(STAY, on=date(2026, 3, 21))
    found = split([charge(20), charge(21)], until)
    assert [(line.fund, line.patient) for line in found.lines] == [(D(800_000), D(0)), (D(0), D(1_000_000))]
    assert found.code == "1.1"  # insured, though no card is left at the end


def test_a_card_that_had_expired_before_the_stay_pays_nothing() -> None:
    late = replace(STAY, began=date(2026, 3, 6))
    found = split([charge(7)], late)
    assert (found.code, found.rate, found.patient) == ("9", D(0), D(1_000_000))


def test_a_card_not_yet_in_force_pays_nothing() -> None:
    found = split([charge(3), charge(6)], replace(STAY, cards=(POOR,)))
    assert [line.fund for line in found.lines] == [D(0), D(1_000_000)]


@pytest.mark.parametrize(("day", "rate"), [("2025-12-31", 95), ("2026-01-01", 100)])
def test_the_near_poor_pay_nothing_since_2026(day: str, rate: int) -> None:
    there = Situation(on=date.fromisoformat(day), cards=(CardTerm(3, "CN"),))
    assert split([Line("X", D(1), D(1_000_000))], there).rate == D(rate)


@pytest.mark.parametrize(
    ("copaid", "since", "rate"),
    [(13_839_999, date(2026, 2, 1), 80), (14_040_000, date(2026, 2, 1), 100), (20_000_000, date(2026, 4, 1), 80)],
)
def test_five_years_and_the_limit_waive_the_copayment(copaid: int, since: date, rate: int) -> None:
    there = Situation(on=MARCH, cards=(CardTerm(4),), five_years=since, copaid=D(copaid))
    assert split([charge(10)], there).rate == D(rate)


def test_a_newborn_without_a_card_is_insured_as_a_child() -> None:
    found = split([charge(10)], Situation(on=MARCH, reason="newborn"))
    assert (found.code, found.rate, found.fund) == ("1.7", D(100), D(1_000_000))


@pytest.mark.parametrize("reason", ["registered", "referral", "own_choice", "emergency"])
def test_a_station_is_paid_in_full_whatever_the_card(reason: str) -> None:
    there = Situation(on=MARCH, cards=(CardTerm(4),), level="primary", station=True, reason=reason)  # type: ignore[arg-type]
    assert split([charge(10)], there).rate == D(100)


@pytest.mark.parametrize(
    ("day", "former", "inpatient", "code", "share"),
    [
        ("2020-12-31", "provincial", True, "3.2", 60),
        ("2021-01-01", "provincial", True, "3.2", 100),
        ("2020-12-31", "provincial", False, "3.5", 0),
        ("2024-12-31", "provincial", False, "3.5", 0),
        ("2020-12-31", "central", True, "3.1", 40),
        ("2024-12-31", "central", False, "3.4", 0),
        ("2016-01-01", "district", False, "3.3", 100),
    ],
)
def test_before_2025_the_tier_of_the_hospital_counted(
    day: str,
    former: str,
    inpatient: bool,
    code: str,
    share: int,
) -> None:
    there = Situation(
        on=date.fromisoformat(day), cards=(CardTerm(4),), reason="own_choice", level="specialised",
        former=former, inpatient=inpatient,  # type: ignore[arg-type]
    )  # fmt: skip
    assert category(there) == (code, D(share))


@pytest.mark.parametrize(
    ("day", "salary"),
    [("2016-05-01", 1210000), ("2017-07-01", 1300000), ("2018-07-01", 1390000), ("2019-06-30", 1390000)],
)
def test_former_base_salaries(day: str, salary: int) -> None:
    assert base_salary(date.fromisoformat(day)) == D(salary)


def exam() -> Line:
    return Line("KHAM", D(1), D(40_000), role="exam")


def test_examinations_of_a_day_are_paid_less_and_less() -> None:
    day = Situation(on=MARCH, cards=(CardTerm(4),))
    found = split([exam() for _ in range(7)], day)
    assert [line.line.special_share for line in found.lines] == [100, 30, 30, 30, 10, 0, 0]
    assert (found.total, found.fund) == (D(80_000), D(80_000))


def test_examinations_count_on_from_earlier_visits_of_the_day() -> None:
    found = split([exam()], Situation(on=MARCH, cards=(CardTerm(4),), exams_before=1))
    assert found.total == D(12_000)


def test_examinations_of_another_day_start_anew() -> None:
    two = [structs.replace(exam(), on=date(2026, 3, 2)), structs.replace(exam(), on=date(2026, 3, 3))]
    assert split(two, STAY).total == D(80_000)


@pytest.mark.parametrize(
    ("more", "share"),
    [
        ({"role": "bed"}, 100),
        ({"role": "bed", "people": 2}, 50),
        ({"role": "bed", "people": 3}, 33),
        ({"role": "bed", "people": 4}, 33),
        ({"role": "stretcher"}, 50),
        ({"role": "again_same_team"}, 50),
        ({"role": "again_other_team"}, 80),
        ({"role": "again_procedure"}, 80),
    ],
)
def test_shared_beds_and_second_operations(more: dict[str, object], share: int) -> None:
    assert split([charge(2, **more)], STAY).insured == D(10_000) * share


@pytest.mark.parametrize(
    ("left", "worse", "days"),
    [
        ("2026-03-01T11:59", False, 0),
        ("2026-03-01T12:00", False, 1),
        ("2026-03-02T08:00", False, 1),
        ("2026-03-04T10:00", False, 3),
        ("2026-03-04T10:00", True, 4),
    ],
)
def test_days_in_bed(left: str, worse: bool, days: int) -> None:
    assert bed_days(datetime.fromisoformat("2026-03-01T08:00"), datetime.fromisoformat(left), worse=worse) == days


@pytest.mark.parametrize(("digit", "scope", "fund"), [(5, 3, 1_000_000), (4, 3, 0), (5, 2, 0), (5, 1, 1_000_000)])
def test_the_army_is_paid_beside_the_lists(digit: int, scope: int, fund: int) -> None:
    there = Situation(on=MARCH, cards=(CardTerm(digit),))
    assert split([charge(10, scope=scope)], there).fund == D(fund)
