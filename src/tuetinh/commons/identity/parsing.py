"""Reads what was typed into the search field."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from django.utils import timezone

from tuetinh.commons.identity import words
from tuetinh.commons.identity.projection import plain_number

MAX_TEXT = 200
MAX_WORDS = 8
_DATE = re.compile(r"(?<!\d)(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?!\d)|(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_SHORT_DATE = re.compile(r"(?<![\d/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{2})(?![\d/.-])")
_MONTH = re.compile(r"(?<!\d)(\d{1,2})[/.](\d{4})(?!\d)")
_DAY = re.compile(r"(?<!\d)(\d{1,2})/(\d{1,2})(?![/\d])")
_ABROAD = re.compile(r"84[35789]\d{8}")  # a mobile number with the country's code, the plus sign left out
_YEAR = re.compile(r"(19|20)\d\d")
_TOKEN = re.compile(r"\+?\w+")
# Synthetic people of other systems carry numbers on their names (`Upton904`); cards begin with two capitals.
_NUMBERED_NAME = re.compile(r"([^\W\d_]{3,}|[A-Z][a-z])\d{2,4}")


@dataclass(slots=True)
class Typed:
    """words: as typed (lower case, accents kept). births: lexemes, each a birth date or part of one.
    numbers: parts of numbers, letters in upper case. year: a number that is also a year, e.g. `1985`."""

    words: list[str] = field(default_factory=list)
    births: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    year: str = ""

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.words or self.births or self.numbers or self.year)


def parse(text: str) -> Typed:
    """Take a search text apart. Takes any text; what means nothing is dropped."""
    typed = Typed()
    text = unicodedata.normalize("NFC", text[:MAX_TEXT])
    text = _DATE.sub(lambda m: _date(m, typed), text)
    text = _SHORT_DATE.sub(lambda m: _short_date(m, typed), text)
    text = _MONTH.sub(lambda m: _part(typed, f"={m[2]}-{int(m[1]):02}"), text)
    text = _DAY.sub(lambda m: _part(typed, f"={int(m[2]):02}-{int(m[1]):02}"), text)
    digits = ""
    for token in map(_plain_name, _TOKEN.findall(text.replace("_", " "))):
        if token.lstrip("+").isdigit() and token.isascii():
            digits += " " + token
            continue
        digits = _flush(digits, typed)
        if _is_number(token):
            typed.numbers.append(plain_number(token))
        elif len(typed.words) < MAX_WORDS:
            typed.words.append(token.lstrip("+").lower()[: words.WORD])
    _flush(digits, typed)
    return typed


def _plain_name(token: str) -> str:
    """A name without the number behind it."""
    named = _NUMBERED_NAME.fullmatch(token)
    return named[1] if named else token


def _is_number(token: str) -> bool:
    """A number with letters, such as a card's or a record's; not a word typed with VNI digits (`nguye6n4`)."""
    return token.isascii() and len(re.findall(r"\d", token)) >= 3 and not words.untelex(token.lower()).isalpha()


def _flush(digits: str, typed: Typed) -> str:
    """Numbers are written in groups (`012 085 001234`); a year or a day of eight digits stands alone."""
    groups = digits.split()
    years = [group for group in groups if _YEAR.fullmatch(group)]
    if len(groups) > 1 and not (years and len(groups) == 2) and len("".join(groups)) >= 8:
        groups = ["".join(groups)]
    for group in groups:
        if _YEAR.fullmatch(group):
            typed.year = group
        elif len(group) == 8 and (day := _iso(group[4:], group[2:4], group[:2])):
            typed.births.append(f"={day}")
        elif len(group) >= 3:
            typed.numbers.append(plain_number(group))
            if _ABROAD.fullmatch(group):
                typed.numbers.append(plain_number(f"+{group}"))
        elif len(typed.words) < MAX_WORDS:
            typed.words.append(group)
    return ""


def _date(match: re.Match[str], typed: Typed) -> str:
    day, month, year, year2, month2, day2 = match.groups()
    found = _iso(year or year2, month or month2, day or day2)
    return _part(typed, f"={found}") if found else " "


def _short_date(match: re.Match[str], typed: Typed) -> str:
    """A year of two digits is the latest one that has begun; what is no day (`12.34.56`) stays a number."""
    day, _sign, month, year = match.groups()
    begun = int(year) <= timezone.localdate().year % 100
    found = _iso(f"{20 if begun else 19}{year}", month, day)
    return _part(typed, f"={found}") if found else match[0]


def _part(typed: Typed, lexeme: str) -> str:
    typed.births.append(lexeme)
    return " "


def _iso(year: str, month: str, day: str) -> str:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""
