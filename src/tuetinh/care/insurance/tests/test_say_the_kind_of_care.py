"""Every kind of care (MA_LOAI_KCB) can be said of a visit, and is claimed with what goes with it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest

from tuetinh.care.insurance.claims import claim, gather
from tuetinh.care.insurance.kinds import bed_group, kind_so_far, kinds_for, kinds_on, kinds_to_choose, say_kind
from tuetinh.care.insurance.situations import COST_GROUP
from tuetinh.care.insurance.tests.conftest import money
from tuetinh.care.insurance.tests.test_what_a_visit_rests_on import elsewhere
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
OLD, NEW = date(2026, 7, 31), date(2026, 8, 1)
KINDS = [f"{n:02}" for n in range(1, 17)]
CLASS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def said(desk: Any, code: str, class_: str = "AMB", end: str = "2026-11-04T10:00:00+07:00") -> dict[str, str]:
    """The row of table 1 of a visit of a kind that took three days."""
    desk.encounter.class_ = r4.Coding(system=CLASS, code=class_)
    say_kind(desk.encounter, code, NEW)
    desk.encounter.status = "finished"
    desk.encounter.period.end = end
    record.update(SYSTEM, desk.encounter)
    return claim(SYSTEM, desk.id).tables["XML1"][0]


def test_every_kind_of_the_lists_can_be_chosen_but_the_one_that_hours_tell() -> None:
    assert sorted(kinds_on(NEW)) == KINDS
    assert sorted(kinds_on(OLD)) == KINDS[:10]
    lying, others = kinds_to_choose(NEW, stay=True), kinds_to_choose(NEW, stay=False)
    assert sorted(lying) == ["03", "04", "06"]
    assert sorted({*lying, *others}) == [code for code in KINDS if code != "09"]


@pytest.mark.parametrize("code", [code for code in KINDS if code != "09"])
def test_each_kind_is_claimed(desk: Any, code: str) -> None:
    class_ = "IMP" if code in kinds_to_choose(NEW, stay=True) else "AMB"
    assert said(desk, code, class_)["MA_LOAI_KCB"] == code
    assert kind_so_far(desk.encounter) == code
    assert code in kinds_for(desk.encounter, NEW)


def test_a_kind_that_is_said_again_takes_the_place_of_the_one_before(desk: Any) -> None:
    other = r4.CodeableConcept(coding=[r4.Coding(system="https://tuetinh.vn/fhir/CodeSystem/ma-tai-nan", code="1")])
    desk.encounter.type = [other]
    for code, types in (("05", 2), ("08", 2), ("01", 1)):
        say_kind(desk.encounter, code, NEW)
        assert (kind_so_far(desk.encounter), len(desk.encounter.type or [])) == (code, types)
    with pytest.raises(KeyError):
        say_kind(desk.encounter, "14", OLD)


def test_a_stay_of_less_than_four_hours_is_told_by_its_hours(desk: Any) -> None:
    assert said(desk, "03", "IMP", end="2026-11-02T11:00:00+07:00")["MA_LOAI_KCB"] == "09"


@pytest.mark.parametrize(("code", "days"), [("01", "3"), ("03", "3"), ("04", "3"), ("06", "3"), ("10", "3")])
def test_days_of_treatment_are_those_of_the_kind(desk: Any, code: str, days: str) -> None:
    class_ = "IMP" if code in kinds_to_choose(NEW, stay=True) else "AMB"
    assert said(desk, code, class_)["SO_NGAY_DTRI"] == days


@pytest.mark.parametrize(("code", "group"), [("03", "15"), ("04", "14"), ("06", "16")])
def test_a_day_in_bed_is_of_the_group_of_the_kind(desk: Any, code: str, group: str) -> None:
    item = r4.ChargeItem(
        status="billed", code=r4.CodeableConcept(coding=[r4.Coding(code="K03.1911")], text="Ngày giường"),
        subject=record.ref(desk.patient), context=record.ref(desk.encounter), quantity=r4.Quantity(value=D(1)),
        occurrenceDateTime="2026-11-02T12:00:00+07:00", priceOverride=money(171_400),
        extension=[r4.Extension(url=COST_GROUP, valueString="15")],
    )  # fmt: skip
    record.create(SYSTEM, item)
    said(desk, code, "IMP")
    (row,) = claim(SYSTEM, desk.id).tables["XML3"]
    assert (row["MA_NHOM"], bed_group(code)) == (group, group)


@pytest.mark.parametrize(("code", "class_", "inpatient"), [
    ("01", "AMB", False), ("02", "AMB", False), ("03", "IMP", True), ("04", "IMP", True), ("06", "IMP", False),
])  # fmt: skip
def test_the_shares_of_inpatients_are_for_kinds_of_the_law(desk: Any, code: str, class_: str, inpatient: bool) -> None:
    said(desk, code, class_)
    assert gather(SYSTEM, desk.id)[1].inpatient is inpatient


def test_who_only_collects_medicines_has_the_code_of_it(desk: Any) -> None:
    elsewhere(desk)
    row = said(desk, "07")
    assert (row["MA_LOAI_KCB"], row["MA_DOITUONG_KCB"]) == ("07", "10")
