"""Each rule of each field, broken once: the finding is at exactly this field. Generated from the field lists."""

from __future__ import annotations

import copy
import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuetinh.care.insurance.checks import check
from tuetinh.care.insurance.tables import DECISIONS, Row, Tables, decision
from tuetinh.care.insurance.tests.test_every_table import PAPERS, VISIT
from tuetinh.care.insurance.wire_xml3176 import read

BY = "3176"
GOLDEN = read((Path(__file__).parent / "golden" / "claim_3176.xml").read_bytes()).tables
WHOLE_VISIT = VISIT | {
    "MATINH_CU_TRU": "12", "MAHUYEN_CU_TRU": "101", "MAXA_CU_TRU": "03100", "MA_QUOCTICH": "000", "MA_DANTOC": "01",
    "MA_NGHE_NGHIEP": "00", "GT_THE_DEN": "20261231", "NGAY_VAO_NOI_TRU": "202611020830", "CHAN_DOAN_RV": "Viêm phổi",
    "MA_BENH_CHINH": "J18.9", "MA_BENH_KT": "I10", "MA_BENH_YHCT": "U55.1", "MA_DOITUONG_KCB": "1.1",
    "MA_NOI_DI": "12001", "MA_NOI_DEN": "12002", "DIEN_THOAI": "0912345678", "SO_CCCD": "012345678901",
}  # fmt: skip
# Rules that nothing enforces, and why.
LEFT_OUT = {
    # the workbook wants them always, the explanation of the field allows a blank
    **dict.fromkeys([("XML1", "MAXA_CU_TRU"), ("XML3", "MA_BENH")], "may be blank"),
    **dict.fromkeys([(t, "MAHUYEN_CU_TRU") for t in ("XML1", "XML9", "XML12")], "no district since 01/07/2025"),
    # nothing in the tables tells when they are wanted
    **dict.fromkeys([("XML6", "NGAY_CHUYEN_PHAC_DO"), ("XML6", "LY_DO_CHUYEN_PHAC_DO")], "change of regimen"),
    **dict.fromkeys([("XML9", "GHI_CHU"), ("XML12", "TONG_TYLE_TTCT")], "remarks, combined examinations"),
    **dict.fromkeys([("XML15", "BDDT_ARV"), ("XML15", "NGAY_BAT_DAU_DT_CTX")], "with HIV"),
}


def base(table: str) -> Tables:
    """Tables in which a field of this one can be broken."""
    if table in GOLDEN:
        return copy.deepcopy(GOLDEN)
    if table == "XML0":
        return {"XML0": [dict(PAPERS[table])]}
    return {"XML1": [dict(WHOLE_VISIT)], table: [dict(PAPERS.get(table, {"MA_LK": "L1"}))]}


def codes_at(table: str, name: str, tables: Tables) -> set[str]:
    return {p.code for p in check(tables, by=BY) if (p.table, p.row, p.field) == (table, 1, name)}


def found(table: str, name: str, value: str, beside: Row | None = None) -> set[str]:
    """What is found at a field that says this, in a row that says something else beside it."""
    tables = base(table)
    tables[table][0] |= {**(beside or {}), name: value}
    return codes_at(table, name, tables)


# What breaks a rule, by what its words are.
RULES: list[tuple[str, Callable[[re.Match[str]], list[tuple[str, str]]]]] = [
    (r"fmt=", lambda _: [("format", "20260230"), ("format", "30/02/2026"), ("format", "x")]),
    (r"codelist=(?!MA_MAY)", lambda _: [("code", "?!")]),
    (r"codelist=MA_MAY", lambda _: [("format", "?!"), ("format", "XN.4.1")]),  # two lists in one value
    (r"dec=(\d)", lambda m: [("decimals", "1." + "1" * (int(m[1]) + 1))]),
    (r"5-char facility code", lambda _: [("format", "1234")]),
    (r"integer 0\.\.100", lambda _: [("format", "101"), ("format", "1.5")]),
    (r"80\|95\|100 times", lambda _: [("format", "101")]),
    (r"\b1 or blank", lambda _: [("format", "2")]),
    (r"^1 fund, 2 patient", lambda _: [("format", "4")]),
    (r"^1\.\.12$", lambda _: [("format", "13"), ("format", "0")]),
    (r"^yyyy$", lambda _: [("format", "206")]),
    (r"1\.\.42 weeks", lambda _: [("format", "43")]),
    (r"10 digits, not all zero", lambda _: [("format", "0000000000")]),
    (r"max (\d+) codes", lambda m: [("count", ";".join(["A00"] * (int(m[1]) + 1)))]),
    (r"parallel to", lambda _: [("parallel", "20260101;20260101;20260101")]),
    (r"same_as=", lambda _: [("same", "9")]),
    (r"formula:", lambda _: [("formula", "123.45")]),
    (r"^> date\((\w+)\)", lambda _: [("order", "20000101")]),
    (r">= NGAY", lambda _: [("order", "200001010000")]),
]


def broken(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Codes that are to be found, and values that say what is not allowed."""
    if row["maxlen"] != "n":
        yield "length", "9" * (int(row["maxlen"]) + 2)
    if row["type"] == "number":
        yield from (("type", value) for value in ("x", "-1", "1,5", "1e3", "١"))
    for told, faults in RULES:
        for words in row["rule"].split(" | "):
            if match := re.search(told, words):
                yield from faults(match)
                break


def wanted(rule: str) -> Row | None:
    """What the row must say for a field to be required, where `req_if` is written in short."""
    text = (re.search(r"req_if: ([^|]+)", rule) or ["", ""])[1].strip()
    if match := re.fullmatch(r"(\w+) present(?: and not .*)?", text):
        return {match[1]: "1"}
    if match := re.fullmatch(r"(\w+) blank", text):
        return {match[1]: ""}
    if match := re.fullmatch(r"(\w+) in \(([\d,]+)\)", text):
        return {match[1]: match[2].split(",")[0]}
    if match := re.fullmatch(r"(\w+)(?:=| has )(\w+)", text):
        return {match[1]: match[2]}
    return None


@pytest.fixture(scope="module")
def fields(shared: Path) -> list[dict[str, str]]:
    with (shared / "specs/bhyt/fields.csv").open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["decision"] == BY]


@pytest.mark.parametrize("table", decision(BY).tables)
def test_every_rule_of_a_field_is_found_broken_at_that_field(table: str, fields: list[dict[str, str]]) -> None:
    asked = missed = 0
    for row in (row for row in fields if row["table"] == table):
        for code, value in broken(row):
            asked += 1
            here = found(table, row["field"], value, None if table in GOLDEN else {"NGAY_VAO": "202611020800"})
            if code == "formula" and "where" in str(decision(BY).tables[table]):
                here |= found(table, row["field"], value, {"MA_LOAI_KCB": "03"})
            if code not in here:
                missed += 1
                print(row["field"], code, value, here, row["rule"])
    assert (asked > 0, missed) == (True, 0)


@pytest.mark.parametrize("table", decision(BY).tables)
def test_what_is_required_is_missed(table: str, fields: list[dict[str, str]]) -> None:
    silent = set()
    for row in (row for row in fields if row["table"] == table):
        name = row["field"]
        if re.fullmatch(r"T_NGUONKHAC_\w+", name):  # where nothing came from others, no source need be named
            assert "required" in found(table, name, "", {"T_NGUONKHAC": "5"})
            assert found(table, name, "", {"T_NGUONKHAC": "0"}) == set()
        else:
            beside = {} if row["required"] == "Y" else wanted(row["rule"]) if row["required"] == "C" else None
            if beside is not None and "required" not in found(table, name, "", beside):
                silent.add((table, name))
    assert silent == {key for key in LEFT_OUT if key[0] == table}


@pytest.mark.parametrize(
    ("beside", "wanted_"),
    [
        ({"MA_NHOM": "4"}, {"required"}),
        ({"MA_NHOM": "7"}, set()),  # blood
        ({"MA_NHOM": "4", "MA_THUOC": "40.17"}, set()),  # oxygen
        ({"MA_NHOM": "4", "MA_PP_CHEBIEN": "1"}, set()),  # an ingredient of traditional medicine
    ],
)
def test_blood_gas_and_ingredients_have_no_strength(beside: Row, wanted_: set[str]) -> None:
    assert found("XML2", "HAM_LUONG", "", beside) == wanted_


@pytest.mark.parametrize("by", DECISIONS)
@pytest.mark.parametrize("value", ["1e999999", "9" * 400, "-" + "9" * 40, "NaN", "0." + "1" * 300, "²", "\u0661"])
def test_no_number_is_too_much_for_the_arithmetic(by: str, value: str) -> None:
    rows = {name: {field.name: value for field in table.fields} for name, table in decision(by).tables.items()}
    problems = check({name: [row] for name, row in rows.items()}, by=by)
    assert {(p.table, p.field) for p in problems if p.code in ("type", "length", "decimals", "format")} >= {
        (name, field.name)
        for name, table in decision(by).tables.items()
        for field in table.fields
        if field.type == "number"
    }
