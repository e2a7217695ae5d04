"""The claim of a visit, built from the facts that the desks left, and nothing else."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tuetinh.care.insurance.api import NoVisit, claim
from tuetinh.care.insurance.tests.conftest import DOCTOR, GLUCOSE, TECHNICIAN
from tuetinh.care.insurance.wire_xml3176 import read
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM


def test_a_complete_visit_has_no_problem(visit: str) -> None:
    found = claim(SYSTEM, visit, made=date(2026, 11, 2))
    assert [(p.table, p.row, p.field, p.code) for p in found.problems] == []
    assert found.decision == "3176"
    assert {name: len(rows) for name, rows in found.tables.items()} == {
        "XML1": 1,
        "XML2": 1,
        "XML3": 2,
        "XML4": 1,
        "XML5": 0,
    }


def test_the_file_holds_what_the_record_says(visit: str) -> None:
    found = claim(SYSTEM, visit, made=date(2026, 11, 2))
    told = read(found.xml)
    one, two, three, four = (told.tables[name] for name in ("XML1", "XML2", "XML3", "XML4"))
    assert (told.facility, told.made) == ("12001", "20261102")
    wanted = {
        "HO_TEN": "LÒ THỊ PÂNG", "NGAY_SINH": "197203150000", "GIOI_TINH": "2", "MA_DANTOC": "03", "MAXA_CU_TRU": "03390",
        "MATINH_CU_TRU": "12", "MA_THE_BHYT": "GD4120000000017", "MA_BENH_CHINH": "I10", "LY_DO_VV": "Đau đầu", "NGAY_VAO": "202611020815",
        "NGAY_RA": "202611021040", "CAN_NANG": "52.5", "KET_QUA_DTRI": "2", "MA_LOAI_RV": "1", "MA_DOITUONG_KCB": "1.1",
        "T_TONGCHI_BV": "497500", "T_BHTT": "398000", "T_BNCCT": "99500", "T_THUOC": "10000", "MA_TTDV": "000123/LCH-GPHN",
    }  # fmt: skip
    assert {name: one[0][name] for name in wanted} == wanted
    assert {name: two[0][name] for name in ("LIEU_DUNG", "CACH_DUNG", "SO_LUONG", "MA_BAC_SI")} == {
        "LIEU_DUNG": "1 viên/lần * 2 lần/ngày * 10 ngày [2 viên/ngày]",
        "CACH_DUNG": "Mỗi lần 1 viên, ngày 2 lần, uống sáng, tối",
        "SO_LUONG": "20",
        "MA_BAC_SI": DOCTOR,
    }
    test = next(row for row in three if row["MA_DICH_VU"] == GLUCOSE)
    assert (test["MA_NHOM"], test["NGUOI_THUC_HIEN"], test["NGAY_YL"], test["NGAY_TH_YL"], test["NGAY_KQ"]) == (
        "1", TECHNICIAN, "202611020830", "202611020845", "202611020945",
    )  # fmt: skip
    assert (four[0]["MA_CHI_SO"], four[0]["GIA_TRI"], four[0]["MA_DICH_VU"]) == ("14749-6", "6.10", GLUCOSE)


def test_a_visit_without_a_card_is_the_patients_own(visit: str) -> None:
    for card in record.search(SYSTEM, "Coverage", "_count=10").resources:
        record.delete(SYSTEM, "Coverage", str(card.id))
    found = claim(SYSTEM, visit, made=date(2026, 11, 2))
    assert [(p.table, p.row, p.field, p.code) for p in found.problems] == []
    assert {name: found.tables["XML1"][0][name] for name in ("T_TONGCHI_BV", "T_TONGCHI_BH", "T_BNTT", "T_BNCCT", "T_BHTT")} == {
        "T_TONGCHI_BV": "497500", "T_TONGCHI_BH": "0", "T_BNTT": "497500", "T_BNCCT": "0", "T_BHTT": "0",
    }  # fmt: skip
    lines = [*found.tables["XML2"], *found.tables["XML3"]]
    assert {(line["TYLE_TT_BH"], line["THANH_TIEN_BH"], line["PHAM_VI"], line["MUC_HUONG"]) for line in lines} == {
        ("0", "0", "2", "0")
    }


def test_every_value_says_where_it_is_from(visit: str) -> None:
    found = claim(SYSTEM, visit)
    told = {
        f"{t}.{n}.{name}"
        for t, rows in found.tables.items()
        for n, row in enumerate(rows, 1)
        for name, value in row.items()
        if value
    }
    assert told == set(found.sources)
    assert found.sources["XML1.1.HO_TEN"].endswith(".name")


def test_what_is_missing_is_told_not_invented(desk: Any) -> None:
    found = claim(SYSTEM, desk.id)
    missing = {p.field for p in found.problems if p.code == "required"}
    assert {"NGAY_RA", "MA_BENH_CHINH", "LY_DO_VV", "CAN_NANG", "KET_QUA_DTRI", "MA_LOAI_RV", "DIA_CHI"} <= missing
    assert found.tables["XML1"][0]["T_BHTT"] == "0"


def test_an_unknown_visit_is_refused(db: None) -> None:
    with pytest.raises(NoVisit):
        claim(SYSTEM, "no-such-visit")


def test_a_longer_visit_asks_no_more_questions(visit: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            claim(SYSTEM, visit)
        return len(caught)

    before = queries()
    first = record.search(SYSTEM, "ChargeItem", f"context=Encounter/{visit}").resources[0]
    for _ in range(5):
        copy = r4.decode(r4.encode(first))
        copy.id, copy.meta = None, None
        record.create(SYSTEM, copy)
    assert queries() == before
