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
from functools import cache, lru_cache
from typing import Any

import msgspec
from cel_expr_python import cel
from django.utils.translation import gettext as _

from tuetinh.care.insurance.rules import vocabulary
from tuetinh.care.insurance.rules.guards import Guard, guards
from tuetinh.care.insurance.tables import Field, Row, decision
from tuetinh.commons.expressions.api import LONGEST, as_decimals, worded

log = logging.getLogger(__name__)
SEVERITIES = ("block", "warn", "hint")
MOMENTS = ("diagnose", "order", "prescribe", "result", "pay", "claim")
MOST_MADE = 500  # programs that are kept: of as many sets of rules that may hold together, and of as many days
MOST_KINDS = 10_000  # of rows, by the texts that rules ask for
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


class Program:
    """Some rules of one table, made ready to be asked of many rows: of each, those that may hold, in one go."""

    def __init__(self, table: str, rules: Sequence[Rule]) -> None:
        self.table, self.rules = table, list(rules)
        texts: dict[str, set[str]] = {}
        self.by_text: list[list[Guard]] = []  # by rule: what is asked of the texts of a row or its visit alone
        self.beyond: list[list[Callable[[Mapping[str, Any]], bool]]] = []
        for rule in rules:
            found = guards(rule.condition)
            self.by_text.append([guard for guard in found if is_text(table, guard.word)])
            self.beyond.append([guard.test for guard in found if not is_text(table, guard.word)])
            for guard in self.by_text[-1]:
                texts.setdefault(guard.word, set()).update(guard.texts)
        self.own = [(word, some) for word, some in texts.items() if not word.startswith(VISIT)]
        self.of_visit = [(word[len(VISIT) :], some) for word, some in texts.items() if word.startswith(VISIT)]
        self.may: dict[tuple[str | None, ...], list[int]] = {}  # rules that may hold of a row with these texts
        self.words = [sorted(set(names_in(rule.condition)) & types(table).keys()) for rule in rules]
        self.made: dict[tuple[int, ...], tuple[cel.Expression, list[str]]] = {}
        self.remembered = lru_cache(MOST_SAID)(self._said)

    def faults(self, known: Known) -> list[Rule]:
        """The rules whose condition is true; one that cannot be told is no fault."""
        asked: tuple[int, ...] = ()
        for n in self._candidates(known):
            for test in self.beyond[n]:
                if not test(known):
                    break
            else:
                asked += (n,)
        if not asked:
            return []
        if asked not in self.made and len(self.made) >= MOST_MADE:
            asked = tuple(range(len(self.rules)))
        answer = self._answer(asked, known)
        if answer is not None:
            return [self.rules[n] for n, said in zip(asked, answer, strict=True) if said is True]
        # one of them is beyond the number of steps, or cannot be told: each is asked by itself
        return [self.rules[n] for n in asked if self._answer((n,), known) == [True]]

    def _candidates(self, known: Known) -> list[int]:
        """The rules that are about a row by its texts; rows are of few kinds."""
        row, visit = known.row, known.facts.visit
        kind = tuple(
            [value if (value := row.get(name, "")) in some else None for name, some in self.own]
            + [value if (value := visit.get(name, "")) in some else None for name, some in self.of_visit]
        )
        found = self.may.get(kind)  # others ask the same book at the same time, and may clear it
        if found is None:
            if len(self.may) >= MOST_KINDS:
                self.may.clear()
            every = enumerate(self.by_text)
            found = self.may[kind] = [n for n, needed in every if all(guard.test(known) for guard in needed)]
        return found

    def _answer(self, asked: tuple[int, ...], known: Mapping[str, Any]) -> list[Any] | None:
        """What these rules say, None where one of them cannot be asked."""
        if asked not in self.made:
            text = "[" + ",".join(f"({as_decimals(self.rules[n].condition)})" for n in asked) + "]"
            self.made[asked] = environment(self.table).compile(text), sorted({w for n in asked for w in self.words[n]})
        words = self.made[asked][1]
        values = (known[word] for word in words)
        # most lines say what others have said, but not at the same minute
        say = self._said if any(map(_is_time, words)) else self.remembered
        return say(asked, *(tuple(value) if isinstance(value, list) else value for value in values))

    def _said(self, asked: tuple[int, ...], *values: Any) -> list[Any] | None:
        """The same of what their words are, lists as tuples."""
        condition, words = self.made[asked]
        told = (list(value) if isinstance(value, tuple) else value for value in values)
        try:
            answer = condition.eval(data=dict(zip(words, told, strict=True)))
        except RuntimeError as error:
            if len(asked) == 1:
                code = self.rules[asked[0]].code
                log.warning("rule %s cannot be asked: %s", code, str(error).partition("[")[0].strip())
            return None
        return None if answer.type() == cel.Type.ERROR else answer.plain_value()


class Known(dict[str, Any]):
    """What is known of a row, by word; worked out when it is asked for."""

    def __init__(self, table: str, facts: vocabulary.Facts, place: int, row: Row) -> None:
        super().__init__()
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


@cache
def is_text(table: str, word: str) -> bool:
    """Whether a word is a field of the row or of the visit that is no amount."""
    of_visit = word.startswith(VISIT)
    field = fields("XML1").get(word[len(VISIT) :]) if of_visit else fields(table).get(word)
    return field is not None and not is_number(field)


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
