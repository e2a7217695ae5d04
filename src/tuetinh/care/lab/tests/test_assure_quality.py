"""Beyond the controls: rounds of others, methods compared, uncertainty, upkeep of machines, fridges, documents."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pypdf import PdfReader

from tuetinh.care.lab import errors
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import (
    Analyser,
    Comparison,
    Fridge,
    Message,
    Procedure,
    ProcedureRead,
    Proficiency,
    Temperature,
    Upkeep,
    UpkeepDone,
)
from tuetinh.care.lab.quality import actions as controls
from tuetinh.care.lab.quality import assessment, cold, documents, methods, upkeep
from tuetinh.care.lab.quality.drawing import Level, Point, scatter, series
from tuetinh.care.lab.quality.reagents import today

DAY = date(2026, 11, 2)
pytestmark = pytest.mark.django_db


def text_of(pdf: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


# Statistics of methods.


def test_two_methods_of_which_one_is_a_line_of_the_other() -> None:
    pairs = [(float(x), 0.5 + 1.2 * x) for x in range(1, 13)]
    line = methods.passing_bablok(pairs)
    told = (line.slope, line.slope_low, line.slope_high, line.intercept, line.intercept_low, line.intercept_high)
    assert told == pytest.approx((1.2, 1.2, 1.2, 0.5, 0.5, 0.5))
    assert not line.equal


def test_passing_bablok_against_a_computation_by_hand() -> None:
    # All 45 slopes of these ten points, sorted, without those of -1: the shifted median and the ranks of the paper.
    xs = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
    ys = (1.1, 1.9, 3.2, 3.9, 5.1, 6.2, 6.8, 8.1, 9.3, 9.9)
    slopes = sorted((ys[j] - ys[i]) / (xs[j] - xs[i]) for i in range(10) for j in range(i + 1, 10))
    # C = 1.959964 * sqrt(10 * 9 * 25 / 18) = 21.9131; ranks (45 - C) / 2 = 11.54 -> 12, and 45 - 12 + 1 = 34.
    line = methods.passing_bablok(list(zip(xs, ys, strict=True)))
    assert (line.slope, line.slope_low, line.slope_high) == pytest.approx((slopes[22], slopes[11], slopes[33]))
    rests = sorted(y - line.slope * x for x, y in zip(xs, ys, strict=True))
    assert line.intercept == pytest.approx((rests[4] + rests[5]) / 2)
    assert line.equal


def test_bland_altman() -> None:
    agreement = methods.bland_altman([(1, 2), (2, 4), (3, 6)])
    assert (agreement.bias, agreement.sd, agreement.low, agreement.high) == pytest.approx((2, 1, 0.04, 3.96))


@pytest.mark.parametrize("pairs", [[(1.0, 1.0)] * 9, [(5.0, float(y)) for y in range(12)]])
def test_pairs_that_say_nothing_are_refused(pairs) -> None:
    with pytest.raises(ValueError, match="too few"):
        methods.passing_bablok(pairs)


def test_uncertainty_by_nordtest() -> None:
    # CVs of 2 % (n = 3) and 1 % (n = 3) pool to sqrt((2 * 4 + 2 * 1) / 4); biases of +2 % and -1 %, u of 0.5 % each.
    u = methods.uncertainty([[98, 100, 102], [99, 100, 101]], [(102, 100, 0.5), (99, 100, 0.5)])
    within, bias = 2.5**0.5, (2.5 + 0.25) ** 0.5
    combined = (within**2 + bias**2) ** 0.5
    assert (u.within, u.bias, u.combined, u.expanded) == pytest.approx((within, bias, combined, 2 * combined))
    alone = methods.uncertainty([[99, 100, 101]], [])
    assert (alone.within, alone.bias, alone.expanded) == (pytest.approx(1), None, pytest.approx(2))
    with pytest.raises(ValueError, match="no control"):
        methods.uncertainty([[100]], [])


def test_charts_mark_what_is_out() -> None:
    drawn = series("A", [Point("1", 0, False, "x"), Point("2", 4, True, "y")], [Level(0, "0", strong=True)])
    assert drawn.count("<circle") == 1 and drawn.count("<rect") == 1 and 'cx="90.0"' in drawn and 'x="740.0"' in drawn
    assert series("A", [], []) == ""
    dots = [Point("", float(n), False, "", float(n)) for n in range(3)]
    assert scatter("B", dots, lines=[(1, 0, True)], across="x", up="y").count("<circle") == 3


# Rounds.


def told(world, by=None, **other) -> Proficiency:
    usual = {
        "scheme": "RIQAS", "round_": "1", "sample": "1", "analyte": "GLU", "machine": "", "on": DAY,
        "value": Decimal("5.5"), "assigned": Decimal(5), "sd": Decimal("0.2"),
    }  # fmt: skip
    return assessment.report(by or world.lab, **(usual | other))


@pytest.mark.parametrize(
    ("value", "z", "state"),
    [
        ("5.4", "2.00", "ok"),
        ("5.41", "2.05", "odd"),
        ("4.41", "-2.95", "odd"),
        ("5.6", "3.00", "bad"),
        ("4", "-5.00", "bad"),
    ],
)
def test_z_scores_are_judged_as_iso_13528_says(world, value, z, state) -> None:
    made = told(world, value=Decimal(value))
    assert (str(made.z), assessment.judged(made.z)) == (z, state)


def test_a_bad_round_waits_for_what_was_done(world) -> None:
    bad = told(world, value=Decimal("5.7"))
    with pytest.raises(errors.NeedsReason):
        assessment.act(world.lab, bad.pk, " ")
    with pytest.raises(errors.BadQuality):
        assessment.act(replace(world.lab, facility="12001"), bad.pk, "x")
    bad.refresh_from_db()
    assert (bad.action, bad.acted_at) == ("", None)
    assert assessment.act(world.lab, bad.pk, "chuẩn lại").action == "chuẩn lại"
    with pytest.raises(errors.BadQuality):
        assessment.act(world.lab, bad.pk, "lần nữa")
    assert Proficiency.objects.get().action == "chuẩn lại"


@pytest.mark.parametrize(
    "wrong", [{"sd": Decimal(0)}, {"analyte": "HIVAB"}, {"analyte": "x"}, {"scheme": " "}, {"on": date(2999, 1, 1)}, {}]
)
def test_a_round_that_cannot_be_is_refused(world, wrong) -> None:
    told(world)
    with pytest.raises(errors.BadQuality):  # the last one is told already
        told(world, **wrong)
    with pytest.raises(errors.NotAllowed):
        told(world, by=world.doctor)
    assert Proficiency.objects.count() == 1


def test_the_page_of_rounds_shows_the_chart_and_prints_it(
    world, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    lab = as_role("lab")
    typed = {"scheme": "RIQAS", "sample": "1", "analyte": "GLU", "on": "02/11/2026", "expected": "5", "sd": "0,2"}
    assert lab.post("/lab/rounds", typed | {"round_": "1", "text": "cao"}).status_code == 422
    at = lab.post("/lab/rounds", typed | {"round_": "1", "text": "5,7"}).headers["Location"]
    page = lab.get(at).content.decode()
    assert "Không đạt" in page and "3,50" in page and page.count('fill="#c92a2a"') == 1
    lab.post(f"/lab/rounds/{Proficiency.objects.get().pk}/act", {"action": "chuẩn lại máy"})
    with django_assert_max_num_queries(20) as one:
        assert "chuẩn lại máy" in lab.get(at).content.decode()
    count = len(one.captured_queries)
    for round_ in "345":
        told(world, round_=round_)
    with django_assert_num_queries(count):
        lab.get(at)
    assert "NGOẠI KIỂM" in text_of(lab.get("/lab/rounds/GLU/chart.pdf").content)
    assert lab.get("/lab/rounds/nothing/chart.pdf").status_code == 404


# Comparisons and uncertainty.


def test_two_methods_are_compared_on_a_page_and_on_paper(world, as_role) -> None:
    lab = as_role("lab")
    typed = {"analyte": "GLU", "first": "BS-240", "second": "AU480", "on": "02/11/2026"}
    lines = "\n".join(f"{n},0\t{n},1" for n in range(1, 12))
    wrong = lab.post("/lab/comparisons", typed | {"pairs": lines + "\n5"})
    assert (wrong.status_code, "Dòng 12 không phải hai số." in wrong.content.decode()) == (422, True)
    assert lab.post("/lab/comparisons", typed | {"pairs": "1 2\n2 3"}).status_code == 422
    assert Comparison.objects.count() == 0
    at = lab.post("/lab/comparisons", typed | {"pairs": lines}).headers["Location"]
    page = lab.get(at).content.decode()
    assert "Hai phương pháp khác nhau có ý nghĩa." in page and "0,1 (0,1 – 0,1)" in page and page.count("<circle") == 22
    paper = text_of(lab.get(f"{at}/chart.pdf").content)
    assert "SO SÁNH HAI PHƯƠNG PHÁP" in paper and "AU480" in paper
    assert "AU480" in lab.get("/lab/comparisons").content.decode()
    Comparison.objects.update(facility="12001")
    assert (lab.get(at).status_code, lab.get(f"{at}/chart.pdf").status_code) == (404, 404)


def test_uncertainty_is_told_of_what_has_controls(
    world, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    def controlled(analyte: str) -> None:
        lot = controls.open_control(
            world.lab, machine="", analyte=analyte, material="N", level=1, lot="1", mean=Decimal(100), sd=Decimal(9)
        )
        for value in (98, 100, 102):
            controls.keep_result(world.lab, lot.pk, Decimal(value))

    controlled("GLU")
    told(world, value=Decimal(102), assigned=Decimal(100), sd=Decimal(1), on=today())
    [(key, found)] = assessment.certain_all("12104", [("", "GLU"), ("", "K")]).items()
    assert key == ("", "GLU")
    assert (found.within, found.bias) == pytest.approx((2, (4 + 0.09) ** 0.5))
    assert assessment.certain_all("12001", [("", "GLU")]) == {}
    lab = as_role("lab")
    lab.get("/lab/uncertainty")
    with django_assert_max_num_queries(20) as one:
        assert "2,00" in lab.get("/lab/uncertainty").content.decode()
    count = len(one.captured_queries)
    controlled("K")
    with django_assert_num_queries(count):
        lab.get("/lab/uncertainty")


# Upkeep.


def planned(world, **other) -> Upkeep:
    usual = {"machine": "BS-240", "kind": "calibration", "title": "Chuẩn 6 tháng", "every_days": 180, "due_on": DAY}
    return upkeep.plan(world.lab, **(usual | other))


def test_upkeep_is_due_again_after_it_passed(world) -> None:
    row = planned(world)
    upkeep.carry_out(world.lab, row.pk, on=today(), by="Kỹ sư hãng", passed=False)
    row.refresh_from_db()
    assert row.due_on == DAY
    upkeep.carry_out(world.lab, row.pk, on=today(), by="Kỹ sư hãng", passed=True, paper="HC-12")
    row.refresh_from_db()
    assert row.due_on == today() + timedelta(days=180)
    [shown] = upkeep.plans("12104")
    assert (shown.last_on, shown.last_passed) == (today(), True)
    assert [(one.passed, one.paper) for one in upkeep.log("12104")] == [(True, "HC-12"), (False, "")]


def test_upkeep_that_cannot_be_is_refused(world) -> None:
    row = planned(world)
    for wrong in ({}, {"title": " "}, {"every_days": 0}, {"kind": "other"}):
        with pytest.raises(errors.BadQuality):
            planned(world, **wrong)
    with pytest.raises(errors.BadQuality):
        upkeep.carry_out(world.lab, row.pk, on=today() + timedelta(days=1), by="A", passed=True)
    with pytest.raises(errors.NotAllowed):
        upkeep.carry_out(world.doctor, row.pk, on=today(), by="A", passed=True)
    with pytest.raises(errors.BadQuality):
        upkeep.end(replace(world.lab, facility="12001"), row.pk)
    assert (Upkeep.objects.count(), UpkeepDone.objects.count(), Upkeep.objects.get().ended) == (1, 0, None)
    upkeep.end(world.lab, row.pk)
    assert planned(world).pk != row.pk


def test_the_page_of_upkeep(world, as_role, django_assert_num_queries, django_assert_max_num_queries) -> None:
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="BS-240")
    lab = as_role("lab")
    typed = {"machine": "BS-240", "kind": "maintenance", "title": "Vệ sinh kim hút", "every_days": "7"}
    assert lab.post("/lab/upkeep", typed | {"due_on": "x"}).status_code == 422
    lab.post("/lab/upkeep", typed | {"due_on": "02/11/2026"})
    row = Upkeep.objects.get()
    lab.post("/lab/upkeep/done", {"upkeep": row.pk, "on": "03/11/2026", "by": "", "passed": "yes"})
    lab.post("/lab/upkeep/done", {"upkeep": "9" * 5000, "on": "03/11/2026", "by": "A", "passed": "yes"})
    assert UpkeepDone.objects.count() == 0
    lab.post("/lab/upkeep/done", {"upkeep": row.pk, "on": "03/11/2026", "by": "Lò Văn Ba", "passed": "yes"})
    assert UpkeepDone.objects.get().account == world.lab.account
    with django_assert_max_num_queries(20) as one:
        page = lab.get("/lab/upkeep").content.decode()
    count = len(one.captured_queries)
    assert "Vệ sinh kim hút" in page and "Lò Văn Ba" in page and "10/11/2026" in page
    planned(world, title="Khác")
    with django_assert_num_queries(count):
        lab.get("/lab/upkeep")
    lab.post(f"/lab/upkeep/{row.pk}/end")
    assert Upkeep.objects.get(pk=row.pk).ended is not None


# Fridges.


@pytest.fixture
def fridge(world) -> Fridge:
    return cold.keep_fridge(
        world.lab, None, name="Tủ mát 1", code="T-01", low=Decimal(2), high=Decimal(8), silent_hours=12
    )


def test_a_reading_outside_the_limits_alarms_until_somebody_has_acted(world, fridge) -> None:
    for value in ("2", "8", "8.1"):
        cold.read(world.lab, fridge.pk, Decimal(value))
    assert cold.alarms("12104").count() == 1
    [shown] = cold.fridges("12104")
    assert (shown.last_value, shown.open, cold.is_silent(shown)) == (Decimal("8.1"), 1, False)
    bad = Temperature.objects.get(value=Decimal("8.1"))
    with pytest.raises(errors.NeedsReason):
        cold.act(world.lab, bad.pk, "")
    with pytest.raises(errors.BadQuality):
        cold.act(replace(world.lab, facility="12001"), bad.pk, "x")
    assert cold.alarms("12104").count() == 1
    cold.act(world.lab, bad.pk, "đóng cửa tủ, 10 phút sau 6 °C")
    assert cold.alarms("12104").count() == 0
    Temperature.objects.exclude(pk=bad.pk).delete()
    Temperature.objects.update(at=datetime.now(UTC) - timedelta(hours=13))
    assert cold.is_silent(cold.fridges("12104").get())


def test_what_was_done_answers_all_readings_of_one_trouble(world, fridge) -> None:
    start = datetime(2026, 11, 29, 1, tzinfo=UTC)
    for minutes, value in enumerate(("9", "5", "8.5", "9", "10", "8", "11")):
        cold.from_sensor(fridge, Decimal(value), start + timedelta(minutes=5 * minutes))
    chosen = Temperature.objects.get(value=9, at__gt=start)
    with pytest.raises(errors.BadQuality):
        cold.act(world.lab, Temperature.objects.get(value=5).pk, "x")
    assert (cold.act(world.lab, chosen.pk, "đóng cửa tủ"), cold.alarms("12104").count()) == (3, 2)
    answered = Temperature.objects.filter(acted_by=world.lab.account, action="đóng cửa tủ").order_by("at")
    assert list(answered.values_list("value", flat=True)) == [Decimal("8.5"), Decimal(9), Decimal(10)]
    with pytest.raises(errors.BadQuality):
        cold.act(world.lab, chosen.pk, "lần nữa")
    assert not Temperature.objects.filter(action="lần nữa").exists()


def test_a_reading_is_judged_by_the_limits_of_its_moment(world, fridge, as_role) -> None:
    for value in ("5", "9"):
        cold.read(world.lab, fridge.pk, Decimal(value))
    changed = {"name": "Tủ mát 1", "code": "", "low": Decimal(6), "high": Decimal(12), "silent_hours": 12}
    cold.keep_fridge(world.lab, fridge.pk, **changed)
    assert list(Temperature.objects.order_by("at").values_list("outside", flat=True)) == [False, True]
    [shown] = cold.fridges("12104")
    assert (cold.alarms("12104").count(), shown.open, shown.last_outside) == (1, 1, True)
    page = as_role("lab").get(f"/lab/fridges/{fridge.pk}").content.decode()
    assert page.count('fill="#c92a2a"') == 1 and page.count("Ngoài giới hạn") == 1
    assert cold.read(world.lab, fridge.pk, Decimal(5)).outside


def test_a_fridge_that_cannot_be_is_refused(world, fridge) -> None:
    usual = {"name": "B", "code": "", "low": Decimal(2), "high": Decimal(8), "silent_hours": 12}
    for wrong in ({"low": Decimal(8)}, {"name": " "}, {"name": "Tủ mát 1"}):
        with pytest.raises(errors.BadQuality):
            cold.keep_fridge(world.lab, None, **(usual | wrong))
    with pytest.raises(errors.BadQuality):
        cold.read(world.lab, fridge.pk, Decimal(300))
    with pytest.raises(errors.NotAllowed):
        cold.read(world.doctor, fridge.pk, Decimal(5))
    assert (Fridge.objects.count(), Temperature.objects.count()) == (1, 0)


def test_a_sensor_sends_its_readings_as_a_machine_does(world, fridge, oru) -> None:
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="Cảm biến")
    inbox.take(Frame(oru("T-01", {"TEMP": "9.04"}, unit="Cel")), "")
    [reading] = Temperature.objects.all()
    assert (reading.value, reading.account, reading.at) == (
        Decimal("9.0"), "", datetime(2026, 11, 21, 0, 55, tzinfo=UTC),
    )  # fmt: skip
    assert (Message.objects.get().state, cold.alarms("12104").count()) == ("noted", 1)
    inbox.take(Frame(oru("T-01", {"TEMP": "9.1"}, control="2")), "")
    assert Temperature.objects.count() == 1  # of the same moment
    Analyser.objects.update(facility="12001")
    inbox.take(Frame(oru("T-01", {"TEMP": "5"}, control="3").replace(b"075500", b"085500")), "")
    assert Temperature.objects.count() == 1


def test_the_pages_of_fridges(world, as_role, django_assert_num_queries, django_assert_max_num_queries) -> None:
    lab = as_role("lab")
    typed = {"name": "Tủ âm", "silent_hours": "12", "low": "-25"}
    assert lab.post("/lab/fridges", typed | {"high": "-30"}).status_code == 422
    at = lab.post("/lab/fridges", typed | {"high": "-15"}).headers["Location"]
    assert lab.post(at, {"value": "lạnh"}).status_code == 422
    assert "Ngoài giới hạn: kiểm tra tủ" in lab.post(at, {"value": "-10,5"}, follow=True).content.decode()
    assert "Ngoài giới hạn" in lab.get("/lab/fridges").content.decode()
    lab.post(f"/lab/fridges/readings/{Temperature.objects.get().pk}/act", {"action": "gọi sửa tủ"})
    assert "gọi sửa tủ" in lab.get(at).content.decode()
    paper = text_of(lab.get(f"{at}/chart.pdf").content)
    assert "THEO DÕI NHIỆT ĐỘ" in paper and "-10,5 °C" in paper
    lab.get("/lab/fridges")
    with django_assert_max_num_queries(20) as one:
        lab.get("/lab/fridges")
    count = len(one.captured_queries)
    cold.keep_fridge(world.lab, None, name="B", code="", low=Decimal(2), high=Decimal(8), silent_hours=1)
    with django_assert_num_queries(count):
        lab.get("/lab/fridges")
    Fridge.objects.update(facility="12001")
    assert (lab.get(at).status_code, lab.get(f"{at}/chart.pdf").status_code) == (404, 404)


# Documents.


def test_a_new_version_withdraws_the_old_one_and_is_read_anew(world) -> None:
    def version(number: str) -> Procedure:
        return documents.publish(
            world.lab, number="QT.XN.01", title="Lấy máu", version=number, effective_on=DAY, review_on=date(2028, 11, 2)
        )

    first = version("1.0")
    documents.read(world.lab, first.pk)
    documents.read(world.lab, first.pk)
    [row] = documents.in_force(world.lab)
    assert (row.readers_count, row.mine) == (1, True)
    second = version("2.0")
    [row] = documents.in_force(world.lab)
    assert (row, row.readers_count, row.mine) == (second, 0, False)
    with pytest.raises(errors.BadQuality):
        version("1.0")
    with pytest.raises(errors.BadQuality):
        documents.read(world.lab, first.pk)
    with pytest.raises(errors.NotAllowed):
        documents.withdraw(world.doctor, second.pk)
    assert list(documents.in_force(world.lab)) == [second]
    documents.withdraw(world.lab, second.pk)
    assert list(documents.in_force(world.lab)) == []


def test_the_page_of_documents(world, as_role, django_assert_num_queries, django_assert_max_num_queries) -> None:
    lab = as_role("lab")
    typed = {"number": "QT.01", "title": "Lấy máu tĩnh mạch", "version": "1", "effective_on": "02/11/2026"}
    assert lab.post("/lab/procedures", typed | {"review_on": "01/11/2026"}).status_code == 422
    lab.post("/lab/procedures", typed | {"review_on": "02/11/2028"})
    row = Procedure.objects.get()
    lab.post(f"/lab/procedures/{row.pk}/read")
    assert ProcedureRead.objects.get().account == world.lab.account
    with django_assert_max_num_queries(20) as one:
        assert "Lấy máu tĩnh mạch" in lab.get("/lab/procedures").content.decode()
    count = len(one.captured_queries)
    for number in ("A", "B"):
        documents.publish(
            world.lab, number=number, title="x", version="1", effective_on=DAY, review_on=date(2028, 1, 1)
        )
    with django_assert_num_queries(count):
        lab.get("/lab/procedures")
    lab.post(f"/lab/procedures/{row.pk}/withdraw")
    assert Procedure.objects.get(pk=row.pk).withdrawn is not None


def test_a_round_of_a_qualitative_test_is_told_in_words(world, as_role) -> None:
    lab = as_role("lab")
    typed = {"scheme": "HIV", "round_": "1", "sample": "1", "analyte": "HIVAB", "on": "02/11/2026"}
    refused = lab.post("/lab/rounds", typed | {"text": "có", "expected": "Dương tính"})
    assert refused.status_code == 422 and "Ghi một trong: " in refused.content.decode()
    at = lab.post("/lab/rounds", typed | {"text": "Âm tính", "expected": "Dương tính"}).headers["Location"]
    lab.post("/lab/rounds", typed | {"sample": "2", "text": "Âm tính", "expected": "Âm tính"})
    page = lab.get(at).content.decode()
    assert (page.count("Không đạt"), page.count("Đạt</span>"), '<svg class="chart' in page) == (1, 1, False)
    wrong = Proficiency.objects.get(sample="1")
    lab.post(f"/lab/rounds/{wrong.pk}/act", {"action": "đổi sinh phẩm"})
    assert "đổi sinh phẩm · Lò Văn Lab" in lab.get(at).content.decode()
    assert "Dương tính" in text_of(lab.get("/lab/rounds/HIVAB/chart.pdf").content)
    for numbers in ({"sd": "1"}, {"text": "Âm tính", "expected": ""}):
        with pytest.raises(errors.BadQuality):
            told(world, analyte="HIVAB", round_="2", **numbers)


def test_a_round_in_numbers_asks_for_each(world, as_role) -> None:
    typed = {"scheme": "RIQAS", "round_": "1", "sample": "1", "analyte": "GLU", "on": "02/11/2026", "expected": "5"}
    shown = as_role("lab").post("/lab/rounds", typed | {"text": "cao"}).content.decode()
    assert "Ghi một số." in shown and "Ghi một số lớn hơn 0." in shown
    assert not Proficiency.objects.exists()
