"""The language of the rules: CEL (Common Expression Language) over the fields of the insurance tables.

A condition is written about one row of one table, in the names of the decision, and says when there is a fault:
`MA_NHOM == "8" && PP_VO_CAM == ""`. Fields of the visit are known in the other tables as `XML1.GIOI_TINH`; further
words are in `vocabulary`. Every number is a decimal, so that `SO_LUONG > 1` is what it looks like; times are
yyyymmddHHMM and compare as they stand. CEL has no loops but over lists at hand, reaches nothing that it is not given,
and ends after a bounded number of steps; a wrong name or type is told when the rule is written.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from cel_expr_python import cel

from tuetinh.care.insurance.rules import vocabulary
from tuetinh.care.insurance.tables import Field, decision
from tuetinh.commons.expressions.api import LONGEST, as_decimals, worded

log = logging.getLogger(__name__)
SEVERITIES = ("block", "warn", "hint")
MOMENTS = ("diagnose", "order", "prescribe", "result", "pay", "claim")
_NUMBERS = ("SO_LUONG", "SO_NGAY", "DON_GIA", "THANH_TIEN", "T_", "TYLE_", "MUC_HUONG")
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'")
_NAME = re.compile(r"[A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]*)?")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}, omit_defaults=True):
    """One rule. table, field: where a fault is shown; when: moments at which it is asked; clause: where it stands.

    vi, en: the message, with `{FIELD}` for what the row says. from_, to: days (ISO) of the end of the visit, "" open.
    override: roles that may go on against a block, with a reason. group: heading in the list of rules.
    """

    code: str
    group: str
    table: str
    field: str
    severity: str
    when: tuple[str, ...]
    condition: str
    vi: str
    en: str
    clause: str
    from_: str = ""
    to: str = ""
    override: tuple[str, ...] = ()
    on: bool = True

    def holds_on(self, day: str) -> bool:
        """Whether the rule is for visits that end on this day (ISO)."""
        return self.on and self.from_ <= day and (not self.to or day <= self.to)


class BadCondition(ValueError):
    """A condition that cannot be: its text says what, and where in the condition."""


class Program:
    """Some rules of one table, made ready to be asked of many rows in one go."""

    def __init__(self, table: str, rules: Sequence[Rule]) -> None:
        self.table, self.rules = table, list(rules)
        texts = [as_decimals(rule.condition) for rule in rules]
        self.all = environment(table).compile("[" + ",".join(f"({text})" for text in texts) + "]") if texts else None
        self.each = [environment(table).compile(text) for text in texts]
        used = {name for rule in rules for name in names_in(rule.condition)}
        self.words = used & set(types(table))
        self.worked_out = [word for word in vocabulary.words(table) if word.name in self.words]
        self.fields = [(name, is_number(field)) for name, field in fields(table).items() if name in self.words]
        self.visit = [
            (f"XML1.{name}", name, is_number(field))
            for name, field in fields("XML1").items()
            if f"XML1.{name}" in self.words
        ]

    def faults(self, known: Mapping[str, Any]) -> list[Rule]:
        """The rules whose condition is true. known: value by word; a condition that cannot be told is no fault."""
        if self.all is None:
            return []
        try:
            answer = self.all.eval(data=known)
        except RuntimeError:  # one of them is beyond the number of steps: the others are asked by themselves
            return [rule for rule, one in zip(self.rules, self.each, strict=True) if _alone(rule, one, known)]
        if answer.type() == cel.Type.ERROR:
            return [rule for rule, one in zip(self.rules, self.each, strict=True) if _alone(rule, one, known)]
        return [rule for rule, said in zip(self.rules, answer.plain_value(), strict=True) if said is True]


def _alone(rule: Rule, condition: cel.Expression, known: Mapping[str, Any]) -> bool:
    try:
        return condition.eval(data=known).value() is True
    except RuntimeError as error:
        log.warning("rule %s cannot be asked: %s", rule.code, str(error).partition("[")[0].strip())
        return False


def verify(rule: Rule) -> None:
    """Raise BadCondition for a rule that cannot be asked."""
    if rule.severity not in SEVERITIES or not rule.when or not set(rule.when) <= set(MOMENTS):
        raise BadCondition(f"{rule.severity} {rule.when}")
    if rule.table not in decision("3176").tables or rule.field not in fields(rule.table):
        raise BadCondition(f"{rule.table}.{rule.field}")
    if len(rule.condition) > LONGEST:
        raise BadCondition(f"> {LONGEST}")
    try:
        found = environment(rule.table).compile(as_decimals(rule.condition))
    except RuntimeError as error:
        raise BadCondition(worded(str(error))) from error
    if found.return_type() != cel.Type.BOOL:
        raise BadCondition(f"{found.return_type().name()} ≠ BOOL")


class Book:
    """Rules, ready to be asked: what is compiled once for a moment and a day is kept."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = {rule.code: rule for rule in rules}
        self.kept: dict[tuple[str, tuple[str, ...]], list[Program]] = {}

    def programs(self, when: str, day: str) -> list[Program]:
        """The rules of a moment for visits that end on a day (ISO), one program a table."""
        asked = [rule for rule in self.rules.values() if when in rule.when and rule.holds_on(day)]
        key = when, tuple(rule.code for rule in asked)
        if key not in self.kept:
            tables = dict.fromkeys(rule.table for rule in asked)
            self.kept[key] = [Program(table, [r for r in asked if r.table == table]) for table in sorted(tables)]
        return self.kept[key]


@cache
def environment(table: str) -> cel.Env:
    """What a condition about a row of this table may name."""
    return cel.NewEnv(variables=types(table), extensions=[vocabulary.FUNCTIONS])


@cache
def types(table: str) -> dict[str, cel.Type]:
    """Type by word: the fields of the table, those of the visit, and the words worked out from them."""

    def of(field: Field) -> cel.Type:
        return cel.Type.DOUBLE if is_number(field) else cel.Type.STRING

    visit = {f"XML1.{name}": of(field) for name, field in fields("XML1").items()}
    own = {name: of(field) for name, field in fields(table).items()}
    return visit | own | {word.name: word.type for word in vocabulary.words(table)}


@cache
def fields(table: str) -> dict[str, Field]:
    """The fields of a table, by name, as the decision in force has them."""
    return {field.name: field for field in decision("3176").tables[table].fields}


def is_number(field: Field) -> bool:
    """Whether a field is an amount; codes that are written with digits are text."""
    return field.type == "number" and field.name.startswith(_NUMBERS)


def names_in(condition: str) -> Iterable[str]:
    """The words in capitals that a condition names, whatever stands in its texts."""
    return _NAME.findall(_STRINGS.sub('""', condition))
