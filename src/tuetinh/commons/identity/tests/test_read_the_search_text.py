"""What is typed into the search field, taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.commons.identity import words
from tuetinh.commons.identity.parsing import Typed, parse


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Lò Thị Pâng", Typed(words=["lò", "thị", "pâng"])),
        ("pâng 12/03/1985", Typed(words=["pâng"], births=["=1985-03-12"])),
        ("12.3.1985", Typed(births=["=1985-03-12"])),
        ("1985-03-12", Typed(births=["=1985-03-12"])),
        ("12031985", Typed(births=["=1985-03-12"])),
        ("03/1985", Typed(births=["=1985-03"])),
        ("pang 12/3", Typed(words=["pang"], births=["=03-12"])),
        ("pang 1985", Typed(words=["pang"], year="1985")),
        ("012 185 001 234", Typed(numbers=["012185001234"])),
        ("+84 987 654 321", Typed(numbers=["0987654321"])),
        ("dt2 12 1234567890", Typed(words=["dt2"], numbers=["121234567890"])),
        ("dt2121234567890", Typed(numbers=["DT2121234567890"])),
        ("nguye6n4", Typed(words=["nguye6n4"])),
        ("Upton904 Ai120", Typed(words=["upton", "ai"])),
        ("' OR 1=1 --", Typed(words=["or", "1", "1"])),
        ("", Typed()),
    ],
)
def test_parts_of_the_text(text: str, typed: Typed) -> None:
    assert parse(text) == typed


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ("nguyeenx", "nguyen"), ("ddawngj", "dang"), ("hoaf", "hoa"), ("truwowngf", "truong"), ("looanf", "loan"),
        ("nguye6n4", "nguyen"), ("xuaan", "xuan"), ("thoa", "thoa"), ("pang", "pang"),
    ],
)  # fmt: skip
def test_telex_and_vni_left_undone(keys: str, word: str) -> None:
    assert words.untelex(keys) == word


def test_tone_mark_may_stand_on_either_vowel() -> None:
    assert words.exact("hoà") == words.exact("hòa") != words.exact("hóa")
    assert words.fold("Đặng Ðức") == "dang duc"


@given(st.text("abcdefghij", min_size=2, max_size=7))
def test_slips_are_mutual(word: str) -> None:
    assert all(word in words.slips(other) for other in sorted(words.slips(word))[::17])


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    parse(text)
