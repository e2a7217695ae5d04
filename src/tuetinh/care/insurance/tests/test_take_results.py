"""What the insurer answers: read in every form, compared line by line, kept once as ClaimResponse."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from typing import Any

import openpyxl
import pytest
from django.utils import timezone

from tuetinh.care.insurance.actions import connection
from tuetinh.care.insurance.errors import BadResults, GatewayDown, GatewayNonsense, GatewayRefused, NotAllowed
from tuetinh.care.insurance.models import Adjudication, ClaimCase, GatewayAccount, Settlement
from tuetinh.care.insurance.results import actions, wire
from tuetinh.care.insurance.results.facts import told
from tuetinh.care.insurance.results.wire import LineResult, Result
from tuetinh.care.insurance.runs import carry_out, start
from tuetinh.care.insurance.sending import send
from tuetinh.care.insurance.simulator import RESERVED
from tuetinh.care.insurance.tests.keeping import queued
from tuetinh.care.insurance.tests.sent import WHAT_THEY_COST, sent_claim
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
HOUSE = replace(SYSTEM, facility="12104")
EXAM, TEST, MEDICINE = ("XML3", 1), ("XML3", 2), ("XML2", 1)


def result(**more: Any) -> Result:
    return Result(**({"ma_lk": "LK1", "state": "reduced"} | more))


def test_every_form_of_file_says_the_same() -> None:
    expected = [
        Result("LK1", "reduced", D("84000"), lines=(LineResult("XML3", 2, None, D("1234.5"), "TL01", "Giá cao"),)),
        Result("LK2", "accepted", D("1000000")),
    ]
    json = """{"maKetQua": "200", "dsKetQuaGiamDinh": [
      {"maLK": "LK1", "trangThai": "Không đạt", "soTienDuyet": 84000,
       "dsChiTiet": [{"soBangXml": 3, "sttXml": 2, "tienXuatToan": 1234.5, "maLyDo": "TL01", "lyDo": "Giá cao"}]},
      {"maLK": "LK2", "trangThai": "Đạt", "soTienDuyet": "1.000.000"}]}"""
    xml = """<KQ><DSACH_KETQUA><HOSO><MA_LK>LK1</MA_LK><TRANGTHAI>Không đạt</TRANGTHAI>
      <SO_TIEN_DUYET>84000</SO_TIEN_DUYET>
      <DSCP_DIEUCHINH><CHIPHI><SOBANG_XML>3</SOBANG_XML><STT_XML>2</STT_XML><TIEN_XUAT_TOAN>1234.5</TIEN_XUAT_TOAN>
      <MA_LY_DO>TL01</MA_LY_DO><LYDO>Giá cao</LYDO></CHIPHI></DSCP_DIEUCHINH></HOSO>
      <HOSO><MA_LK>LK2</MA_LK><TRANGTHAI>Đạt</TRANGTHAI><SO_TIEN_DUYET>1.000.000</SO_TIEN_DUYET></HOSO></DSACH_KETQUA></KQ>"""
    head = ["Mã LK", "Trạng thái", "Số tiền duyệt", "Bảng", "STT dòng", "Xuất toán", "Mã lý do", "Lý do"]
    rows = [["LK1", "Không đạt", 84000, "XML3", 2, 1234.5, "TL01", "Giá cao"], ["LK2", "Đạt", "1.000.000"]]
    book = openpyxl.Workbook()
    book.active.append(["Kết quả giám định tháng 11"])
    for row in (head, *rows):
        book.active.append(row)
    packed = io.BytesIO()
    book.save(packed)
    text = "\ufeff" + "\r\n".join(";".join(str(cell) for cell in row) for row in (head, *rows))
    assert wire.read(json.encode(), "a.json") == expected
    assert wire.read(xml.encode(), "a.xml") == expected
    assert wire.read(packed.getvalue(), "a.XLSX") == expected
    assert wire.read(text.encode(), "a.csv") == expected


@pytest.mark.parametrize(
    ("data", "name", "what"),
    [
        (b"x", "a.pdf", "kind"),
        (b"{", "a.json", "json"),
        (b'{"a": 1}', "a.json", "head"),
        (b"<a>", "a.xml", "xml"),
        (b"<!DOCTYPE a><a/>", "a.xml", "xml"),
        (b"no zip", "a.xlsx", "xlsx"),
        (b"\xff", "a.csv", "encoding"),
        (b"a;b\n1;2\n", "a.csv", "head"),
        (b"MA_LK;LYDO\n;x\n", "a.csv", "ma_lk"),
        (b"MA_LK;SO_TIEN_DUYET\nLK1;many\n", "a.csv", "amount"),
        (b"MA_LK;SO_TIEN_DUYET\nLK1;-1\n", "a.csv", "amount"),
        (b"MA_LK;TRANGTHAI\nLK1;So so\n", "a.csv", "state"),
        (b"MA_LK;BANG;STT_XML;LYDO\nLK1;XML3;1;x\n", "a.csv", "line"),
        (b"MA_LK;BANG;STT_XML;TIEN_DUYET\nLK1;XML9;1;0\n", "a.csv", "line"),
        (b'[{"maLK": "LK1", "ngayGiamDinh": "2026"}]', "a.json", "day"),
    ],
)
def test_what_cannot_be_read_says_what_is_wrong(data: bytes, name: str, what: str) -> None:
    with pytest.raises(BadResults) as found:
        wire.read(data, name)
    assert found.value.what == what


@pytest.mark.parametrize(
    ("written", "value"),
    [("1.234.567", "1234567"), ("1.234", "1234"), ("1,234,567.5", "1234567.5"), ("1234,50", "1234.50"), ("0", "0"),
     ("12.5", "12.5"), (12.345, "12.345"), ("100 000 ₫", "100000")],
)  # fmt: skip
def test_amounts_as_people_write_them(written: Any, value: str) -> None:
    assert wire.amount(written) == D(value)


def test_an_answer_is_kept_once_and_line_by_line(cast: Any) -> None:
    case = sent_claim("LK1")
    said = result(accepted=D(65_000), lines=(LineResult(*TEST, refused=D(30_000), code="TL01", words="Giá cao"),))
    assert actions.keep(HOUSE, case, said) == "new"
    one = Adjudication.objects.get()
    assert (one.state, one.claimed, one.accepted, one.lines) == ("reduced", D(WHAT_THEY_COST), D(65_000), 1)
    (line,) = one.reduced.all()
    assert (line.table, line.place, line.code, line.claimed, line.accepted) == (
        "XML3",
        2,
        "23.0075.1494",
        D(40_000),
        D(10_000),
    )
    assert (line.reason, line.words) == ("TL01", "Giá cao")
    response = record.read(SYSTEM, "ClaimResponse", one.response)
    assert isinstance(response, r4.ClaimResponse)
    assert told(response) == {
        MEDICINE: (D(10_000), D(10_000), "", ""),
        EXAM: (D(45_000), D(45_000), "", ""),
        TEST: (D(40_000), D(10_000), "TL01", "Giá cao"),
    }
    assert [(t.category.coding[0].code, t.amount.value) for t in response.total or []] == [  # type: ignore[union-attr,index]
        ("submitted", D(95_000)), ("benefit", D(65_000)),
    ]  # fmt: skip
    assert actions.keep(HOUSE, case, said) == "same"
    assert len(record.history(SYSTEM, "ClaimResponse", one.response)) == 1
    assert Adjudication.objects.get().taken == one.taken
    assert actions.keep(HOUSE, case, result(state="accepted", accepted=D(95_000))) == "changed"
    now = Adjudication.objects.get()
    assert (now.pk, now.response, now.state, now.lines, now.reduced.count()) == (one.pk, one.response, "accepted", 0, 0)
    assert len(record.history(SYSTEM, "ClaimResponse", one.response)) == 2


def test_a_sum_without_lines_is_of_the_whole(cast: Any) -> None:
    case = sent_claim("LK1")
    actions.keep(HOUSE, case, result(accepted=D(80_000), words="Sai chỉ định"))
    (line,) = Adjudication.objects.get().reduced.all()
    assert (line.table, line.place, line.claimed, line.accepted, line.words) == (
        "XML1",
        0,
        0,
        D(-15_000),
        "Sai chỉ định",
    )
    actions.keep(HOUSE, case, result(state="refused", words="Thẻ sai"))
    one = Adjudication.objects.get()
    assert (one.state, one.accepted, one.lines, one.reduced.count()) == ("refused", 0, 3, 3)
    actions.keep(HOUSE, case, result(state="pending", words="Bổ sung"))
    one.refresh_from_db()
    assert (one.state, one.accepted, one.lines, one.reduced.count()) == ("pending", 0, 0, 0)
    response = record.read(SYSTEM, "ClaimResponse", one.response)
    assert isinstance(response, r4.ClaimResponse)
    assert (response.outcome, response.disposition) == ("queued", "Bổ sung")


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"lines": (LineResult("XML3", 9, refused=D(1)),)}, "no-line"),
        ({"lines": (LineResult(*TEST, refused=D(40_001)),)}, "too-much"),
        ({"lines": (LineResult(*TEST, accepted=D(40_001)),)}, "too-much"),
        ({"accepted": D(95_001)}, "too-much"),
        ({"accepted": D(90_000), "lines": (LineResult(*TEST, refused=D(30_000)),)}, "sum"),
        ({"ma_lk": "LK7"}, "unknown"),
    ],
)
def test_an_answer_that_does_not_fit_is_told_and_not_kept(cast: Any, said: dict[str, Any], what: str) -> None:
    sent_claim("LK1")
    taken = actions.Taken()
    actions.keep_all(HOUSE, "12104", [result(**said), result(state="accepted")], taken)
    assert (taken.new, len(taken.wrong)) == (1, 1)
    assert str(BadResults.reasons[what]) in taken.wrong[0]
    assert Adjudication.objects.get().state == "accepted"


def test_another_facility_and_another_desk_may_not(cast: Any) -> None:
    case = sent_claim("LK1")
    for asker in (replace(SYSTEM, facility="12001"), replace(SYSTEM, scopes=frozenset({"user/ClaimResponse.rs"}))):
        with pytest.raises(NotAllowed):
            actions.keep(asker, case, result(state="accepted"))
    assert not Adjudication.objects.exists()
    assert not record.search(SYSTEM, "ClaimResponse", "_count=5").resources


# The gateway ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "state", "accepted", "lines"),
    [("610", "refused", 0, 3), ("611", "reduced", 394_000, 1), ("612", "reduced", 44_000, 1),
     ("613", "accepted", 398_000, 0), ("614", "reduced", 358_200, 1), ("615", "pending", 0, 0)],
)  # fmt: skip
def test_results_come_from_the_gateway(
    visit: str, ledger: Any, wish: str, state: str, accepted: int, lines: int
) -> None:
    case = queued(visit, card=RESERVED + wish)
    assert send.send_due(20) == 1
    case.refresh_from_db()
    run = start(replace(SYSTEM, facility=case.facility), "fetch")
    carry_out(run.pk)
    run.refresh_from_db()
    assert (run.state, run.told["new"], run.told["wrong_count"], run.done) == ("done", 1, 0, 1)
    one = Adjudication.objects.get()
    assert (one.state, one.claimed, one.accepted, one.lines) == (state, case.fund, D(accepted), lines)
    today = timezone.localdate()
    settled = {one.period: one.claimed for one in Settlement.objects.all()}
    assert settled == {f"{today:%Y-%m}": case.fund, f"{today:%Y}-Q{(today.month + 2) // 3}": case.fund}
    again = start(replace(SYSTEM, facility=case.facility), "fetch")
    carry_out(again.pk)
    again.refresh_from_db()
    assert (again.told["same"], again.told["new"], again.told["changed"]) == (1, 0, 0)


def test_a_gateway_that_is_out_of_order_is_told(visit: str, ledger: Any) -> None:
    gateway = connection(GatewayAccount.objects.get())
    with pytest.raises(GatewayDown):
        gateway.rounds("12001", date(2099, 12, 1))
    with pytest.raises(GatewayDown):
        gateway.rounds("12001", date(2099, 10, 1))
    with pytest.raises(GatewayRefused):
        gateway.rounds("12002", date(2026, 11, 1))
    with pytest.raises(GatewayNonsense):
        gateway.results("12001", "no round")
    run = start(replace(SYSTEM, facility="12001"), "fetch")
    carry_out(run.pk)
    run.refresh_from_db()
    assert (run.state, run.told) == ("failed", {"error": str(GatewayRefused())})
    assert not Adjudication.objects.exists()


def test_a_file_is_taken_beside_the_page(cast: Any) -> None:
    case = sent_claim("LK1")
    ClaimCase.objects.filter(pk=case.pk).update(state="accepted")
    text = "MA_LK;TRANGTHAI;BANG;STT_XML;TIEN_DUYET;LYDO\nLK1;Không đạt;XML3;2;0;Sai chỉ định\nLK9;Đạt;;;;\n"
    run = start(HOUSE, "results", file=text.encode(), name="thang11.csv")
    carry_out(run.pk)
    run.refresh_from_db()
    assert (run.state, run.done, run.total) == ("done", 2, 2)
    assert (run.told["new"], run.told["wrong_count"]) == (1, 1)
    assert "LK9" in run.told["wrong"][0]
    assert Adjudication.objects.get().accepted == D(55_000)
    carry_out(run.pk)  # what is done is not done again
    assert Adjudication.objects.count() == 1
