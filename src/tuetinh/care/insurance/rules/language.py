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
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import msgspec
from cel_expr_python import cel
from django.utils.translation import gettext as _

from tuetinh.care.insurance.rules import vocabulary
from tuetinh.care.insurance.rules.guards import asked_first
from tuetinh.care.insurance.tables import Field, Row, decision
from tuetinh.commons.expressions.api import LONGEST, as_decimals, worded

log = logging.getLogger(__name__)
SEVERITIES = ("block", "warn", "hint")
MOMENTS = ("diagnose", "order", "prescribe", "result", "pay", "claim")
MOST_MADE = 500  # programs that are kept: of as many sets of rules that may hold together, and of as many days
MOST_SAID = 1_000  # answers that a program remembers: each takes some hundred bytes
VISIT = "XML1."  # before a field of the visit, in the other tables
_NUMBERS = ("SO_LUONG", "SO_NGAY", "DON_GIA", "THANH_TIEN", "T_", "TYLE_", "MUC_HUONG")
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'")
_NAME = re.compile(r"[A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]*)?")
_OF_LIST = re.compile(rf"{_STRINGS.pattern}|\b(co_ma|nhom)\s*\(\s*(?:(\"[^\"]*\"|'[^']*')\s*,)?")


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


class Made(NamedTuple):
    """The conditions of some rules as one expression, and its words; of_times: whether a time is among them."""

    condition: cel.Expression
    words: list[str]
    of_times: bool


class Program:
    """Some rules of one table, made ready to be asked of many rows: of each, those that may hold, in one go."""

    def __init__(self, table: str, rules: Sequence[Rule]) -> None:
        self.table, self.rules = table, list(rules)
        conditions, read = [rule.condition for rule in rules], partial(_in_python, table)
        self.may_hold = asked_first(
            conditions, "known, row, visit", read, number=vocabulary.number, **vocabulary.IN_PYTHON
        )
        self.words = [sorted(set(names_in(rule.condition)) & types(table).keys()) for rule in rules]
        self.made: dict[tuple[int, ...], Made] = {}
        self.remembered = lru_cache(MOST_SAID)(self._said)

    def faults(self, known: Known) -> list[Rule]:
        """The rules whose condition is true; one that cannot be told is no fault."""
        asked = self.may_hold(known, known.row, known.facts.visit)
        if not asked:
            return []
        if asked not in self.made and len(self.made) >= MOST_MADE:
            asked = tuple(range(len(self.rules)))
        answer = self._answer(asked, known)
        if answer is not None:
            return [self.rules[n] for n, said in zip(asked, answer, strict=True) if said is True]
        # one of them is beyond the number of steps, or cannot be told: each is asked by itself
        return [self.rules[n] for n in asked if self._answer((n,), known) == [True]]

    def _answer(self, asked: tuple[int, ...], known: Mapping[str, Any]) -> list[Any] | None:
        """What these rules say, None where one of them cannot be asked."""
        made = self.made.get(asked)
        if made is None:
            text = "[" + ",".join(f"({as_decimals(self.rules[n].condition)})" for n in asked) + "]"
            words = sorted({word for n in asked for word in self.words[n]})
            made = self.made[asked] = Made(environment(self.table).compile(text), words, any(map(_is_time, words)))
        values = [known[word] for word in made.words]
        # most lines say what others have said, but not at the same minute
        say = self._said if made.of_times else self.remembered
        return say(asked, *[tuple(value) if isinstance(value, list) else value for value in values])

    def _said(self, asked: tuple[int, ...], *values: Any) -> list[Any] | None:
        """The same of what their words are, lists as tuples."""
        made = self.made[asked]
        told = (list(value) if isinstance(value, tuple) else value for value in values)
        try:
            answer = made.condition.eval(data=dict(zip(made.words, told, strict=True)))
        except RuntimeError as error:
            if len(asked) == 1:
                code = self.rules[asked[0]].code
                log.warning("rule %s cannot be asked: %s", code, str(error).partition("[")[0].strip())
            return None
        return None if answer.type() == cel.Type.ERROR else answer.plain_value()


class Known(dict[str, Any]):
    """What is known of a row, by word; worked out when it is asked for."""

    def __init__(self, table: str, facts: vocabulary.Facts, place: int, row: Row) -> None:
        super().__init__(facts.everywhere())
        self.sources, self.facts, self.place, self.row = sources(table), facts, place, row

    def __missing__(self, word: str) -> Any:
        found = self[word] = self.sources[word](self.facts, self.place, self.row)
        return found


def verify(rule: Rule) -> None:
    """Raise BadCondition for a rule that cannot be asked."""
    if rule.severity not in SEVERITIES or not rule.when or not set(rule.when) <= set(MOMENTS):
        raise BadCondition(f"{rule.severity} {rule.when}")
    if rule.table not in decision("3176").tables or rule.field not in fields(rule.table):
        raise BadCondition(f"{rule.table}.{rule.field}")
    if len(rule.condition) > LONGEST:
        raise BadCondition(f"> {LONGEST}")
    _verify_lists(rule.condition)
    try:
        found = environment(rule.table).compile(as_decimals(rule.condition))
    except RuntimeError as error:
        raise BadCondition(worded(str(error))) from error
    if found.return_type() != cel.Type.BOOL:
        raise BadCondition(f"{found.return_type().name()} ≠ BOOL")


def fault_of(rule: Rule) -> str:
    """Why a rule cannot be asked, in the reader's language; "" for one that can."""
    try:
        verify(rule)
    except BadCondition as error:
        return str(error)
    return ""


def _verify_lists(condition: str) -> None:
    """Raise BadCondition for a list that there is not; which list it is must stand there, so that it can be told."""
    for asked in _OF_LIST.finditer(condition):
        function, name = asked[1], asked[2] or "?"
        if function and not vocabulary.is_list(function, name[1:-1]):
            raise BadCondition(_("%(function)s: không có danh mục %(name)s") % {"function": function, "name": name})


class Book:
    """Rules, ready to be asked: what is compiled once for a moment and a day is kept.

    unsound: rules as somebody kept them that can no longer be asked; what came before them holds instead.
    """

    def __init__(self, rules: Iterable[Rule], unsound: Iterable[Rule] = ()) -> None:
        self.rules = {rule.code: rule for rule in rules}
        self.unsound = {rule.code: rule for rule in unsound}
        self.kept: dict[tuple[str, tuple[str, ...]], list[Program]] = {}
        self.of_day: dict[tuple[str, str], list[Program]] = {}

    def programs(self, when: str, day: str) -> list[Program]:
        """The rules of a moment for visits that end on a day (ISO), one program a table."""
        found = self.of_day.get((when, day))  # as above
        if found is None:
            if len(self.of_day) >= MOST_MADE:
                self.of_day.clear()
            found = self.of_day[when, day] = self._programs(when, day)
        return found

    def _programs(self, when: str, day: str) -> list[Program]:
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

    visit = {f"{VISIT}{name}": of(field) for name, field in fields("XML1").items()}
    own = {name: of(field) for name, field in fields(table).items()}
    return visit | own | {word.name: word.type for word in vocabulary.words(table)}


def _in_python(table: str, word: str) -> str:
    """How Python reads a word of a row: fields stand in the row or its visit, everything else has to be worked out."""
    of_visit = word.startswith(VISIT)
    name = word[len(VISIT) :] if of_visit else word
    field = fields("XML1" if of_visit else table).get(name)
    if field is None:
        return f"known[{word!r}]"
    text = f"{'visit' if of_visit else 'row'}.get({name!r}, '')"
    return f"number({text})" if is_number(field) else text


@cache
def _is_time(word: str) -> bool:
    """Whether a word is a time of the row or of the visit."""
    return word.removeprefix(VISIT).startswith("NGAY_")


@cache
def sources(table: str) -> dict[str, Callable[[vocabulary.Facts, int, Row], Any]]:
    """Where the value of each word comes from: the visit, the row, or both worked out."""

    def visit(field: Field) -> Callable[[vocabulary.Facts, int, Row], Any]:
        name = field.name
        if is_number(field):
            return lambda facts, _place, _row: vocabulary.number(facts.visit.get(name, ""))
        return lambda facts, _place, _row: facts.visit.get(name, "")

    def own(field: Field) -> Callable[[vocabulary.Facts, int, Row], Any]:
        name = field.name
        if is_number(field):
            return lambda _facts, _place, row: vocabulary.number(row.get(name, ""))
        return lambda _facts, _place, row: row.get(name, "")

    of_visit = {f"{VISIT}{name}": visit(field) for name, field in fields("XML1").items()}
    of_row = {name: own(field) for name, field in fields(table).items()}
    return of_visit | of_row | {word.name: word.worth for word in vocabulary.words(table)}


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
