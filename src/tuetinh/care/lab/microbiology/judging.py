"""An antibiogram judged: by breakpoints, by nature, by expert rules, and what the resistance is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

from django.utils.translation import gettext

from tuetinh.care.lab.microbiology.breakpoints import Table
from tuetinh.care.lab.microbiology.lists import Organism, antibiotics, groups, phenotypes
from tuetinh.care.lab.results.book import Book, delivered
from tuetinh.care.lab.results.rules import Expert, Intrinsic, Marker, Rule


@dataclass(frozen=True, slots=True)
class Susceptibility:
    """One antibiotic tested: by `disk`, `mic` or `etest`, a number with `<=` or `>` before it, and what it means.

    sir: S, I, R or ""; limits: in words, those that judged it; table: their standard, year and version; rules: codes of
    those that changed the meaning. disk: its load.
    """

    antibiotic: str
    method: str
    number: Decimal | None = None
    comparator: str = ""
    disk: str = ""
    sir: str = ""
    limits: str = ""
    table: str = ""
    rules: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the antibiotic."""
        return antibiotics()[self.antibiotic].name

    @property
    def shown(self) -> str:
        """The number as it was read."""
        return "" if self.number is None else f"{self.comparator}{self.number}"

    @property
    def why(self) -> tuple[str, ...]:
        """What changed the meaning, in words; the code of a rule that a laboratory made."""
        return tuple(_said(code) for code in self.rules)


def _said(code: str) -> str:
    rule = _by_code().get(code)
    return rule.text if isinstance(rule, Expert) else gettext("Kháng tự nhiên") if rule else code


@cache
def _by_code() -> dict[str, Rule]:
    return {rule.code: rule for rule in delivered() if isinstance(rule, (Expert, Intrinsic))}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was made of an antibiogram. told: expert rules that hold; marks: names of the resistance."""

    tests: tuple[Susceptibility, ...]
    told: tuple[Expert, ...]
    marks: tuple[Marker, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What is judged: an organism from a kind of specimen, and the site for breakpoints."""

    organism: Organism
    specimen: str = ""
    site: str = ""


def judge(  # noqa: PLR0917
    book: Book,
    table: Table,
    day: str,
    material: Material,
    tests: Sequence[Susceptibility],
    found: Mapping[str, str],
) -> Verdict:
    """Judge measured tests of an isolate on a day (ISO). found: `+` or `-` by phenotype."""
    by_nature = _intrinsic(book, day, material.organism)
    judged = {one.antibiotic: _measured(table, material, one, by_nature) for one in tests}
    told = []
    for rule in book.of(Expert, day):
        words = _words(material, judged.values(), found, by_nature)
        if book.isolate(rule.condition).value(words) is not True:
            continue
        told.append(rule)
        for code in rule.antibiotics if rule.result else ():
            one = judged.get(code)
            if one and one.sir != rule.result and code not in by_nature:
                judged[code] = replace(one, sir=rule.result, rules=(*one.rules, rule.code))
    words = _words(material, judged.values(), found, by_nature)
    marks = [rule for rule in book.of(Marker, day) if book.isolate(rule.condition).value(words) is True]
    return Verdict(tuple(judged.values()), tuple(told), tuple(marks))


def _intrinsic(book: Book, day: str, organism: Organism) -> dict[str, str]:
    """The rules by which the organism is resistant by nature, by antibiotic."""
    names = {organism.code, *organism.groups}
    return {
        code: rule.code for rule in book.of(Intrinsic, day) if names & set(rule.organisms) for code in rule.antibiotics
    }


def _measured(table: Table, material: Material, one: Susceptibility, by_nature: Mapping[str, str]) -> Susceptibility:
    limits = table.find(material.organism, one.antibiotic, material.site)
    sir, said = "", ""
    if limits and one.number is not None:
        sir = table.judge(limits, one.method, one.number, one.comparator)
        said = table.words(limits, one.method)
    disk = limits.disk if limits and one.method == "disk" else ""
    judged = replace(one, sir=sir, limits=said, table=table.name, disk=disk, rules=())
    if one.antibiotic in by_nature and sir != "R":
        return replace(judged, sir="R", rules=(by_nature[one.antibiotic],))
    return judged


def _words(
    material: Material, tests: Iterable[Susceptibility], found: Mapping[str, str], by_nature: Mapping[str, str]
) -> dict[str, Any]:
    """An isolate as conditions name it. Categories count without what is resistant by nature (Magiorakos 2012)."""
    known: dict[str, str] = {}
    categories: dict[str, bool] = {}
    for one in tests:
        known[one.antibiotic] = one.sir
        if one.sir and one.antibiotic not in by_nature:
            name = antibiotics()[one.antibiotic].category
            categories[name] = categories.get(name, False) or _lost(one)
    return {
        "organism": material.organism.code,
        "specimen": material.specimen,
        **{code: known.get(code, "") for code in antibiotics()},
        **{code: found.get(code, "") for code in phenotypes()},
        **{group: group in material.organism.groups for group in groups()},
        "tested_categories": float(len(categories)),
        "resistant_categories": float(sum(categories.values())),
    }


def _lost(one: Susceptibility) -> bool:
    """Whether an antibiotic no longer helps: by EUCAST I is susceptible at a higher dose (since 2019)."""
    return one.sir == "R" or (one.sir == "I" and not one.table.startswith("EUCAST"))
