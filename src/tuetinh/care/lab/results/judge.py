"""What the rules say of the results of a tube: limits, jumps, what is calculated, held, ordered on, told on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from cel_expr_python import cel

from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Analyte, Bounds, Range, Test, analytes, test
from tuetinh.care.lab.results.book import Book
from tuetinh.care.lab.results.rules import Automatic, Critical, Formula, Hold, Limits, Normal, Notifiable, Reflex, Rule
from tuetinh.record import r4

SEXES = ("male", "female")


@dataclass(frozen=True, slots=True)
class Person:
    """Whose results they are, as far as limits ask. age: in days."""

    sex: str = ""
    age: int | None = None
    pregnant: bool = False

    @property
    def words(self) -> dict[str, Any]:
        """As expressions name it."""
        known: dict[str, Any] = {"sex": self.sex, "pregnant": self.pregnant}
        return known if self.age is None else known | {"age": self.age / 365.25}


@dataclass(frozen=True, slots=True)
class Judge:
    """The rules of a day, asked of one person's results."""

    book: Book
    person: Person
    day: str

    def bounds(self, analyte: Analyte, method: str = "") -> Bounds:
        """Its limits for this person; where the sex is not known, the widest of both."""
        return Bounds(self._range(Normal, analyte, method), self._range(Critical, analyte, method))

    def indicator(self, analyte: Analyte) -> str:
        """The shared code under which it is reported."""
        return self.book.indicator(analyte.key, self.day)

    def _range(self, kind: type[Limits], analyte: Analyte, method: str) -> Range:
        rules = self.book.limits(kind, analyte.key, self.day)
        sexes = [self.person.sex] if self.person.sex in SEXES else SEXES
        found = [self._heaviest(rules, sex, method) for sex in sexes]
        return found[0] if len(found) == 1 else found[0] | found[1]

    def _heaviest(self, rules: Iterable[Limits], sex: str, method: str) -> Range:
        who = self.person
        fitting = [r for r in rules if r.fits(sex=sex, age=who.age, pregnant=who.pregnant, method=method)]
        return max(fitting, key=lambda rule: rule.weight).range if fitting else Range()

    def delta(self, analyte: Analyte, reading: facts.Reading, before: r4.Observation | None) -> str:
        """`U` or `D` where a reading jumps from the last result in the same unit, else ""."""
        rule = self.book.delta(analyte.key, self.day)
        old = before.valueQuantity if before else None
        if not rule or not before or old is None or old.value is None or reading.number is None:
            return ""
        at = (before.effectiveDateTime or "")[:10]
        since = (date.fromisoformat(self.day) - timedelta(days=rule.days)).isoformat()
        if at < since or facts.unit_of(before) != (reading.unit or analyte.shown):
            return ""
        return rule.moved(reading.number, old.value)

    def formulas(self, ordered: Iterable[Analyte]) -> list[Formula]:
        """The formulas for what was ordered. What was itself ordered is measured, not calculated."""
        keys = {analyte.key for analyte in ordered}
        return [rule for rule in self.book.of(Formula, self.day) if rule.host in keys and rule.analyte not in keys]

    def calculate(self, rule: Formula, results: Iterable[r4.Observation]) -> facts.Reading | None:
        """What a formula makes of the results of a tube; None where something that it needs is not there."""
        known, sources = values(results), {facts.key_of(r): r for r in results}
        asked = self.book.tube(rule.expression, cel.Type.DOUBLE)
        words = known | self.person.words
        if self.book.tube(rule.condition).value(words) is not True:
            return None
        value = asked.value(words)
        if value is None or not math.isfinite(value):
            return None
        used = [sources[word] for word in sorted(asked.words) if word in sources]
        moments = [datetime.fromisoformat(r.effectiveDateTime) for r in used if r.effectiveDateTime]
        return facts.Reading(
            number=round(Decimal(repr(value)), rule.digits),
            unit=analytes()[rule.analyte].shown,
            at=max(moments, default=datetime.now(UTC)),
            notes=(rule.source,) if rule.source else (),
            sources=tuple(r.id or "" for r in used),
        )

    def held(self, result: r4.Observation, *, urgent: bool = False, qc: str = "") -> list[Hold]:
        """Why a result is not accepted with the others; none where it may be."""
        key = facts.key_of(result)
        words = self.words(result) | {"urgent": urgent, "qc": qc}
        asked = (rule for rule in self.book.of(Hold, self.day) if not rule.analytes or key in rule.analytes)
        return [rule for rule in asked if self.book.result(rule.condition).value(words) is True]

    def words(self, result: r4.Observation) -> dict[str, Any]:
        """A result as conditions name it."""
        analyte, quantity = facts.analyte_of(result), result.valueQuantity
        known = self.person.words | {
            "text": "" if quantity else facts.value_of(result),
            "code": facts.value_code(result),
            "flag": facts.flag_of(result),
            "delta": facts.delta_of(result),
            "comparator": (quantity.comparator or "") if quantity else "",
            "numeric": bool(analyte and analyte.numeric),
            "absent": result.dataAbsentReason is not None,
            "typed": not (result.device or result.derivedFrom),
            "machine": (result.device.display or "") if result.device else "",
            "urgent": False,
            "qc": "",
        }
        return known | {"value": float(quantity.value)} if quantity and quantity.value is not None else known

    def reflexes(self, results: Iterable[r4.Observation], ordered: Iterable[str]) -> Iterator[tuple[Reflex, Test]]:
        """The tests that the results of a tube ask for and that were not ordered, each with the rule that asks."""
        words, known = values(results) | self.person.words, set(ordered)
        for rule in self.book.of(Reflex, self.day):
            what = test(rule.order)
            if what and what.code not in known and self.book.tube(rule.condition).value(words) is True:
                known.add(what.code)
                yield rule, what

    def automatic(self, ordered: Iterable[str]) -> Automatic | None:
        """The rule by which results of all these tests are validated without a technician."""
        wanted = set(ordered)
        return next((rule for rule in self.book.of(Automatic, self.day) if wanted and wanted <= set(rule.tests)), None)

    def notifiable(self, result: r4.Observation) -> Notifiable | None:
        """The disease that a result tells of."""
        key, words = facts.key_of(result), self.words(result)
        asked = (rule for rule in self.book.of(Notifiable, self.day) if key in rule.analytes)
        return next((rule for rule in asked if self.book.result(rule.condition).value(words) is True), None)

    def named(self, code: str) -> Rule | None:
        """A rule by its code."""
        return self.book.rules.get(code)


def values(results: Iterable[r4.Observation]) -> Mapping[str, Any]:
    """What was measured, by the key of its analyte: plain numbers in our unit, and words."""
    found: dict[str, Any] = {}
    for result in results:
        analyte, quantity = facts.analyte_of(result), result.valueQuantity
        if not analyte:
            continue
        if not analyte.numeric and result.valueString:
            found[analyte.key] = result.valueString
        elif analyte.numeric and quantity and quantity.value is not None and quantity.code and not quantity.comparator:
            found[analyte.key] = float(quantity.value)
    return found
