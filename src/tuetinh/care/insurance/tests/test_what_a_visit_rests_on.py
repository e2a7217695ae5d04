"""The benefit of a visit from the papers that it came with, and from what the year has cost."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest

from tuetinh.care.insurance.claim_inputs import PRICE_PARTS, inputs_of, use_papers
from tuetinh.care.insurance.claims import claim, gather
from tuetinh.care.insurance.facts import EXEMPT
from tuetinh.care.insurance.papers.facts import REFERRAL, appointment
from tuetinh.care.insurance.situations import OTHER_SOURCES, line
from tuetinh.care.insurance.tests.conftest import GLUCOSE, money
from tuetinh.commons.catalogues.api import service, service_code
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

SELF = "12001"


def elsewhere(desk: Any) -> None:
    """Register the person's card at another facility."""
    (card,) = record.search(SYSTEM, "Coverage", "_count=5").resources
    assert isinstance(card, r4.Coverage)
    for one in card.class_ or []:
        if one.value == SELF:
            one.value = "12104"
    record.update(SYSTEM, card)


def refer(desk: Any, *, to: str = SELF, until: str = "2026-11-10", status: str = "active") -> str:
    """A referral of the person to a facility."""
    made = record.create(
        SYSTEM,
        r4.ServiceRequest(
            status=status, intent="order", category=[r4.CodeableConcept(coding=[REFERRAL])],
            subject=record.ref(desk.patient), occurrencePeriod=r4.Period(start="2026-10-27", end=until),
            performer=[r4.Reference(reference=f"Organization/{to}")],
            identifier=[r4.Identifier(value="26/CT/000007", assigner=r4.Reference(reference="Organization/12104"))],
        ),
    )  # fmt: skip
    return str(made.id)


def reason(desk: Any) -> str:
    return gather(SYSTEM, desk.id)[1].reason


def test_who_comes_by_own_choice_without_a_paper(desk: Any) -> None:
    elsewhere(desk)
    assert reason(desk) == "own_choice"


def test_a_referral_that_holds_counts_and_is_claimed(desk: Any) -> None:
    elsewhere(desk)
    refer(desk)
    assert reason(desk) == "referral"
    row = claim(SYSTEM, desk.id).tables["XML1"][0]
    assert (row["MA_DOITUONG_KCB"], row["MA_NOI_DI"], row["GIAY_CHUYEN_TUYEN"]) == ("1.3", "12104", "26/CT/000007")


@pytest.mark.parametrize("changed", [{"until": "2026-11-01"}, {"to": "12002"}, {"status": "entered-in-error"}])
def test_a_referral_of_other_days_or_places_does_not_count(desk: Any, changed: dict[str, str]) -> None:
    elsewhere(desk)
    refer(desk, **changed)
    assert reason(desk) == "own_choice"


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2026-11-02", "revisit"), ("2026-10-19", "revisit"), ("2026-10-16", "own_choice"), ("2026-11-03", "own_choice")],
)
def test_an_appointment_counts_from_its_day_for_ten_working_days(desk: Any, day: str, expected: str) -> None:
    elsewhere(desk)
    before = record.create(SYSTEM, desk.visit())
    record.create(SYSTEM, appointment(before, day, number="26/HK/000001", now="2026-10-01T08:00:00+07:00", author=None))
    assert reason(desk) == expected


def test_an_appointment_counts_once(desk: Any) -> None:
    elsewhere(desk)
    before = record.create(SYSTEM, desk.visit())
    paper = appointment(before, "2026-11-02", number="26/HK/000001", now="2026-10-01T08:00:00+07:00", author=None)
    record.create(SYSTEM, paper)
    use_papers(SYSTEM, desk.encounter)
    assert reason(desk) == "revisit"  # the visit that it was kept at
    later = record.create(SYSTEM, desk.visit())
    assert gather(SYSTEM, str(later.id))[1].reason == "own_choice"


@pytest.mark.parametrize(
    ("until", "status", "later"), [("2026-11-10", "completed", "own_choice"), ("2027-10-26", "active", "referral")]
)
def test_a_referral_counts_for_one_visit_or_for_a_year(desk: Any, until: str, status: str, later: str) -> None:
    elsewhere(desk)
    id_ = refer(desk, until=until)
    use_papers(SYSTEM, desk.encounter)
    order = record.read(SYSTEM, "ServiceRequest", id_)
    assert isinstance(order, r4.ServiceRequest)
    assert (order.status, reason(desk)) == (status, "referral")
    again = record.create(SYSTEM, desk.visit())
    assert gather(SYSTEM, str(again.id))[1].reason == later


def test_what_the_desk_says_comes_first(desk: Any) -> None:
    refer(desk)
    assert reason(desk) == "registered"  # the card is registered here


def paid(desk: Any, at: str, copay: int) -> None:
    """Pay an earlier visit."""
    part = r4.CodeableConcept(coding=[r4.Coding(system=PRICE_PARTS, code="copay")])
    record.create(
        SYSTEM,
        r4.Invoice(
            status="balanced", subject=record.ref(desk.patient), date=at,
            totalPriceComponent=[
                r4.InvoiceLineItemPriceComponent(type="informational", code=part, amount=money(copay))
            ],
        ),
    )  # fmt: skip


def test_copayments_of_this_year_before_the_visit_are_counted(desk: Any) -> None:
    paid(desk, "2025-12-31T08:00:00+07:00", 5_000_000)
    paid(desk, "2026-03-01T08:00:00+07:00", 15_000_000)
    paid(desk, "2026-10-01T08:00:00+07:00", 1_000_000)
    paid(desk, "2026-11-03T08:00:00+07:00", 7_000_000)
    found = inputs_of([desk.encounter])[desk.id]
    assert found.copaid == D(16_000_000)
    assert found.free_since is not None
    assert f"{found.free_since:%Y-%m-%d}" == "2026-03-01"  # six base salaries were 14,040,000 then


@pytest.mark.parametrize("years", ["2026-01-01", "2027-01-01", ""])
def test_five_years_and_six_salaries_waive_the_copayment(desk: Any, years: str) -> None:
    card = record.search(SYSTEM, "Coverage", "_count=5").resources[0]
    assert isinstance(card, r4.Coverage)
    url = "https://tuetinh.vn/fhir/StructureDefinition/coverage-five-years"
    card.extension = [r4.Extension(url=url, valueDate=years)] if years else None
    record.update(SYSTEM, card)
    paid(desk, "2026-03-01T08:00:00+07:00", 16_000_000)
    row = claim(SYSTEM, desk.id).tables["XML1"][0]
    assert row["NGAY_MIEN_CCT"] == ("202603010800" if years == "2026-01-01" else "")


def test_the_paper_of_the_insurer_waives_it_too(desk: Any) -> None:
    card = record.search(SYSTEM, "Coverage", "_count=5").resources[0]
    assert isinstance(card, r4.Coverage)
    card.extension = [r4.Extension(url=EXEMPT, valueDate="2026-05-04")]
    record.update(SYSTEM, card)
    assert gather(SYSTEM, desk.id)[1].exempt_from == date(2026, 5, 4)
    assert claim(SYSTEM, desk.id).tables["XML1"][0]["NGAY_MIEN_CCT"] == "20260504"


def test_other_sources_are_read_from_the_charge(desk: Any) -> None:
    told = [r4.Extension(url=OTHER_SOURCES[name], valueMoney=money(n)) for name, n in (("NSNN", 10), ("CL", 5))]
    item = r4.ChargeItem(
        status="billed", code=r4.CodeableConcept(coding=[r4.Coding(code="X")]), subject=record.ref(desk.patient),
        priceOverride=money(100), extension=told,
    )  # fmt: skip
    assert line(item).others == (D(10), D(0), D(0), D(5))


EXAM = "02.03"


def charge(desk: Any, about: r4.Encounter, code: str, status: str, at: str) -> None:
    known = service(code)
    assert known is not None
    record.create(
        SYSTEM,
        r4.ChargeItem(status=status, code=service_code(known), subject=record.ref(desk.patient),
                      context=record.ref(about), occurrenceDateTime=at, priceOverride=money(45_000)),
    )  # fmt: skip


def came_before(
    desk: Any, *, at: str = "2026-11-02T07:00:00+07:00", where: str = SELF, status: str = "finished"
) -> str:
    """An earlier visit of the person, with an examination and a test that were charged, and one that was not."""
    other = desk.visit()
    other.id, other.status = None, status
    other.period = r4.Period(start=at, end=at)
    other.serviceProvider = r4.Reference(reference=f"Organization/{where}")
    stored = record.create(SYSTEM, other)
    for code, charged in ((EXAM, "billed"), (GLUCOSE, "billed"), (EXAM, "aborted")):
        charge(desk, stored, code, charged, at)
    return str(stored.id)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, 1),
        ({"at": "2026-11-02T00:05:00+07:00"}, 1),
        ({"at": "2026-11-01T23:55:00+07:00"}, 0),
        ({"at": "2026-11-02T16:00:00+07:00"}, 0),  # came later
        ({"where": "12104"}, 0),
        ({"status": "cancelled"}, 0),
    ],
)
def test_examinations_at_earlier_visits_of_the_day_count(desk: Any, changed: dict[str, str], expected: int) -> None:
    came_before(desk, **changed)
    assert inputs_of([desk.encounter])[desk.id].exams_before == expected
    assert gather(SYSTEM, desk.id)[1].exams_before == expected


def test_the_second_examination_of_a_day_is_paid_in_part(desk: Any, visit: str) -> None:
    def exam() -> tuple[str, str]:
        (row,) = [row for row in claim(SYSTEM, visit).tables["XML3"] if row["MA_DICH_VU"] == EXAM]
        return row["TYLE_TT_DV"], row["THANH_TIEN_BH"]

    charge(desk, desk.encounter, EXAM, "billed", "2026-11-02T08:20:00+07:00")
    assert exam() == ("100", "45000")
    came_before(desk)
    assert exam() == ("30", "13500")
    came_before(desk, at="2026-11-02T07:30:00+07:00")
    assert exam() == ("30", "13500")
    for minute in (31, 32):
        came_before(desk, at=f"2026-11-02T07:{minute}:00+07:00")
    assert exam() == ("10", "4500")


@pytest.mark.parametrize(
    ("changed", "hours"),
    [
        ({}, 1.25),
        ({"where": "12104"}, 1.25),
        ({"at": "2026-11-01T20:15:00+07:00"}, 12.0),
        ({"at": "2026-10-30T20:15:00+07:00"}, None),
        ({"at": "2026-11-02T16:00:00+07:00"}, None),
        ({"status": "cancelled"}, None),
    ],
)
def test_the_time_since_the_visit_before(desk: Any, changed: dict[str, str], hours: float | None) -> None:
    came_before(desk, **changed)
    found = inputs_of([desk.encounter])[desk.id].since_last
    assert (found.total_seconds() / 3600 if found else None) == hours


def test_a_visit_within_another_is_told(desk: Any, visit: str) -> None:
    earlier = record.read(SYSTEM, "Encounter", came_before(desk, where="12104"))
    assert isinstance(earlier, r4.Encounter)
    assert earlier.period is not None
    assert "VISIT-OVERLAP" not in {one.code for one in claim(SYSTEM, visit).warnings}
    earlier.period.end = "2026-11-02T09:00:00+07:00"
    record.update(SYSTEM, earlier)
    assert "VISIT-OVERLAP" in {one.code for one in claim(SYSTEM, visit).warnings}
