"""At the bed: person, bag and groups are checked, measurements kept; reactions stop, are investigated, looked back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tuetinh.care.lab.blood import bedside, queries, reactions
from tuetinh.care.lab.blood.errors import (
    Expired,
    GroupConflict,
    Held,
    Incompatible,
    NeedsBedside,
    NeedsMeasures,
    Unanswered,
    WrongPatient,
    WrongUnit,
)
from tuetinh.care.lab.blood.models import BloodAllocation, BloodMove, BloodOrder, BloodReaction, BloodUnit
from tuetinh.care.lab.blood.tests.conftest import VITALS
from tuetinh.care.lab.errors import NeedsReason, NotAllowed, WrongStage
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db


def start(bank, made, **more) -> BloodAllocation:
    told = {
        "person": bank.patient,
        "scanned": f"={made.unit.din}00",
        "values": VITALS,
        "person_abo": "A",
        "unit_abo": made.unit.abo,
    }
    return bedside.start(more.pop("asker", bank.nurse), **(told | more))


def procedures() -> list[r4.Procedure]:
    return cast("list[r4.Procedure]", record.search(SYSTEM, "Procedure", "").resources)


def test_a_transfusion_from_the_check_to_the_end(bank, given) -> None:
    bank.confirmed("A")
    made = start(bank, given("O"))
    [procedure] = procedures()
    assert (made.stage, procedure.status, procedure.id) == ("running", "in-progress", made.procedure)
    assert procedure.extension[0].valueReference.reference == f"BiologicallyDerivedProduct/{made.unit.resource}"
    assert not bedside.overdue(made)
    made.started_at -= timedelta(minutes=16)
    made.save()
    assert bedside.overdue(made)
    assert not bedside.overdue(bedside.observe(bank.nurse, made.pk, VITALS | {"pulse": "88"}))
    with pytest.raises(NeedsMeasures):
        bedside.finish(bank.nurse, made.pk, VITALS | {"breaths": "nhanh"})
    bedside.finish(bank.nurse, made.pk, VITALS)
    made.refresh_from_db()
    assert (made.stage, procedures()[0].status, BloodOrder.objects.get().stage) == ("done", "completed", "done")
    assert BloodUnit.objects.get().stage == "transfused"
    said = {moment.values for moment in queries.moments(bank.nurse, made)}
    assert ("80", "120", "75", "36.8", "18") in said or ("88", "120", "75", "36.8", "18") in said
    vitals = record.search(SYSTEM, "Observation", f"part-of=Procedure/{made.procedure}&_count=50").resources
    assert len(vitals) == 12
    with pytest.raises(WrongStage):
        bedside.observe(bank.nurse, made.pk, VITALS)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"scanned": "=V00012699999900"}, WrongUnit), ({"scanned": ""}, WrongUnit),
        ({"person": "cast-citizen"}, WrongPatient), ({"person": ""}, WrongPatient),
        ({"person_abo": ""}, NeedsBedside), ({"unit_abo": ""}, NeedsBedside),
        ({"unit_abo": "B"}, Incompatible), ({"person_abo": "O"}, Incompatible), ({"person_abo": "B"}, Incompatible),
        ({"values": VITALS | {"pulse": ""}}, NeedsMeasures), ({"values": VITALS | {"pulse": "nan"}}, NeedsMeasures),
    ],
)  # fmt: skip
def test_what_is_wrong_at_the_bed_begins_nothing(bank, given, wrong, error) -> None:
    bank.confirmed("A")
    made = given("A")
    with pytest.raises(error):
        start(bank, made, **wrong)
    made.refresh_from_db()
    assert (made.stage, made.procedure, made.unit.stage, procedures()) == ("issued", "", "issued", [])
    assert record.search(SYSTEM, "Observation", "category=vital-signs").resources == []


def test_a_danger_is_noted_with_the_bag(bank, given) -> None:
    bank.confirmed("A")
    made = given("A")
    with pytest.raises(WrongPatient):
        start(bank, made, person="cast-citizen")
    note = BloodMove.objects.latest("id")
    assert (note.account, note.stage) == (bank.nurse.account, "issued")
    assert note.note == f"Chặn tại giường: {WrongPatient()}"


def test_who_may_not_and_what_has_ended(bank, given) -> None:
    bank.confirmed("A")
    made = given("A")
    with pytest.raises(NotAllowed):
        start(bank, made, asker=bank.lab)
    BloodUnit.objects.update(expires=datetime.now(UTC))
    with pytest.raises(Expired):
        start(bank, made)
    BloodUnit.objects.update(expires=datetime(2100, 1, 1, tzinfo=UTC))
    bank.sample("B")
    with pytest.raises(GroupConflict):
        start(bank, made)
    assert procedures() == []


def test_a_reaction_stops_the_transfusion_and_holds_what_is_left_of_the_donation(bank, given) -> None:
    bank.confirmed("A")
    made = given("A")
    rest = bank.unit("A", component="ffp", din=made.unit.din, product="E0701V00")
    with pytest.raises(WrongStage):
        reactions.report(bank.nurse, made.pk, "febrile", "rét run")
    start(bank, made)
    with pytest.raises(NeedsReason):
        reactions.report(bank.nurse, made.pk, "febrile", " ")
    found = reactions.report(bank.nurse, made.pk, "febrile", "rét run, 39,2 °C", severe=True)
    made.refresh_from_db()
    rest.refresh_from_db()
    assert (made.stage, procedures()[0].status, rest.stage) == ("stopped", "stopped", "quarantined")
    event = cast(r4.AdverseEvent, record.read(SYSTEM, "AdverseEvent", found.event))
    assert event.event.text == "Sốt không tan máu: rét run, 39,2 °C"
    assert event.suspectEntity[0].instance.reference == f"Procedure/{made.procedure}"
    assert event.seriousness.coding[0].code == "serious"


def test_another_bag_of_the_donation_is_begun_only_when_the_reaction_is_explained(bank, given) -> None:
    bank.confirmed("A")
    first = given("A")
    second = given("A", component="ffp", din=first.unit.din, product="E0701V00")
    found = reactions.report(bank.nurse, start(bank, first).pk, "febrile", "rét run")
    with pytest.raises(Held):
        start(bank, second, scanned=f"={second.unit.din}00")
    assert [one.status for one in procedures()] == ["stopped"]
    for who, step in (
        (bank.nurse, "clerical"),
        (bank.nurse, "returned"),
        (bank.lab, "tests"),
        (bank.lab, "conclusion"),
    ):
        reactions.answer(who, found.pk, step, "không liên quan túi máu")
    assert start(bank, second, scanned=f"={second.unit.din}00").stage == "running"


def test_an_order_ends_with_its_last_unit_also_when_that_is_stopped(bank, given) -> None:
    bank.confirmed("A")
    reactions.report(bank.nurse, start(bank, given("A")).pk, "febrile", "rét run")
    row = BloodOrder.objects.get()
    request = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", row.request))
    assert (row.stage, request.status) == ("done", "completed")


def test_the_investigation_ends_with_its_conclusion(bank, given) -> None:
    bank.confirmed("A")
    made = start(bank, given("A"))
    found = reactions.report(bank.nurse, made.pk, "haemolytic", "đau lưng")
    reactions.answer(bank.nurse, found.pk, "clerical", "giấy tờ đúng")
    reactions.answer(bank.nurse, found.pk, "returned", "đã gửi túi và 2 ống")
    with pytest.raises(Unanswered):
        reactions.answer(bank.lab, found.pk, "conclusion", "không tan máu")
    with pytest.raises(NotAllowed):
        reactions.answer(bank.nurse, found.pk, "tests", "hòa hợp")
    reactions.answer(bank.lab, found.pk, "tests", "Coombs âm tính")
    reactions.answer(bank.lab, found.pk, "tests", "nhóm máu đúng")
    reactions.answer(bank.lab, found.pk, "conclusion", "không tan máu")
    row = BloodReaction.objects.get()
    assert [one["text"] for one in row.steps["tests"]] == ["Coombs âm tính", "nhóm máu đúng"]
    assert row.closed_at is not None
    event = cast(r4.AdverseEvent, record.read(SYSTEM, "AdverseEvent", found.event))
    assert event.outcome.text == "không tan máu"
    with pytest.raises(WrongStage):
        reactions.answer(bank.lab, found.pk, "tests", "thêm")


def test_who_had_blood_of_a_donor_and_of_whom_a_person_had_blood(bank, given) -> None:
    bank.confirmed("A")
    made = start(bank, given("A", donor="HD-77"))
    given("A", donor="HD-78")
    for text in ("HD-77", made.unit.din, made.unit.din.lower(), bank.patient):
        assert [one.pk for one in reactions.look_back(bank.lab, text)] == [made.pk]
    assert [list(reactions.look_back(bank.lab, text)) for text in ("", "HD-78", "HD-79")] == [[], [], []]
    BloodOrder.objects.update(facility="12001")
    assert list(reactions.look_back(bank.lab, "HD-77")) == []
