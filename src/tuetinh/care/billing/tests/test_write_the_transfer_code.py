"""VietQR texts."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.care.billing.wire_vietqr import ascii_text, crc, fields, objects, payload


@pytest.mark.parametrize(
    ("text", "sum_"),
    [
        (
            "00020101021238540010A00000072701240006970436011010268061740208QRIBFTTA530370454063990005802VN5912LE PHU THACH"
            "62250821NB123ABC LE PHU THACH6304",
            "9F78",
        ),
        (
            "00020101021238530010A0000007270123000697043201091290057180208QRIBFTTA53037045802VN5920NGUYEN PHAM THUY LAN"
            "62390835Thanh toan don hang cho Bean Bakery6304",
            "3AA2",
        ),
        ("123456789", "29B1"),
    ],
)
def test_the_checksum_of_the_standard(text: str, sum_: str) -> None:
    assert f"{crc(text):04X}" == sum_


def test_a_transfer_text_byte_for_byte() -> None:
    text = payload(
        bin_="970436",
        account="1026806174",
        amount=Decimal(399000),
        purpose="NB123ABC LE PHU THACH",
        name="Lê Phú Thạch",
    )
    assert text == (
        "00020101021238540010A00000072701240006970436011010268061740208QRIBFTTA530370454063990005802VN5912LE PHU THACH"
        "62250821NB123ABC LE PHU THACH63049F78"
    )


@given(st.integers(1, 9_999_999_999_999), st.text(max_size=40), st.from_regex(r"[0-9A-Za-z]{1,19}", fullmatch=True))
def test_whatever_is_written_can_be_read(amount: int, name: str, account: str) -> None:
    found = fields(
        payload(bin_="970436", account=account, amount=Decimal(amount), purpose="12001B000000017", name=name)
    )
    assert found["54"] == str(amount)
    assert objects(objects(found["38"])["01"])["01"] == account
    assert objects(found["62"])["08"] == "12001B000000017"
    assert found.get("59", "").isascii()


@pytest.mark.parametrize("amount", [Decimal(0), Decimal(-1), Decimal("1.5"), Decimal(10**13)])
def test_what_is_no_amount_is_refused(amount: Decimal) -> None:
    with pytest.raises(ValueError, match="amount"):
        payload(bin_="970436", account="1", amount=amount, purpose="x")


def test_a_changed_text_is_refused() -> None:
    text = payload(bin_="970436", account="1026806174", amount=Decimal(1000), purpose="A")
    with pytest.raises(ValueError, match="checksum"):
        fields(text.replace("1026806174", "1026806175"))


def test_names_lose_their_accents() -> None:
    assert ascii_text("Trung tâm Y tế huyện Tam Đường – cơ sở 2", 25) == "TRUNG TAM Y TE HUYEN TAM"
