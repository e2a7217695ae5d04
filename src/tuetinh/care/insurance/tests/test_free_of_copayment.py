"""The insurer's paper that no co-payment is due any more in the year: entered at the desk, told to the person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any, cast

import pytest
from django.test import Client
from django.utils import timezone

from tuetinh.care.insurance.actions import _store_coverage
from tuetinh.care.insurance.benefits import Line, split
from tuetinh.care.insurance.claims import claim, gather
from tuetinh.care.insurance.copayment.actions import YearPaper, enter, take_back
from tuetinh.care.insurance.copayment.standing import standing
from tuetinh.care.insurance.entitlement import CardTerm, Situation, copay_limit
from tuetinh.care.insurance.errors import BadYearPaper, NoCard, NotAllowed
from tuetinh.care.insurance.facts import COPAID, EXEMPT, FIVE_YEARS
from tuetinh.care.insurance.gateway import Answer
from tuetinh.care.insurance.queries import cards
from tuetinh.care.insurance.tests.test_pass_the_limit_of_the_year import dear
from tuetinh.care.insurance.tests.test_what_a_visit_rests_on import paid
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

As = Callable[[str], Client]
TODAY = timezone.localdate()
LIMIT = copay_limit(TODAY)
YEAR = date(TODAY.year, 1, 1)


def coverages(patient: str) -> list[r4.Coverage]:
    return cast("list[r4.Coverage]", record.search(SYSTEM, "Coverage", f"beneficiary=Patient/{patient}").resources)


def five_years(patient: str, day: str = "2020-01-01") -> None:
    card = coverages(patient)[0]
    card.extension = [r4.Extension(url=FIVE_YEARS, valueDate=day)]
    record.update(SYSTEM, card)


def test_a_paper_holds_until_its_year_is_over() -> None:
    there = Situation(on=date(2027, 1, 3), began=date(2026, 12, 30), cards=(CardTerm(4),), inpatient=True)
    lines = [Line("X", D(1), D(1_000_000), on=date(2026, 12, 31)), Line("X", D(1), D(1_000_000), on=date(2027, 1, 2))]
    found = split(lines, replace(there, exempt_from=date(2026, 9, 1)))
    assert [one.copay for one in found.lines] == [D(0), D(200_000)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("since", "told", "copay"),
    [("2026-09-01", "20260901", D(0)), ("2025-09-01", "", None), ("2026-11-03", "", None)],
)
def test_the_claim_tells_of_a_paper_that_holds_in_the_visit(
    visit: str, desk: Any, since: str, told: str, copay: D | None
) -> None:
    card = coverages(desk.patient.id)[0]
    card.extension = [r4.Extension(url=EXEMPT, valueDate=since)]
    record.update(SYSTEM, card)
    dear(desk)
    found = claim(SYSTEM, visit)
    assert found.summary["NGAY_MIEN_CCT"] == told
    assert (found.split.copay == D(0)) is (copay is not None)


@pytest.mark.django_db
def test_asking_about_the_card_again_leaves_the_paper(desk: Any) -> None:
    enter(SYSTEM, desk.patient.id, YearPaper(LIMIT, TODAY, YEAR, "17/GCN"))
    answer = Answer("000", ma_the=desk.card, gt_the_tu="01/01/2020", gt_the_den="30/12/2099", ma_dkbd="12001")
    _store_coverage(SYSTEM, answer, desk.patient.id)
    card = cards(SYSTEM, desk.patient.id)[0]
    assert (card.valid_to, card.copaid, card.exempt_from, card.paper) == (
        "2099-12-30",
        LIMIT,
        YEAR.isoformat(),
        "17/GCN",
    )


@pytest.mark.django_db
def test_a_card_that_comes_later_has_it_too(desk: Any) -> None:
    enter(SYSTEM, desk.patient.id, YearPaper(LIMIT, TODAY, YEAR))
    answer = Answer("000", ma_the="GD4120000000018", gt_the_tu="01/01/2020", gt_the_den="31/12/2099", ma_dkbd="12001")
    _store_coverage(SYSTEM, answer, desk.patient.id)
    assert {one.exempt_from for one in cards(SYSTEM, desk.patient.id)} == {YEAR.isoformat()}


@pytest.mark.django_db
def test_a_paper_takes_the_place_of_the_one_before_and_can_be_taken_back(desk: Any) -> None:
    enter(SYSTEM, desk.patient.id, YearPaper(D(5_000_000), TODAY))
    enter(SYSTEM, desk.patient.id, YearPaper(LIMIT, TODAY, YEAR, "18/GCN"))
    told = [one.url for card in coverages(desk.patient.id) for one in card.extension or []]
    assert sorted(told) == sorted([COPAID, EXEMPT])
    assert gather(SYSTEM, desk.id)[1].exempt_from == YEAR
    take_back(SYSTEM, desk.patient.id)
    assert gather(SYSTEM, desk.id)[1].exempt_from is None
    assert [one.extension for one in coverages(desk.patient.id)] == [None]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("paper", "field"),
    [
        (YearPaper(D(1), TODAY + timedelta(days=1)), "on"),
        (YearPaper(D(1), TODAY, TODAY + timedelta(days=1)), "exempt_from"),
        (YearPaper(D(1), TODAY, date(TODAY.year - 1, 12, 31)), "exempt_from"),
        (YearPaper(LIMIT, TODAY), "exempt_from"),
    ],
)
def test_what_no_paper_can_say_is_refused(desk: Any, paper: YearPaper, field: str) -> None:
    with pytest.raises(BadYearPaper) as refused:
        enter(SYSTEM, desk.patient.id, paper)
    assert refused.value.field == field
    assert coverages(desk.patient.id)[0].extension is None


@pytest.mark.django_db
def test_who_is_at_neither_desk_enters_none(desk: Any) -> None:
    for role in ("doctor", "citizen", "admin"):
        asker = replace(SYSTEM, role=role)
        with pytest.raises(NotAllowed):
            enter(asker, desk.patient.id, YearPaper(LIMIT, TODAY, YEAR))
        with pytest.raises(NotAllowed):
            take_back(asker, desk.patient.id)
    assert coverages(desk.patient.id)[0].extension is None


@pytest.mark.django_db
def test_without_a_card_there_is_nothing_to_write_it_on(desk: Any) -> None:
    stranger = str(record.create(SYSTEM, r4.Patient()).id)
    with pytest.raises(NoCard):
        enter(SYSTEM, stranger, YearPaper(LIMIT, TODAY, YEAR))
    assert standing(stranger) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("since", "amount", "expected"),
    [
        ("2020-01-01", int(LIMIT), (True, True, True)),
        ("2020-01-01", int(LIMIT) - 1, (True, False, False)),
        ("2099-01-01", int(LIMIT), (False, True, False)),
    ],
)
def test_who_has_passed_six_base_salaries_after_five_years_needs_the_paper(
    desk: Any, since: str, amount: int, expected: tuple[bool, bool, bool]
) -> None:
    five_years(desk.patient.id, since)
    paid(desk, f"{TODAY.year}-01-02T08:00:00+07:00", amount)
    found = standing(desk.patient.id)
    assert found is not None
    assert (found.full, found.passed, found.needs_paper) == expected
    assert (found.copaid, found.left) == (D(amount), LIMIT - amount)


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["reception", "cashier"])
def test_the_page_takes_the_paper_and_says_so(as_role: As, cast_desk: Any, role: str) -> None:
    five_years(cast_desk.patient.id)
    paid(cast_desk, f"{TODAY.year}-01-02T08:00:00+07:00", int(LIMIT))
    address, browser = f"/insurance/people/{cast_desk.patient.id}/copayment", as_role(role)
    assert 'data-copayment="passed"' not in (before := browser.get(address).content.decode())
    assert "giấy chứng nhận không cùng chi trả trong năm" in before
    wrong = browser.post(address, {"amount": f"{LIMIT:f}", "on": f"{TODAY:%d/%m/%Y}", "exempt_from": ""})
    assert (wrong.status_code, standing(cast_desk.patient.id).free_since) == (422, "")  # type: ignore[union-attr]
    told = {"amount": f"{LIMIT:f}", "on": f"{TODAY:%d/%m/%Y}", "exempt_from": f"{YEAR:%d/%m/%Y}", "number": "9/GCN"}
    done = browser.post(f"{address}?from=/reception", told)
    assert done["Location"] == f"{address}?from=%2Freception"
    assert standing(cast_desk.patient.id).free_since == YEAR.isoformat()  # type: ignore[union-attr]
    page = browser.get(done["Location"]).content.decode()
    assert 'value="9/GCN"' in page and 'href="/reception"' in page
    assert 'href="//evil.example"' not in browser.get(f"{address}?from=//evil.example").content.decode()
    browser.post(address, {"withdraw": "1"})
    assert standing(cast_desk.patient.id).free_since == ""  # type: ignore[union-attr]


@pytest.mark.django_db
def test_the_reception_is_warned(as_role: As, cast_desk: Any) -> None:
    five_years(cast_desk.patient.id)
    browser, address = as_role("reception"), f"/reception/people/{cast_desk.patient.id}/card"
    assert 'data-copayment="open"' in browser.post(address).content.decode()
    paid(cast_desk, f"{TODAY.year}-01-02T08:00:00+07:00", int(LIMIT))
    assert 'data-copayment="passed"' in browser.post(address).content.decode()
    enter(SYSTEM, cast_desk.patient.id, YearPaper(LIMIT, TODAY, YEAR))
    assert 'data-copayment="free"' in browser.post(address).content.decode()
