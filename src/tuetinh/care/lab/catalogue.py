"""What the laboratory offers: tests and panels under their service codes, and the analytes that they are made of."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from django.utils.translation import get_language, gettext_lazy

from tuetinh.record.text import fold

_DATA = Path(__file__).parent / "data"

SPECIMENS = {
    "edta": gettext_lazy("Máu toàn phần (EDTA)"),
    "serum": gettext_lazy("Huyết thanh"),
    "citrate": gettext_lazy("Huyết tương (citrat)"),
    "fluoride": gettext_lazy("Huyết tương (fluorid)"),
    "urine": gettext_lazy("Nước tiểu"),
    "stool": gettext_lazy("Phân"),
    "sputum": gettext_lazy("Đờm"),
    "swab": gettext_lazy("Dịch phết"),
    "bloodculture": gettext_lazy("Máu (chai cấy máu)"),
    "urineculture": gettext_lazy("Nước tiểu (lọ vô khuẩn)"),
    "pus": gettext_lazy("Mủ, dịch vết thương"),
    "csf": gettext_lazy("Dịch não tủy"),
    "fluid": gettext_lazy("Dịch cơ thể vô khuẩn"),
    "capillary": gettext_lazy("Máu mao mạch"),
}
# v2 table 0487, as FHIR's v2-0487 code system writes it.
SPECIMEN_CODES = {
    "edta": "BLD",
    "serum": "SER",
    "citrate": "PLAS",
    "fluoride": "PLAS",
    "urine": "UR",
    "stool": "STL",
    "sputum": "SPT",
    "swab": "SWAB",
    "bloodculture": "BLD",
    "urineculture": "UR",
    "pus": "PUS",
    "csf": "CSF",
    "fluid": "FLU",
    "capillary": "BLDC",
}


@dataclass(frozen=True, slots=True)
class Range:
    """Limits of normal; None where there is none."""

    low: Decimal | None = None
    high: Decimal | None = None

    def where(self, value: Decimal) -> str:
        """`L` below, `H` above, `N` within."""
        if self.low is not None and value < self.low:
            return "L"
        return "H" if self.high is not None and value > self.high else "N"

    def __bool__(self) -> bool:
        return self.low is not None or self.high is not None

    def __or__(self, other: Range) -> Range:
        """The widest of both."""
        lows, highs = (self.low, other.low), (self.high, other.high)
        return Range(
            None if None in lows else min(low for low in lows if low is not None),
            None if None in highs else max(high for high in highs if high is not None),
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is normal for a person, and beyond what somebody must be called."""

    normal: Range = Range()
    critical: Range = Range()


@dataclass(frozen=True, slots=True)
class Analyte:
    """One measured thing. `plain` is its name for citizens, `choices` the words of a result that is no number.

    kind: `titre` for the highest dilution that reacts, `culture` and `organism` for the bench of microbiology, else "".
    """

    key: str
    loinc: str
    unit: str
    shown: str
    names: tuple[str, str]
    plains: tuple[str, str]
    choices: tuple[str, ...]
    aliases: frozenset[str]
    kind: str = ""

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]

    @property
    def plain(self) -> str:
        """Its name for citizens, in the language of the page."""
        return self.plains[get_language() == "en"]

    @property
    def numeric(self) -> bool:
        """Whether results are numbers in a unit."""
        return bool(self.unit)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where tests are done. routine, urgent: minutes from reception within which its results are due."""

    key: str
    names: tuple[str, str]
    routine: int
    urgent: int

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]

    def minutes(self, *, urgent: bool) -> int:
        """Minutes from reception to the result."""
        return self.urgent if urgent else self.routine


@dataclass(frozen=True, slots=True)
class Test:
    """What can be ordered. `code` is the service's, which is billed; a panel has several analytes.

    pick: what it is ordered by: its code, or `code/key` where one service is done of several kinds of specimen.
    also: what machines tell with it that can; it is whole without.
    """

    __test__ = False  # pytest: no test class

    code: str
    key: str
    specimen: str
    loinc: str
    names: tuple[str, str]
    analytes: tuple[Analyte, ...]
    bench: Bench
    pick: str
    also: tuple[Analyte, ...] = ()

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def analytes() -> dict[str, Analyte]:
    """Every analyte by its key."""
    return {
        row["key"]: Analyte(
            row["key"], row["loinc"], row["unit"], row["shown"],
            (row["name"], row["name_en"]), (row["plain"], row["plain_en"]),
            tuple(filter(None, row["choices"].split("|"))), frozenset(row["aliases"].split()), row["kind"],
        )
        for row in _rows("analytes.csv")
    }  # fmt: skip


@cache
def benches() -> dict[str, Bench]:
    """The benches by key, in their order."""
    return {
        row["key"]: Bench(row["key"], (row["name"], row["name_en"]), int(row["routine"]), int(row["urgent"]))
        for row in _rows("benches.csv")
    }


@cache
def _tests() -> dict[str, Test]:
    known, rows = analytes(), _rows("tests.csv")
    counted = Counter(row["code"] for row in rows)
    made = [
        Test(
            row["code"], row["key"], row["specimen"], row["loinc"], (row["name"], row["name_en"]),
            tuple(known[key] for key in row["analytes"].split()), benches()[row["bench"]],
            row["code"] if counted[row["code"]] == 1 else f"{row['code']}/{row['key']}",
            tuple(known[key] for key in row["also"].split()),
        )
        for row in rows
    ]  # fmt: skip
    return {one.pick: one for one in made}


@cache
def _of_service() -> dict[str, list[Test]]:
    found: dict[str, list[Test]] = {}
    for one in tests():
        found.setdefault(one.code, []).append(one)
    return found


def tests() -> list[Test]:
    """Every test and panel that can be ordered."""
    return list(_tests().values())


def test(code: str, specimen: str = "") -> Test | None:
    """The test that is ordered by this; of a service done of several kinds of specimen that one, else the first."""
    found = _of_service().get(code, [])
    return _tests().get(code) or next((one for one in found if one.specimen == specimen), found[0] if found else None)


test.__test__ = False  # type: ignore[attr-defined]  # pytest: no test function


def test_of(code: str, loinc: str) -> Test | None:
    """The test of a service code; where it is done of several kinds of specimen, the one of the LOINC code."""
    found = _of_service().get(code, [])
    return next((one for one in found if one.loinc == loinc), found[0] if found else None)


test_of.__test__ = False  # type: ignore[attr-defined]  # pytest: no test function


def search_tests(text: str, limit: int = 12) -> list[Test]:
    """Type-ahead over tests: every typed word begins a word of the name, key or an analyte, accents or not."""
    typed = fold(text).split()

    def words(one: Test) -> list[str]:
        return fold(" ".join([*one.names, one.key, *(f"{a.key} {a.names[0]}" for a in one.analytes)])).split()

    def fits(one: Test) -> bool:
        have = words(one)
        return all(any(h.strip("()").startswith(t) for h in have) for t in typed)

    return sorted((t for t in tests() if fits(t)), key=lambda t: len(t.names[0]))[:limit]


@cache
def by_loinc() -> dict[str, Analyte]:
    """Analytes by LOINC code."""
    return {a.loinc: a for a in analytes().values()}


@cache
def by_other_loinc() -> dict[str, Analyte]:
    """Analytes by the LOINC codes under which other systems measure the same in another unit or specimen."""
    return {alias: a for a in analytes().values() for alias in a.aliases}
