"""Amounts in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tuetinh.commons.documents.api import in_words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "Không đồng"),
        (5, "Năm đồng"),
        (15, "Mười lăm đồng"),
        (21, "Hai mươi mốt đồng"),
        (101, "Một trăm linh một đồng"),
        (1_005, "Một nghìn không trăm linh năm đồng"),
        (70_200, "Bảy mươi nghìn hai trăm đồng"),
        (1_234_505, "Một triệu hai trăm ba mươi bốn nghìn năm trăm linh năm đồng"),
        (1_000_000, "Một triệu đồng"),
        (1_000_015_000, "Một tỷ không trăm mười lăm nghìn đồng"),
        (-21_000, "Âm hai mươi mốt nghìn đồng"),
    ],
)
def test_amounts_in_words(amount: int, words: str) -> None:
    assert in_words(amount) == words


def test_parts_of_a_dong_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="said"):
        in_words(Decimal("0.5"))
