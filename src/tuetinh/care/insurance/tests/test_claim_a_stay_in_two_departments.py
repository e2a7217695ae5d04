"""Somebody who goes on to another department: each line has the one of its time, days in bed the bed of theirs."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from tuetinh.care.insurance.claims import claim
from tuetinh.care.insurance.situations import COST_GROUP
from tuetinh.care.insurance.tests.conftest import money
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
LISTS = "https://tuetinh.vn/fhir/CodeSystem"
MOVED = "2026-11-02T08:35:00+07:00"  # after the examination and its orders, before the bed


def place(id_: str, name: str, department: str) -> r4.Reference:
    ward = r4.CodeableConcept(coding=[r4.Coding(system=f"{LISTS}/ma-khoa", code=department)])
    record.create(SYSTEM, r4.Location(id=id_, name=name, type=[ward]))
    return r4.Reference(reference=f"Location/{id_}")


def where(there: r4.Reference, since: str | None, until: str | None = None) -> r4.EncounterLocation:
    period = r4.Period(start=since, end=until) if since else None
    return r4.EncounterLocation(location=there, period=period)


def day_in_bed(visit: str, at: str) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    assert encounter.subject is not None
    code = r4.CodeableConcept(coding=[r4.Coding(code="K02.1911")], text="Giường Nội khoa loại 1")
    item = r4.ChargeItem(
        status="billable", code=code, subject=encounter.subject, context=r4.Reference(reference=f"Encounter/{visit}"),
        occurrenceDateTime=at, quantity=r4.Quantity(value=D(1)), priceOverride=money(200_000),
        extension=[r4.Extension(url=COST_GROUP, valueString="15")],
    )  # fmt: skip
    record.create(SYSTEM, item)


def stay(visit: str, *locations: r4.EncounterLocation) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    encounter.class_ = r4.Coding(code="IMP")
    encounter.location = [*locations]
    record.update(SYSTEM, encounter)


def test_each_line_has_the_department_of_its_time(visit: str) -> None:
    first, second = place("two-1", "H001", "K02"), place("two-2", "H002", "K03")
    stay(visit, where(first, "2026-11-02T08:15:00+07:00", MOVED), where(second, MOVED))
    day_in_bed(visit, "2026-11-02T08:20:00+07:00")
    day_in_bed(visit, "2026-11-02T09:00:00+07:00")
    tables = claim(SYSTEM, visit).tables
    assert tables["XML1"][0]["MA_KHOA"] == "K02;K03"
    beds = [(row["MA_KHOA"], row["MA_GIUONG"]) for row in tables["XML3"] if row["MA_NHOM"] == "15"]
    assert beds == [("K02", "H001"), ("K03", "H002")]
    for name in ("XML2", "XML3"):
        for row in tables[name]:
            assert row["MA_KHOA"] == ("K02" if row["NGAY_YL"] < "202611020835" else "K03")


def test_rooms_that_do_not_say_when_give_the_first_department_and_the_last_bed(visit: str) -> None:
    stay(visit, where(place("two-1", "H001", "K02"), None), where(place("two-2", "H002", "K03"), None))
    day_in_bed(visit, "2026-11-02T09:00:00+07:00")
    tables = claim(SYSTEM, visit).tables
    assert {row["MA_KHOA"] for name in ("XML2", "XML3") for row in tables[name]} == {"K02"}
    assert {row["MA_GIUONG"] for row in tables["XML3"] if row["MA_NHOM"] == "15"} == {"H002"}
