"""Point of care: one form gives a released result, marked with who, where and by what; a danger is told first."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tuetinh.care.lab import api as lab_api
from tuetinh.care.lab import facts
from tuetinh.care.lab.actions import order_tests
from tuetinh.care.lab.errors import BadValue, CriticalOpen, Incomplete, NotAllowed, UnknownTest
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Tube
from tuetinh.care.lab.poct import actions
from tuetinh.commons.catalogues.models import Price
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def nurse(world):
    return replace(world.doctor, role="nurse")


def test_what_was_measured_is_a_result_like_the_others_and_marked(world, nurse) -> None:
    tube = actions.measure(
        nurse, world.encounter.id, "CGLU", {"CGLU": "7,8"}, device="Accu-Chek", lot="L22", place="Khoa Nội"
    )
    assert (tube.stage, tube.bedside, tube.collected_by) == ("released", True, nurse.account)
    [result] = lab_api.visit_results(world.doctor, world.encounter.id)
    assert (result.value, result.unit, result.flag, result.status, result.bedside) == (
        "7.8",
        "mmol/L",
        "H",
        "final",
        True,
    )
    made = cast(r4.Observation, record.read(SYSTEM, "Observation", result.id))
    assert (made.device.display, made.note[0].text) == ("Accu-Chek", "Tại chỗ: Khoa Nội, Accu-Chek, lô L22")
    assert made.performer[-1].reference == f"Practitioner/{nurse.practitioner}"
    specimen = cast(r4.Specimen, record.read(SYSTEM, "Specimen", tube.specimen))
    assert (specimen.type.coding[0].code, specimen.collection.collector.reference) == (
        "BLDC", f"Practitioner/{nurse.practitioner}",
    )  # fmt: skip
    charges = record.search(SYSTEM, "ChargeItem", f"patient=Patient/{tube.patient}").resources
    assert len(charges) == 1


def test_a_machine_of_the_facility_is_told_as_the_ministry_knows_it(world, nurse) -> None:
    for facility, code in (("12001", "HH.2.1"), ("12104", "SH.1.7")):
        Analyser.objects.create(sender=code, facility=facility, name="i-STAT", ministry_code=code)
    actions.measure(nurse, world.encounter.id, "CGLU", {"CGLU": "7,8"}, device="i-STAT")
    [result] = lab_api.visit_results(world.doctor, world.encounter.id)
    made = cast(r4.Observation, record.read(SYSTEM, "Observation", result.id))
    assert (made.device.display, made.device.identifier.value) == ("i-STAT", "SH.1.7")


def test_what_waits_to_be_drawn_for_the_laboratory_goes_on_waiting(world, nurse) -> None:
    [glucose] = order_tests(world.doctor, world.encounter, ["23.0075.1494"])
    waiting = Tube.objects.get()
    tube = actions.measure(nurse, world.encounter.id, "HBSAG", {"HBSAG": "Âm tính"}, device="Que thử")
    assert (tube.kind, tube.stage, len(tube.orders)) == (waiting.kind, "released", 1)
    waiting.refresh_from_db()
    assert (waiting.stage, waiting.bedside, waiting.orders) == ("ordered", False, [glucose.id])
    [order] = record.read_many(SYSTEM, "ServiceRequest", [glucose.id]).values()
    assert order.status == "active"


def test_a_critical_value_is_told_before_it_is_kept(world, nurse) -> None:
    told = {"device": "Accu-Chek"}
    with pytest.raises(CriticalOpen):
        actions.measure(nurse, world.encounter.id, "CGLU", {"CGLU": "1,9"}, **told)
    assert (Tube.objects.count(), record.search(SYSTEM, "ServiceRequest", "").resources) == (0, [])
    tube = actions.measure(nurse, world.encounter.id, "CGLU", {"CGLU": "1,9"}, told="BS Hà, 8 giờ", **told)
    assert (tube.stage, tube.critical) == ("released", False)
    [call] = record.search(SYSTEM, "Communication", "").resources
    assert cast(r4.Communication, call).payload[1].contentString == "BS Hà, 8 giờ"


def test_a_strip_of_many_fields_needs_only_what_was_read(world, nurse) -> None:
    tube = actions.measure(nurse, world.encounter.id, "URINE", {"UPRO": "1+", "UPH": "6"}, device="Que thử")
    shown = {r.name: r.value for r in lab_api.visit_results(world.doctor, world.encounter.id)}
    assert shown == {"pH nước tiểu": "6", "Protein niệu": "1+"}
    [order] = record.read_many(SYSTEM, "ServiceRequest", tube.orders).values()
    assert (tube.stage, order.status) == ("released", "completed")  # the others of the panel are not to come


@pytest.mark.parametrize(
    ("key", "values", "device", "error"),
    [
        ("CBC", {"WBC": "5"}, "máy", UnknownTest), ("CGLU", {}, "máy", Incomplete),
        ("CGLU", {"CGLU": "5"}, " ", Incomplete), ("CGLU", {"CGLU": "cao"}, "máy", BadValue),
    ],
)  # fmt: skip
def test_what_cannot_be_kept(world, nurse, key, values, device, error) -> None:
    with pytest.raises(error):
        actions.measure(nurse, world.encounter.id, key, values, device=device)
    with pytest.raises(NotAllowed):
        actions.measure(world.outsider, world.encounter.id, "CGLU", {"CGLU": "5"}, device="máy")
    assert Tube.objects.count() == 0


def test_what_the_laboratory_measures_is_not_marked() -> None:
    assert not facts.at_the_bedside(r4.Observation(status="final", code=r4.CodeableConcept()))
    assert all(one.analytes for one in actions.offered().values()) and len(actions.offered()) == 12


def test_what_has_no_price_is_told_and_nothing_is_kept(world, as_role) -> None:
    Price.objects.all().delete()
    nurse, doctor, visit = as_role("nurse"), as_role("doctor"), world.encounter.id
    told = "Dịch vụ hoặc thuốc chưa có giá tại cơ sở."
    for client, to, typed in (
        (nurse, f"/lab/poct/{visit}", {"test": "CGLU", "CGLU": "5", "device": "máy"}),
        (doctor, f"/lab/pathology/visits/{visit}", {"service": "histology", "parts": "Hang vị", "clinical": "loét"}),
        (
            doctor, f"/lab/blood/orders/new/{visit}",
            {"component": "red", "quantity": "1", "urgency": "stat", "indication": "bleeding"},
        ),
    ):  # fmt: skip
        answer = client.post(to, typed)
        assert (answer.status_code, told in answer.content.decode()) == (422, True)
    assert (Tube.objects.count(), record.search(SYSTEM, "ServiceRequest", "").resources) == (0, [])


def test_the_page_keeps_what_was_typed_and_tells_the_mistake(world, as_role, django_assert_num_queries) -> None:
    nurse = as_role("nurse")
    at = f"/lab/poct/{world.encounter.id}?test=CGLU"
    assert "Đường máu mao mạch" in nurse.get(at).content.decode()
    told = {"test": "CGLU", "CGLU": "1,9", "device": "Accu-Chek"}
    danger = nurse.post(at, told)
    assert danger.status_code == 422 and 'id="told"' in danger.content.decode()
    wrong = nurse.post(at, told | {"CGLU": "cao"})
    assert wrong.status_code == 422 and 'value="cao"' in wrong.content.decode()
    assert Tube.objects.count() == 0
    assert nurse.post(at, told | {"told": "BS Hà"}).status_code == 302
    assert "Lò Văn Nurse" in as_role("lab").get("/lab/poct").content.decode()
    nurse.get("/lab/poct")
    with CaptureQueriesContext(connection) as one:
        nurse.get("/lab/poct")
    count = len(one.captured_queries)
    for _ in range(3):
        nurse.post(at, told | {"told": "BS Hà"})
    nurse.get("/lab/poct")  # names are kept for a minute
    with django_assert_num_queries(count):
        nurse.get("/lab/poct")
    assert nurse.get("/lab/poct/nothing").status_code == 404


def test_a_machine_that_stands_in_a_ward_marks_its_results(world, oru) -> None:
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="Máy trạm", bedside=True)
    order_tests(world.doctor, world.encounter, ["23.0075.1494"])
    tube = Tube.objects.get()
    inbox.take(Frame(oru(tube.number, {"GLU": "5.4"}, unit="mmol/L")), "")
    [result] = lab_api.visit_results(world.doctor, world.encounter.id, preliminary=True)
    assert (result.value, result.bedside) == ("5.4", True)


def test_the_page_shows_what_was_measured(world, as_role) -> None:
    nurse, at = as_role("nurse"), f"/lab/poct/{world.encounter.id}"
    nurse.post(at, {"test": "CGLU", "CGLU": "7,8", "device": "Accu-Chek"})
    for page in (at, "/lab/poct"):
        shown = nurse.get(page).content.decode()
        assert "<strong>7,8</strong> mmol/L" in shown and "Cao</span>" in shown
