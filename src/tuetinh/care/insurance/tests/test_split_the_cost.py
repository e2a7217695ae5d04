"""Who pays what: the vectors of the rules, and that no đồng is lost or made."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tuetinh.care.insurance.benefits import Line, split
from tuetinh.care.insurance.entitlement import CardTerm, Situation, base_salary, category, copay_limit, small_cost

MARCH = date(2026, 3, 2)
HOME80 = Situation(on=MARCH, cards=(CardTerm(4),))


def one(price: str, *, quantity: str = "1", **more: object) -> Line:
    return Line("X", D(quantity), D(price), **more)  # type: ignore[arg-type]


def test_a_small_cost_is_paid_in_full() -> None:
    found = split([one("300000")], HOME80)
    assert (found.rate, found.fund, found.copay, found.code) == (D(100), D(300000), D(0), "1.1")


def test_the_limit_itself_is_not_below_it() -> None:
    assert small_cost(MARCH) == D(351000)
    found = split([one("351000")], HOME80)
    assert (found.rate, found.fund, found.copay) == (D(80), D(280800), D(70200))


HALF_DRUG = one("20000", quantity="10", kind="drug", fund_share=D(50))
BIG = one("900000")  # lifts the visit above the small cost, so that the card's own rate holds


def test_a_drug_paid_by_half() -> None:
    line = split([HALF_DRUG, BIG], HOME80).lines[0]
    assert (line.total, line.insured, line.fund, line.copay, line.patient) == (
        D(200000),
        D(100000),
        D(80000),
        D(20000),
        D(100000),
    )


def test_other_sources_relieve_the_patient_first() -> None:
    aided = structs.replace(HALF_DRUG, others=(D(0), D(110000), D(0), D(0)))
    line = split([aided, BIG], HOME80).lines[0]
    assert (line.patient, line.copay, line.fund, line.other) == (D(0), D(10000), D(80000), D(110000))


def test_a_second_examination_whose_difference_is_not_collected() -> None:
    exam = one("100000", insured_price=D(40000), special_share=D(30), collects_difference=False)
    line = split([exam, BIG], HOME80).lines[0]
    assert (line.total, line.insured, line.fund, line.copay, line.patient) == (
        D(72000),
        D(12000),
        D(9600),
        D(2400),
        D(60000),
    )


def test_a_supply_above_its_ceiling() -> None:
    supply = one("50000000", kind="supply", ceiling=D(45000000))
    line = split([supply], replace(HOME80, cards=(CardTerm(1),))).lines[0]
    assert (line.insured_price, line.fund, line.patient, line.copay) == (D(45000000), D(45000000), D(5000000), D(0))


def test_own_choice_inpatient_at_a_formerly_central_hospital() -> None:
    there = Situation(
        on=MARCH, cards=(CardTerm(4),), reason="own_choice", level="specialised", former="central", inpatient=True
    )
    found = split([one("10000000")], there)
    assert (found.rate, found.fund, found.copay, found.code) == (D(32), D(3200000), D(6800000), "3.1")


AUGUST = Situation(on=date(2026, 8, 10), cards=(CardTerm(3),), reason="own_choice", level="basic", points=60)


def test_own_choice_outpatient_from_july_2026() -> None:
    found = split([one("1000000")], AUGUST)
    assert (str(found.rate), found.fund, found.copay, found.code) == ("47.5", D(475000), D(525000), "1.13")


def test_own_choice_outpatient_before_july_2026_is_the_patients_own() -> None:
    found = split([one("1000000")], replace(AUGUST, on=date(2026, 6, 30)))
    assert (found.rate, found.fund, found.patient, found.due) == (D(0), D(0), D(1000000), D(1000000))


def test_a_small_cost_out_of_level_keeps_its_rate() -> None:
    assert split([one("100000")], AUGUST).rate == D("47.5")


@pytest.mark.parametrize(
    ("change", "code", "share"),
    [
        ({"reason": "emergency"}, "2", 100),
        ({"reason": "referral"}, "1.3", 100),
        ({"reason": "own_choice", "level": "primary", "station": True}, "1.2", 100),
        ({"reason": "own_choice", "level": "primary"}, "1.11", 100),
        ({"reason": "own_choice", "level": "basic", "points": 40}, "1.12", 100),
        ({"reason": "own_choice", "level": "basic", "former": "district"}, "3.3", 100),
        ({"reason": "own_choice", "level": "basic", "former": "provincial"}, "1.14", 50),
        ({"reason": "own_choice", "level": "basic", "former": "provincial", "inpatient": True}, "1.15", 100),
        ({"reason": "own_choice", "level": "specialised", "former": "provincial"}, "1.18", 50),
        ({"reason": "own_choice", "level": "specialised", "former": "provincial", "inpatient": True}, "3.2", 100),
        ({"reason": "own_choice", "level": "specialised", "former": "central"}, "3.1", 0),
        (
            {"reason": "own_choice", "level": "specialised", "former": "central", "inpatient": True, "hard_area": True},
            "3.6",
            100,
        ),
        ({"reason": "own_choice", "level": "specialised", "listed_disease": True}, "1.17", 100),
        ({"cards": ()}, "9", 0),
    ],
)
def test_category_of_the_visit(change: dict[str, object], code: str, share: int) -> None:
    assert category(replace(Situation(on=date(2026, 8, 10), cards=(CardTerm(4),)), **change)) == (code, D(share))  # type: ignore[arg-type]


def test_before_2025_outpatients_of_the_province_had_no_right_by_own_choice() -> None:
    there = Situation(
        on=date(2024, 11, 20), cards=(CardTerm(4),), reason="own_choice", level="specialised", former="provincial"
    )
    assert category(there) == ("3.5", D(0))
    assert category(replace(there, inpatient=True)) == ("3.2", D(100))


@pytest.mark.parametrize(
    ("day", "salary"),
    [("2023-06-30", 1490000), ("2023-07-01", 1800000), ("2026-06-30", 2340000), ("2026-07-01", 2530000)],
)
def test_base_salary_in_force(day: str, salary: int) -> None:
    assert base_salary(date.fromisoformat(day)) == D(salary)
    assert copay_limit(date.fromisoformat(day)) == D(salary * 6)


def test_an_exempt_person_pays_no_copayment_in_level() -> None:
    assert split([one("5000000")], replace(HOME80, exempt=True)).copay == D(0)


def test_a_negative_line_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        split([one("-1")], HOME80)


def test_more_aid_than_cost_is_refused() -> None:
    with pytest.raises(ValueError, match="more aid"):
        split([one("10", others=(D(11), D(0), D(0), D(0)))], HOME80)


@pytest.mark.parametrize(
    ("aid", "price", "insured", "expected"),
    [  # of 80 %: what fund, co-payment and patient pay of a line with 20,000 of aid
        ("person", 100_000, 100_000, (80_000, 0, 0)),
        ("facility", 100_000, 100_000, (64_000, 16_000, 0)),
        ("arv", 100_000, 100_000, (80_000, 0, 0)),
        ("person", 150_000, 100_000, (80_000, 20_000, 30_000)),
        ("facility", 150_000, 100_000, (64_000, 16_000, 50_000)),
        ("arv", 150_000, 100_000, (80_000, 0, 50_000)),
        ("facility", 30_000, 10_000, (0, 0, 10_000)),
    ],
)
def test_whom_the_aid_helps_counted_until_2025(
    aid: Any, price: int, insured: int, expected: tuple[int, int, int]
) -> None:
    aided = Line("X", D(1), D(price), insured_price=D(insured), others=(D(20_000), D(0), D(0), D(0)), aid=aid)
    big = Line("BIG", D(1), D(9_000_000))
    then = Situation(on=date(2024, 11, 20), cards=(CardTerm(4),))
    line = split([aided, big], then).lines[0]
    assert (line.fund, line.copay, line.patient) == expected
    now = replace(then, on=date(2025, 1, 1))
    assert split([aided, big], now).lines[0] == split([structs.replace(aided, aid="person"), big], now).lines[0]


money = st.decimals(min_value=0, max_value=90_000_000, places=3)
percent = st.sampled_from([D(0), D(10), D(30), D(33), D(50), D(80), D(100)])


@st.composite
def lines(draw: st.DrawFn) -> Line:
    line = Line(
        "X", draw(st.decimals(min_value=0, max_value=500, places=3)), draw(money), draw(st.sampled_from(["drug", "service", "supply"])),
        special_share=draw(percent), fund_share=draw(percent), ceiling=draw(st.none() | money),
    )  # fmt: skip
    if line.kind != "drug" and draw(st.booleans()):
        line = structs.replace(line, insured_price=line.price * draw(percent) / 100)
    total = split([line], Situation(on=MARCH, cards=())).total
    return structs.replace(
        line, others=(D(0), (total * draw(percent) / 100).quantize(D("0.01"), "ROUND_DOWN"), D(0), D(0))
    )


terms = st.builds(
    CardTerm,
    st.integers(1, 5),
    st.sampled_from(["", "CN", "DN"]),
    st.dates(date(2020, 1, 1), date(2026, 1, 1)),
    st.dates(date(2023, 1, 1), date(2028, 1, 1)),
)
situations = st.builds(
    Situation,
    on=st.dates(date(2021, 1, 1), date(2027, 12, 31)),
    cards=st.lists(terms, max_size=3).map(tuple),
    reason=st.sampled_from(["registered", "emergency", "own_choice", "referral"]),
    level=st.sampled_from(["primary", "basic", "specialised"]),
    former=st.sampled_from(["", "district", "provincial", "central"]),
    points=st.none() | st.integers(0, 100),
    inpatient=st.booleans(),
    exempt=st.booleans(),
)


@given(st.lists(lines(), max_size=6), situations, st.sampled_from(["person", "facility", "arv"]))
def test_every_dong_has_exactly_one_payer(charged: list[Line], situation: Situation, aid: Any) -> None:
    found = split([structs.replace(line, aid=aid) for line in charged], situation)
    for line in found.lines:
        assert line.fund + line.copay + line.patient + line.other == line.total
        assert min(line.fund, line.copay, line.patient) >= 0
        assert 0 <= line.insured <= line.total
    for name in ("total", "insured", "fund", "copay", "patient", "other"):
        assert getattr(found, name) == sum((getattr(line, name) for line in found.lines), D(0))
    assert 0 <= found.rate <= 100
    assert all(
        -amount.as_tuple().exponent <= 2 for line in found.lines for amount in (line.fund, line.copay, line.patient)
    )  # type: ignore[operator]


TWICE = st.lists(lines(), min_size=1, max_size=4)


@given(TWICE, situations)
def test_aid_relieves_the_patient_then_the_copayment_then_the_fund(charged: list[Line], situation: Situation) -> None:
    aided = split(charged, situation)
    alone = split([structs.replace(line, others=(D(0),) * 4) for line in charged], situation)
    for with_aid, without in zip(aided.lines, alone.lines, strict=True):
        assert (with_aid.rate, with_aid.insured, with_aid.total) == (without.rate, without.insured, without.total)
        taken = [getattr(without, name) - getattr(with_aid, name) for name in ("patient", "copay", "fund")]
        assert sum(taken) == with_aid.other
        assert taken[1] == 0 or with_aid.patient == 0
        assert taken[2] == 0 or (with_aid.patient, with_aid.copay) == (0, 0)


@given(TWICE, situations, st.integers(1, 5))
def test_another_card_never_takes_from_the_patient(charged: list[Line], situation: Situation, digit: int) -> None:
    better = replace(situation, cards=(*situation.cards, CardTerm(digit)))
    assert split(charged, better).fund >= split(charged, situation).fund


@given(lines(), st.integers(1, 1000), situations)
def test_a_dearer_line_never_leaves_less_in_all(line: Line, more: int, situation: Situation) -> None:
    plain = structs.replace(line, others=(D(0),) * 4)
    dearer = split([structs.replace(plain, price=plain.price + more)], situation)
    assert dearer.total >= split([plain], situation).total
    assert dearer.insured >= split([plain], situation).insured
