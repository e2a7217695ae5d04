"""Quality control: Westgard's rules, what they stop, and what lets it go on."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pypdf import PdfReader

from tuetinh.care.lab import actions, errors
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Control, ControlResult, Message, QualityBlock, Tube
from tuetinh.care.lab.quality import actions as quality
from tuetinh.care.lab.quality.queries import levey_jennings, states
from tuetinh.care.lab.quality.westgard import violated
from tuetinh.care.lab.results import changes, validation
from tuetinh.care.lab.results.rules import Hold, Westgard
from tuetinh.commons.access import api as access

GLU = "23.0075.1494"


@pytest.mark.parametrize(
    ("own", "run", "expected"),
    [
        ([0.5], [], []),
        ([2.0], [], []),
        ([2.1], [], ["1_2s"]),
        ([-3.1], [], ["1_2s", "1_3s"]),
        ([2.1, 2.2], [], ["1_2s", "2_2s"]),
        ([2.1, -2.2], [], ["1_2s"]),
        ([2.1, 0.0, 2.2], [], ["1_2s"]),
        ([2.1], [2.3], ["1_2s", "2_2s"]),
        ([2.1], [-2.1], ["1_2s", "R_4s"]),
        ([1.9], [-2.2], []),
        ([1.1, 1.2, 1.3, 1.4], [], ["4_1s"]),
        ([1.1, 1.2, 0.9, 1.4], [], []),
        ([-1.1, -1.2, -1.3, -1.4], [], ["4_1s"]),
        ([0.1] * 9, [], []),
        ([0.1] * 10, [], ["10_x"]),
        ([0.1] * 9 + [-0.1], [], []),
        ([0.1] * 9 + [0.0], [], []),
    ],
)
def test_the_rules_of_westgard(own: list[float], run: list[float], expected: list[str]) -> None:
    assert violated(own, run) == expected


@pytest.fixture
def machine(world) -> Analyser:
    return Analyser.objects.create(sender="BS240|LAB", facility="12104", name="BS-240")


@pytest.fixture
def control(world, machine) -> Control:
    return quality.open_control(
        world.lab, machine="BS-240", analyte="GLU", material="Normal", level=1, lot="A1", mean=Decimal(5),
        sd=Decimal("0.1"), barcode="QC-N",
    )  # fmt: skip


def stopped(facility: str) -> set[tuple[str, str]]:
    return {key for key, state in states(facility).items() if state == "blocked"}


def measured(world, oru, control_id: str = "1") -> Tube:
    actions.order_tests(world.doctor, world.encounter, [GLU])
    tube = Tube.objects.latest("id")
    inbox.take(Frame(oru(tube.number, {"GLU": "5.1"}, control=control_id, unit="mmol/L")), "")
    return Tube.objects.get(pk=tube.pk)


@pytest.mark.django_db
def test_a_broken_rule_stops_the_test_on_its_machine_until_an_action_is_written(world, control, oru) -> None:
    before = measured(world, oru)
    assert quality.keep_result(world.lab, control.pk, Decimal("5.25")).warned == ["1_2s"]
    assert stopped("12104") == set()
    assert quality.keep_result(world.lab, control.pk, Decimal("5.31")).broken == ["1_3s", "2_2s"]
    quality.keep_result(world.lab, control.pk, Decimal("5.35"))
    block = QualityBlock.objects.get()
    assert stopped("12104") == {("BS-240", "GLU")}
    for step in (validation.verify, validation.release):
        with pytest.raises(errors.QualityFailed):
            step(world.lab, before.number)
    assert Tube.objects.get(pk=before.pk).stage == "resulted"
    after = measured(world, oru, "2")
    assert after.holds == [["HOLD-QC", "GLU"]]
    with pytest.raises(errors.NeedsReason):
        quality.resolve(world.lab, block.pk, " ")
    with pytest.raises(errors.BadControl):
        quality.resolve(replace(world.lab, facility="12001"), block.pk, "thay")
    assert stopped("12104") == {("BS-240", "GLU")}
    quality.resolve(world.lab, block.pk, "thay hóa chất, chuẩn lại, nội kiểm đạt")
    block.refresh_from_db()
    assert (block.resolved_by, block.action) == (world.lab.account, "thay hóa chất, chuẩn lại, nội kiểm đạt")
    assert validation.release(world.lab, before.number).stage == "released"


@pytest.mark.django_db
def test_a_lot_that_is_over_is_not_used(world, control) -> None:
    day = timezone.localdate()
    told = {"machine": "BS-240", "analyte": "GLU", "material": "High", "level": 2, "lot": "B1"}
    with pytest.raises(errors.Expired):
        quality.open_control(world.lab, **told, mean=Decimal(9), sd=Decimal(1), expires=day - timedelta(days=1))
    Control.objects.filter(pk=control.pk).update(expires=day)
    quality.keep_result(world.lab, control.pk, Decimal("5.1"))
    Control.objects.filter(pk=control.pk).update(expires=day - timedelta(days=1))
    with pytest.raises(errors.Expired):
        quality.keep_result(world.lab, control.pk, Decimal("5.1"))
    assert (Control.objects.count(), control.results.count()) == (1, 1)


@pytest.mark.django_db
def test_a_rule_may_ask_for_a_control_of_the_day(world, cast, control, oru) -> None:
    rule = Hold(code="HOLD-UNCONTROLLED", condition='qc != "ok"', vi="Hôm nay chưa chạy nội kiểm")
    changes.change(access.asker_of(cast["admin"]), rule, "mỗi ngày một lần")
    assert measured(world, oru).holds == [["HOLD-UNCONTROLLED", "GLU"]]
    long_ago = datetime.now(UTC) - timedelta(hours=25)
    quality.keep_result(world.lab, control.pk, Decimal("5.0"), long_ago)
    assert measured(world, oru, "2").holds == [["HOLD-UNCONTROLLED", "GLU"]]
    quality.keep_result(world.lab, control.pk, Decimal("5.05"))
    assert measured(world, oru, "3").holds == []


@pytest.mark.django_db
def test_another_machine_and_analyte_go_on(world, control, oru) -> None:
    other = quality.open_control(
        world.lab, machine="", analyte="K", material="Normal", level=1, lot="A1", mean=Decimal(4), sd=Decimal("0.1")
    )
    quality.keep_result(world.lab, other.pk, Decimal(5))
    assert stopped("12104") == {("", "K")}
    assert validation.release(world.lab, measured(world, oru).number).stage == "released"


@pytest.mark.django_db
def test_two_levels_of_a_run_are_looked_at_together(world, control) -> None:
    high = quality.open_control(
        world.lab, machine="BS-240", analyte="GLU", material="Cao", level=2, lot="B1", mean=Decimal(15), sd=Decimal(1)
    )
    quality.keep_result(world.lab, control.pk, Decimal("5.21"))
    assert quality.keep_result(world.lab, high.pk, Decimal("12.9")).broken == ["R_4s"]


@pytest.mark.django_db
def test_a_machine_sends_its_controls_by_their_barcode(world, control, oru) -> None:
    inbox.take(Frame(oru("QC-N", {"GLU": "5.4"}, unit="mmol/L")), "")
    [result] = ControlResult.objects.all()
    assert (result.control, result.value, result.account, result.broken) == (
        control,
        Decimal("5.4"),
        "machine",
        ["1_3s"],
    )
    message = Message.objects.get()
    assert (message.state, message.reason, result.message) == ("control", "", message)
    assert stopped("12104") == {("BS-240", "GLU")}
    inbox.take(Frame(oru("QC-X", {"GLU": "5.4"}, control="2", unit="mmol/L")), "")
    assert ControlResult.objects.count() == 1
    inbox.take(Frame(oru("QC-N", {"GLU": "97"}, control="3", unit="mg%")), "")
    assert ControlResult.objects.count() == 1
    odd = Message.objects.latest("pk")
    assert (odd.state, odd.place) == ("unit", "GLU")
    row, _ = inbox.teach(world.lab, odd.pk, "GLU", "GLU", unit="mg%", factor=Decimal("0.0555"))
    assert (row.state, ControlResult.objects.latest("pk").value) == ("control", Decimal("5.38"))
    waiting = Message.objects.get(control_id="2")
    assert (waiting.state, waiting.reason, waiting.place) == ("control", "unknown-control", "QC-X")


@pytest.mark.django_db
def test_a_control_that_nobody_had_taken_into_use_is_kept_once_when_it_is_read_again(world, machine, oru) -> None:
    machine.driver = "mindray-bs"
    machine.save()
    inbox.take(Frame(oru("QC-N", {"GLU": "5.4"}, unit="mmol/L")), "")
    row = Message.objects.get()
    assert (row.state, row.reason, ControlResult.objects.count()) == ("control", "unknown-control", 0)
    row = inbox.retry(world.lab, row.pk)
    assert (row.reason, ControlResult.objects.count()) == ("unknown-control", 0)
    for analyte in ("GLU", "K"):
        quality.open_control(
            world.lab, machine="BS-240", analyte=analyte, material="Normal", level=1, lot="A1", mean=Decimal(5),
            sd=Decimal("0.1"), barcode="QC-N",
        )  # fmt: skip
    row = inbox.retry(world.lab, row.pk)
    [result] = ControlResult.objects.all()
    assert (row.state, row.reason, result.value, result.broken) == ("control", "", Decimal("5.4"), ["1_3s"])
    assert (result.control.analyte, result.at) == ("GLU", datetime(2026, 11, 21, 0, 55, tzinfo=UTC))
    with pytest.raises(errors.NotForMatching):
        inbox.retry(world.lab, row.pk)
    quality.from_machine(row, [quality.Measured(result.control, result.value, result.at)])
    assert ControlResult.objects.count() == 1


@pytest.mark.django_db
def test_what_a_rule_does_is_data(world, control, cast) -> None:
    calm = Westgard(code="QC-1-3S", rule="1_3s", action="warn")
    changes.change(access.asker_of(cast["admin"]), calm, "theo khuyến cáo của hãng")
    made = quality.keep_result(world.lab, control.pk, Decimal("5.4"))
    assert (made.broken, made.warned, QualityBlock.objects.count()) == ([], ["1_2s", "1_3s"], 0)


@pytest.mark.django_db
def test_a_control_that_cannot_be_is_refused(world, control) -> None:
    told = {"machine": "BS-240", "material": "Normal", "level": 1, "lot": "A1", "mean": Decimal(5)}
    for wrong in (
        {"analyte": "GLU", "sd": Decimal(1)}, {"analyte": "GLU", "sd": Decimal(0), "lot": "A2"},
        {"analyte": "HIVAB", "sd": Decimal(1)}, {"analyte": "nothing", "sd": Decimal(1)},
    ):  # fmt: skip
        with pytest.raises(errors.BadControl):
            quality.open_control(world.lab, **(told | wrong))
    with pytest.raises(errors.NotAllowed):
        quality.keep_result(world.doctor, control.pk, Decimal(5))
    quality.end_control(world.lab, control.pk)
    with pytest.raises(errors.BadControl):
        quality.keep_result(world.lab, control.pk, Decimal(5))
    assert (Control.objects.count(), ControlResult.objects.count()) == (1, 0)


@pytest.mark.django_db
def test_the_chart_marks_what_broke_a_rule(world, control) -> None:
    made = [quality.keep_result(world.lab, control.pk, Decimal(value)) for value in ("5.00", "5.40")]
    chart = levey_jennings(control, made)
    assert 'cy="140.0"' in chart and 'y="20.0"' in chart and chart.count("<circle") == 1 and "1_3s" in chart


@pytest.mark.django_db
def test_the_pages_of_quality_lead_from_the_lot_to_the_action(world, machine, as_role) -> None:
    lab = as_role("lab")
    told = {"machine": "BS-240", "analyte": "GLU", "material": "Normal", "level": "1", "lot": "A1", "mean": "5,0"}
    assert lab.post("/lab/quality/new", told | {"sd": "0"}).status_code == 422
    made = lab.post("/lab/quality/new", told | {"sd": "0,1"})
    control = Control.objects.get()
    at = f"/lab/quality/{control.pk}"
    assert (made.headers["Location"], control.sd) == (at, Decimal("0.1"))
    assert lab.post(at, {"value": "cao"}).status_code == 422
    page = lab.post(at, {"value": "5,5"}, follow=True).content.decode()
    assert "Nội kiểm vi phạm 1_3s" in page and "Bị chặn trả kết quả" in page
    assert "Đang bị chặn trả kết quả" in lab.get("/lab/quality").content.decode()
    paper = PdfReader(io.BytesIO(lab.get(f"{at}/chart.pdf").content)).pages[0].extract_text()
    assert "LEVEY" in paper and "5.5" in paper
    block = QualityBlock.objects.get()
    lab.post(f"/lab/quality/blocks/{block.pk}/resolve", {"action": "chạy lại đạt"})
    assert "chạy lại đạt" in lab.get(at).content.decode()
    assert stopped("12104") == set()
    lab.post(f"{at}/end")
    assert Control.objects.get().ended is not None
    Control.objects.update(facility="12001")
    assert lab.get(at).status_code == 404


@pytest.mark.django_db
def test_the_list_of_controls_takes_as_many_queries_for_one_as_for_many(
    world, control, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    lab = as_role("lab")
    quality.keep_result(world.lab, control.pk, Decimal(6))
    lab.get("/lab/quality")
    with django_assert_max_num_queries(20) as one:
        lab.get("/lab/quality")
    count = len(one.captured_queries)
    for analyte in ("K", "NA", "CL"):
        other = quality.open_control(
            world.lab, machine="", analyte=analyte, material="N", level=1, lot="1", mean=Decimal(4), sd=Decimal(1)
        )
        quality.keep_result(world.lab, other.pk, Decimal(9))
    lab.get("/lab/quality")  # names are kept for a minute
    with django_assert_num_queries(count):
        lab.get("/lab/quality")


@pytest.fixture
def rapid(world, machine) -> Control:
    """The positive control of a rapid test."""
    return quality.open_control(
        world.lab, machine="BS-240", analyte="HBSAG", material="Dương", level=1, lot="P1", expected="Dương tính",
        barcode="QC-P",
    )  # fmt: skip


@pytest.mark.django_db
def test_a_qualitative_control_stops_its_test_when_it_gives_another_word(world, rapid) -> None:
    assert quality.keep_result(world.lab, rapid.pk, "Dương tính").broken == []
    for wrong in ("có lẽ", Decimal(1)):
        with pytest.raises(errors.BadControl):
            quality.keep_result(world.lab, rapid.pk, wrong)
    assert (ControlResult.objects.count(), stopped("12104")) == (1, set())
    failed = quality.keep_result(world.lab, rapid.pk, "Âm tính")
    assert (failed.broken, failed.shown, failed.score) == (["≠ Dương tính"], "Âm tính", "")
    assert stopped("12104") == {("BS-240", "HBSAG")}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "told",
    [
        {"analyte": "HBSAG", "expected": "có lẽ"},
        {"analyte": "HBSAG", "mean": Decimal(1), "sd": Decimal(1)},
        {"analyte": "GLU", "expected": "Âm tính"},
        {"analyte": "GLU", "mean": Decimal(5)},
    ],
)
def test_a_control_is_of_numbers_or_of_words(world, told) -> None:
    with pytest.raises(errors.BadControl):
        quality.open_control(world.lab, machine="", material="M", level=1, lot="L", **told)
    assert Control.objects.count() == 0


@pytest.mark.django_db
def test_a_machine_tells_the_word_of_a_control(world, rapid, oru) -> None:
    inbox.take(Frame(oru("QC-P", {"HBSAG": "negative"})), "")
    assert [(one.text, one.broken) for one in ControlResult.objects.all()] == [("Âm tính", ["≠ Dương tính"])]


@pytest.mark.django_db
def test_the_pages_of_a_qualitative_control(world, rapid, as_role) -> None:
    client = as_role("lab")
    page = client.get(f"/lab/quality/{rapid.pk}").content.decode()
    assert '<option value="Âm tính">' in page and "Levey" not in page
    assert client.post(f"/lab/quality/{rapid.pk}", {"value": "5"}).status_code == 422
    client.post(f"/lab/quality/{rapid.pk}", {"value": "Âm tính"})
    assert "≠ Dương tính" in client.get("/lab/quality").content.decode()
    assert client.get(f"/lab/quality/{rapid.pk}/chart.pdf").status_code == 404


@pytest.mark.django_db
def test_what_was_handed_out_since_the_control_last_held_is_looked_at_again(world, control, oru, as_role) -> None:
    early, late = measured(world, oru), measured(world, oru, "2")
    validation.release(world.lab, early.number)
    quality.keep_result(world.lab, control.pk, Decimal(5))
    validation.release(world.lab, late.number)
    quality.keep_result(world.lab, control.pk, Decimal("5.5"))
    block, lab = QualityBlock.objects.get(), as_role("lab")
    listed = lab.get(f"/lab/quality/blocks/{block.pk}/results").content.decode()
    assert (late.number in listed, early.number in listed) == (True, False)
    at = f"/lab/quality/{control.pk}"
    assert "Chưa có lần nội kiểm nào đạt kể từ khi bị chặn" in lab.get(at).content.decode()
    quality.keep_result(world.lab, control.pk, Decimal(5))
    assert "Chưa có lần nội kiểm nào đạt kể từ khi bị chặn" not in lab.get(at).content.decode()
    lab.post(f"/lab/quality/blocks/{block.pk}/resolve", {"action": "chuẩn lại"})
    assert "Lò Văn Lab: chuẩn lại" in lab.get(at).content.decode()
    assert as_role("outsider").get(f"/lab/quality/blocks/{block.pk}/results").status_code == 403
