from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tuetinh.commons.catalogues import api


def test_a_billable_code_knows_its_technique() -> None:
    ecg = api.service("01.0002.1778")
    assert ecg == api.Service(
        "01.0002.1778",
        "Ghi điện tim cấp cứu tại giường",
        "01",
        "1.2",
        ecg.priced_as if ecg else "",
        ecg.rank if ecg else "",
        32_000,
    )


def test_codes_whose_zero_was_dropped_are_whole_again() -> None:
    first, tenth = api.technique("1.1"), api.technique("1.10")
    assert first is not None
    assert first.name == "Theo dõi huyết áp liên tục không xâm nhập tại giường"
    assert tenth is not None
    assert tenth.name == "Chăm sóc catheter tĩnh mạch"
    assert [b.code for b in api.equivalents("1.2")] == ["01.0002.1778"]


@pytest.mark.parametrize(
    ("typed", "group", "code"),
    [
        ("glucose mau", None, "23.0075.1494"),
        ("duong huyet", None, "23.0075.1494"),
        ("glucose", "23", "23.0075.1494"),
        ("sieu am o bung", None, "02.0314.0001"),
        ("dien tam do", None, "02.0085.1778"),
        ("kham noi tong hop", None, "02.03"),
        ("01.0002", None, "01.0002.1778"),
    ],
)
def test_a_service_is_found(typed: str, group: str | None, code: str) -> None:
    assert code in [s.code for s in api.search_services(typed, group, limit=5)]


def test_a_consultation_wins_over_the_technique_of_the_same_number() -> None:
    burns, technique = api.service("10.25"), api.technique("10.25")
    assert burns is not None
    assert (burns.name, burns.group) == ("Khám Bỏng", "KHAM")
    assert technique is not None
    assert technique.name.startswith("Phẫu thuật chọc hút áp xe não")
    assert {s.name.split()[0] for s in api.search_services("kham", limit=20)} == {"Khám"}


def test_a_group_keeps_its_own() -> None:
    assert {s.group for s in api.search_services("dinh luong", "23")} == {"23"}


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("para 500", "paracetamol-500-mg-vien-nen"),
        ("amlodipin 5", "amlodipin-5-mg-vien-nang"),
        ("amlodipn 5 mg", "amlodipin-5-mg-vien-nang"),
        ("metformin 850", "metformin-hydroclorid-850-mg-vien-nen-bao-phim"),
    ],
)
def test_a_medicine_is_found(typed: str, code: str) -> None:
    assert code in [d.code for d in api.search_drugs(typed)]


def test_controlled_medicines_are_marked() -> None:
    assert {d.name for d in api.drugs() if d.control == "GN"} == {
        "Morphin hydroclorid",
        "Paracetamol + Codein phosphat",
    }


def test_a_code_is_of_all_ingredients_of_a_medicine(shared: Path) -> None:
    list_ = shared / "data/vietnam/reference_lists/ma_hoat_chat_partial_129.csv"
    with list_.open(encoding="utf-8", newline="") as lines:
        known = {row["ma_hoat_chat"]: api.fold(row["ten_hoat_chat"]) for row in csv.DictReader(lines)}
    coded = [one for one in api.drugs() if one.substance_code]
    assert [
        one.name
        for one in coded
        if any(api.fold(part).split()[0][:6] not in known[one.substance_code] for part in one.name.split("+"))
    ] == []
    assert "40.433" not in {one.substance_code for one in coded}  # "Sắt (III)" is the beginning of several names
