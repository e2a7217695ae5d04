"""The claim file, byte for byte, and what comes back when it is read."""

from __future__ import annotations

import base64
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.care.insurance.checks import check
from tuetinh.care.insurance.errors import WireError
from tuetinh.care.insurance.tables import decision, decision_on
from tuetinh.care.insurance.wire_xml3176 import number, read, write, write_table

GOLDEN = Path(__file__).parent / "golden"
SAMPLES = "data/vietnam/bhyt_xml_qd4750/synthetic_samples"


@pytest.fixture
def sample(shared: Path) -> Path:
    return shared / SAMPLES


def tables() -> dict[str, list[dict[str, str]]]:
    """A claim of this test's own making that the field lists find nothing against."""
    return read((GOLDEN / "claim_3176.xml").read_bytes()).tables


def codes_of(changed: dict[str, list[dict[str, str]]]) -> list[tuple[str, int, str, str]]:
    return [(p.table, p.row, p.field, p.code) for p in check(changed)]


def test_the_file_is_written_byte_for_byte() -> None:
    golden = (GOLDEN / "claim_3176.xml").read_bytes()
    assert write(tables(), facility="12001", made=date(2026, 11, 2), by="3176") == golden


@pytest.mark.parametrize("name", ["XML1", "XML2", "XML3", "XML4", "XML5"])
def test_each_table_is_written_byte_for_byte(name: str) -> None:
    assert write_table(name, tables()[name], by="3176") + b"\n" == (GOLDEN / f"{name}.xml").read_bytes()


def test_the_golden_claim_has_no_problem() -> None:
    assert check(tables()) == []


def test_content_is_base64_on_one_line() -> None:
    written = write(tables(), facility="12001", made=date(2026, 11, 2), by="3176").decode()
    body = written.split("<NOIDUNGFILE>")[1].split("</NOIDUNGFILE>")[0]
    assert "\n" not in body
    assert base64.b64decode(body).startswith(b'<?xml version="1.0" encoding="utf-8"?><TONG_HOP><MA_LK>')


def test_fields_stand_in_the_order_of_the_decision() -> None:
    names = [f.name for f in decision("3176").tables["XML2"].fields]
    assert names[25:30] == ["T_NGUONKHAC", "MUC_HUONG", "T_BNTT", "T_BNCCT", "T_BHTT"]


@pytest.mark.parametrize(
    ("end", "by"),
    [
        ("2024-06-30", "4210"),
        ("2024-07-01", "4750"),
        ("2024-12-31", "4750"),
        ("2025-01-01", "3176"),
        ("2026-11-21", "3176"),
    ],
)
def test_the_decision_follows_the_end_of_the_visit(end: str, by: str) -> None:
    assert decision_on(end) == by


def test_public_samples_inline_and_in_base64_say_the_same(sample: Path) -> None:
    inline = read((sample / "synthetic_4750_inline.xml").read_bytes())
    packed = read((sample / "synthetic_4750_base64.xml").read_bytes())
    assert inline.decision == "4750"  # it holds the fields of both, but MA_NGHE_NGHIEP has 5 characters
    assert inline == packed
    assert {name: len(rows) for name, rows in inline.tables.items()} == {
        "XML1": 1,
        "XML2": 2,
        "XML3": 3,
        "XML4": 3,
        "XML5": 1,
    }
    assert inline.tables["XML1"][0]["T_BHTT"] == "222000"


def test_the_good_samples_have_no_problem_and_the_bad_one_its_own(sample: Path) -> None:
    def found(name: str) -> list[tuple[str, int, str, str]]:
        file = read((sample / name).read_bytes())
        return [(p.table, p.row, p.field, p.code) for p in check(file.tables, by=file.decision)]

    assert found("synthetic_4750_inline.xml") == found("synthetic_4750_base64.xml") == []
    assert found("synthetic_4750_inline_BAD_3errors.xml") == [
        ("XML1", 1, "NGAY_RA", "order"),
        ("XML1", 1, "T_BHTT", "formula"),
    ]  # the third is a rule's: test_check_claim_files


def change(table: str, **fields: str) -> list[tuple[str, int, str, str]]:
    changed = tables()
    changed[table][0] |= fields
    return codes_of(changed)


@pytest.mark.parametrize(
    ("table", "field", "value", "code"),
    [
        ("XML1", "HO_TEN", "", "required"),
        ("XML1", "HO_TEN", "x" * 256, "length"),
        ("XML1", "GIOI_TINH", "nam", "type"),
        ("XML1", "GIOI_TINH", "9", "code"),
        ("XML1", "NGAY_VAO", "20261102", "format"),
        ("XML1", "NGAY_SINH", "197200000000", None),
        ("XML1", "NGAY_SINH", "197213000000", "format"),
        ("XML1", "MA_LOAI_KCB", "17", "code"),
        ("XML1", "MA_THE_BHYT", "GD9120000000000", "format"),
        ("XML1", "GT_THE_TU", "20260101;20260701", "parallel"),
        ("XML1", "T_BHTT", "1.234", "decimals"),
        ("XML1", "T_THUOC", "-5", "type"),
        ("XML1", "MA_BENH_KT", ";".join(["I10"] * 13), "count"),
        ("XML2", "TT_THAU", "", "required"),
        ("XML2", "MUC_HUONG", "100.50", "length"),
        ("XML2", "NGAY_YL", "202611030900", "order"),
        ("XML3", "NGUOI_THUC_HIEN", "", None),
        ("XML4", "NGAY_KQ", "", "required"),
        ("XML5", "MA_LK", "OTHER", "key"),
    ],
)  # fmt: skip
def test_a_fault_is_found_in_its_place(table: str, field: str, value: str, code: str | None) -> None:
    found = change(table, **{field: value})
    assert ((table, 1, field, code) in found) if code else not [f for f in found if f[2] == field]


def test_who_performed_is_required_for_tests_not_for_consultations() -> None:
    changed = tables()
    changed["XML3"][1]["NGUOI_THUC_HIEN"] = ""
    assert codes_of(changed) == [("XML3", 2, "NGUOI_THUC_HIEN", "required")]


def test_a_wrong_product_is_told_with_what_it_should_be() -> None:
    changed = tables()
    changed["XML2"][0]["THANH_TIEN_BV"] = "1"
    problem = next(p for p in check(changed) if p.field == "THANH_TIEN_BV")
    assert (problem.code, problem.ref) == ("formula", "QĐ 3176/QĐ-BYT, bảng 2, trường 20")
    assert "10000" in problem.reason


def test_an_unknown_field_and_a_missing_first_table_are_told() -> None:
    changed = tables()
    changed["XML2"][0]["LA"] = "1"
    changed["XML1"] = []
    found = codes_of(changed)
    assert ("XML2", 1, "LA", "unknown") in found
    assert ("XML1", 0, "MA_LK", "count") in found


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "xml"),
        (b"<a/>", "root"),
        (b"\xff\xfe\x00", "xml"),
        (b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><GIAMDINHHS>&e;</GIAMDINHHS>', "doctype"),
        (b"<GIAMDINHHS><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO></FILEHOSO></GIAMDINHHS>", "content"),
        (
            b"<GIAMDINHHS><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>!</NOIDUNGFILE></FILEHOSO></GIAMDINHHS>",
            "base64",
        ),
        (
            b"<GIAMDINHHS><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>AAAA</NOIDUNGFILE></FILEHOSO></GIAMDINHHS>",
            "xml",
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_reason(data: bytes, what: str) -> None:
    with pytest.raises(WireError) as refused:
        read(data)
    assert refused.value.what == what


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=3))
def test_whatever_is_written_is_read_back(rows: list[tuple[str, str]]) -> None:
    given_rows = [{"MA_LK": key, "TEN_CHI_SO": text + "]]>" + key} for key, text in rows]
    back = read(write({"XML4": given_rows}, facility="12001", made=date(2026, 11, 2), by="3176")).tables["XML4"]
    assert [(r["MA_LK"], r["TEN_CHI_SO"]) for r in back] == [(r["MA_LK"], r["TEN_CHI_SO"]) for r in given_rows]


@pytest.mark.parametrize(
    ("value", "text"), [("47.50", "47.5"), ("1E+3", "1000"), ("0.00", "0"), ("100", "100"), ("1487.125", "1487.125")]
)
def test_numbers(value: str, text: str) -> None:
    assert number(Decimal(value)) == text
