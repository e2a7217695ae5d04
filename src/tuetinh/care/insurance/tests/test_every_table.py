"""Every table of every decision: described as the field lists say, written, read back, and checked."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tuetinh.care.insurance.checks import check
from tuetinh.care.insurance.errors import WireError
from tuetinh.care.insurance.tables import DECISIONS, Row, Tables, decision
from tuetinh.care.insurance.wire_xml3176 import read, read_status, write, write_status

COUNTS = {
    "4210": [40, 27, 29, 10, 6],
    "130": [18, 65, 38, 47, 12, 9, 31, 25, 22, 34, 12, 22, 35],
    "4750": [26, 66, 39, 47, 12, 9, 47, 26, 22, 35, 13, 23, 35, 39, 22, 20],
    "3176": [26, 66, 39, 47, 12, 9, 47, 26, 22, 35, 13, 23, 35, 37, 22, 20],
}
MADE = date(2026, 11, 2)
VISIT = {
    "MA_LK": "L1",
    "MA_BN": "BN1",
    "HO_TEN": "LÒ THỊ PÂNG",
    "NGAY_SINH": "197203120000",
    "GIOI_TINH": "2",
    "DIA_CHI": "Bản Nà Cha, xã Mường Than, tỉnh Lai Châu",
    "NGAY_VAO": "202611020800",
    "NGAY_RA": "202611021000",
    "MA_LOAI_RV": "2",
    "MA_CSKCB": "12104",
    "MA_THE_BHYT": "DT2121290000001",
}
PAPERS: dict[str, Row] = {
    "XML7": {
        "MA_LK": "L1",
        "SO_LUU_TRU": "26/001",
        "MA_YTE": "BN1",
        "MA_KHOA_RV": "K02",
        "NGAY_VAO": "202611020800",
        "NGAY_RA": "202611021000",
        "MA_DINH_CHI_THAI": "0",
        "CHAN_DOAN_RV": "Viêm phổi",
        "PP_DIEUTRI": "Nội khoa",
        "MA_TTDV": "000001/LCH-GPHN",
        "MA_BS": "000002/LCH-GPHN",
        "TEN_BS": "Lò Văn Ún",
        "NGAY_CT": "20261102",
        "SO_NGAY_NGHI": "3",
        "NGOAITRU_TUNGAY": "20261103",
        "NGOAITRU_DENNGAY": "20261105",
    },
    "XML10": {
        "MA_LK": "L1",
        "SO_SERI": "S1",
        "SO_CT": "1",
        "SO_NGAY": "10",
        "DON_VI": "Trường tiểu học",
        "CHAN_DOAN_RV": "Dưỡng thai",
        "TU_NGAY": "20261102",
        "DEN_NGAY": "20261111",
        "MA_TTDV": "000001/LCH-GPHN",
        "TEN_BS": "Lò Văn Ún",
        "MA_BS": "000002/LCH-GPHN",
        "NGAY_CT": "20261102",
    },
    "XML11": {
        "MA_LK": "L1",
        "SO_CT": "1",
        "SO_SERI": "S1",
        "SO_KCB": "K1",
        "DON_VI": "Trường tiểu học",
        "MA_BHXH": "1290000001",
        "CHAN_DOAN_RV": "Viêm họng",
        "PP_DIEUTRI": "Nội khoa",
        "SO_NGAY_NGHI": "2",
        "TU_NGAY": "20261102",
        "DEN_NGAY": "20261103",
        "MA_TTDV": "000001/LCH-GPHN",
        "MA_BS": "000002/LCH-GPHN",
        "NGAY_CT": "20261102",
    },
    "XML13": {
        "MA_LK": "L1",
        "SO_HOSO": "H1",
        "SO_CHUYENTUYEN": "1",
        "GIAY_CHUYEN_TUYEN": "G1",
        "MA_CSKCB": "12104",
        "MA_CSKCB_DEN": "12001",
        "HO_TEN": "LÒ THỊ PÂNG",
        "GIOI_TINH": "2",
        "DAU_HIEU_LS": "Khó thở",
        "QT_BENHLY": "Hai ngày",
        "TINH_TRANG_CT": "Tỉnh",
        "MA_LYDO_CT": "1",
        "HUONG_DIEU_TRI": "Tuyến trên",
        "PHUONGTIEN_VC": "Xe cứu thương",
        "MA_BAC_SI": "000002/LCH-GPHN",
        "MA_TTDV": "000001/LCH-GPHN",
    },
    "XML14": {
        "MA_LK": "L1",
        "SO_GIAYHEN_KL": "1",
        "MA_CSKCB": "12104",
        "HO_TEN": "LÒ THỊ PÂNG",
        "NGAY_RA": "202611021000",
        "NGAY_HEN_KL": "20261109",
        "MA_BAC_SI": "000002/LCH-GPHN",
        "MA_TTDV": "000001/LCH-GPHN",
        "NGAY_CT": "20261102",
    },
    "XML15": {
        "MA_LK": "L1",
        "STT": "1",
        "MA_BN": "BN1",
        "PHANLOAI_LAO_VITRI": "1",
        "PHANLOAI_LAO_TS": "1",
        "PHANLOAI_LAO_HIV": "1",
        "PHANLOAI_LAO_VK": "1",
        "PHANLOAI_LAO_KT": "1",
        "LOAI_DTRI_LAO": "1",
        "NGAYBD_DTRI_LAO": "20261102",
        "PHACDO_DTRI_LAO": "1",
        "KET_QUA_DTRI_LAO": "1",
    },
    "XML0": {
        "MA_LK": "L1",
        "STT": "1",
        "MA_BN": "BN1",
        "HO_TEN": "LÒ THỊ PÂNG",
        "NGAY_SINH": "197203120000",
        "GIOI_TINH": "2",
        "MA_DOITUONG_KCB": "1.1",
        "NGAY_VAO": "202611020800",
        "MA_LOAI_KCB": "01",
        "MA_CSKCB": "12104",
        "MA_DICH_VU": "KHAM.02",
        "TEN_DICH_VU": "Khám Nội",
        "NGAY_YL": "202611020805",
    },
}


def filled(by: str, name: str) -> Row:
    """A row in which every field says something of its own."""
    return {field.name: f"{name} & <{field.name}>" for field in decision(by).tables[name].fields}


def problems(name: str, by: str = "3176", **changes: str) -> list[tuple[str, str]]:
    row = PAPERS[name] | changes
    tables: Tables = {"XML0": [row]} if name == "XML0" else {"XML1": [VISIT], name: [row]}
    return [(found.field, found.code) for found in check(tables, by=by) if found.table == name]


@pytest.mark.parametrize("by", DECISIONS)
def test_tables_have_the_fields_of_the_decision(by: str, shared: Path) -> None:
    told: dict[str, list[tuple[Any, ...]]] = {}
    with (shared / "specs/bhyt/fields.csv").open(encoding="utf-8", newline="") as lines:
        for row in sorted(csv.DictReader(lines), key=lambda row: int(row["order"])):
            if row["decision"] == by:
                length = None if row["maxlen"] == "n" else int(row["maxlen"])
                told.setdefault(row["table"], []).append((row["field"], row["type"], length))
    ours = {
        name: [(f.name, f.type, f.length[0][1] if f.length else None) for f in table.fields]
        for name, table in decision(by).tables.items()
    }
    assert ours == told
    assert [len(fields) for fields in ours.values()] == COUNTS[by]


@pytest.mark.parametrize("by", DECISIONS)
def test_a_file_of_all_tables_comes_back_and_tells_its_decision(by: str) -> None:
    inside = [name for name, table in decision(by).tables.items() if not table.apart]
    tables = {name: [filled(by, name), filled(by, name) | {"MA_LK": "two"}] for name in inside}
    found = read(write(tables, facility="12104", made=MADE, by=by))
    assert (found.decision, found.facility, found.made) == (by, "12104", "20261102")
    assert found.tables == tables


def test_a_paper_is_a_file_for_each() -> None:
    tables = {name: [filled("3176", name)] * 2 for name in ("XML5", "XML7", "XML9", "XML14")}
    kinds = write(tables, facility="12104", made=MADE, by="3176").decode().split("<LOAIHOSO>")[1:]
    assert [kind.partition("<")[0] for kind in kinds] == ["XML5", "XML7", "XML7", "XML9", "XML14", "XML14"]


@pytest.mark.parametrize("by", ["130", "4750", "3176"])
def test_the_notice_of_a_visit_goes_by_itself(by: str) -> None:
    row = filled(by, "XML0")
    notice = write_status([row], by=by)
    assert notice.endswith(b"</DSACH_TRANG_THAI_KCB><CHUKYDONVI/></CHI_TIEU_TRANG_THAI_KCB>\n")
    assert read_status(notice, by=by) == [row]
    apart = {name: [filled(by, name)] for name in ("XML0", "XML12")}
    assert read(write(apart, facility="12104", made=MADE, by=by)).tables == {}


def test_a_table_that_a_decision_does_not_know_is_refused() -> None:
    later = write({"XML14": [filled("3176", "XML14")]}, facility="12104", made=MADE, by="3176")
    with pytest.raises(WireError) as caught:
        read(later, by="4210")
    assert (caught.value.what, caught.value.place) == ("table", "XML14")


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_as_it_should_be_has_no_problem(name: str) -> None:
    assert problems(name) == []


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("XML7", {"MA_YTE": "BN2"}, [("MA_YTE", "same")]),
        ("XML7", {"NGAY_RA": "202611020759"}, [("NGAY_RA", "order")]),
        ("XML7", {"NGOAITRU_DENNGAY": ""}, [("NGOAITRU_DENNGAY", "required")]),
        ("XML7", {"SO_NGAY_NGHI": "", "NGOAITRU_TUNGAY": "", "NGOAITRU_DENNGAY": ""}, []),
        ("XML7", {"MA_DINH_CHI_THAI": "2"}, [("MA_DINH_CHI_THAI", "format")]),
        (
            "XML7",
            {"MA_DINH_CHI_THAI": "1", "TUOI_THAI": "43", "THOIGIAN_DINHCHI": "202611020900"},
            [("NGUYENNHAN_DINHCHI", "required"), ("TUOI_THAI", "format")],
        ),
        ("XML10", {"SO_NGAY": "9"}, []),  # as the annex counts
        ("XML10", {"SO_NGAY": "11"}, [("SO_NGAY", "formula")]),
        ("XML10", {"DEN_NGAY": "20261101", "SO_NGAY": "0"}, [("DEN_NGAY", "order")]),
        ("XML11", {"MA_BHXH": "0000000000"}, [("MA_BHXH", "format")]),
        ("XML13", {"HO_TEN": "LÒ THỊ PANG"}, [("HO_TEN", "same")]),
        ("XML13", {"MA_CSKCB_DEN": "BV1"}, [("MA_CSKCB_DEN", "format")]),
        ("XML13", {"MA_CSKCB_DI": "12104;12005"}, []),
        ("XML13", {"MA_LYDO_CT": "9"}, [("MA_LYDO_CT", "code")]),
        ("XML14", {"NGAY_HEN_KL": "20261102"}, [("NGAY_HEN_KL", "order")]),
        ("XML14", {"MA_LK": "L2"}, [("MA_LK", "key")]),
        ("XML15", {"PHACDO_DTRI_LAO": "99"}, [("PHACDO_DTRI_LAO", "code")]),
        (
            "XML0",
            {"MA_DICH_VU": "", "TEN_DICH_VU": ""},
            [(f, "required") for f in ("MA_DICH_VU", "MA_THUOC", "MA_VAT_TU")],
        ),
        ("XML0", {"MA_DICH_VU": "", "TEN_DICH_VU": "", "MA_THUOC": "40.1"}, [("TEN_THUOC", "required")]),
        ("XML0", {"NGAY_VAO_NOI_TRU": "202611020900"}, [("LY_DO_VNT", "required")]),
    ],
)
def test_a_fault_of_a_paper_is_named(name: str, changes: Row, expected: list[tuple[str, str]]) -> None:
    assert problems(name, **changes) == expected


@pytest.mark.parametrize(("by", "known"), [("130", "C K M"), ("4750", "C K M HC"), ("3176", "C K M H")])
def test_where_a_medicine_is_from_is_told_as_the_decision_says(by: str, known: str) -> None:
    asked = ("C", "K", "M", "H", "HC", "X")
    rows = [{"MA_CSKCB_THUOC": f"{letter}.12001"} for letter in asked]
    refused = {found.row for found in check({"XML2": rows}, by=by) if found.field == "MA_CSKCB_THUOC"}
    assert [letter for row, letter in enumerate(asked, 1) if row not in refused] == known.split()


def test_care_of_hiv_asks_for_what_its_answers_call_for() -> None:
    row = {
        "MA_LK": "L1",
        "MA_TINH_TRANG_DK": "1;3",
        "LOAI_DTRI_LAO": "0",
        "MA_XU_TRI": "1",
        "MA_PHAC_DO_DIEU_TRI": "KHAC",
    }
    asked = {found.field for found in check({"XML1": [VISIT], "XML6": [row]}) if found.code == "required"}
    assert {"LAN_XN_PCR", "NGAY_XN_PCR", "NGAY_BAT_DAU_XU_TRI", "SO_NGAY_CAP_THUOC_ARV", "MA_BAC_PHAC_DO"} <= asked
    assert {"PHACDO_DTRI_LAO", "MA_BAC_PHAC_DO_BD", "MA_LK"} & asked == set()


def test_a_change_of_regimen_has_its_day_and_its_reason() -> None:
    def asked(**told: str) -> set[str]:
        rows = check({"XML1": [VISIT], "XML6": [{"MA_LK": "L1", **told}]})
        return {one.field for one in rows if one.code == "required" and one.field.endswith("_CHUYEN_PHAC_DO")}

    assert asked() == set()
    assert asked(NGAY_CHUYEN_PHAC_DO="20261101") == {"LY_DO_CHUYEN_PHAC_DO"}
    assert asked(LY_DO_CHUYEN_PHAC_DO="2") == {"NGAY_CHUYEN_PHAC_DO"}


@pytest.mark.parametrize(("by", "required"), [("130", True), ("4750", True), ("3176", False)])
def test_only_since_qd_3176_may_the_commune_be_blank(by: str, required: bool) -> None:
    found = check({"XML1": [VISIT]}, by=by)
    assert (("MAXA_CU_TRU", "required") in {(one.field, one.code) for one in found}) is required


def test_old_visits_are_checked_by_their_own_words() -> None:
    line = {"MA_LK": "L1", "STT": "1", "SO_LUONG": "10", "DON_GIA": "2000", "TYLE_TT": "50", "THANH_TIEN": "10000"}
    line |= {"MUC_HUONG": "80", "T_NGUONKHAC": "0", "T_BHTT": "8000"}
    visit = {"MA_LK": "L1", "NGAY_SINH": "1972", "NGAY_VAO": "201905010800", "NGAY_RA": "201905010900"}
    visit |= {"MA_BENH": "J18", "MA_LOAI_KCB": "1", "T_TONGCHI": "10000", "T_BHTT": "8000"}

    def faults(line: Row, visit: Row) -> list[tuple[str, str, str]]:
        found = check({"XML1": [visit], "XML2": [line]}, by="4210")
        return [(one.table, one.field, one.code) for one in found if one.code != "required"]

    assert faults(line, visit) == []
    assert faults(line | {"T_BHTT": "7900"}, visit) == [("XML1", "T_BHTT", "formula"), ("XML2", "T_BHTT", "formula")]
    assert faults(line, visit | {"NGAY_SINH": "19721301"}) == [("XML1", "NGAY_SINH", "format")]
