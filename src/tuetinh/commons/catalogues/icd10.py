"""ICD-10 of QĐ 4469/QĐ-BYT, and what TT 06/2026/TT-BYT and the annexes of QĐ 4469 say about the use of each code."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from datetime import date
from enum import IntFlag
from functools import cache

import msgspec
from django.utils.translation import gettext_lazy

from . import errors
from .store import load
from .wording import alternatives, common_diagnoses, synonyms
from .wordsearch import WordIndex, words

TT06_IN_FORCE = date(2026, 7, 1)  # TT 06/2026, Điều 5 khoản 1
_CODE = re.compile(r"[a-z]\d[\da-z.]*")


class Flag(IntFlag):
    """Limits on the use of a code. The bits are those of tools/make_catalogues.py."""

    NOT_PRINCIPAL_4469 = 1  # QĐ 4469, annex A2
    FEMALE_4469 = 2  # A4.1
    MALE_4469 = 4  # A4.2
    NOT_PRINCIPAL = 8  # TT 06/2026, column 24
    DISCOURAGED = 16  # column 25
    NEEDS_DIGITS = 32  # column 26
    DEATH_ONLY = 64  # column 27
    FEMALE = 128  # column 28
    MALE = 256  # column 29


BADGES = {
    Flag.NEEDS_DIGITS: gettext_lazy("cần mã 4 ký tự"),
    Flag.NOT_PRINCIPAL: gettext_lazy("không làm bệnh chính"),
    Flag.DISCOURAGED: gettext_lazy("không khuyến khích làm bệnh chính"),
    Flag.DEATH_ONLY: gettext_lazy("chỉ mã nguyên nhân tử vong"),
    Flag.FEMALE: gettext_lazy("nữ"),
    Flag.MALE: gettext_lazy("nam"),
}


class Icd10(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One code. `mark` is † or * for half of a double code; ages are days, `age_max` -1 without limit."""

    code: str
    mark: str
    vi: str
    en: str
    group: int
    bits: int
    age_min: int
    age_max: int

    @property
    def flags(self) -> Flag:
        """The limits on the use of this code."""
        return Flag(self.bits)

    @property
    def badges(self) -> list[str]:
        """The limits in force today, in words for a list."""
        return [str(text) for flag, text in BADGES.items() if flag in self.flags]

    @property
    def chapter(self) -> Chapter:
        """The chapter of this code."""
        tables = _tables()
        return tables.chapters[tables.groups[self.group].chapter]

    @property
    def block(self) -> Group:
        """The main group (block) of this code."""
        return _tables().groups[self.group]


class Chapter(msgspec.Struct, frozen=True, array_like=True):
    """A chapter: Roman number, range of codes, names."""

    number: str
    codes: str
    vi: str
    en: str


class Group(msgspec.Struct, frozen=True, array_like=True):
    """A main group of a chapter (index in the list of chapters)."""

    codes: str
    vi: str
    en: str
    chapter: int


class _Tables(msgspec.Struct):
    chapters: list[Chapter]
    groups: list[Group]
    codes: list[Icd10]
    extra: list[Icd10]
    pairs: list[tuple[str, str, str]]


class Refusal(msgspec.Struct, frozen=True):
    """Why a code may not, or had better not, be used so. `code` is one of `errors.py`."""

    code: str
    message: str
    blocking: bool


@cache
def _tables() -> _Tables:
    return load("icd10", _Tables)


@cache
def _by_code() -> dict[str, Icd10]:
    """Plain code to entry. Of `A17` and `A17†` the plain one carries the name; both have the same limits."""
    tables = _tables()
    found: dict[str, Icd10] = {}
    for entry in (*tables.codes, *tables.extra):
        found.setdefault(entry.code.replace(".", ""), entry)
    return found


@cache
def _plain_codes() -> list[str]:
    return sorted(e.code.replace(".", "") for e in {e.code: e for e in _tables().codes}.values())


@cache
def _index() -> tuple[WordIndex, list[Icd10]]:
    rows: dict[str, list[Icd10]] = {}
    for e in _tables().codes:
        rows.setdefault(e.code, []).append(e)
    # A code that stands twice, with and without its mark, is found by both names.
    names = [tuple(" ".join(words(name)) for e in same for name in (e.vi, e.en)) for same in rows.values()]
    entries = [same[0] for same in rows.values()]
    return WordIndex(names, [_weight(e) for e in entries]), entries


def _weight(entry: Icd10) -> float:
    rank = common_diagnoses().get(entry.code)
    if rank is not None:
        return -18.0 + rank * 0.01
    return 1.0 * (len(entry.code) > 3) + 2.0 * bool(entry.bits & Flag.NOT_PRINCIPAL)


def plain(code: str) -> str:
    """Return a code without dot, marks and spaces, upper-case."""
    return code.strip().rstrip("†*+").replace(".", "").upper()


def icd10(code: str) -> Icd10 | None:
    """Return the entry of a code written in any way (`I10`, `j18.9`, `J189`, `A17†`)."""
    return _by_code().get(plain(code))


def all_codes() -> list[Icd10]:
    """Every row of QĐ 4469, in its order."""
    return _tables().codes


def children(code: str) -> list[Icd10]:
    """The more specific codes under a code of three or four characters."""
    key, codes = plain(code), _plain_codes()
    start = bisect_left(codes, key)
    return [_by_code()[c] for c in codes[start : bisect_left(codes, key + "~", start)] if c != key]


def companions(code: str) -> list[tuple[str, str, str]]:
    """The double codes (dagger, asterisk, which of them is principal) that `code` is half of; QĐ 4469 annex A1."""
    return _pairs().get(plain(code), [])


@cache
def _pairs() -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    for pair in _tables().pairs:
        for half in dict.fromkeys(pair[:2]):
            found.setdefault(half, []).append(pair)
    return found


def search_icd10(text: str, limit: int = 12, usage: Mapping[str, int] | None = None) -> list[Icd10]:
    """Type-ahead over codes and Vietnamese or English names, best first.

    `usage` (code to how often this desk used it) lifts what is used.
    """
    query = words(text)
    if _CODE.fullmatch(text.strip().lower()):
        key, codes = plain(text), _plain_codes()
        start = bisect_left(codes, key)
        if by_code := codes[start : min(start + limit, bisect_left(codes, key + "~", start))]:
            return [_by_code()[c] for c in by_code]
    index, entries = _index()

    def boost(entry: int) -> float:
        return min(10.0, 2.0 * math.sqrt((usage or {}).get(entries[entry].code, 0)))

    best: dict[int, float] = {}
    for reading in alternatives(query, synonyms("synonyms")):
        for score, entry in index.find(reading, limit, boost if usage else None):
            best[entry] = min(score, best.get(entry, score))
    return [entries[e] for e in sorted(best, key=lambda e: (best[e], e))[:limit]]


def check_diagnosis(code: str, *, principal: bool, sex: str | None, age_days: int | None, on: date) -> list[Refusal]:
    """Return what speaks against a diagnosis.

    `sex` is FHIR's (`male`, `female`), `on` the day on which the visit ends: TT 06/2026 holds for visits that end on
    01/07/2026 or later (Điều 6 khoản 2), the annexes of QĐ 4469 for those before.
    """
    entry = icd10(code)
    if entry is None:
        return [_refusal(errors.UNKNOWN_CODE, code.strip(), blocking=True)]
    new = on >= TT06_IN_FORCE
    flags, found = entry.flags, []
    if new and Flag.NEEDS_DIGITS in flags:
        found.append(_refusal(errors.NEEDS_DIGITS, entry.code, blocking=True))
    if new and Flag.DEATH_ONLY in flags:
        found.append(_refusal(errors.DEATH_ONLY, entry.code, blocking=True))
    if principal and (Flag.NOT_PRINCIPAL if new else Flag.NOT_PRINCIPAL_4469) in flags:
        found.append(_refusal(errors.NOT_PRINCIPAL, entry.code, blocking=True))
    if principal and new and Flag.DISCOURAGED in flags:
        found.append(_refusal(errors.DISCOURAGED, entry.code, blocking=False))
    # TT 06/2026 says "only or mainly" of a sex, so it asks; annex A4 of QĐ 4469 says "only", so it refuses.
    female, male = (Flag.FEMALE, Flag.MALE) if new else (Flag.FEMALE_4469, Flag.MALE_4469)
    if (sex == "male" and female in flags) or (sex == "female" and male in flags):
        found.append(_refusal(errors.OTHER_SEX, entry.code, blocking=not new))
    if age_days is not None and not _fits(entry, age_days):
        found.append(_refusal(errors.AGE, entry.code, blocking=False))
    return found


def _fits(entry: Icd10, age_days: int) -> bool:
    return age_days >= entry.age_min and (entry.age_max < 0 or age_days <= entry.age_max)


def _refusal(error: str, code: str, *, blocking: bool) -> Refusal:
    return Refusal(error, errors.message(error, code=code), blocking)
