"""Catalogues that the insurer approved: taken once, checked against by days, registration, tender and price."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tuetinh.care.insurance.approved.checking import Book, Item, approved
from tuetinh.care.insurance.approved.wire_xlsx import catalogues
from tuetinh.care.insurance.models import ApprovedItem, Run
from tuetinh.care.insurance.runs import carry_out, start
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    As = Callable[[str], Client]

pytestmark = pytest.mark.django_db
HERE = replace(SYSTEM, facility="12104")
DAY = date(2026, 11, 2)
ROW = {
    "MA_THUOC": "40.50", "TEN_THUOC": "Paracetamol", "DON_GIA": 500, "SO_DANG_KY": "VD-1",
    "TT_THAU": "1/QĐ;G1;N1;2026", "TU_NGAY": "20260401", "MA_CSKCB": "12104",
}  # fmt: skip


def workbook(number: str, *rows: dict[str, Any]) -> bytes:
    book = openpyxl.Workbook()
    columns = catalogues()[number].columns
    book.active.append(["Mẫu số 03/DM"])
    book.active.append(columns)
    for row in rows:
        book.active.append([row.get(name) for name in columns])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def take(*rows: dict[str, Any], number: str = "03", data: bytes | None = None) -> Run:
    file = workbook(number, *rows) if data is None else data
    run = start(HERE, "approved", number, what={"catalogue": number, "site": "12104"}, file=file, name="03.xlsx")
    carry_out(run.pk)
    run.refresh_from_db()
    return run


def counts(run: Run) -> tuple[int, int, int, int]:
    return run.told["new"], run.told["changed"], run.told["same"], run.told["wrong_count"]


def test_the_same_file_twice_changes_nothing_and_a_last_day_ends_a_row(db: None) -> None:
    assert counts(take(ROW)) == (1, 0, 0, 0)
    item = ApprovedItem.objects.get()
    assert (item.code, item.price, item.tender, item.since, item.until) == (
        "40.50", D(500), "1/QĐ;G1;N1;2026", date(2026, 4, 1), None,
    )  # fmt: skip
    assert counts(take(ROW)) == (0, 0, 1, 0)
    ended, fresh = ROW | {"DEN_NGAY": "20261031"}, ROW | {"TU_NGAY": "20261101", "DON_GIA_BH": 450}
    assert counts(take(ended, fresh)) == (1, 1, 0, 0)
    assert sorted(ApprovedItem.objects.values_list("since", "until", "price")) == [
        (date(2026, 4, 1), date(2026, 10, 31), D(500)), (date(2026, 11, 1), None, D(450)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"MA_THUOC": None}, {"MA_CSKCB": "12001"}, {"TU_NGAY": "soon"}, {"DON_GIA": "much"}, {"DEN_NGAY": "20260301"}],
)
def test_a_wrong_row_is_told_and_the_others_are_taken(db: None, wrong: dict[str, Any]) -> None:
    run = take(ROW, ROW | wrong)
    assert counts(run) == (1, 0, 0, 1)
    assert "#4" in run.told["wrong"][0]
    assert ApprovedItem.objects.count() == 1


@pytest.mark.parametrize("data", [b"no workbook", workbook("05")])
def test_a_file_that_is_no_such_catalogue_fails(db: None, data: bytes) -> None:
    run = take(data=data)
    assert run.state == "failed"
    assert run.told["error"]
    assert not ApprovedItem.objects.exists()


def test_what_is_wrong_with_a_line() -> None:
    old = Item(D(500), "T1", "VD-1", date(2026, 4, 1), date(2026, 10, 31))
    now = Item(D(450), "T2", "VD-1", date(2026, 11, 1), None)
    book = Book({"03": {"40.50": [old, now]}, "05": {}})

    def faults(day: date = DAY, code: str = "40.50", catalogue: str = "03", **row: str) -> list[str]:
        return book.faults(catalogue, code, day, row)

    assert faults(SO_DANG_KY="VD-1", TT_THAU="T2", DON_GIA="450") == []
    assert faults(DON_GIA="450.001") == ["gia"]
    assert faults(TT_THAU="T1", DON_GIA="1") == ["thau"]
    assert faults(SO_DANG_KY="VD-9") == ["so-dang-ky"]
    assert faults(date(2026, 10, 31), TT_THAU="T1", DON_GIA="500") == []
    assert faults(date(2026, 3, 31)) == ["chua-hieu-luc"]
    assert Book({"03": {"40.50": [old]}}).faults("03", "40.50", DAY, {}) == ["het-hieu-luc"]
    assert faults(code="40.51") == ["khong-co"]
    assert faults(code="02.1897", catalogue="05") == ["khong-co"]
    assert faults(code="02.1897", catalogue="06") == []  # no such catalogue was given
    assert book.any_fault("03", "40.50;40.51", DAY) == "khong-co"


def test_a_name_or_strength_that_differs_is_told_beside_the_price() -> None:
    item = Item(D(500), "", "", date(2026, 4, 1), None, "Paracetamol", "500 mg")
    book = Book({"03": {"40.50": [item]}})

    def faults(**row: str) -> list[str]:
        return book.faults("03", "40.50", DAY, row)

    assert faults(TEN_THUOC="PARACETAMOL ", HAM_LUONG="500mg") == []
    assert faults(TEN_THUOC="Panadol", HAM_LUONG="0,5 g", DON_GIA="501") == ["gia", "ten", "ham-luong"]


def test_what_is_approved_is_known_at_once(db: None) -> None:
    assert approved("12104").items == {}
    take(ROW)
    assert list(approved("12104").items["03"]) == ["40.50"]
    (item,) = approved("12104").items["03"]["40.50"]
    assert (item.name, item.strength) == (ROW["TEN_THUOC"], ROW.get("HAM_LUONG", ""))
    take(ROW | {"MA_THUOC": "40.51"})
    assert list(approved("12104").items["03"]) == ["40.50", "40.51"]
    assert approved("12001").items == {}


def test_the_administrators_page(as_role: As) -> None:
    browser = as_role("admin")
    upload = SimpleUploadedFile("03.xlsx", workbook("03", ROW))
    answer = browser.post("/insurance/approved/import", {"catalogue": "03", "file": upload})
    assert (answer.status_code, answer["Location"]) == (302, "/insurance/approved?catalogue=03")
    carry_out(Run.objects.get().pk)
    page = browser.get("/insurance/approved?catalogue=03&q=para").content.decode()
    assert page.count("data-item=") == 1
    assert "data-item" not in browser.get("/insurance/approved?catalogue=05").content.decode()
    assert browser.post("/insurance/approved/import", {"catalogue": "09", "file": upload}).status_code == 302
    assert Run.objects.count() == 1
