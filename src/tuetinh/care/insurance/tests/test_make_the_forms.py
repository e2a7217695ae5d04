"""Forms: their sums are those of the claims, in XLSX and PDF."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from decimal import Decimal as D
from typing import TYPE_CHECKING, Any

import openpyxl
import pypdf
import pytest

from tuetinh.care.insurance.errors import AlreadyRunning, NoForm
from tuetinh.care.insurance.forms import cost_list, making, writing
from tuetinh.care.insurance.forms.filling import claims, lines
from tuetinh.care.insurance.forms.layouts import Period, book
from tuetinh.care.insurance.models import ClaimCase, Run
from tuetinh.care.insurance.runs import carry_out
from tuetinh.care.insurance.tests.sent import line, sent_claim, tables
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    As = Callable[[str], Client]

pytestmark = pytest.mark.django_db
HERE = replace(SYSTEM, facility="12104")
NOVEMBER = Period("2026-11")


@pytest.fixture
def month(cast: Any) -> None:
    """Four claims of November: two examinations, a stay with a supply, a kind of care that no group names."""
    sent_claim("LK1", day=3)
    sent_claim("LK2", day=2)
    stay = tables("LK3", MA_LOAI_KCB="03", T_TONGCHI_BV="105000.5", T_TONGCHI_BH="105000.5", T_BHTT="105000.5")
    supply = line(3, 0, MA_VAT_TU="N01", TEN_VAT_TU="Kim", MA_NHOM="10", DON_GIA_BH="5000.25", SO_LUONG="2",
                  THANH_TIEN_BV="10000.5", THANH_TIEN_BH="10000.5", T_BHTT="10000.5")  # fmt: skip
    stay["XML3"].append(supply)
    sent_claim("LK3", day=5, said=stay)
    sent_claim("LK4", day=6, said=tables("LK4", MA_LOAI_KCB="11"))
    sent_claim("LK5", day=35)  # of December
    sent_claim("LK6", day=7, facility="12001")
    ClaimCase.objects.create(
        encounter="e-held", facility="12104", patient="cast-citizen", state="held", ma_lk="LK7",
        ended=ClaimCase.objects.earliest("id").ended, due=ClaimCase.objects.earliest("id").ended, by="2026-11-30",
    )  # fmt: skip


def rows(code: str, period: Period = NOVEMBER) -> list[dict[str, Any]]:
    return list(lines(book().forms[code], claims("12104", period), "12104"))


def test_01bh_stands_in_groups_and_adds_up(month: None) -> None:
    found = [(row["kind"], row["STT"] if row["kind"] != "total" else "", row["T_BHTT"]) for row in rows("01BH")
             if row["kind"] != "group" or row.get("T_BHTT")]  # fmt: skip
    assert found == [
        ("group", "I", D(190_000)), ("row", 1, D(95_000)), ("row", 2, D(95_000)),
        ("group", "IV", D("105000.5")), ("row", 3, D("105000.5")),
        ("group", "V", D(95_000)), ("row", 4, D(95_000)),
        ("total", "", D("390000.5")),
    ]  # fmt: skip
    assert [row["STT"] for row in rows("01BH") if row["kind"] == "group"] == ["I", "II", "III", "IV", "V"]
    total = rows("01BH")[-1]
    assert total["T_TONGCHI_BV"] == total["T_TONGCHI_BH"] + total["T_BNTT"] + total["T_NGUONKHAC"]
    assert total["T_TONGCHI_BH"] == total["T_BHTT"] + total["T_BNCCT"]
    assert (
        sum(
            ClaimCase.objects.filter(facility="12104", ma_lk__in=["LK1", "LK2", "LK3", "LK4"]).values_list(
                "fund", flat=True
            )
        )
        == total["T_BHTT"]
    )


def test_02bh_sums_a_quarter(month: None) -> None:
    found = {row.get("STT", "total"): (row["SO_LUOT"], row["T_BHTT"]) for row in rows("02BH", Period("2026-Q4"))}
    assert found == {
        "I": (3, D(285_000)), "I.01": (3, D(285_000)), "II": (0, D(0)), "III": (0, D(0)), "IV": (1, D("105000.5")),
        "IV.03": (1, D("105000.5")), "V": (1, D(95_000)), "V.11": (1, D(95_000)), "total": (5, D("485000.5")),
    }  # fmt: skip


def test_79_and_80_divide_the_month_and_its_costs(month: None) -> None:
    out, in_ = rows("C79"), rows("C80")
    assert [len(out), len(in_)] == [4, 2]
    assert (out[-1]["T_BHTT"], in_[-1]["T_BHTT"]) == (D(285_000), D("105000.5"))
    stay = in_[0]
    assert {name: stay[name] for name in ("C_1", "C_3", "C_8", "C_9")} == {
        "C_1": D(45_000), "C_3": D(40_000), "C_8": D(10_000), "C_9": D("10000.5"),
    }  # fmt: skip
    assert sum(stay[name] for name in stay if name.startswith("C_")) == stay["T_TONGCHI_BV"]


def test_19_20_21_hold_each_thing_once(month: None) -> None:
    (supply, total) = rows("19BHYT")
    assert (supply["MA_VAT_TU"], supply["SL_NOI_TRU"], supply["SL_NGOAI_TRU"], supply["DON_GIA"]) == (
        "N01",
        2,
        0,
        D("5000.25"),
    )
    (medicine, _) = rows("20BHYT")
    assert (medicine["MA_THUOC"], medicine["SL_NGOAI_TRU"], medicine["SL_NOI_TRU"], medicine["T_BHTT"]) == (
        "40.50", 60, 20, D(40_000),
    )  # fmt: skip
    services = rows("21BHYT")
    assert [row["MA_DICH_VU"] for row in services[:-1]] == ["02.1897", "23.0075.1494"]
    assert total["T_BHTT"] + rows("20BHYT")[-1]["T_BHTT"] + services[-1]["T_BHTT"] == rows("01BH")[-1]["T_BHTT"]


@pytest.mark.parametrize("code", list(book().forms))
def test_every_form_is_made_as_xlsx_and_pdf(month: None, code: str) -> None:
    period = "2026-Q4" if book().forms[code].period == "quarter" else "2026-11"
    for form in making.FORMATS:
        run = making.ask(HERE, code, period, form)
        with pytest.raises(AlreadyRunning):
            making.ask(HERE, code, period, form)
        carry_out(run.pk)
        run.refresh_from_db()
        assert (run.state, run.told) == ("done", {})
        assert run.done == run.total == (5 if period == "2026-Q4" else 4)
        data = making.take(HERE, run)
        if form == "pdf":
            text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)
            assert "ổng cộng" in text
            continue
        sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
        written = list(sheet.iter_rows(values_only=True))
        head = next(row for row in written if "STT" in row)
        at = head.index("Quỹ BHYT")
        assert D(str(written[-1][at])) == rows(code, Period(period))[-1]["T_BHTT"]
        with pytest.raises(NoForm):
            making.take(replace(HERE, facility="12001"), run)
    again = making.ask(HERE, code, period, "xlsx")
    carry_out(again.pk)
    assert Run.objects.filter(kind="form", key=again.key, file__isnull=False).count() == 1


def test_a_long_list_is_a_zip_of_parts(month: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART", 3)
    data, end = writing.as_pdf(book().forms["01BH"], iter(rows("01BH")), facility="TTYT", period="Tháng 11 năm 2026")
    assert end == "zip"
    pack = zipfile.ZipFile(io.BytesIO(data))
    texts = [
        "".join(p.extract_text() for p in pypdf.PdfReader(io.BytesIO(pack.read(name))).pages)
        for name in pack.namelist()
    ]
    assert len(texts) == 4
    assert ["Bằng chữ" in text for text in texts] == [False, False, False, True]


@pytest.mark.parametrize(
    ("code", "period", "form"),
    [("09BH", "2026-11", "pdf"), ("01BH", "2026-Q4", "pdf"), ("02BH", "2026-11", "pdf"), ("01BH", "2026-13", "pdf"),
     ("01BH", "2026-11", "docx")],
)  # fmt: skip
def test_what_is_no_form_of_no_period_is_not_made(cast: Any, code: str, period: str, form: str) -> None:
    with pytest.raises(NoForm):
        making.ask(HERE, code, period, form)
    assert not Run.objects.exists()


def test_text_of_people_is_no_formula(cast: Any) -> None:
    sent_claim("LK1", said=tables("LK1", HO_TEN="=1+1"))
    data = writing.xlsx(book().forms["01BH"], rows("01BH"), facility="X", period="Y")
    cells = [cell.value for row in openpyxl.load_workbook(io.BytesIO(data)).worksheets[0].iter_rows() for cell in row]
    assert "'=1+1" in cells


def test_01kbcb_adds_up_under_each_rate() -> None:
    said = tables("LK1")
    said["XML2"][0] |= {"MUC_HUONG": "80", "T_BHTT": "8000", "T_BNCCT": "2000"}
    found = cost_list.list_lines(said)
    assert [(one.kind, one.texts["name"], one.sums["T_BHTT"]) for one in found] == [
        ("rate", "Mức hưởng 100 %", D(85_000)),
        ("section", "1. Khám bệnh", D(45_000)),
        ("row", "Khám Nội", D(45_000)),
        ("section", "3. Xét nghiệm", D(40_000)),
        ("row", "Định lượng glucose", D(40_000)),
        ("rate", "Mức hưởng 80 %", D(8_000)),
        ("section", "8. Thuốc, dịch truyền", D(8_000)),
        ("row", "Paracetamol 500 mg", D(8_000)),
        ("total", "Tổng cộng", D(93_000)),
    ]


def test_01kbcb_of_a_visit_as_pdf_and_xlsx(visit: str) -> None:
    found = cost_list.cost_list(replace(SYSTEM, facility="12001"), visit)
    assert (found.sent, found.total["THANH_TIEN_BV"], found.total["T_BHTT"]) == (False, D(497_500), D(398_000))
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(cost_list.as_pdf(found))).pages)
    assert "Bốn trăm chín mươi bảy nghìn năm trăm đồng" in text
    sheet = openpyxl.load_workbook(io.BytesIO(cost_list.as_xlsx(found))).worksheets[0]
    last = list(sheet.iter_rows(values_only=True))[-1]
    assert (last[0], last[6], last[9]) == ("Tổng cộng", 497_500, 398_000)


def test_the_pages_of_forms(as_role: As, month: None, visit: str) -> None:
    browser = as_role("cashier")
    page = browser.get("/insurance/forms?month=2026-11").content.decode()
    assert page.count("data-form=") == len(book().forms)
    assert page.count("hạn gửi 15/12/2026") == 1  # 01/BH of the month
    assert page.count("hạn gửi 15/01/2027") == 1  # 02/BH of its quarter
    for month_ in ("bad", "0001-01", "9999-12", "2026-13"):
        assert {
            browser.get(f"/insurance/{page}?month={month_}").status_code for page in ("forms", "results", "rates")
        } == {200}
    asked = {"form": "01BH", "period": "2026-11", "month": "2026-11", "format": "xlsx"}
    assert browser.post("/insurance/forms/make", asked).status_code == 302
    run = Run.objects.get()
    assert browser.get(f"/insurance/forms/{run.pk}/file").status_code == 404  # not made yet
    carry_out(run.pk)
    answer = browser.get(f"/insurance/forms/{run.pk}/file")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store")
    Run.objects.update(facility="12001")
    assert browser.get(f"/insurance/forms/{run.pk}/file").status_code == 404
    assert browser.get(f"/insurance/visits/{visit}/cost-list.pdf").status_code == 404  # of another facility
