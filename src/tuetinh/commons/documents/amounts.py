"""An amount of đồng in Vietnamese words, as receipts must show it."""

from __future__ import annotations

from decimal import Decimal

DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
SCALES = ("", "nghìn", "triệu", "tỷ", "nghìn tỷ", "triệu tỷ")


def in_words(amount: Decimal | int, unit: str = "đồng") -> str:
    """1005 → "Một nghìn không trăm linh năm đồng". Raises ValueError for parts of a unit."""
    whole = int(amount)
    if whole != amount or abs(whole) >= 10 ** (3 * len(SCALES)):
        message = "not an amount that can be said"
        raise ValueError(message)
    groups, rest = [], abs(whole)
    while rest:
        rest, group = divmod(rest, 1000)
        groups.append(group)
    parts = [
        f"{_group(group, full=place < len(groups) - 1)} {SCALES[place]}".strip()
        for place, group in reversed(list(enumerate(groups)))
        if group
    ]
    text = " ".join(parts) or DIGITS[0]
    sign = "âm " if whole < 0 else ""
    return f"{sign}{text} {unit}".strip().capitalize()


def _group(group: int, *, full: bool) -> str:
    """Three digits; full: the hundreds are said even when there are none, as inside a number."""
    hundreds, rest = divmod(group, 100)
    tens, ones = divmod(rest, 10)
    words = [f"{DIGITS[hundreds]} trăm"] if hundreds or full else []
    if tens == 0 and ones and words:
        words.append("linh")
    elif tens == 1:
        words.append("mười")
    elif tens:
        words.append(f"{DIGITS[tens]} mươi")
    if ones:
        words.append(_ones(tens, ones))
    return " ".join(words)


def _ones(tens: int, ones: int) -> str:
    if ones == 1 and tens > 1:
        return "mốt"
    if ones == 5 and tens:
        return "lăm"
    return DIGITS[ones]
