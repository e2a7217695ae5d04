"""Every field of every table of every decision, filled in a file of another system, comes back as it was told."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tuetinh.care.insurance.claims import claim
from tuetinh.care.insurance.intake import run as running
from tuetinh.care.insurance.intake.stay import visit_id
from tuetinh.care.insurance.tables import DECISIONS, Field, Row, Tables, decision
from tuetinh.care.insurance.tests.test_import_claim_files import file_of, report, take
from tuetinh.commons.catalogues.api import codes
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
KEY = "EVERY-1"
DAYS = {"4210": "20230605", "130": "20240605", "4750": "20241105", "3176": "20261102"}
# The benefit rules work these out again: why the fund pays, and who pays what.
OF_LINE = {
    *("THANH_TIEN_BV", "THANH_TIEN_BH", "THANH_TIEN", "T_NGUONKHAC", "MUC_HUONG", "T_BNTT", "T_BNCCT", "T_BHTT"),
}  # fmt: skip
OF_VISIT = {
    *("MA_DOITUONG_KCB", "MA_LYDO_VVIEN", "T_THUOC", "T_VTYT", "T_TONGCHI_BV", "T_TONGCHI_BH", "T_TONGCHI", "T_BNTT"),
    *("T_BNCCT", "T_BHTT", "T_NGUONKHAC", "T_BHTT_GDV"),
}  # fmt: skip
WORKED_OUT = {"XML1": OF_VISIT, "XML2": OF_LINE, "XML3": OF_LINE}
NOT_SENT = ("XML0", "XML12")  # a message of its own; what is keyed on the portal


def fields(shared: Path, by: str) -> Iterator[tuple[str, Field]]:
    """The fields of the field list, each with its description."""
    with (shared / "specs/bhyt/fields.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["decision"] == by and row["table"] not in NOT_SENT:
                found = {one.name: one for one in decision(by).tables[row["table"]].fields}
                yield row["table"], found[row["field"]]


def value(one: Field, table: str, place: int, number: int, day: str) -> str:
    """Something that this field may say, another thing in each row and each field where it can be."""
    fixed = {
        "MA_LK": KEY, "STT": str(place), "MA_CSKCB": "12001", "NGAY_VAO": f"{day}0800", "NGAY_RA": f"{day}2300",
        "MA_THE": "GD4120000000017", "MA_THE_BHYT": "GD4120000000017", "HO_TEN": "Lò Thị PÂNG",
        "MA_NHOM": {"XML2": "5", "XML3": "8"}.get(table, ""), "SO_LUONG": str(place), "MUC_HUONG": "80",
    }  # fmt: skip
    everywhere = one.name in ("MA_LK", "STT", "MA_NHOM", "SO_LUONG", "MUC_HUONG", "MA_CSKCB")
    if (table == "XML1" or everywhere) and (found := fixed.get(one.name)):
        return found
    if one.name == "NGAY_SINH":
        return "19920315" if one.format != "birth" or DAYS["4210"] == day else "199203150000"
    if "yyyymmddHHMM" in one.format:
        return f"{day}{9 + place:02}{number % 60:02}"
    if one.format:
        return f"{day[:6]}{1 + (number + place) % 28:02}"
    if one.codes:
        known = list(codes(one.codes[-1][1]))
        return known[(number + place) % len(known)]
    if one.name.startswith(("DON_GIA", "TYLE_TT")):
        return str(1000 + number if one.name.startswith("DON_GIA") else 50 + number % 40)
    if one.type == "number":
        return str(1 + (number + place) % 9)
    length = one.length[-1][1] if one.length else 20
    return f"{place}{number}{one.name}"[:length]


def whole(shared: Path, by: str) -> Tables:
    """A claim in which every field says something; tables that may have several rows have two."""
    tables: Tables = {}
    for number, (table, one) in enumerate(fields(shared, by)):
        rows = tables.setdefault(table, [{} for _ in range(1 if table == "XML1" else 2)])
        for place, row in enumerate(rows, 1):
            row[one.name] = value(one, table, place, number, DAYS[by])
    return {name: rows for name, rows in tables.items() if len(decision(by).tables[name].root) > 1} | {
        name: rows[:1] for name, rows in tables.items() if len(decision(by).tables[name].root) == 1
    }


def again(key: str, by: str) -> Tables:
    return claim(SYSTEM, visit_id("12001", key), by=by).tables


@pytest.mark.parametrize("by", DECISIONS)
def test_every_field_comes_back(by: str, shared: Path, tmp_path: Path) -> None:
    told = whole(shared, by)
    run = take(tmp_path, file_of(told, by=by, made=date(2026, 11, 3)))
    assert [one[1:3] for one in report(run)] == [(KEY, "stored")], [one.findings for one in running.outcomes(run)]
    found = again(KEY, by)
    changed = [
        (table, place, name, was, found.get(table, [])[place : place + 1] and found[table][place].get(name))
        for table, rows in told.items()
        for place, row in enumerate(rows)
        for name, was in row.items()
        if name not in WORKED_OUT.get(table, ())
        and (place >= len(found.get(table, [])) or found[table][place].get(name) != was)
    ]
    assert changed == []
    assert {name: len(rows) for name, rows in found.items() if rows} == {name: len(rows) for name, rows in told.items()}


@pytest.mark.parametrize("by", DECISIONS)
def test_what_was_told_again_is_told_again_alike(by: str, shared: Path, tmp_path: Path) -> None:
    take(tmp_path, file_of(whole(shared, by), by=by, made=date(2026, 11, 3)))
    first = again(KEY, by)
    other = {
        name: [row | {"MA_LK": "EVERY-2"} if "MA_LK" in row else row for row in rows] for name, rows in first.items()
    }
    take(tmp_path, file_of(other, by=by, made=date(2026, 11, 3)), "b.xml")
    assert again("EVERY-2", by) == other


def test_who_signed_a_paper_is_known_by_name(shared: Path, tmp_path: Path) -> None:
    told = whole(shared, "3176")
    told["XML7"][0] |= {"MA_BS": "000555/LCH-GPHN", "TEN_BS": "Giàng A Tủa"}
    take(tmp_path, file_of(told))
    (found,) = record.search(SYSTEM, "Practitioner", "identifier=000555/LCH-GPHN").resources
    assert isinstance(found, r4.Practitioner)
    assert found.name
    assert found.name[0].text == "Giàng A Tủa"
    (paper,) = record.search(SYSTEM, "QuestionnaireResponse", f"author=Practitioner/{found.id}").resources
    assert isinstance(paper, r4.QuestionnaireResponse)
    assert paper.author == r4.Reference(reference=f"Practitioner/{found.id}", display="Giàng A Tủa")


def test_rows_that_say_nothing_or_the_same_are_kept_apart(shared: Path, tmp_path: Path) -> None:
    """Three descriptions and a measurement of one service; notes without words; order of the file, not of the times."""
    told = whole(shared, "3176")
    tests = [{"GIA_TRI": value, "KET_LUAN": text, "MO_TA": "", "MA_DICH_VU": "X1", "MA_CHI_SO": "C"}
             for value, text in (("", "Một"), ("5", "Hai"), ("", "Ba"), ("", "Ba"))]  # fmt: skip
    told["XML4"] = [
        told["XML4"][0] | row | {"STT": str(9 - n), "NGAY_KQ": f"20261102{20 - n}00"} for n, row in enumerate(tests)
    ]
    empty: Row = dict.fromkeys(told["XML5"][0], "")
    told["XML5"] = [empty | {"MA_LK": KEY, "STT": "1"}, *told["XML5"]]
    told["XML14"] = [told["XML14"][0] | {"NGAY_HEN_KL": ""}]
    take(tmp_path, file_of(told))
    found = again(KEY, "3176")
    for name in ("XML4", "XML5", "XML14"):
        assert [
            {field: one.get(field, "") for field in row} for one, row in zip(found[name], told[name], strict=True)
        ] == (told[name]), name


def test_amounts_that_no_rule_can_divide_stop_no_claim(shared: Path, tmp_path: Path) -> None:
    """More aid than cost, a price below zero: told again as they came, not taken for money."""
    told = whole(shared, "3176")
    told["XML2"][0] |= {"T_NGUONKHAC_CL": "999999999", "T_NGUONKHAC": "999999999"}
    told["XML2"][1] |= {"SO_LUONG": "0"}
    told["XML3"][1] |= {"DON_GIA_BV": "-5"}
    take(tmp_path, file_of(told))
    found = again(KEY, "3176")
    assert (found["XML2"][0]["T_NGUONKHAC_CL"], found["XML3"][1]["DON_GIA_BV"]) == ("999999999", "-5")
    assert found["XML2"][0]["T_NGUONKHAC"] == "0"
