"""ISBT 128 barcodes are read as the standard lays them out."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.care.lab.blood.groups import Group
from tuetinh.care.lab.blood.wire_isbt128 import Label, NotIsbt, check_character, read

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_four_barcodes_of_a_bag() -> None:
    label = read("=V000126123456 00\n=%6200\n=<E0336V00\n&>0263451730".replace(" ", ""))
    assert label == Label(
        din="V000126123456", product="E0336V00", group=Group("A", "+"),
        expires=datetime(2026, 12, 11, 10, 30, tzinfo=UTC),
    )  # fmt: skip


def test_a_datamatrix_has_them_in_one() -> None:
    label = read("=+05000=V00012612345600=%1700=<E0336V0A=>026366=*026330".replace("026366", "026365"))
    assert label.group == Group("B", "-")
    assert (label.expires, label.collected) == (datetime(2026, 12, 31, 16, 59, tzinfo=UTC), date(2026, 11, 26))
    assert read("&*0263300815").collected == date(2026, 11, 26)


@pytest.mark.parametrize(
    "text",
    [
        "V00012612345600",
        "=V0001",
        "=%0100",
        "=V00012612345600=V00012612345700",
        "=>026366",
        "=>026000",
        "&>0263452460",
        "=V00012612345600 x",
        "=<0336V00",
        "=O00012612345600",
    ],
)
def test_what_is_no_label_of_one_bag_is_refused(text: str) -> None:
    with pytest.raises(NotIsbt):
        read(text)


def test_the_check_character_of_the_standard() -> None:
    assert check_character("G123489654321") == "Y"


@pytest.mark.parametrize("own", ["HN-2026-00012", "Đ000126123456", "V0001 6123456", "V00012612345", ""])
def test_the_number_of_a_supplier_has_none(own: str) -> None:
    assert check_character(own) == ""


@UNHURRIED
@given(st.text(max_size=60))
def test_nothing_that_is_scanned_breaks_the_page(text: str) -> None:
    try:
        read(text)
    except NotIsbt:
        return


@UNHURRIED
@given(
    st.integers(0, 999999),
    st.sampled_from("ABCDEFGHIJKLMNPQRSTUVWXYZ123456789"),
    st.integers(0, 12),
    st.integers(0, 36),
)
def test_a_mistyped_digit_changes_the_check_character(number: int, first: str, place: int, other: int) -> None:
    din = f"{first}000126{number:06d}"
    sign = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"[other]
    wrong = din[:place] + sign + din[place + 1 :]
    assert (check_character(wrong) == check_character(din)) is (wrong == din)
