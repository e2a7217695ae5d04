"""The code under which the Ministry knows a machine goes from its page over the result into the claim (MA_MAY)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuetinh.care.insurance.api import claim
from tuetinh.care.insurance.wire_xml3176 import read
from tuetinh.care.lab import actions
from tuetinh.care.lab.errors import BadRule
from tuetinh.care.lab.machines import analysers, inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Tube
from tuetinh.care.lab.results import changes, validation
from tuetinh.care.lab.results.rules import Indicator
from tuetinh.commons.access import api as access
from tuetinh.node.claims.build import build
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
GLU, CODE = "23.0075.1494", "SH.1.BS240-0012"


@pytest.fixture
def machine(world) -> Analyser:
    return analysers.save(
        world.lab, None, name="BS-240", application="BS240", sending_facility="LAB", ministry_code=CODE
    )


def measured(world, oru) -> r4.Observation:
    actions.order_tests(world.doctor, world.encounter, [GLU])
    tube = Tube.objects.latest("pk")
    inbox.take(Frame(oru(tube.number, {"GLU": "5.4"}, control=tube.number, unit="mmol/L")), "")
    validation.release(world.lab, tube.number)
    return record.read(SYSTEM, "Observation", f"{tube.orders[0]}-GLU")


def finish(world) -> None:
    visit = record.read(SYSTEM, "Encounter", world.encounter.id)
    visit.status = "finished"
    visit.period = r4.Period(start="2026-11-02T08:00:00+07:00", end="2026-11-02T10:00:00+07:00")
    record.update(SYSTEM, visit)


def test_a_machine_is_a_device_of_the_record_that_follows_its_page(world, machine: Analyser) -> None:
    device = record.read(SYSTEM, "Device", machine.device)
    assert [(one.system, one.value) for one in device.identifier] == [("https://tuetinh.vn/fhir/sid/ma-may", CODE)]
    assert (device.deviceName[0].name, device.status, device.owner.reference) == (
        "BS-240", "active", "Organization/12104",
    )  # fmt: skip
    analysers.save(world.lab, machine.pk, name="BS-240", application="BS240", sending_facility="LAB", enabled=False)
    device = record.read(SYSTEM, "Device", machine.device)
    assert (device.status, device.identifier, device.meta.versionId) == ("inactive", None, "2")


def test_a_result_names_its_device_and_code(world, machine: Analyser, oru) -> None:
    device = measured(world, oru).device
    assert (device.reference, device.display, device.identifier.value) == (f"Device/{machine.device}", "BS-240", CODE)


def test_a_result_keeps_the_code_of_the_day_on_which_it_was_measured(world, machine: Analyser, oru) -> None:
    result = measured(world, oru)
    analysers.save(
        world.lab, machine.pk, name="BS-240", application="BS240", sending_facility="LAB", ministry_code="SH.1.OTHER"
    )
    assert record.read(SYSTEM, "Observation", result.id).device.identifier.value == CODE
    assert measured(world, oru).device.identifier.value == "SH.1.OTHER"


def test_claims_build_fills_ma_may(world, machine: Analyser, oru, tmp_path: Path) -> None:
    measured(world, oru)
    finish(world)
    assert build(tmp_path)[0] == 1
    [path] = tmp_path.glob("*.xml")
    told = read(path.read_bytes())
    assert [(row["MA_DICH_VU"], row["MA_MAY"]) for row in told.tables["XML3"]] == [(GLU, CODE)]
    assert [(row["MA_CHI_SO"], row["GIA_TRI"]) for row in told.tables["XML4"]] == [("14749-6", "5.4")]
    older = claim(SYSTEM, world.encounter.id, by="4210")
    assert [row["MA_MAY"] for row in older.tables["XML4"]] == [CODE]


def test_a_claim_has_the_shared_code_of_what_was_measured(world, cast, oru, tmp_path: Path) -> None:
    shared = Indicator(code="IND-GLU", analyte="GLU", number="1010133")
    changes.change(access.asker_of(cast["admin"]), shared, "QĐ 1227/QĐ-BYT")
    assert [one.code for one in measured(world, oru).code.coding] == ["14749-6", "1010133"]
    finish(world)
    build(tmp_path)
    [path] = tmp_path.glob("*.xml")
    assert [row["MA_CHI_SO"] for row in read(path.read_bytes()).tables["XML4"]] == ["1010133"]


def test_a_shared_code_has_seven_digits(cast) -> None:
    with pytest.raises(BadRule) as refused:
        changes.change(access.asker_of(cast["admin"]), Indicator(code="IND-GLU", analyte="GLU", number="14749-6"), "x")
    assert refused.value.field == "number"


def test_the_page_of_a_shared_code_says_in_words_where_it_goes(as_role) -> None:
    page = as_role("admin").get("/lab/rules/new?kind=indicator").content.decode()
    assert "gửi kèm kết quả trong hồ sơ BHYT" in page
    assert "XML4" not in page


def test_the_page_refuses_a_code_that_no_claim_takes(world, as_role) -> None:
    lab = as_role("lab")
    told = {"name": "XN", "application": "XN", "enabled": "on", "silent_minutes": "0"}
    answer = lab.post("/lab/machines/new", told | {"ministry_code": "XN 1000"})
    assert (answer.status_code, Analyser.objects.count()) == (422, 0)
    assert "Cần dạng nhóm.nguồn.số máy" in answer.content.decode()
    assert lab.post("/lab/machines/new", told | {"ministry_code": "HH.1.XN1000-12345"}).status_code == 302
    assert Analyser.objects.get().ministry_code == "HH.1.XN1000-12345"
