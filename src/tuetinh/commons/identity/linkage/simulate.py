"""Invented people who stand twice, with the mistakes of Vietnamese desks, among neighbours easily taken for them.

From these the model is learned and on others like these it is measured: a labelled set of Vietnamese people does not
exist. Everything is invented: names by their published frequencies, numbers with a serial from 900000 on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from functools import cache
from itertools import count
from random import Random

import msgspec

from tuetinh.commons.catalogues import api as catalogues
from tuetinh.commons.identity import words
from tuetinh.commons.identity.linkage.features import NAMES

TODAY = date(2026, 11, 1)
PROVINCES = ("12", "51", "68")
TWICE = 0.12  # of all people
HAMLETS = ("Nà Cha", "Huổi Luông", "Phiêng Pắc", "Nậm Sáng", "Lao Chải", "Tả Ngài", "Hua Củng", "Noong Kha", "Pá Lùng")
KEYS = {"ắ": "aws", "ễ": "eex", "ị": "ij", "ơ": "ow", "ư": "uw", "ê": "ee", "â": "aa", "ô": "oo", "đ": "dd", "ă": "aw"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a person. person: the truth; what: the mistakes that were made, for the report."""

    id: str
    person: str
    name: str
    birth: str
    sex: str
    address: str
    phone: str = ""
    cccd: str = ""
    cmnd: str = ""
    bhxh: str = ""
    mother: str = ""
    what: str = ""


@cache
def _tables() -> dict[str, tuple[list[str], list[int]]]:
    tables = msgspec.json.decode(NAMES.read_bytes(), type=dict[str, dict[str, int]])
    return {kind: (list(table), list(table.values())) for kind, table in tables.items()}


def _pick(rng: Random, kind: str) -> str:
    names, weights = _tables()[kind]
    return rng.choices(names, weights)[0]


class World:
    """Households of a few provinces, and what the desks made of them."""

    def __init__(self, people: int, seed: int) -> None:
        """people: about how many."""
        self.rng = Random(seed)  # noqa: S311 - invented people
        self.people = people
        self.serial = count(900_000)
        self.number = count()
        self.communes = [c for p in PROVINCES for c in catalogues.communes_of(p)]
        self.moved = catalogues.units_before()

    def rows(self) -> Iterator[Row]:
        """All records, those who stand twice among them."""
        made = 0
        while made < self.people:
            for row in self._household():
                made += 1
                yield row
                if self.rng.random() < TWICE:
                    yield self._again(row)

    def _household(self) -> list[Row]:
        rng = self.rng
        commune = rng.choice(self.communes)
        province = catalogues.province(commune.province)
        name = province.full_name if province else ""
        home = f"{rng.choice(('Bản', 'Thôn'))} {rng.choice(HAMLETS)}, {commune.full_name}, {name}"
        surname, phone = _pick(rng, "surname"), self._phone()
        father = self._person(surname, "male", rng.randrange(22, 85), home, phone=phone)
        mother = self._person(_pick(rng, "surname"), "female", rng.randrange(20, 80), home, phone=self._phone())
        found = [father, mother]
        for _ in range(rng.choices((0, 1, 2, 3), (20, 35, 35, 10))[0]):
            child = self._person(surname, "", rng.randrange(0, 20), home, phone=phone, mother=mother.name)
            found.append(child)
            if rng.random() < 0.02:
                found.append(self._twin(child, surname))
        return found

    def _person(self, surname: str, sex: str, age: int, home: str, *, phone: str, mother: str = "") -> Row:
        rng = self.rng
        sex = sex or rng.choice(("male", "female"))
        birth = TODAY - timedelta(days=age * 365 + rng.randrange(1, 365))
        if age > 50 and rng.random() < 0.12:
            birth = date(birth.year, 1, 1)  # nobody knew the day
        number = f"{next(self.number):07}"
        return Row(
            f"p{number}",
            number,
            self._name(surname, sex),
            birth.isoformat(),
            sex,
            home,
            phone if rng.random() < 0.85 else "",
            self._cccd(birth, sex) if rng.random() < (0.9 if age >= 14 else 0.5) else "",
            f"{rng.randrange(10**8, 10**9)}" if age >= 25 and rng.random() < 0.25 else "",
            f"129{rng.randrange(10**7):07}" if rng.random() < 0.85 else "",
            mother,
        )

    def _twin(self, other: Row, surname: str) -> Row:
        sex = other.sex if self.rng.random() < 0.6 else self.rng.choice(("male", "female"))
        number = f"{next(self.number):07}"
        birth = date.fromisoformat(other.birth)
        middle = other.name.split()[1:-1]
        name = " ".join([surname, *middle, _pick(self.rng, "given")])
        if words.fold(name) == words.fold(other.name):
            name = self._name(surname, sex)
        cccd = self._cccd(birth, sex) if other.cccd else ""
        bhxh = f"129{self.rng.randrange(10**7):07}" if other.bhxh else ""
        return replace(other, id=f"p{number}", person=number, name=name, sex=sex, cccd=cccd, bhxh=bhxh)

    def _name(self, surname: str, sex: str) -> str:
        rng = self.rng
        middles = ["Văn" if sex == "male" else "Thị"] if rng.random() < 0.45 else [_pick(rng, "middle")]
        if rng.random() < 0.15:
            middles = []
        return " ".join([surname, *middles, _pick(rng, "given")])

    def _cccd(self, birth: date, sex: str) -> str:
        century = (birth.year // 100 - 19) * 2 + (sex == "female")
        return f"012{century}{birth.year % 100:02}{next(self.serial) % 10**6:06}"

    def _phone(self) -> str:
        return f"039{self.rng.randrange(10**7):07}"

    # -- the second record -----------------------------------------------------------------------------------------

    def _again(self, row: Row) -> Row:
        rng = self.rng
        kinds: list[tuple[Callable[[Row], Row], float]] = [
            (self._tones, 0.25),
            (self._turned, 0.04),
            (self._without_middle, 0.05),
            (self._letter, 0.06),
            (self._other_year, 0.05),
            (self._year_alone, 0.06),
            (self._day_and_month, 0.02),
            (self._other_home, 0.15),
            (self._old_units, 0.25),
            (self._other_phone, 0.3),
        ]
        again, made = replace(row, id=f"d{row.person}"), list[str]()
        if row.mother and TODAY - date.fromisoformat(row.birth) < timedelta(days=700) and rng.random() < 0.5:
            again, made = self._newborn(again), ["newborn"]
        for change, chance in kinds:
            if rng.random() < chance and not (made == ["newborn"] and change is not self._old_units):
                again = change(again)
                made.append(change.__name__.strip("_"))
        for number, chance in (("cccd", 0.45), ("bhxh", 0.5), ("cmnd", 0.6)):
            if rng.random() < chance or made[:1] == ["newborn"]:
                again = replace(again, **{number: ""})
        if again.cccd and rng.random() < 0.03:
            again = replace(again, cccd=_swap(rng, again.cccd, 6))
            made.append("number slip")
        return replace(again, what=" ".join(made) or "nothing")

    def _newborn(self, row: Row) -> Row:
        return replace(row, name=f"Con bà {row.mother}", cccd="", cmnd="", bhxh="")

    def _tones(self, row: Row) -> Row:
        told = row.name.split()
        at = self.rng.randrange(len(told))
        some = told if self.rng.random() < 0.4 else [told[at]]
        return replace(row, name=" ".join(words.fold(w).title() if w in some else w for w in told))

    def _turned(self, row: Row) -> Row:
        first, *rest = row.name.split()
        return replace(row, name=" ".join([*rest, first]))

    def _without_middle(self, row: Row) -> Row:
        told = row.name.split()
        return replace(row, name=f"{told[0]} {told[-1]}") if len(told) > 2 else row

    def _letter(self, row: Row) -> Row:
        """One letter too few, or two changed about, in any word but the last; or a Telex key left undone."""
        told = row.name.split()
        if len(told) < 2 or self.rng.random() < 0.3:
            return replace(row, name="".join(KEYS.get(c, c) for c in row.name[:-1]) + row.name[-1])
        at = self.rng.randrange(len(told) - 1)
        word = told[at]
        spot = self.rng.randrange(1, len(word)) if len(word) > 1 else 0
        told[at] = (
            word[:spot] + word[spot + 1 :] if self.rng.random() < 0.5 and len(word) > 2 else _swap(self.rng, word)
        )
        return replace(row, name=" ".join(told))

    def _other_year(self, row: Row) -> Row:
        shift = self.rng.choice((-10, -3, -2, -1, 1, 2, 3))
        year = min(int(row.birth[:4]) + shift, TODAY.year - 1)
        day = "28" if row.birth[5:] == "02-29" else row.birth[8:]
        return replace(row, birth=f"{year}-{row.birth[5:7]}-{day}")

    def _year_alone(self, row: Row) -> Row:
        return replace(row, birth=row.birth[:4] if self.rng.random() < 0.5 else f"{row.birth[:4]}-01-01")

    def _day_and_month(self, row: Row) -> Row:
        year, month, day = row.birth[:4], row.birth[5:7], row.birth[8:]
        return replace(row, birth=f"{year}-{day}-{month}") if day and int(day) <= 12 else row

    def _other_home(self, row: Row) -> Row:
        commune = self.rng.choice(self.communes)
        province = catalogues.province(commune.province)
        name = province.full_name if province else ""
        return replace(row, address=f"Thôn {self.rng.choice(HAMLETS)}, {commune.full_name}, {name}")

    def _old_units(self, row: Row) -> Row:
        """The same home in the units of before 01/07/2025, with its district."""
        line, commune, _ = row.address.split(", ")
        now = next((c for c in self.communes if c.full_name == commune), None)
        old = self.moved.get(now.code, ()) if now else ()
        return replace(row, address=f"{line}, {self.rng.choice(old)}") if old else row

    def _other_phone(self, row: Row) -> Row:
        return replace(row, phone=self._phone() if self.rng.random() < 0.6 else "")


def _swap(rng: Random, text: str, start: int = 0) -> str:
    at = rng.randrange(start, max(len(text) - 1, start + 1))
    signs = list(text)
    signs[at : at + 2] = reversed(signs[at : at + 2])
    return "".join(signs)


def rows(people: int, seed: int) -> Iterator[dict[str, str]]:
    """Invented records as those of a labelled set: `person` is the truth."""
    for row in World(people, seed).rows():
        yield asdict(row)
