"""From the order to the issue: only what fits is set aside, and two people give it out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest

from tuetinh.care.lab import facts as lab_facts
from tuetinh.care.lab.blood import issuing, orders, queries
from tuetinh.care.lab.blood.errors import (
    Expired,
    GroupConflict,
    Incompatible,
    NoSample,
    NotAUnit,
    NotElectronic,
    NoUnit,
    SamePerson,
    WrongPatient,
    WrongUnit,
)
from tuetinh.care.lab.blood.grouping import POSITIVE
from tuetinh.care.lab.blood.models import BloodAllocation, BloodOrder, BloodUnit
from tuetinh.care.lab.errors import BadValue, NeedsReason, NotAllowed, WrongStage
from tuetinh.care.lab.models import Tube
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
NONE = {"saline": "0", "ahg": "0"}


def order(bank, component: str = "red", quantity: int = 1, **more: str) -> BloodOrder:
    told = {"indication": "anaemia", **more}
    return orders.order_blood(bank.doctor, bank.world.encounter.id, component, quantity, **told)


def crossmatches() -> list[r4.Observation]:
    return cast("list[r4.Observation]", record.search(SYSTEM, "Observation", "code=http://loinc.org|1250-0").resources)


def refused(bank, row: BloodOrder, unit: BloodUnit, error: type[Exception], method: str = "serological") -> None:
    with pytest.raises(error):
        orders.match(bank.lab, row.pk, unit.pk, method, NONE)
    unit.refresh_from_db()
    assert (unit.stage, BloodAllocation.objects.count()) == ("available", 0)


def test_an_order_asks_for_a_sample_where_none_is_fresh(bank) -> None:
    row = order(bank, urgency="urgent", note="Hb 62")
    request = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", row.request))
    assert (request.priority, request.quantityQuantity.value, request.note[0].text) == ("urgent", 1, "Hb 62")
    assert request.reasonCode[0].text == "Thiếu máu nặng"
    tube = Tube.objects.get()
    placed = record.read_many(SYSTEM, "ServiceRequest", tube.orders).values()
    assert {lab_facts.ordered_test(one).key for one in placed} == {"ABO", "RHD", "ABSC"}
    assert (tube.urgent, tube.benches) == (True, ["haematology", "transfusion"])
    order(bank)
    assert Tube.objects.count() == 1


def test_what_cannot_be_ordered(bank) -> None:
    for wrong in ({"component": "wine"}, {"quantity": 0}, {"quantity": 21}, {"indication": "x"}, {"urgency": "x"}):
        with pytest.raises(NotAUnit):
            order(bank, **wrong)
    with pytest.raises(NotAllowed):
        orders.order_blood(bank.nurse, bank.world.encounter.id, "red", 1, indication="anaemia")
    assert (BloodOrder.objects.count(), Tube.objects.count()) == (0, 0)


def test_a_unit_that_fits_is_set_aside_with_its_cross_match(bank) -> None:
    tube = bank.confirmed("A")
    row, unit = order(bank), bank.unit("A")
    made = orders.match(bank.lab, row.pk, unit.pk, "serological", NONE)
    unit.refresh_from_db()
    assert made and (made.method, made.stage, unit.stage) == ("serological", "reserved", "reserved")
    [fact] = crossmatches()
    assert (fact.id, fact.valueCodeableConcept.text, lab_facts.id_of(fact.specimen)) == (
        made.crossmatch, "Hòa hợp", tube.specimen,
    )  # fmt: skip
    assert fact.focus[0].reference == f"BiologicallyDerivedProduct/{unit.resource}"
    with pytest.raises(NoUnit):
        orders.match(bank.lab, row.pk, unit.pk, "serological", NONE)


@pytest.mark.parametrize(
    "grades", [{"saline": "0", "ahg": "1+"}, {"saline": "w", "ahg": "0"}, {"saline": "0", "ahg": "H"}]
)
def test_a_unit_that_reacts_is_kept_away_and_the_cross_match_stays(bank, grades) -> None:
    bank.confirmed("A")
    row, unit = order(bank), bank.unit("A")
    assert orders.match(bank.lab, row.pk, unit.pk, "serological", grades) is None
    unit.refresh_from_db()
    assert (unit.stage, BloodAllocation.objects.count()) == ("available", 0)
    assert [one.valueCodeableConcept.text for one in crossmatches()] == ["Không hòa hợp"]


def test_what_does_not_fit_is_refused(bank) -> None:
    row = order(bank)
    refused(bank, row, bank.unit("O"), Incompatible)  # D is not known
    refused(bank, row, bank.unit("O", "-"), NoSample)
    tube = bank.sample("A")
    refused(bank, row, bank.unit("A"), Incompatible)  # one sample alone
    assert orders.match(bank.lab, row.pk, bank.unit("O").pk, "serological", NONE)
    BloodAllocation.objects.all().delete()
    bank.sample("A", hours=1)
    refused(bank, row, bank.unit("B"), Incompatible)
    refused(bank, row, bank.unit("AB"), Incompatible)
    refused(bank, row, bank.unit("A", component="ffp"), NoUnit)
    late = bank.unit("A")
    BloodUnit.objects.filter(pk=late.pk).update(expires=datetime.now(UTC))
    refused(bank, row, late, Expired)
    with pytest.raises(BadValue):
        orders.match(bank.lab, row.pk, bank.unit("A").pk, "serological", {"saline": "0"})
    with pytest.raises(NotAllowed):
        orders.match(bank.nurse, row.pk, bank.unit("A").pk, "serological", NONE)
    bank.sample("O", hours=2)
    refused(bank, row, bank.unit("O", "-"), GroupConflict)
    assert tube.number


def test_electronic_cross_matches_are_for_those_without_antibodies(bank) -> None:
    row, unit = order(bank), bank.unit("O", "-")
    bank.sample("A")
    refused(bank, row, unit, NotElectronic, "electronic")  # not confirmed
    bank.sample("A", hours=1)
    made = orders.match(bank.lab, row.pk, unit.pk, "electronic")
    assert made and made.method == "electronic"
    issuing.free(bank.lab, made.pk, "đổi đơn vị")
    bank.sample("A", screen=POSITIVE, hours=1)
    unit.refresh_from_db()
    assert unit.stage == "available"
    with pytest.raises(NotElectronic):
        orders.match(bank.lab, row.pk, unit.pk, "electronic")
    assert orders.match(bank.lab, row.pk, unit.pk, "serological", NONE)


def test_plasma_goes_by_the_group_alone(bank) -> None:
    row = order(bank, "ffp")
    refused(bank, row, bank.unit("O", component="ffp"), Incompatible)
    made = orders.match(bank.lab, row.pk, bank.unit("AB", component="ffp").pk, "serological")
    assert made and (made.method, made.crossmatch, crossmatches()) == ("group", "", [])


def test_two_people_give_a_unit_out(bank) -> None:
    bank.confirmed("A")
    row, unit, other = order(bank), bank.unit("A"), bank.unit("A")
    made = orders.match(bank.lab, row.pk, unit.pk, "serological", NONE)
    assert made
    with pytest.raises(WrongStage):
        issuing.issue(bank.nurse, made.pk, unit.din, bank.patient)
    with pytest.raises(WrongUnit):
        issuing.prepare(bank.lab, made.pk, other.din)
    issuing.prepare(bank.lab, made.pk, f"={unit.din}00")
    for asker, scanned, person, error in (
        (bank.lab, unit.din, bank.patient, SamePerson), (bank.nurse, other.din, bank.patient, WrongUnit),
        (bank.nurse, unit.din, "cast-citizen", WrongPatient),
    ):  # fmt: skip
        with pytest.raises(error):
            issuing.issue(asker, made.pk, scanned, person)
    made.refresh_from_db()
    unit.refresh_from_db()
    assert (made.stage, made.issued_at, unit.stage) == ("prepared", None, "reserved")
    issued = issuing.issue(bank.nurse, made.pk, unit.din, bank.patient)
    unit.refresh_from_db()
    assert (issued.prepared_by, issued.issued_by, unit.stage) == (bank.lab.account, bank.nurse.account, "issued")
    assert [one.pk for one in queries.at_the_bed("12104")] == [made.pk]


def test_what_became_known_meanwhile_stops_the_issue(bank) -> None:
    bank.confirmed("A")
    row, unit = order(bank), bank.unit("A")
    made = orders.match(bank.lab, row.pk, unit.pk, "serological", NONE)
    bank.sample("O")
    with pytest.raises(GroupConflict):
        issuing.prepare(bank.lab, made.pk, unit.din)
    assert BloodAllocation.objects.get().stage == "reserved"


def test_an_emergency_is_signed_by_a_doctor_and_matched_afterwards(bank) -> None:
    row, negative, positive, group_a = (
        order(bank, urgency="stat"),
        bank.unit("O", "-"),
        bank.unit("O"),
        bank.unit("A", "-"),
    )
    for asker, unit, why, error in (
        (bank.lab, negative, "sốc mất máu", NotAllowed), (bank.doctor, negative, " ", NeedsReason),
        (bank.doctor, group_a, "sốc mất máu", Incompatible),
        (bank.doctor, positive, "sốc mất máu", Incompatible),  # a woman of 40
    ):  # fmt: skip
        with pytest.raises(error):
            orders.release_in_emergency(asker, row.pk, unit.pk, why)
    assert BloodAllocation.objects.count() == 0
    made = orders.release_in_emergency(bank.doctor, row.pk, negative.pk, "sốc mất máu")
    signed = cast("list[r4.Provenance]", record.search(SYSTEM, "Provenance", "").resources)
    assert [(one.activity.coding[0].code, one.reason[0].text) for one in signed] == [
        ("emergency-release", "sốc mất máu")
    ]
    issuing.prepare(bank.lab, made.pk, negative.din)
    issuing.issue(bank.nurse, made.pk, negative.din, bank.patient)
    with pytest.raises(NoSample):
        orders.match_afterwards(bank.lab, made.pk, NONE)
    bank.sample("B", "-")
    found = orders.match_afterwards(bank.lab, made.pk, {"saline": "0", "ahg": "2+"})
    assert (found.incompatible, found.crossmatch, found.signed_by) == (True, crossmatches()[0].id, bank.doctor.account)
    with pytest.raises(WrongStage):
        orders.match_afterwards(bank.lab, made.pk, NONE)


def test_an_older_woman_and_a_man_may_have_the_antigen_d(bank) -> None:
    row = order(bank)
    person = cast(r4.Patient, record.read(SYSTEM, "Patient", bank.patient))
    person.gender = "male"
    record.update(SYSTEM, person)
    assert orders.release_in_emergency(bank.doctor, row.pk, bank.unit("O").pk, "sốc").method == "emergency"
    bank.sample("A", "-")
    with pytest.raises(Incompatible):
        orders.release_in_emergency(bank.doctor, row.pk, bank.unit("O").pk, "sốc")


def test_a_cancelled_order_gives_its_units_back(bank) -> None:
    bank.confirmed("A")
    row, unit = order(bank), bank.unit("A")
    orders.match(bank.lab, row.pk, unit.pk, "serological", NONE)
    with pytest.raises(NeedsReason):
        orders.cancel(bank.doctor, row.pk, "")
    orders.cancel(bank.doctor, row.pk, "hết chảy máu")
    unit.refresh_from_db()
    request = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", row.request))
    assert (unit.stage, BloodAllocation.objects.get().stage, request.status) == ("available", "freed", "revoked")
    with pytest.raises(WrongStage):
        orders.match(bank.lab, row.pk, unit.pk, "serological", NONE)


def test_a_second_sample_is_asked_for_once_the_first_is_there(bank) -> None:
    row = order(bank)
    with pytest.raises(WrongStage):
        orders.order_second(bank.doctor, row.pk)
    bank.sample("A")
    orders.order_second(bank.nurse, row.pk)
    placed = record.read_many(SYSTEM, "ServiceRequest", Tube.objects.latest("id").orders).values()
    assert {lab_facts.ordered_test(one).key for one in placed} == {"ABO", "RHD"}
    with pytest.raises(NotAllowed):
        orders.order_second(bank.lab, row.pk)


def test_another_facility_sees_no_order(bank) -> None:
    row, unit = order(bank), bank.unit("O", "-")
    BloodOrder.objects.update(facility="12001")
    for do in (
        lambda: orders.match(bank.lab, row.pk, unit.pk, "serological", NONE),
        lambda: orders.release_in_emergency(bank.doctor, row.pk, unit.pk, "sốc"),
        lambda: orders.cancel(bank.doctor, row.pk, "x"),
    ):  # fmt: skip
        with pytest.raises(WrongStage):
            do()
    assert (BloodAllocation.objects.count(), BloodOrder.objects.get().stage) == (0, "open")


def test_what_cannot_wait_stands_before_what_is_urgent(bank) -> None:
    for urgency in ("routine", "urgent", "stat", "urgent"):
        order(bank, urgency=urgency)
    first = BloodOrder.objects.order_by("id")
    assert list(queries.orders("12104", "open")) == [first[2], first[1], first[3], first[0]]
