"""Whatever is charged, and whoever pays: sums of table 1 are the sums of the lines, by every formula there is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuetinh.care.insurance.benefits import split
from tuetinh.care.insurance.checks import check
from tuetinh.care.insurance.claim_tables import build, in_words_of
from tuetinh.care.insurance.entitlement import CardTerm, Situation
from tuetinh.care.insurance.filling.visit import Visit
from tuetinh.care.insurance.repeats import longest_drug
from tuetinh.care.insurance.situations import COST_GROUP, FUND_SHARE, OTHER_SOURCES, SUPPLIES, FacilityFacts, line
from tuetinh.record import r4

AMOUNT = st.integers(0, 20_000_000_000).map(lambda n: D(n) / 1000)


@st.composite
def charges(draw: st.DrawFn) -> r4.ChargeItem:
    """A charge of any kind, with any share, and with aid that is no more than its cost."""
    price, count = draw(AMOUNT), draw(st.integers(1, 90))
    system = draw(st.sampled_from([SUPPLIES, "https://tuetinh.vn/fhir/CodeSystem/thuoc", "x"]))
    share = draw(st.sampled_from([None, D(0), D(50), D(80)]))
    told = [] if share is None else [r4.Extension(url=FUND_SHARE, valueDecimal=share)]
    special = draw(st.sampled_from([None, D("0.5"), D("0.3")]))
    cost = price * count * (D("0.3"))
    parts = draw(st.lists(st.integers(0, 25), min_size=4, max_size=4))
    for url, part in zip(OTHER_SOURCES.values(), parts, strict=True):
        aid = (cost * part / 100).quantize(D("0.01"), "ROUND_DOWN")
        told.append(r4.Extension(url=url, valueMoney=r4.Money(value=aid, currency="VND")))
    return r4.ChargeItem(
        status="billed", code=r4.CodeableConcept(coding=[r4.Coding(system=system, code="X")]), extension=told,
        subject=r4.Reference(reference="Patient/x"), quantity=r4.Quantity(value=D(count)),
        priceOverride=r4.Money(value=price, currency="VND"), factorOverride=special,
    )  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(
    st.lists(charges(), max_size=12),
    st.sampled_from([(), (CardTerm(4),), (CardTerm(3),), (CardTerm(1),)]),
    st.sampled_from(["registered", "own_choice", "emergency"]),
)
def test_line_sums_are_the_totals(items: list[r4.ChargeItem], cards: tuple[CardTerm, ...], reason: str) -> None:
    situation = Situation(on=date(2026, 11, 2), cards=cards, reason=reason, former="central", inpatient=True)  # type: ignore[arg-type]
    visit = Visit(
        encounter=r4.Encounter(id="x", status="finished", class_=r4.Coding(code="IMP")), patient=r4.Patient(id="x"),
        cards=[], facility=FacilityFacts("12001", "BV"), charges=items, conditions={}, requests={}, medicines=[],
        observations=[], reports=[], impressions=[], practitioners={}, departments={},
    )  # fmt: skip
    tables = build(visit, split([line(item) for item in items], situation))
    whole = all(item.factorOverride is None for item in items)
    for by in ("3176", "4750", *(("130",) if whole else ())):  # QĐ 130 knows no service that is paid in part
        found = check(in_words_of(tables, by), by=by)
        assert [p for p in found if p.code in ("formula", "unknown", "numbering")] == []
    rows = [*tables["XML2"], *tables["XML3"]]
    (summary,) = tables["XML1"]
    for total, each in (
        ("T_TONGCHI_BV", "THANH_TIEN_BV"), ("T_TONGCHI_BH", "THANH_TIEN_BH"), ("T_BNTT", "T_BNTT"),
        ("T_BNCCT", "T_BNCCT"), ("T_NGUONKHAC", "T_NGUONKHAC"), ("T_BHTT_GDV", "T_BHTT"),
    ):  # fmt: skip
        assert D(summary[total]) == sum((D(row[each]) for row in rows), D(0)), total
    assert D(summary["T_BHTT"]) == D(summary["T_TONGCHI_BH"]) - D(summary["T_BNCCT"])
    paid = sum((D(summary[name]) for name in ("T_BNTT", "T_BNCCT", "T_NGUONKHAC", "T_BHTT_GDV")), D(0))
    assert paid == D(summary["T_TONGCHI_BV"])


@pytest.mark.parametrize(
    ("kind", "by", "days"),
    [
        ("01", "3176", "4"), ("02", "3176", "2"), ("08", "3176", "2"), ("05", "3176", "4"), ("09", "3176", "0"),
        ("01", "4750", "0"), ("02", "4750", "4"), ("08", "4750", "2"), ("05", "4750", "4"), ("09", "4750", "0"),
        ("01", "130", "0"), ("02", "130", "4"), ("01", "4210", "4"), ("02", "4210", "4"),
    ],
)  # fmt: skip
def test_days_of_treatment_are_those_of_the_kind_of_care(kind: str, by: str, days: str) -> None:
    told = r4.CodeableConcept(coding=[r4.Coding(system="https://tuetinh.vn/fhir/CodeSystem/ma-loai-kcb", code=kind)])
    items = [
        r4.ChargeItem(
            status="billed", code=r4.CodeableConcept(coding=[r4.Coding(system="x", code="X")]),
            subject=r4.Reference(reference="Patient/x"), occurrenceDateTime=f"2026-11-0{day}T09:00:00+07:00",
            extension=[r4.Extension(url=COST_GROUP, valueString=group)],
        )
        for day, group in ((2, "18"), (2, "1"), (3, "13"), (4, "3"), (5, "15"), (5, "12"))
    ]  # fmt: skip
    visit = Visit(
        encounter=r4.Encounter(
            id="x", status="finished", class_=r4.Coding(code="AMB"), type=[told],
            period=r4.Period(start="2026-11-02T08:00:00+07:00", end="2026-11-05T10:00:00+07:00"),
        ),
        patient=r4.Patient(id="x"), cards=[], facility=FacilityFacts("12001", "BV"), charges=items, conditions={},
        requests={}, medicines=[], observations=[], reports=[], impressions=[], practitioners={}, departments={},
    )  # fmt: skip
    tables = build(visit, split([line(item) for item in items], Situation(on=date(2026, 11, 5), cards=(CardTerm(4),))))
    tables = in_words_of(tables, by)
    assert tables["XML1"][0]["SO_NGAY_DTRI"] == days
    assert "SO_NGAY_DTRI" not in {problem.field for problem in check(tables, by=by)}


@pytest.mark.parametrize("by", ["130", "4750"])
def test_days_of_outpatient_treatment_are_checked_by_the_calendar(by: str) -> None:
    row = {"MA_LOAI_KCB": "02", "NGAY_VAO": "202408010800", "NGAY_RA": "202408041000"}
    found = {
        days: any(p.field == "SO_NGAY_DTRI" for p in check({"XML1": [row | {"SO_NGAY_DTRI": days}]}, by=by))
        for days in ("2", "4")
    }
    assert found == {"2": True, "4": False}


@pytest.mark.parametrize(
    ("doses", "days"),
    [
        (["1 Viên/lần * 2 lần/ngày * 10 ngày [2 Viên/ngày]", "1 Viên/lần * 1 lần/ngày * 28 ngày [1 Viên/ngày]"], 28),
        (["1 Viên/lần * 3 lần/ngày"], 0),
        ([], 0),
    ],
)
def test_the_drug_that_is_taken_longest(doses: list[str], days: int) -> None:
    assert longest_drug([{"LIEU_DUNG": dose} for dose in doses]) == days
