"""Checks a claim's tables against the description of the decision. Reports everything, changes nothing."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache, cached_property, lru_cache
from itertools import chain, compress
from operator import contains, not_
from typing import Any

from django.utils.translation import gettext

from tuetinh.care.insurance.tables import Condition, Field, Row, Tables, decision, in_force
from tuetinh.commons.catalogues.api import codes

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
LONGEST = 40  # characters of a number that is still reckoned with; a longer one is told by its length
DIGITS = 200  # enough for the exact product of all that a line multiplies
ZERO, CENT = Decimal(0), Decimal("0.01")
TOLERANCE = Decimal("0.02")  # two roundings to 0.01 may meet in one identity
REMEMBERED = 64  # characters of a value that is worth remembering as sound
MOST_REMEMBERED = 20_000  # values of a field
MOST_RECKONED, LONGEST_RECKONED = 5_000, 400  # lines, by what formulas read of them, and characters of one
WITHIN_STAY = ("NGAY_YL", "NGAY_TH_YL", "THOI_DIEM_DBLS")


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. row counts from 1, 0 is the whole table; code: `required`, `type`… or of a rule; ref: where it stands.

    label: what the decision calls the field, "" where it has none such. severity: `block`, `warn` or `hint`. value:
    what the field says, in what a rule found.
    """

    table: str
    row: int
    field: str
    code: str
    reason: str
    ref: str
    label: str = ""
    severity: str = "block"
    value: str = ""


def check(tables: Tables, *, by: str = "3176") -> list[Problem]:
    """Return every problem of the tables, in their order."""
    with localcontext(prec=DIGITS):
        return list(_Check(tables, by).all())


def field_problems(field: Field, row: Row, day: str) -> list[tuple[str, str]]:
    """What is wrong with one field of a row that stands alone on a day (ISO): codes and words."""
    alone = _Check({"XML1": [{"NGAY_RA": day.replace("-", "")}]}, "3176")
    with localcontext(prec=DIGITS):
        return list(alone.of_field(field, row))


class _Column:
    """A field as it is on a day, with the values that were found sound: most of a month's come again and again.

    linked: whether what it says depends on others; reads: the fields of its row that say whether it is right, where
    they alone do.
    """

    __slots__ = ("codes", "field", "limit", "linked", "name", "reads", "sound", "wanted")

    def __init__(self, field: Field, limit: int | None, codes: str | None) -> None:
        self.field, self.name, self.limit, self.codes = field, field.name, limit, codes
        self.wanted = field.required or bool(field.required_if) or bool(field.required_until)
        alike = (limit, codes, field.format, field.pattern, field.type, field.separator, field.most)
        self.sound = _sound_times(*alike, wanted=self.wanted) if field.format else _sound(wanted=self.wanted)
        beside_others = bool(field.not_before or field.after or field.same or field.beside)
        self.linked = beside_others or field.formula is not None
        self.reads = () if beside_others or field.required_until or field.format else _read_by(field)

    def alone(self, value: str) -> list[tuple[str, str]]:
        """What is wrong with a value, whatever stands beside it."""
        found = [*self._whole(value), *(x for part in _parts(self.field, value) for x in self._part(part.strip()))]
        if not found and len(value) <= REMEMBERED and len(self.sound) < MOST_REMEMBERED:
            self.sound.add(value)
        return found

    def _whole(self, value: str) -> Iterator[tuple[str, str]]:
        field = self.field
        if self.limit is not None and len(value) > self.limit:
            yield "length", gettext("Dài quá %(limit)d ký tự.") % {"limit": self.limit}
        if field.type == "number":
            if not NUMBER.fullmatch(value):
                yield "type", gettext("Phải là số, dấu thập phân là dấu chấm.")
            elif value.startswith("-"):
                yield "type", gettext("Không được âm.")
            elif field.decimals is not None and len(value.partition(".")[2]) > field.decimals:
                yield "decimals", gettext("Nhiều quá %(most)d chữ số thập phân.") % {"most": field.decimals}
        if field.most is not None and len(_parts(field, value)) > field.most:
            yield "count", gettext("Nhiều quá %(most)d mã.") % {"most": field.most}

    def _part(self, value: str) -> Iterator[tuple[str, str]]:
        field = self.field
        if field.format and not is_time(value, field.format):
            yield "format", gettext("Không đúng dạng %(form)s.") % {"form": field.format}
        if field.pattern and not re.fullmatch(field.pattern, value, re.ASCII):
            yield "format", gettext("Không đúng mẫu.")
        if self.codes and value not in codes(self.codes):
            yield "code", gettext("Không có mã này trong danh mục %(list)s.") % {"list": self.codes}


def _parts(field: Field, value: str) -> list[str]:
    return value.split(field.separator) if field.separator and field.separator in value else [value]


def _sound(*, wanted: bool) -> set[str | None]:
    """What a field may say as long as nothing is known of it: nothing, unless it is wanted."""
    return set() if wanted else {"", None}


@cache
def _sound_times(*_alike: Any, wanted: bool) -> set[str | None]:
    """The same of all fields that say times of one form: a visit says the same few in many of them."""
    return _sound(wanted=wanted)


class _Form:
    """The fields of a table as they are on a day.

    reads: the fields of a row that say whether those are right that are so by their row alone; right: what they said
    where all of those were.
    """

    def __init__(self, columns: Sequence[_Column]) -> None:
        self.every, self.others = _Asked(columns), _Asked([column for column in columns if not column.reads])
        self.reads = tuple(dict.fromkeys(name for column in columns for name in column.reads))
        self.right: set[tuple[str | None, ...]] = set()

    def remember(self, told: tuple[str | None, ...]) -> None:
        """Remember what a row says as right."""
        if told and len(self.right) < MOST_RECKONED and sum(map(len, filter(None, told))) <= LONGEST_RECKONED:
            self.right.add(told)


class _Asked:
    """Some of the fields of a table, of which those are to be found that must be looked at in a row."""

    def __init__(self, columns: Sequence[_Column]) -> None:
        self.columns, self.names = columns, [column.name for column in columns]
        # what a field may say whatever others say; one that depends on others is always asked
        self.sound: list[Container[str | None]] = [() if column.linked else column.sound for column in columns]

    def of(self, row: Row) -> Iterable[_Column]:
        """Those of which is to be asked: most are blank and may be so, or say what was found sound before."""
        return compress(self.columns, map(not_, map(contains, self.sound, map(row.get, self.names))))


@cache
def _form(by: str, table: str, day: str) -> _Form:
    fields = enumerate(decision(by).tables[table].fields)
    return _form_of(tuple(_column(by, table, n, in_force(f.length, day), in_force(f.codes, day)) for n, f in fields))


@cache
def _form_of(columns: tuple[_Column, ...]) -> _Form:
    """The same for all days on which all fields are the same."""
    return _Form(columns)


@cache
def _column(by: str, table: str, place: int, limit: int | None, named: str | None) -> _Column:
    """The same for all days on which a field is the same."""
    return _Column(decision(by).tables[table].fields[place], limit, named)


@cache
def _labels(by: str, table: str) -> dict[str, str]:
    """What a decision calls the fields of a table, in their order."""
    return {field.name: field.label for field in decision(by).tables[table].fields}


class _Check:
    def __init__(self, tables: Tables, by: str) -> None:
        self.tables, self.by, self.description = tables, by, decision(by)
        self.visit: Row = (tables.get("XML1") or tables.get("XML0") or [{}])[0]
        ended = (self.visit.get("NGAY_RA") or self.visit.get("NGAY_VAO", ""))[:8]
        self.day = f"{ended[:4]}-{ended[4:6]}-{ended[6:]}" if re.fullmatch("[0-9]{8}", ended) else "2025-01-01"
        start, end = self.visit.get("NGAY_VAO", ""), self.visit.get("NGAY_RA", "")
        # a stay that ends before it begins is told of once
        self.stay = (start, end) if start and end and not _earlier(end, start) else None

    @cached_property
    def blank(self) -> str:
        """What is said of a field that has no value: a claim says it often."""
        return gettext("Bắt buộc có giá trị.")

    def all(self) -> Iterator[Problem]:
        """Fields first, then what holds between them."""
        if len(self.tables.get("XML1") or []) != 1 and set(self.tables) != {"XML0"}:
            yield self._problem("XML1", 0, "MA_LK", "count", gettext("Hồ sơ phải có đúng một dòng tổng hợp."))
        for name in self.description.tables:
            rows = self.tables.get(name) or []
            labels, form = _labels(self.by, name), _form(self.by, name, self.day)
            for number, row in enumerate(rows, 1):
                if not row.keys() <= labels.keys():
                    for unknown in sorted(row.keys() - labels.keys()):
                        reason = gettext("Quyết định không có trường này.")
                        yield self._problem(name, number, unknown, "unknown", reason)
                for field_name, code, reason in chain(self._fields(form, row), self._row(name, row)):
                    yield self._problem(name, number, field_name, code, reason)
            yield from self._numbering(name)

    def _fields(self, form: _Form, row: Row) -> Iterator[tuple[str, str, str]]:
        """What is wrong with the fields of a row, and with which."""
        told = tuple(map(row.get, form.reads))
        known, sound = told in form.right, True
        for column in (form.others if known else form.every).of(row):
            for code, reason in self._in_row(column, row):
                sound = sound and not column.reads
                yield column.name, code, reason
        if sound and not known and not self._reaches_limit(row):
            form.remember(told)

    def _problem(self, table: str, row: int, field: str, code: str, reason: str) -> Problem:
        labels = _labels(self.by, table)
        place = f", trường {[*labels].index(field) + 1}" if field in labels else ""
        where = f"QĐ {self.by}/QĐ-BYT, bảng {table.removeprefix('XML')}{place}"
        return Problem(table, row, field, code, reason, where, labels.get(field, ""))

    # One field ----------------------------------------------------------------------------------------------------

    def of_field(self, field: Field, row: Row) -> Iterator[tuple[str, str]]:
        """What is wrong with a field of a row: codes and words."""
        return self._in_row(_Column(field, in_force(field.length, self.day), in_force(field.codes, self.day)), row)

    def _in_row(self, column: _Column, row: Row) -> Iterator[tuple[str, str]]:
        field = column.field
        value = row.get(field.name, "")
        if not value:
            if column.wanted and self._required(field, row):
                yield "required", self.blank
            elif field.beside and ";" in row.get(field.beside, ""):
                yield "parallel", gettext("Phải có cùng số giá trị với %(other)s.") % {"other": field.beside}
            return
        if value not in column.sound:
            yield from column.alone(value)
        if column.linked:
            yield from self._beside_others(field, value, row)

    def _beside_others(self, field: Field, value: str, row: Row) -> Iterator[tuple[str, str]]:
        for other in field.not_before:
            if _any_earlier(field, value, row.get(other, "")):
                yield "order", gettext("Sớm hơn %(other)s.") % {"other": other}
        if field.after and row.get(field.after) and value[:8] <= row[field.after][:8]:
            yield "order", gettext("Phải sau ngày %(other)s.") % {"other": field.after}
        if field.same and self.visit.get(field.same, "") not in ("", value):
            yield "same", gettext("Khác %(other)s của bảng tổng hợp.") % {"other": field.same}
        if field.beside and len(_parts(field, value)) != len(row.get(field.beside, "").split(";")):
            yield "parallel", gettext("Phải có cùng số giá trị với %(other)s.") % {"other": field.beside}
        if field.formula:
            yield from self._formula(field, row)

    def _required(self, field: Field, row: Row) -> bool:
        if field.required_until:
            return self.day <= field.required_until
        return field.required or bool(field.required_if and _holds(field.required_if, row))

    # Formulas -----------------------------------------------------------------------------------------------------

    def _formula(self, field: Field, row: Row) -> Iterator[tuple[str, str]]:
        rule = field.formula or {}
        given = _decimal(row.get(field.name, ""))
        if given is None or ("where" in rule and "sum" not in rule and not _holds(rule["where"], row)):
            return
        try:
            wanted = self._wanted(rule, row)
            if field.name in ("T_BHTT", "T_BNCCT") and self._reaches_limit(row) and _takes_less(row):
                return
        except _NoNumberError:
            return  # told where it stands
        if wanted and all(abs(given - one) > TOLERANCE for one in wanted):
            yield "formula", gettext("Là %(given)s, tính ra %(wanted)s.") % {"given": given, "wanted": wanted[0]}

    def _reaches_limit(self, row: Row) -> bool:
        """Whether the co-payment of the year reached six base salaries with this line (Luật BHYT Đ22 k1 đ)."""
        free = self.visit.get("NGAY_MIEN_CCT", "")
        return len(free) == 12 and row.get("NGAY_YL") == free

    def _wanted(self, rule: dict[str, Any], row: Row) -> list[Decimal]:
        if "sum" in rule:
            where, name = rule.get("where", []), rule["sum"]
            rows = chain.from_iterable(self.tables.get(table) or [] for table in rule["of"])
            total = sum((_amount(r.get(name, "")) for r in rows if not where or _holds(where, r)), ZERO)
            return [total, *(_worked_out(text, row) for text in rule.get("or", []))]
        if "days" in rule:
            start, end = (row.get(name, "") for name in rule["days"])
            if _earlier(end, start):
                return []  # told where it stands
            first, last = _day(start), _day(end)
            return [Decimal((last - first).days + end) for end in rule["ends"]] if first and last else []
        if "share" in rule:
            told = [row.get(name, "") for name in SHARED]
            return [_shares(*told, aid)[rule["share"]] for aid in rule.get("aid", ["person"])]
        return [_worked_out(text, row) for text in rule.get("any", [rule.get("is")])]

    # Between fields -----------------------------------------------------------------------------------------------

    def _row(self, table: str, row: Row) -> Iterator[tuple[str, str, str]]:
        key = row.get("MA_LK", "")
        if key != (self.visit.get("MA_LK") or key) and "MA_LK" in _labels(self.by, table):  # table 12 stands by itself
            yield "MA_LK", "key", gettext("Khác mã đợt điều trị của bảng tổng hợp.")
        if table != "XML1" and self.stay:
            start, end = self.stay
            for name in WITHIN_STAY:
                if (value := row.get(name, "")) and not start <= value <= end:
                    yield name, "order", gettext("Ngoài thời gian của đợt điều trị.")

    def _numbering(self, table: str) -> Iterator[Problem]:
        rows = self.tables.get(table) or []
        if [row.get("STT", "") for row in rows] not in ([str(n) for n in range(1, len(rows) + 1)], [""] * len(rows)):
            yield self._problem(table, 0, "STT", "numbering", gettext("Số thứ tự phải tăng dần từ 1."))


_TESTS: dict[str, Callable[[str, list[str]], bool]] = {
    "present": lambda value, _: bool(value),
    "blank": lambda value, _: not value,
    "in": lambda value, allowed: any(part in allowed for part in value.split(";")),
    "not_in": lambda value, refused: value not in refused,
}


def _holds(conditions: list[Condition], row: Row) -> bool:
    return all(_TESTS[op](row.get(name, ""), rest[0] if rest else []) for name, op, *rest in conditions)


SHARED = ("THANH_TIEN_BV", "THANH_TIEN_BH", "MUC_HUONG", "T_NGUONKHAC")  # what a line is shared by


def _shares(*told: str) -> dict[str, Decimal]:
    """T_BNTT, T_BNCCT and T_BHTT of a line that says this of `SHARED`, less what other sources pay.

    The last of told is whom they help (`benefits.Line.aid`). Raises _NoNumberError.
    """
    total, insured, rate, left = map(_amount, told[:-1])
    aid = told[-1]
    shared = insured - min(insured, left) if aid == "facility" else insured
    left -= insured - shared
    fund = _round(shared * rate / 100)
    found = {"T_BNTT": total - insured, "T_BNCCT": shared - fund, "T_BHTT": fund}
    for name in ("T_BNCCT", "T_BNTT", "T_BHTT") if aid == "arv" else tuple(found):
        taken = min(found[name], left)
        found[name] -= taken
        left -= taken
    return found


def _takes_less(row: Row) -> bool:
    """Whether the fund pays what the person no longer does of a line. Raises _NoNumberError."""
    due = _shares(*(row.get(name, "") for name in SHARED), "person")
    fund, copay = (_amount(row.get(name, "")) for name in ("T_BHTT", "T_BNCCT"))
    together = due["T_BHTT"] + due["T_BNCCT"]
    return ZERO <= copay <= due["T_BNCCT"] + TOLERANCE and abs(fund + copay - together) <= TOLERANCE


Sum = Callable[[dict[str, Decimal]], Decimal]
_OPERATORS: dict[type, Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _worked_out(text: str, row: Row) -> Decimal:
    """What an expression of field names, numbers and + - * / is of a row. Raises _NoNumberError."""
    return _round(_read(text)({name: _amount(row.get(name, "")) for name in _named(text)}))


def _read_by(field: Field) -> tuple[str, ...]:
    """The fields of its row that a formula and a condition of a field read; nothing where they read other rows."""
    formula = field.formula or {}
    if "sum" in formula:
        return ()
    asked = [name for name, *_ in [*field.required_if, *formula.get("where", [])]]
    reckoned = [name for text in [formula.get("is", "0"), *formula.get("any", [])] for name in _named(text)]
    shared = SHARED if "share" in formula else ()
    found = dict.fromkeys([*asked, *reckoned, *shared, *formula.get("days", [])])
    return (field.name, *found) if found else ()


@cache
def _named(text: str) -> tuple[str, ...]:
    """The fields that an expression names."""
    return tuple(dict.fromkeys(one.id for one in ast.walk(ast.parse(text, mode="eval")) if isinstance(one, ast.Name)))


@cache
def _read(text: str) -> Sum:
    return _of(ast.parse(text, mode="eval").body)


def _of(node: ast.expr) -> Sum:
    if isinstance(node, ast.BinOp):
        how, left, right = _OPERATORS[type(node.op)], _of(node.left), _of(node.right)
        return lambda amounts: how(left(amounts), right(amounts))
    if isinstance(node, ast.Name):
        name = node.id
        return lambda amounts: amounts[name]
    if isinstance(node, ast.Constant):
        number = Decimal(str(node.value))
        return lambda _: number
    raise ValueError(ast.dump(node))


class _NoNumberError(Exception):
    """A field that something is worked out of says no number."""


def _amount(text: str) -> Decimal:
    """What a field says, 0 where it is blank. Raises _NoNumberError."""
    found = _decimal(text) if text else ZERO
    if found is None:
        raise _NoNumberError(text)
    return found


def _decimal(text: str) -> Decimal | None:
    return _number(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=1 << 16)
def _number(text: str) -> Decimal | None:
    return Decimal(text) if NUMBER.fullmatch(text) else None


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def _day(text: str) -> date | None:
    """The day of yyyymmdd…; an unknown month or day counts as the first."""
    if not re.fullmatch("[0-9]{8,12}", text):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]) or 1, int(text[6:8]) or 1)
    except ValueError:
        return None


def _earlier(value: str, other: str) -> bool:
    """Whether a time comes before another, in the digits that both have; nothing does before what is blank."""
    digits = min(len(value), len(other))
    return value[:digits] < other[:digits]


def _any_earlier(field: Field, value: str, other: str) -> bool:
    """The same of what a field says, one by one where it says several."""
    if not field.separator or (field.separator not in value and field.separator not in other):
        return _earlier(value.strip(), other.strip())
    pairs = zip(value.split(field.separator), other.split(field.separator), strict=False)
    return any(_earlier(one.strip(), before.strip()) for one, before in pairs)


def is_time(text: str, form: str) -> bool:
    """Whether a text is a time, of one of the forms (`|` between) or a `birth`, of which parts may be unknown."""
    if form == "birth":
        digits = re.fullmatch("[0-9]{12}", text) is not None
        return digits and _day(text) is not None and text[8:10] < "24" and text[10:] < "60"
    if len(text) not in map(len, form.split("|")):
        return False
    return moment_of(text + {4: "01010000", 8: "0000", 12: ""}[len(text)]) is not None


def moment_of(text: str) -> datetime | None:
    """The moment of yyyymmddHHMM, None for anything else; `strptime` takes ten times as long."""
    if len(text) != 12 or not (text.isascii() and text.isdigit()):
        return None
    try:
        return datetime(int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:]), tzinfo=UTC)
    except ValueError:
        return None
