"""What is compared of a person, and the keys by which those worth comparing are found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from hashlib import blake2b
from math import log2
from pathlib import Path

import msgspec

from tuetinh.commons.catalogues import api as catalogues
from tuetinh.commons.identity import words

NAMES = Path(__file__).parent.parent / "data" / "names.json"
# Names that stand for none: newborns by their mother, people who could not say theirs.
_PLACEHOLDER = re.compile(
    r"^(?:con (?:ba|chi|me|san phu)\b|(?:nam|nu|nguoi|benh nhan|be)\b.*\bkhong ro|khong ro|vo danh)"
)
_CHILD_OF = re.compile(r"^con (?:ba|chi|me|san phu) (.+?)(?: \d+)?$")
UNIQUE = ("cccd", "bhxh", "cmnd", "passport", "card", "mrn")  # that one person alone has; mrn: facility|number


@dataclass(frozen=True, slots=True)
class Features:
    """One row of what is compared. Words are folded, `accented` has its tone marks; birth as in FHIR.

    bits: how rare the name is: one in 2^bits has it. line: words of the address below the commune. Lists are sorted.
    """

    id: str
    name: str
    accented: str
    words: list[str]
    given: str
    surname: str
    bits: float
    placeholder: bool
    birth: str
    sex: str
    commune: str
    province: str
    line: list[str]
    phones: list[str]
    cccd: list[str]
    cmnd: list[str]
    bhxh: list[str]
    passport: list[str]
    card: list[str]
    mrn: list[str]
    mother: str


COLUMNS = tuple(field.name for field in fields(Features))
TYPES = {
    "words": "text[]",
    "line": "text[]",
    "phones": "text[]",
    "bits": "double",
    "placeholder": "boolean",
} | dict.fromkeys(UNIQUE, "text[]")


def of(
    id_: str,
    name: str,
    *,
    birth: str = "",
    sex: str = "",
    address: str = "",
    commune: str = "",
    mother: str = "",
    numbers: Iterable[tuple[str, str]] = (),
) -> Features:
    """Work out the features of a person; numbers are pairs of kind (`UNIQUE` or `phone`) and value."""
    spoken = words.split(name)
    folded = [words.fold(word) for word in spoken]
    plain = " ".join(folded)
    child = _CHILD_OF.match(plain)
    by_kind: dict[str, set[str]] = {}
    for kind, value in numbers:
        by_kind.setdefault(kind, set()).add(value)
    unit, province, line = place(address, commune)
    return Features(
        id=id_,
        name=plain,
        accented=" ".join(words.exact(word) for word in spoken),
        words=sorted(folded),
        given=folded[-1] if folded else "",
        surname=folded[0] if folded else "",
        bits=rarity(folded),
        placeholder=bool(_PLACEHOLDER.match(plain)),
        birth=birth,
        sex=sex if sex in ("male", "female") else "",
        commune=unit,
        province=province,
        line=line,
        phones=sorted(by_kind.get("phone", ())),
        mother=child[1] if child else " ".join(words.name_words(mother)),
        **{kind: sorted(by_kind.get(kind, ())) for kind in UNIQUE},
    )


@cache
def _shares() -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Share of each folded surname, middle and given name."""
    tables = msgspec.json.decode(NAMES.read_bytes(), type=dict[str, dict[str, int]])
    shares = []
    for kind in ("surname", "middle", "given"):
        folded: dict[str, float] = {}
        for word, count in tables[kind].items():
            folded[words.fold(word)] = folded.get(words.fold(word), 0) + count
        total = sum(folded.values())
        shares.append({word: count / total for word, count in folded.items()})
    return shares[0], shares[1], shares[2]


RARE = 1 / 3000  # share of a name that no list has


def rarity(folded: Sequence[str]) -> float:
    """How many bits a name tells: one in 2^bits people is called so."""
    if not folded:
        return 0.0
    surnames, middles, givens = _shares()
    bits = -log2(givens.get(folded[-1], RARE))
    if len(folded) > 1:
        bits -= log2(surnames.get(folded[0], RARE))
    bits -= sum(log2(middles.get(word, givens.get(word, RARE))) for word in folded[1:-1])
    return round(bits, 1)


def place(address: str, commune: str) -> tuple[str, str, list[str]]:
    """Commune and province of today, and the words below them, of an address that may be from before 01/07/2025."""
    read = _parsed(address)
    known = catalogues.commune(commune) or next(iter(_successors(commune)), None) or read.commune
    province = known.province if known else (read.province.code if read.province else "")
    return known.code if known else "", province, words.place_words(read.line)


@cache
def _successors(code: str) -> tuple[catalogues.Commune, ...]:
    """The communes that the commune of an old code became, the usual one first."""
    return tuple(catalogues.old_to_new(code)) if re.fullmatch(r"\d{5}", code) else ()


@lru_cache(maxsize=4096)
def _parsed(address: str) -> catalogues.Place:
    """Candidates live in the same communes, and the same people come again and again."""
    return catalogues.parse_address(address)


def blocks(person: Features) -> list[int]:
    """The keys under which a person is compared: two who share none of them, and no number, are not looked at.

    Each kind of mistake leaves one of them whole: name with year, with day and month, with commune; birth date with
    given name, surname and sex, commune; the mother of a newborn with the month.
    """
    keys = []
    full, name = len(person.birth) == 10, " ".join(person.words)
    if not person.placeholder and len(person.words) > 1:
        if person.birth:
            keys.append(f"y|{name}|{person.birth[:4]}")
        if full and person.birth[5:] != "01-01":
            keys.append(f"d|{name}|{person.birth[5:]}")
        if person.commune:
            keys.append(f"c|{name}|{person.commune}")
    if full:
        if not person.placeholder:
            keys.append(f"g|{person.given}|{person.birth}")
            if person.birth[5:] != "01-01":
                keys.append(f"s|{person.surname}|{person.sex}|{person.birth}")
        if person.commune:
            keys.append(f"b|{person.commune}|{person.birth}")
    if person.mother and len(person.birth) >= 7:
        keys.append(f"m|{person.mother}|{person.birth[:7]}")
    return [hashed(key) for key in keys]


def hashed(key: str) -> int:
    """A key as the 64-bit number that is stored."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)
