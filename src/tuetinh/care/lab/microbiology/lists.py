"""The organisms, antibiotics, phenotypes and specimens of microbiology, by their WHONET codes (`data/microbiology`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.utils.translation import get_language

from tuetinh.record.text import fold

DATA = Path(__file__).parents[1] / "data" / "microbiology"


@dataclass(frozen=True, slots=True)
class Organism:
    """A species or genus. groups: from the narrowest on; snomed: "" where it is not known."""

    code: str
    snomed: str
    name: str
    groups: tuple[str, ...]
    gram: str


@dataclass(frozen=True, slots=True)
class Antibiotic:
    """A drug that is tested. category: of the definitions of multi-resistance (Magiorakos 2012)."""

    code: str
    name: str
    atc: str
    loinc: str
    category: str


@dataclass(frozen=True, slots=True)
class Phenotype:
    """A test of a mechanism, positive or negative. whonet: its field there; groups: of the organisms that it is for."""

    code: str
    whonet: str
    names: tuple[str, str]
    groups: frozenset[str]

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a culture is from: WHONET's specimen, the site of breakpoints, whether growth is called about at once."""

    whonet: str
    site: str
    call: bool


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one of the lists."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def organisms() -> dict[str, Organism]:
    """Organisms by WHONET code."""
    return {
        row["code"]: Organism(row["code"], row["snomed"], row["name"], tuple(row["groups"].split()), row["gram"])
        for row in rows("organisms.csv")
    }


@cache
def groups() -> tuple[str, ...]:
    """The names of the groups, each once."""
    return tuple(dict.fromkeys(group for one in organisms().values() for group in one.groups))


@cache
def antibiotics() -> dict[str, Antibiotic]:
    """Antibiotics by WHONET code, in the order of the bench."""
    return {row["code"]: Antibiotic(**row) for row in rows("antibiotics.csv")}


@cache
def phenotypes() -> dict[str, Phenotype]:
    """Phenotypes by code."""
    return {
        row["code"]: Phenotype(
            row["code"], row["whonet"], (row["name"], row["name_en"]), frozenset(row["groups"].split())
        )
        for row in rows("phenotypes.csv")
    }


@cache
def sources() -> dict[str, Source]:
    """Where cultures are from, by the kind of specimen of the catalogue."""
    return {row["specimen"]: Source(row["whonet"], row["site"], row["call"] == "yes") for row in rows("specimens.csv")}


def find_organism(text: str) -> Organism | None:
    """The organism of a WHONET code, a SNOMED code or a name, however it is written."""
    typed = text.strip()
    if found := organisms().get(typed.lower()):
        return found
    named = fold(typed)
    return next(
        (one for one in organisms().values() if typed and (one.snomed == typed or fold(one.name) == named)), None
    )


def find_antibiotic(text: str) -> Antibiotic | None:
    """The antibiotic of a WHONET code, a LOINC code or a name."""
    typed = text.strip()
    if found := antibiotics().get(typed.upper()):
        return found
    named = fold(typed)
    return next(
        (one for one in antibiotics().values() if typed and (one.loinc == typed or fold(one.name) == named)), None
    )
