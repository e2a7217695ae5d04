"""Six base salaries of co-payment in a year: the visit that reaches them is divided at the moment when it does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tuetinh.care.insurance.benefits import Line, Split, split
from tuetinh.care.insurance.cases import benefit
from tuetinh.care.insurance.checks import check
from tuetinh.care.insurance.claims import claim, gather
from tuetinh.care.insurance.entitlement import CardTerm, Situation, copay_limit
from tuetinh.care.insurance.facts import COPAID, FIVE_YEARS, certify
from tuetinh.care.insurance.facts import card as card_of
from tuetinh.care.insurance.tests.conftest import GLUCOSE, money
from tuetinh.care.insurance.tests.test_import_claim_files import file_of, golden, take
from tuetinh.care.insurance.tests.test_what_a_visit_rests_on import paid
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

LIMIT = D(14_040_000)
THERE = Situation(
    on=date(2026, 3, 20), began=date(2026, 3, 1), cards=(CardTerm(4),), five_years=date(2026, 1, 1), inpatient=True
)


def line(day: int, price: int, hour: int = 8, **more: Any) -> Line:
    at = datetime(2026, 3, day, hour)  # noqa: DTZ001 - all times of a visit are Vietnam's
    return Line("X", D(1), D(price), on=at.date(), at=at, **more)


def amounts(found: Split) -> list[tuple[D, D, D]]:
    return [(one.rate, one.fund, one.copay) for one in found.lines]


def test_lines_before_at_and_after_the_limit() -> None:
    """80 % until 14,000,000 + 40,000 are paid together; the rest of that line and all later ones are the fund's."""
    lines = [line(5, 300_000), line(2, 100_000), line(3, 500_000), line(3, 500_000, hour=9)]
    found = split(lines, replace(THERE, copaid=LIMIT - 40_000))
    assert amounts(found) == [
        (D(100), D(300_000), D(0)),
        (D(80), D(80_000), D(20_000)),
        (D(80), D(480_000), D(20_000)),
        (D(100), D(500_000), D(0)),
    ]
    assert (found.copay, found.fund, found.waived, found.rate) == (D(40_000), D(1_360_000), True, D(100))
    assert found.passed == lines[2]


@pytest.mark.parametrize(
    ("copaid", "copay", "passed"),
    [(LIMIT - 200_000, 200_000, False), (LIMIT - 200_000 + D("0.01"), D("199999.99"), True), (LIMIT, 0, False)],
)
def test_what_reaches_the_limit_exactly_is_paid_and_not_a_hundredth_more(copaid: D, copay: D, passed: bool) -> None:
    found = split([line(3, 1_000_000)], replace(THERE, copaid=copaid))
    assert (found.copay, found.fund, found.passed is not None) == (D(copay), 1_000_000 - D(copay), passed)


@pytest.mark.parametrize(
    "other",
    [
        {"five_years": None},
        {"five_years": date(2026, 3, 21)},
        {"reason": "own_choice", "level": "specialised", "former": "central"},
    ],
)
def test_there_is_no_limit_without_five_years_or_out_of_level(other: dict[str, Any]) -> None:
    found = split([line(3, 100_000_000)], replace(THERE, copaid=LIMIT - 1, **other))
    assert found.passed is None
    assert found.copay == found.insured - found.insured * found.rate / 100


def test_five_years_that_are_full_in_the_stay_free_the_days_after() -> None:
    found = split([line(3, 1_000_000), line(12, 1_000_000)], replace(THERE, copaid=LIMIT, five_years=date(2026, 3, 10)))
    assert amounts(found) == [(D(80), D(800_000), D(200_000)), (D(100), D(1_000_000), D(0))]


def test_a_paper_of_the_insurer_frees_the_days_from_its_own_on() -> None:
    found = split([line(3, 1_000_000), line(12, 1_000_000)], replace(THERE, exempt_from=date(2026, 3, 12)))
    assert amounts(found) == [(D(80), D(800_000), D(200_000)), (D(100), D(1_000_000), D(0))]


LINES = st.lists(
    st.builds(
        line,
        st.integers(1, 20),
        st.integers(0, 30_000_000),
        hour=st.integers(0, 23),
        fund_share=st.sampled_from([D(100), D(50), D(0)]),
        insured_price=st.sampled_from([None, D("33333.33")]),
    ),
    min_size=1,
    max_size=12,
)


@given(LINES, st.integers(0, 20_000_000), st.sampled_from([3, 4]), st.integers(1, 25), st.data())
def test_sums_are_those_of_the_lines_and_no_more_than_the_limit_is_taken(
    lines: list[Line], copaid: int, digit: int, full: int, data: st.DataObject
) -> None:
    aided = []
    for one in lines:
        most = int(one.price)
        aid = data.draw(st.integers(0, most)) if most else 0
        aided.append(structs.replace(one, others=(D(aid), D(0), D(0), D(0))))
    there = replace(THERE, copaid=D(copaid), cards=(CardTerm(digit),), five_years=date(2026, 3, full))
    found = split(aided, there)
    for name in ("total", "insured", "fund", "copay", "patient", "other"):
        assert getattr(found, name) == sum((getattr(one, name) for one in found.lines), D(0))
    for one in found.lines:
        assert one.total == one.fund + one.copay + one.patient + one.other
        assert min(one.fund, one.copay, one.patient, one.other) >= 0
    after = sum((one.copay for one in found.lines if one.line.on and one.line.on >= date(2026, 3, full)), D(0))
    before = found.copay - after
    assert after == 0 or before + after + copaid <= copay_limit(there.on)
    plain = split(aided, replace(there, five_years=None))
    assert found.copay <= plain.copay
    assert (found.total, found.insured, found.other) == (plain.total, plain.insured, plain.other)
    if found.passed is not None:
        assert found.copay == max(copay_limit(there.on) - copaid, before)


def test_a_case_of_another_system_is_divided_alike() -> None:
    case = {
        "NGAY_RA": "202603201000", "MA_THE_BHYT": "DN4129999999001", "NAM_NAM_LIEN_TUC": "20260101",
        "T_BNCCT_NAM": 14_000_000, "NOI_TRU": True,
        "CHI_TIET": [
            {"DON_GIA_BV": 500_000, "NGAY_YL": "202603200900"}, {"DON_GIA_BV": 100_000, "NGAY_YL": "202603200800"},
        ],
    }  # fmt: skip
    found = benefit(case)
    assert [(one["MUC_HUONG"], one["T_BHTT"], one["T_BNCCT"]) for one in found["lines"]] == [
        (D(80), D(480_000), D(20_000)),
        (D(80), D(80_000), D(20_000)),
    ]
    assert found["T_BNCCT"] == D(40_000)


def dear(desk: Any) -> None:
    """Two services of the visit, one after the other, with a co-payment of 600,000 and 100,000."""
    for minute, price in ((30, 500_000), (20, 3_000_000)):
        record.create(
            SYSTEM,
            r4.ChargeItem(
                status="billed", code=r4.CodeableConcept(coding=[r4.Coding(code=GLUCOSE)]), priceOverride=money(price),
                subject=record.ref(desk.patient), context=record.ref(desk.encounter),
                occurrenceDateTime=f"2026-11-02T08:{minute}:00+07:00",
            ),
        )  # fmt: skip


def five_years(desk: Any) -> None:
    card = record.search(SYSTEM, "Coverage", "_count=5").resources[0]
    assert isinstance(card, r4.Coverage)
    card.extension = [r4.Extension(url=FIVE_YEARS, valueDate="2026-01-01")]
    record.update(SYSTEM, card)


@pytest.mark.django_db
def test_the_claim_says_since_when_and_nothing_speaks_against_it(desk: Any) -> None:
    """The visit of the desk costs more than what is left; NGAY_MIEN_CCT is the moment of the line that reaches it."""
    five_years(desk)
    dear(desk)
    whole = claim(SYSTEM, desk.id)
    assert whole.split.copay > 1
    paid(desk, "2026-03-01T08:00:00+07:00", int(copay_limit(date(2026, 11, 2)) - 1))
    found = claim(SYSTEM, desk.id)
    rows = [row for name in ("XML2", "XML3") for row in found.tables[name]]
    summary = found.summary
    assert (summary["T_BNCCT"], summary["T_TONGCHI_BH"]) == ("1", whole.summary["T_TONGCHI_BH"])
    assert summary["NGAY_MIEN_CCT"] == min(row["NGAY_YL"] for row in rows if row["T_BNCCT"] == "1")
    assert sorted({row["T_BNCCT"] for row in rows}) == ["0", "1"]
    formulas = [one for one in check(found.tables, by=found.decision) if one.code == "formula"]
    assert formulas == []
    odd = [one for one in found.problems if one.field in ("MUC_HUONG", "T_BHTT", "T_BNCCT")]
    assert odd == []


@pytest.mark.django_db
def test_a_line_that_takes_less_elsewhere_is_still_a_fault(desk: Any) -> None:
    five_years(desk)
    dear(desk)
    paid(desk, "2026-03-01T08:00:00+07:00", int(copay_limit(date(2026, 11, 2)) - 1))
    tables = claim(SYSTEM, desk.id).tables
    tables["XML1"][0]["NGAY_MIEN_CCT"] = ""
    assert {one.field for one in check(tables) if one.code == "formula"} >= {"T_BHTT", "T_BNCCT"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("amount", "on", "expected"),
    [
        (14_000_000, date(2026, 6, 30), 14_000_500),  # the paper, and what was paid since
        (100, date(2026, 6, 30), 1_500),  # less than what is known to have been paid
        (14_000_000, date(2025, 12, 31), 1_500),  # of another year
    ],
)
def test_a_paper_of_the_insurer_says_what_was_paid_together_until_its_day(
    desk: Any, amount: int, on: date, expected: int
) -> None:
    paid(desk, "2026-03-01T08:00:00+07:00", 1_000)
    paid(desk, "2026-07-01T08:00:00+07:00", 500)
    card = record.search(SYSTEM, "Coverage", "_count=5").resources[0]
    assert isinstance(card, r4.Coverage)
    certify(card, D(amount), on)
    record.update(SYSTEM, card)
    assert gather(SYSTEM, desk.id)[1].copaid == D(expected)
    certify(card, D(amount), on, exempt_from=date(2026, 9, 1))
    assert [one.url for one in card.extension or []].count(COPAID) == 1
    assert card_of(card).exempt_from == "2026-09-01"


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "counted"), [("1.1", D(777)), ("3.1", D(0))])
def test_what_was_paid_together_at_other_hospitals_counts(tmp_path: Any, code: str, counted: D) -> None:
    from tuetinh.care.insurance.claim_inputs import inputs_of
    from tuetinh.care.insurance.intake.stay import visit_id

    earlier, later = golden("before"), golden("after")
    earlier["XML1"][0] |= {
        "NGAY_VAO": "202610050800", "NGAY_RA": "202610051000", "NGAY_TTOAN": "202610051000", "T_BNCCT": "777",
        "MA_DOITUONG_KCB": code,
    }  # fmt: skip
    for name in ("XML2", "XML3", "XML4", "XML5"):
        earlier[name] = []
    take(tmp_path, file_of(earlier, later))
    visit = record.read(SYSTEM, "Encounter", visit_id("12001", "after"))
    assert isinstance(visit, r4.Encounter)
    assert inputs_of([visit])[str(visit.id)].copaid == counted
