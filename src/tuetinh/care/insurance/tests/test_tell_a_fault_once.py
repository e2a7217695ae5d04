"""One fault in a claim is told once, at its table, row and field; what only follows from it is not told again."""

from __future__ import annotations

import base64
import copy
import io
import re
from datetime import date
from pathlib import Path

import pytest

from tuetinh.care.insurance.rules.book import delivered_book
from tuetinh.care.insurance.rules.files import claims_in
from tuetinh.care.insurance.rules.vocabulary import Around
from tuetinh.care.insurance.rules.weigh import examine, examine_file_claim
from tuetinh.care.insurance.tables import Tables
from tuetinh.care.insurance.wire_xml3176 import read, write

FILE = (Path(__file__).parent / "golden" / "claim_3176.xml").read_bytes()
GOLDEN = read(FILE).tables
TWO_CARDS = {
    "MA_THE_BHYT": "GD4120000000017;GD4120000000018", "MA_DKBD": "12001;12001",
    "GT_THE_TU": "20260101;20261102", "GT_THE_DEN": "20261101;20261231",
}  # fmt: skip


def told(tables: Tables) -> set[tuple[str, int, str, str]]:
    found = examine(tables, delivered_book(), by="3176", around=Around(now="202612010800"))
    return {(p.table, p.row, p.field, p.code) for p in found if p.severity != "hint"}


def changed(**rows: dict[str, str]) -> Tables:
    """The golden claim with a row of each of these tables changed: the last of table 3, the first of others."""
    tables = copy.deepcopy(GOLDEN)
    for name, fields in rows.items():
        tables[name][-1 if name == "XML3" else 0] |= fields
    return tables


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        ({"XML1": {"MA_THE_BHYT": "GD9120000000017"}}, ("XML1", 1, "MA_THE_BHYT", "format")),
        ({"XML1": {"MA_DKBD": "12001;12002"}}, ("XML1", 1, "MA_DKBD", "parallel")),
        ({"XML1": TWO_CARDS | {"GT_THE_TU": "20260101"}}, ("XML1", 1, "GT_THE_TU", "parallel")),
        ({"XML1": TWO_CARDS | {"GT_THE_DEN": "20251231;20261231"}}, ("XML1", 1, "GT_THE_DEN", "order")),
        ({"XML1": {"NGAY_RA": "202611020814"}}, ("XML1", 1, "NGAY_RA", "order")),
        ({"XML1": {"NGAY_TTOAN": "202611020814"}}, ("XML1", 1, "NGAY_TTOAN", "order")),
        ({"XML1": {"T_TONGCHI_BH": "497501"}}, ("XML1", 1, "T_TONGCHI_BH", "formula")),
        ({"XML1": {"T_BNCCT": "99501"}}, ("XML1", 1, "T_BNCCT", "formula")),
        ({"XML1": {"T_BHTT": "398001"}}, ("XML1", 1, "T_BHTT", "formula")),
        ({"XML2": {"DON_GIA": "500,0"}}, ("XML2", 1, "DON_GIA", "type")),
        ({"XML2": {"DON_GIA": "5e2"}}, ("XML2", 1, "DON_GIA", "type")),
        ({"XML2": {"SO_DANG_KY": "VD 00000-00"}}, ("XML2", 1, "SO_DANG_KY", "format")),
        ({"XML2": {"MA_CSKCB_THUOC": "12001"}}, ("XML2", 1, "MA_CSKCB_THUOC", "format")),
        ({"XML3": {"MA_MAY": "XN.1.3"}}, ("XML3", 2, "MA_MAY", "format")),
        ({"XML3": {"GOI_VTYT": "1"}}, ("XML3", 2, "GOI_VTYT", "format")),
        ({"XML3": {"TT_THAU": "x", "PP_VO_CAM": "", "MA_NHOM": "8"}}, ("XML3", 2, "PP_VO_CAM", "SURGERY-ANAESTHESIA")),
    ],
)  # fmt: skip
def test_a_fault_is_told_once(rows: dict[str, dict[str, str]], finding: tuple[str, int, str, str]) -> None:
    assert told(changed(**rows)) == {finding}


def test_two_cards_that_follow_each_other_are_no_fault() -> None:
    assert told(changed(XML1=TWO_CARDS)) == set()


@pytest.mark.parametrize(
    ("total", "codes"), [("399000", set()), ("398000", set()), ("398500", {("XML1", 1, "T_BHTT", "formula")})]
)
def test_where_others_pay_the_fund_is_the_sum_of_the_lines_or_what_the_copayment_leaves(
    total: str, codes: set[tuple[str, int, str, str]]
) -> None:
    line = {"T_NGUONKHAC_CL": "1000", "T_NGUONKHAC": "1000", "T_BNCCT": "1000"}
    assert told(changed(XML1={"T_NGUONKHAC": "1000", "T_BNCCT": "98500", "T_BHTT": total}, XML2=line)) == codes


def test_without_a_summary_nothing_is_told_of_its_key() -> None:
    tables = copy.deepcopy(GOLDEN)
    del tables["XML1"]
    tables["XML2"][0]["MA_THUOC"] = "40.48"  # for any disease
    assert told(tables) == {("XML1", 0, "MA_LK", "count")}


@pytest.mark.parametrize("how", ["escaped", "cdata", "cdata in base64", "lower case"])
def test_a_document_is_read_however_it_was_put_into_its_element(how: str) -> None:
    def put(found: re.Match[bytes]) -> bytes:
        inner = base64.b64decode(found[1])
        if how == "escaped":
            inner = inner.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
        elif how == "cdata":
            inner = b"<![CDATA[" + inner.replace(b"]]>", b"]]]]><![CDATA[>") + b"]]>"
        else:
            inner = b"<![CDATA[" + found[1] + b"]]>"
        return b"<NOIDUNGFILE>" + inner + b"</NOIDUNGFILE>"

    file = FILE.replace(b"<LOAIHOSO>XML2", b"<LOAIHOSO>xml2") if how == "lower case" else FILE
    file = file if how == "lower case" else re.sub(rb"<NOIDUNGFILE>([^<]*)</NOIDUNGFILE>", put, file)
    assert file != FILE
    assert [(claim.error, claim.tables) for claim in claims_in(io.BytesIO(file))] == [(None, GOLDEN)]


@pytest.mark.django_db
def test_a_visit_in_the_future_is_told_also_where_no_day_of_making_is() -> None:
    def codes(file: bytes) -> set[str]:
        (claim, *_) = claims_in(io.BytesIO(file))
        return {problem.code for problem in examine_file_claim(claim)}

    future = write(changed(XML1={"NGAY_RA": "209911021040"}), facility="12001", made=date(2026, 11, 3), by="3176")
    assert "TIME-END" in codes(future)
    assert "TIME-END" in codes(re.sub(rb"<NGAYLAP>[0-9]*</NGAYLAP>", b"", future))


def test_nothing_is_found_in_a_good_claim_of_old() -> None:
    """QĐ 4210: a visit of 2023 with a medicine and an examination."""
    line = {
        "MA_LK": "L1", "STT": "1", "PHAM_VI": "1", "TYLE_TT": "100", "MUC_HUONG": "80", "T_NGUONKHAC": "0",
        "T_BNTT": "0", "T_NGOAIDS": "0", "MA_KHOA": "K01", "MA_BAC_SI": "1/LCH-CCHN", "MA_BENH": "I10",
        "NGAY_YL": "202303010830", "MA_PTTT": "1",
    }  # fmt: skip
    medicine = line | {
        "MA_THUOC": "40.491", "MA_NHOM": "4", "TEN_THUOC": "Amlodipin", "DON_VI_TINH": "Viên", "DUONG_DUNG": "1.01",
        "LIEU_DUNG": "1 viên/ngày", "SO_LUONG": "30", "DON_GIA": "10000", "THANH_TIEN": "300000", "T_BHTT": "240000",
        "T_BNCCT": "60000",
    }  # fmt: skip
    examination = line | {
        "MA_DICH_VU": "02.1898", "MA_NHOM": "13", "TEN_DICH_VU": "Khám Nội", "DON_VI_TINH": "Lần", "SO_LUONG": "1",
        "DON_GIA": "39000", "THANH_TIEN": "39000", "T_BHTT": "31200", "T_BNCCT": "7800",
    }  # fmt: skip
    supply = line | {
        "STT": "2", "MA_VAT_TU": "N07.01.010", "MA_NHOM": "10", "TEN_VAT_TU": "Chỉ khâu", "DON_VI_TINH": "Sợi",
        "SO_LUONG": "1", "DON_GIA": "1000", "THANH_TIEN": "1000", "T_BHTT": "800", "T_BNCCT": "200",
    }  # fmt: skip
    visit = {
        "MA_LK": "L1", "STT": "1", "MA_BN": "1", "HO_TEN": "Lò Thị Thử", "NGAY_SINH": "1960", "GIOI_TINH": "2",
        "DIA_CHI": "Xã Bình Lư", "MA_THE": "GD4120000000017", "MA_DKBD": "12001", "GT_THE_TU": "20230101",
        "GT_THE_DEN": "20231231", "TEN_BENH": "Tăng huyết áp", "MA_BENH": "I10", "MA_BENHKHAC": "E11.9;K29.7",
        "MA_LYDO_VVIEN": "1", "NGAY_VAO": "202303010800", "NGAY_RA": "202303011000", "SO_NGAY_DTRI": "1",
        "KET_QUA_DTRI": "2", "TINH_TRANG_RV": "1", "T_THUOC": "300000", "T_VTYT": "1000", "T_TONGCHI": "340000",
        "T_BNTT": "0", "T_BNCCT": "68000", "T_BHTT": "272000", "T_NGUONKHAC": "0", "T_NGOAIDS": "0", "NAM_QT": "2023",
        "THANG_QT": "03", "MA_LOAI_KCB": "1", "MA_KHOA": "K01", "MA_CSKCB": "12001",
    }  # fmt: skip
    tables = {"XML1": [visit], "XML2": [medicine], "XML3": [examination, supply]}
    assert examine(tables, delivered_book(), by="4210", around=Around(now="202612010800")) == []
