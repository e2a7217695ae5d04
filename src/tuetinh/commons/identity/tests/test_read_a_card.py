"""Cards scanned at the desk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.commons.identity.api import CardError, check_number, parse_card
from tuetinh.commons.identity.errors import Code

CARD = "012185001234|045123456|Lò Thị Pâng|12031985|Nữ|Bản Nà Cha, Tả Lèng, Tam Đường, Lai Châu|25062021"


def test_citizen_card_of_seven_fields() -> None:
    card = parse_card(CARD)
    assert (card.kind, card.cccd, card.cmnd, card.name) == ("citizen", "012185001234", "045123456", "Lò Thị Pâng")
    assert (card.birth, card.gender, card.issued) == ("1985-03-12", "female", "2021-06-25")
    assert card.address == "Bản Nà Cha, Tả Lèng, Tam Đường, Lai Châu"
    assert card.warnings == ()
    draft = card.draft()
    assert (draft.cccd, draft.cmnd, draft.birth) == ("012185001234", "045123456", "1985-03-12")


@pytest.mark.parametrize(
    "text",
    [
        "012185001234||Lò Thị Pâng|12031985|Nữ|Tả Lèng|25062021",
        "012185001234|Lò Thị Pâng|12031985|Nữ|Tả Lèng|25062021",
        "012185001234||LÒ THỊ PÂNG|12031985|Nữ|Tả Lèng",
        "012185001234||Lò Thị Pâng|12031985|Nữ|Tả Lèng|25062021||Lò Văn Ún|Vàng Thị Mỷ",
        "\ufeff012185001234||Lò Thị Pâng|12031985|Nữ|Tả Lèng|25062021\r\n",
    ],
)
def test_other_shapes_of_the_citizen_card(text: str) -> None:
    card = parse_card(text)
    assert (card.cccd, card.cmnd, card.name, card.birth, card.gender) == (
        "012185001234", "", "Lò Thị Pâng", "1985-03-12", "female",
    )  # fmt: skip


def test_insurance_card_with_hexadecimal_words() -> None:
    name, home = "Lò Thị Pâng".encode().hex(), "Xã Tả Lèng".encode().hex()
    card = parse_card(f"DT2121234567890|{name}|12/03/1985|2|{home}|12-005|01/01/2026|31/12/2026|x|$")
    assert (card.kind, card.card, card.bhxh, card.facility) == ("insurance", "DT2121234567890", "1234567890", "12005")
    assert (card.name, card.birth, card.gender, card.address) == ("Lò Thị Pâng", "1985-03-12", "female", "Xã Tả Lèng")
    assert (card.valid_from, card.valid_to) == ("2026-01-01", "2026-12-31")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.CARD_EMPTY),
        ("https://example.org/x", Code.CARD_UNKNOWN),
        ("1|2|3", Code.CARD_UNKNOWN),
        ("01218500123||Lò Thị Pâng|12031985|Nữ|Tả Lèng|25062021", Code.CARD_NUMBER),
        ("012185001234|12|Lò Thị Pâng|12031985|Nữ|Tả Lèng|25062021", Code.CARD_NUMBER),
        ("012185001234|||12031985|Nữ|Tả Lèng|25062021", Code.CARD_NAME),
        ("012185001234||Lò Thị Pâng|31021985|Nữ|Tả Lèng|25062021", Code.CARD_BIRTH),
        ("012185001234||Lò Thị Pâng|12032999|Nữ|Tả Lèng|25062021", Code.CARD_BIRTH),
        ("012185001234||Lò Thị Pâng|12031985|X|Tả Lèng|25062021", Code.CARD_SEX),
        ("012185001234||Lò Thị Pâng|12031985|Nữ|Tả Lèng|99999999", Code.CARD_DATE),
    ],
)
def test_malformed_text_is_a_clear_error(text: str, code: Code) -> None:
    with pytest.raises(CardError) as caught:
        parse_card(text)
    assert caught.value.code is code
    assert caught.value.message


@given(
    st.one_of(st.text(max_size=200), st.lists(st.sampled_from([*CARD.split("|"), "", "|", "ff", "$"])).map("|".join))
)
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        card = parse_card(text)
    except CardError:
        return
    assert card.name
    assert card.gender in ("male", "female")


@pytest.mark.parametrize(
    ("number", "birth", "gender", "odd"),
    [
        ("012185001234", "1985-03-12", "female", []),
        ("012202001234", "2002-01-01", "male", []),
        ("012085001234", "1985-03-12", "female", ["sex"]),
        ("012185001234", "1986", "female", ["year"]),
        ("003185001234", "1985", "female", ["province"]),
        ("12185001234", "", "", ["length"]),
    ],
)
def test_odd_personal_numbers_are_told(number: str, birth: str, gender: str, odd: list[str]) -> None:
    assert check_number(number, birth=birth, gender=gender) == odd
