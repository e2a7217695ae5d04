"""The rules in force: those that come with the house (`data/`), and what people made of them since."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Final, TypeVar, cast

import msgspec
from cel_expr_python import cel

from tuetinh.care.lab.models import RuleChange
from tuetinh.care.lab.results.rules import (
    KINDS,
    Automatic,
    Counting,
    Critical,
    Delta,
    Expert,
    Formula,
    Hold,
    Indicator,
    Interval,
    Intrinsic,
    Marker,
    Normal,
    Notifiable,
    Profile,
    Reflex,
    Rule,
    Stability,
    Westgard,
    of_isolates,
    of_results,
    of_tubes,
)
from tuetinh.commons.expressions.api import Expression
from tuetinh.commons.rules.api import Ledger

_DATA = Path(__file__).parents[1] / "data"
R = TypeVar("R", bound=Rule)


def _rows(name: str) -> Iterable[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {key: value for key, value in row.items() if value}


@cache
def delivered() -> tuple[Rule, ...]:
    """The rules as they came."""
    found: list[Rule] = []
    for row in _rows("limits.csv"):
        found.append(msgspec.convert(row, KINDS[row.pop("kind")], strict=False))
    found += [msgspec.convert(row, Delta, strict=False) for row in _rows("deltas.csv")]
    found += [msgspec.convert(row, Westgard, strict=False) for row in _rows("westgard.csv")]
    for row in _rows("microbiology/intrinsic.csv"):
        listed = {name: row[name].split() for name in ("organisms", "antibiotics")}
        found.append(msgspec.convert(row | listed, Intrinsic))
    lists: tuple[tuple[str, type[Rule]], ...] = (
        ("formulas", Formula), ("holds", Hold), ("reflexes", Reflex), ("notifiable", Notifiable),
        ("microbiology/experts", Expert), ("microbiology/markers", Marker), ("microbiology/counting", Counting),
        ("profiles", Profile), ("stability", Stability), ("intervals", Interval),
        ("automatic", Automatic),
    )  # fmt: skip
    for name, kind in lists:
        found += msgspec.json.decode((_DATA / f"{name}.json").read_bytes(), type=list[kind])  # type: ignore[valid-type]
    return tuple(found)


class Book:
    """Rules, ready to be asked."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = {rule.code: rule for rule in rules}
        self._limits: dict[tuple[type[Rule], str], list[Normal | Critical]] = {}
        self._deltas: dict[str, dict[str, Delta]] = {}
        for rule in self.rules.values():
            if isinstance(rule, Normal | Critical):
                self._limits.setdefault((type(rule), rule.analyte), []).append(rule)
        self._read: dict[str, Expression] = {}
        self._days: dict[tuple[type[Rule], str], list[Rule]] = {}

    def of(self, kind: type[R], day: str) -> list[R]:
        """The rules of a kind that are in force on a day (ISO). The list is everybody's: not to be changed."""
        found = self._days.get((kind, day))
        if found is None:
            found = [rule for rule in self.rules.values() if isinstance(rule, kind) and rule.holds_on(day)]
            if len(self._days) > 10 * len(KINDS):  # days that went by
                self._days.clear()
            self._days[kind, day] = found
        return cast("list[R]", found)

    def limits(self, kind: type[Rule], analyte: str, day: str) -> list[Normal | Critical]:
        """The limits of an analyte in force on a day."""
        return [rule for rule in self._limits.get((kind, analyte), []) if rule.holds_on(day)]

    def delta(self, analyte: str, day: str) -> Delta | None:
        """How far an analyte may move: its own rule, else the one for every other."""
        rules = self._deltas.get(day)
        if rules is None:
            rules = {rule.analyte: rule for rule in self.of(Delta, day)}
            self._deltas = {day: rules}
        return rules.get(analyte) or rules.get("")

    def indicator(self, analyte: str, day: str) -> str:
        """The shared code under which an analyte is reported, "" where nobody has given one."""
        return next((rule.number for rule in self.of(Indicator, day) if rule.analyte == analyte), "")

    def result(self, condition: str) -> Expression:
        """A condition about one result."""
        return self._kept(condition, lambda: of_results().read(condition, cel.Type.BOOL))

    def tube(self, text: str, returns: cel.Type = cel.Type.BOOL) -> Expression:
        """A condition or formula about the results of a tube."""
        return self._kept(text, lambda: of_tubes().read(text, returns))

    def isolate(self, condition: str) -> Expression:
        """A condition about an isolate."""
        return self._kept(condition, lambda: of_isolates().read(condition, cel.Type.BOOL))

    def _kept(self, text: str, read: Callable[[], Expression]) -> Expression:
        if text not in self._read:
            self._read[text] = read()
        return self._read[text]


LEDGER: Final = Ledger(RuleChange, KINDS, delivered, Book)
in_force = LEDGER.in_force
