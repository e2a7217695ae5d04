"""Statistics: every order in one line, days counted from lines, months from days; pages, files, and who may look."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest
from django.db import OperationalError
from pypdf import PdfReader

from tuetinh.care.lab import actions
from tuetinh.care.lab.models import OrderLine, Reagent, ReagentLot, ReagentMove, SampleCount, StepTime, TestCount, Tube
from tuetinh.care.lab.results import entry, validation
from tuetinh.care.lab.samples import actions as samples
from tuetinh.care.lab.statistics import costs, queries, summary, tables
from tuetinh.care.lab.statistics.queries import Asked, Took
from tuetinh.care.lab.statistics.summary import HANOI, count_day, count_month, count_recent

pytestmark = pytest.mark.django_db
CBC, GLU, HBSAG = "22.0120.1370", "23.0075.1494", "24.0117.1646"
HOME = "12104"


def today() -> date:
    return datetime.now(HANOI).date()


def order(world, *codes: str, urgent: bool = False) -> list[Tube]:
    before = set(Tube.objects.values_list("pk", flat=True))
    actions.order_tests(world.doctor, world.encounter, codes, urgent=urgent)
    return list(Tube.objects.exclude(pk__in=before).order_by("pk"))


def done(world, tube: Tube, value: str = "5.1") -> Tube:
    """Receive, measure and release a tube of glucose."""
    actions.receive_specimen(world.lab, tube.number)
    tube.refresh_from_db()
    entry.enter_results(world.lab, tube.number, {f"{tube.orders[0]}-GLU": value})
    if value == "30":
        entry.log_call(world.lab, tube.number, "BS Lò")
    return validation.release(world.lab, tube.number)


def asked(**other: object) -> Asked:
    return replace(Asked(HOME, today(), today()), **other)


def test_a_line_follows_its_order_from_the_tick_to_the_correction(world) -> None:
    [tube] = order(world, GLU)
    line = OrderLine.objects.get()
    assert (line.tube, line.test, line.bench, line.fee, line.done_at, line.results) == (
        tube, GLU, "chemistry", Decimal(20_000), None, 0,
    )  # fmt: skip
    done(world, tube, "30")
    line.refresh_from_db()
    assert (line.results, line.abnormal, line.critical, line.judged, line.corrected) == (1, 1, 1, 0, 0)
    assert line.done_at is not None
    entry.enter_results(world.lab, tube.number, {f"{tube.orders[0]}-GLU": "5.0"}, reason="đọc nhầm")
    first, line = line, OrderLine.objects.get()
    assert (line.results, line.abnormal, line.critical, line.corrected) == (1, 0, 0, 1)
    assert line.done_at == first.done_at


def test_a_refused_tube_gives_its_lines_to_the_new_one_and_an_aliquot_takes_its_own(world) -> None:
    [tube] = order(world, GLU)
    fresh = actions.reject_specimen(world.lab, tube.number, "", "RH")
    assert OrderLine.objects.get().tube == fresh
    tube.refresh_from_db()
    assert (tube.refused_for, tube.kind, fresh.kind) == ("RH", "serum", "serum")
    actions.cancel_orders(world.lab, fresh.number, "trùng")
    assert OrderLine.objects.get().cancelled
    [both] = order(world, GLU, HBSAG)
    actions.receive_specimen(world.lab, both.number)
    aliquot = samples.part(world.lab, both.number, "chemistry")
    assert OrderLine.objects.get(test=GLU, cancelled=False).tube == aliquot
    assert OrderLine.objects.get(test=HBSAG).tube == both


def test_a_day_is_counted_from_its_lines_and_again_gives_the_same(world) -> None:
    [first, second] = [order(world, GLU)[0], order(world, GLU, urgent=True)[0]]
    done(world, first, "30")
    Tube.objects.filter(pk=first.pk).update(due_at=datetime.now(UTC) - timedelta(hours=1))
    [third] = order(world, HBSAG)
    actions.receive_specimen(world.lab, third.number)
    third.refresh_from_db()
    entry.enter_results(world.lab, third.number, {f"{third.orders[0]}-HBSAG": "Dương tính"})
    validation.release(world.lab, third.number)
    actions.reject_specimen(world.lab, second.number, "", "QS")
    for _ in range(2):
        count_day(HOME, today())
        count_month(HOME, today().replace(day=1))
    sums = queries.totals(queries.tests(asked(), "day"), queries.TEST_SUMS)
    assert sums == {
        "ordered": 3, "done": 2, "cancelled": 0, "late": 1, "results": 2, "abnormal": 2, "critical": 1, "judged": 1,
        "positive": 1, "corrected": 0, "fees": Decimal(60_000),
    }  # fmt: skip
    by_test = {row["key"]: (row["sum_ordered"], row["sum_done"]) for row in queries.tests(asked(), "test")}
    assert by_test == {GLU: (2, 1), HBSAG: (1, 1)}
    person = {row["key"]: row["sum_done"] for row in queries.tests(asked(), "person")}
    assert person == {world.lab.account: 2, "": 0}
    drawn = queries.totals(queries.samples(asked(), "day"), queries.SAMPLE_SUMS)
    assert drawn == {"samples": 4, "refused": 1, "critical": 1, "called": 1, "in_time": 1}
    assert [(row["key"], row["sum_refused"]) for row in queries.samples(asked(), "reason")] == [("QS", 1)]
    assert queries.totals(queries.tests(asked(urgent=True), "day"), ("ordered", "done")) == {"ordered": 1, "done": 0}
    assert queries.totals(queries.tests(asked(bench="serology"), "day"), ("ordered",)) == {"ordered": 1}
    assert queries.totals(queries.tests(replace(asked(), facility="12001"), "day"), ("ordered",)) == {"ordered": 0}
    assert {(row.span, row.step) for row in StepTime.objects.all()} == {
        (span, step) for span in "dm" for step in ("analyse", "sign", "lab", "total")
    }


def test_a_test_that_moves_to_another_bench_is_counted_at_both(world) -> None:
    for _ in range(3):
        order(world, GLU)
    moved = OrderLine.objects.order_by("ordered_at").first()
    OrderLine.objects.filter(pk=moved.pk).update(bench="poct")
    count_recent(1)
    by_bench = {row["key"]: row["sum_ordered"] for row in queries.tests(asked(), "bench")}
    assert by_bench == {"poct": 1, "chemistry": 2}
    assert set(TestCount.objects.values_list("span", "bench", "ordered")) == {
        (span, *row) for span in "dm" for row in (("poct", 1), ("chemistry", 2))
    }


def test_a_call_after_half_an_hour_is_not_in_time(world) -> None:
    [tube] = order(world, GLU)
    done(world, tube, "30")
    Tube.objects.update(critical_at=datetime.now(UTC) - timedelta(minutes=31))
    count_day(HOME, today())
    assert queries.totals(queries.samples(asked(), "day"), ("critical", "called", "in_time")) == {
        "critical": 1, "called": 1, "in_time": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("minutes", "kept"),
    [(0, 0), (9.9, 9), (10, 10), (12, 10), (33, 35), (118, 120), (127, 120), (130, 135), (480, 480), (1480, 1500)],
)
def test_times_are_kept_as_finely_as_they_matter(world, minutes: float, kept: int) -> None:
    order(world, GLU)
    since = OrderLine.objects.get().ordered_at
    OrderLine.objects.update(done_at=since + timedelta(minutes=minutes))
    Tube.objects.update(received_at=None, verified_at=None)
    count_day(HOME, today())
    assert sorted(StepTime.objects.values_list("test", "step", "minutes", "count")) == [
        ("", "total", kept, 1), (GLU, "total", kept, 1),
    ]  # fmt: skip


def counted(day: date, test: str, times: dict[int, int], span: str = "d", step: str = "total") -> None:
    StepTime.objects.bulk_create(
        StepTime(
            facility=HOME, span=span, step=step, day=day, test=test, urgent=False, minutes=minutes, count=count,
            bench="chemistry",
        )
        for test in (test, "")
        for minutes, count in times.items()
    )  # fmt: skip


def test_the_median_and_the_ninetieth_percentile_are_nearest_ranks() -> None:
    counted(today(), GLU, {10: 5, 20: 4, 90: 1})
    counted(today(), CBC, {7: 1})
    assert queries.times(asked(), "test") == {GLU: {"total": Took(10, 20, 10)}, CBC: {"total": Took(7, 7, 1)}}
    assert queries.times(asked(), "") == {"": {"total": Took(10, 20, 11)}}
    assert queries.times(asked(), "day") == {today(): {"total": Took(10, 20, 11)}}
    assert queries.times(asked(test=CBC), "bench") == {"chemistry": {"total": Took(7, 7, 1)}}


def test_whole_months_are_read_from_their_rows_and_the_rest_by_day() -> None:
    for day, span, minutes in (
        (date(2026, 1, 31), "d", 1), (date(2026, 2, 1), "m", 2), (date(2026, 2, 14), "d", 99),
        (date(2026, 3, 1), "d", 3), (date(2026, 3, 1), "m", 99),
    ):  # fmt: skip
        counted(day, GLU, {minutes: 1}, span)
    period = Asked(HOME, date(2026, 1, 31), date(2026, 3, 30))
    assert queries.times(period, "month") == {
        date(2026, month, 1): {"total": Took(month, month, 1)} for month in (1, 2, 3)
    }
    assert set(queries.times(replace(period, first=date(2026, 2, 1), last=date(2026, 2, 28)), "day")) == {
        date(2026, 2, 14)
    }


def test_a_pack_is_shared_by_the_tests_that_it_was_opened_for(world) -> None:
    for test, done_, fees in ((GLU, 30, 600_000), (CBC, 10, 200_000), (HBSAG, 4, 80_000)):
        TestCount.objects.create(
            facility=HOME, span="d", day=today(), test=test, urgent=False, bench="x", ordered=40, done=done_, fees=fees
        )
    for name, tests_, price, packs in (("A", [GLU, CBC], 100_000, -2), ("B", [HBSAG], 50_000, -1), ("C", [], 9, -9)):
        reagent = Reagent.objects.create(facility=HOME, name=name, tests=tests_)
        lot = ReagentLot.objects.create(reagent=reagent, lot="1", expires=date(2027, 1, 1), price=price)
        for kind, count in (("receive", 10), ("open", packs)):
            ReagentMove.objects.create(lot=lot, kind=kind, packs=count, at=datetime.now(UTC), account="x")
    ReagentMove.objects.create(
        lot=lot, kind="open", packs=-1, at=datetime.now(UTC) - timedelta(days=9), account="x"
    )  # another period
    spent = {row.test: (row.done, row.fees, row.reagents, row.each) for row in costs.by_test(asked())}
    assert spent == {
        GLU: (30, Decimal(600_000), Decimal(150_000), 5_000), CBC: (10, Decimal(200_000), Decimal(50_000), 5_000),
        HBSAG: (4, Decimal(80_000), Decimal(50_000), 12_500),
    }  # fmt: skip
    assert [row.test for row in costs.by_test(asked(test=HBSAG))] == [HBSAG]
    assert tables.table(asked(), "costs", "test").total == [
        44,
        Decimal(880_000),
        Decimal(250_000),
        "",
        Decimal(630_000),
    ]


def test_recent_days_of_every_laboratory_are_counted(world) -> None:
    order(world, GLU)
    assert count_recent(2) == 2
    assert {(row.facility, row.span, row.ordered) for row in TestCount.objects.all()} == {
        (HOME, "d", 1),
        (HOME, "m", 1),
    }


def test_a_laboratory_that_cannot_be_counted_keeps_no_other_waiting(world, monkeypatch) -> None:
    order(world, GLU)
    Tube.objects.create(number="2699999999", facility="00001", ordered_at=datetime.now(UTC))
    count = summary.count_day

    def broken(facility: str, day: date) -> None:
        if facility == "00001":
            raise OperationalError
        count(facility, day)

    monkeypatch.setattr(summary, "count_day", broken)
    with pytest.raises(summary.Uncounted, match=r"^00001$"):
        count_recent(1)
    assert {(row.facility, row.span, row.ordered) for row in TestCount.objects.all()} == {
        (HOME, "d", 1),
        (HOME, "m", 1),
    }


def test_the_page_its_sheet_and_its_paper_say_the_same(world, as_role) -> None:
    [tube] = order(world, GLU)
    done(world, tube)
    count_recent(1)
    lab = as_role("lab")
    page = lab.get("/lab/statistics?by=test").content.decode()
    assert "Glucose" in page and "<rect" in page and "Số liệu lúc" in page
    for kind in ("times", "samples", "costs"):
        assert lab.get(f"/lab/statistics?kind={kind}").status_code == 200
    sheet = openpyxl.load_workbook(io.BytesIO(lab.get("/lab/statistics.xlsx?by=test").content)).active
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=4)]
    name = tables.names("test", [GLU])[GLU]
    assert rows[0][:3] == ["Xét nghiệm", "Chỉ định", "Đã trả"]
    assert rows[1:] == [
        [name, 1, 1, 0, "0,0", 1, "0,0", 0, 0, None, 0, 0],
        ["Cộng", 1, 1, 0, "0,0", 1, "0,0", 0, 0, None, 0, 0],
    ]
    paper = PdfReader(io.BytesIO(lab.get("/lab/statistics.pdf?by=test").content)).pages[0].extract_text()
    assert "SỐ LƯỢNG VÀ CHẤT LƯỢNG" in paper and "Glucose" in paper


def test_a_period_that_cannot_be_is_told_beside_its_field(world, as_role) -> None:
    lab = as_role("lab")
    answer = lab.get("/lab/statistics?first=02/03/2026&last=01/03/2026")
    assert (answer.status_code, "Đến ngày phải sau từ ngày" in answer.content.decode()) == (422, True)
    assert lab.get("/lab/statistics.xlsx?first=02/03/2026&last=01/03/2026").status_code == 422


def test_the_page_takes_as_many_queries_for_one_test_as_for_many(
    world, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    order(world, GLU)
    count_recent(1)
    lab = as_role("lab")
    lab.get("/lab/statistics?by=test")
    with django_assert_max_num_queries(20) as one:
        lab.get("/lab/statistics?by=test")
    count = len(one.captured_queries)
    order(world, CBC, HBSAG)
    count_recent(1)
    lab.get("/lab/statistics?by=test")
    with django_assert_num_queries(count):
        lab.get("/lab/statistics?by=test")


def test_samples_of_a_cancelled_order_are_none(world) -> None:
    [tube] = order(world, GLU)
    actions.cancel_orders(world.lab, tube.number, "trùng")
    count_day(HOME, today())
    assert SampleCount.objects.count() == 0
    assert TestCount.objects.get().cancelled == 1
