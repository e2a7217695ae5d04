"""Units of measure by UCUM (case-sensitive codes): parse, name, compare and convert, in exact decimals.

The table is the organisation's own (`data/ucum-essence.xml`, unmodified). Factors are exact fractions; only the
logarithmic, trigonometric and root scales and quotients that do not end are rounded, to 34 significant digits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, DecimalException
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path

from lxml import etree

SYSTEM = "http://unitsofmeasure.org"
VERSION = "2.2"

_LONGEST = 256
_DEEPEST = 16
_HIGHEST = 99
_EXACT = Context(prec=120)
_ROUND = Context(prec=34)

_SYMBOL = re.compile(r"(?:\[[^\[\]{}]*\]|[^\[\]{}()./])+")
_EXPONENT = re.compile(r"(?<=[^0-9+-])([+-]?[0-9]+)$")
_ANNOTATION = re.compile(r"\{[!-z|~]*\}")


class UnitError(ValueError):
    """The code is no UCUM unit; the message says why."""


@dataclass(frozen=True)
class Scale:
    """A special unit (UCUM §21): `inverse` takes a number on the scale to a ratio of the reference unit."""

    inverse: Callable[[Decimal], Decimal]
    forward: Callable[[Decimal], Decimal]
    prefix: Fraction = Fraction(1)


@dataclass(frozen=True)
class Unit:
    """A unit as a factor times powers of base units; arbitrary units (UCUM §24) stand for themselves."""

    factor: Fraction
    powers: Mapping[str, int] = field(default_factory=dict)
    scale: Scale | None = None

    def times(self, other: Unit, sign: int = 1) -> Unit:
        """The product, or with sign -1 the quotient. UCUM §22: a special unit has no products."""
        if self.scale or other.scale:
            raise UnitError("a special unit takes no part in products")
        powers = dict(self.powers)
        for base, power in other.powers.items():
            powers[base] = powers.get(base, 0) + sign * power
        return Unit(self.factor * other.factor**sign, {base: power for base, power in powers.items() if power})

    def raised(self, power: int) -> Unit:
        """This unit to a power."""
        if self.scale:
            raise UnitError("a special unit takes no part in products")
        powers = {base: own * power for base, own in self.powers.items()} if power else {}
        return Unit(self.factor**power, powers)

    @property
    def code(self) -> str:
        """The base units in alphabetical order, `1` for a pure number."""
        parts = (f"{base}{'' if power == 1 else power}" for base, power in sorted(self.powers.items()))
        return ".".join(parts) or "1"


@dataclass(frozen=True)
class Atom:
    """One row of the table: a base unit has no definition of its own."""

    code: str
    name: str
    metric: bool = False
    arbitrary: bool = False
    value: Decimal = Decimal(1)
    unit: str = ""
    function: str = ""


@dataclass(frozen=True)
class Table:
    """The prefixes (code to factor and name) and the atoms by their code."""

    prefixes: Mapping[str, tuple[Fraction, str]]
    atoms: Mapping[str, Atom]

    def split(self, symbol: str) -> tuple[str, Atom] | None:
        """A symbol as prefix (possibly empty) and atom, or None when it is neither."""
        if atom := self.atoms.get(symbol):
            return "", atom
        for size in (1, 2):
            atom = self.atoms.get(symbol[size:])
            if atom and atom.metric and symbol[:size] in self.prefixes:
                return symbol[:size], atom
        return None


def valid(code: str) -> str | None:
    """None when the code is a UCUM unit, else the reason why it is none."""
    try:
        _terms(code)
    except UnitError as error:
        return str(error)
    return None


def canonical(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """The value in base units, and these: (5.1, mmol/L) is (3.0712917804E+24, m-3). None when there is no such form."""
    unit = _unit(code)
    if unit is None or not value.is_finite():
        return None
    try:
        return _to_base(value, unit), unit.code
    except DecimalException:
        return None


def convert(value: Decimal, from_: str, to: str) -> Decimal | None:
    """The value in another unit; None when a code is wrong or the units are not of the same kind."""
    target = _unit(to)
    base = canonical(value, from_)
    if base is None or target is None or base[1] != target.code:
        return None
    try:
        ratio = _ratio(base[0], 1 / target.factor)
        if target.scale:
            ratio = _ratio(target.scale.forward(ratio), 1 / target.scale.prefix)
    except (DecimalException, ValueError):
        return None
    return _ROUND.plus(ratio) if ratio.is_finite() else None


def comparable(one: str, other: str) -> bool:
    """Whether quantities in both units can be compared."""
    left, right = _unit(one), _unit(other)
    return left is not None and right is not None and left.powers == right.powers


def display(code: str) -> str:
    """The unit in words: `mm2/s` is `(millimeter ^ 2) / (second)`. UnitError when the code is wrong."""
    if not code:
        return "(unity)"
    shown = [_shown(term) for term in _terms(code)]
    return "".join(shown).strip()


def _to_base(value: Decimal, unit: Unit) -> Decimal:
    if unit.scale:
        value = unit.scale.inverse(_ratio(value, unit.scale.prefix))
    return _ROUND.plus(_ratio(value, unit.factor))


def _ratio(value: Decimal, factor: Fraction) -> Decimal:
    return _EXACT.divide(_EXACT.multiply(value, Decimal(factor.numerator)), Decimal(factor.denominator))


@lru_cache(maxsize=4096)
def _unit(code: str) -> Unit | None:
    try:
        return _value(_terms(code))
    except UnitError:
        return None


@dataclass(frozen=True)
class _Term:
    """One component of an expression: its operator and what follows."""

    operator: str
    number: int = 0
    prefix: str = ""
    atom: Atom | None = None
    power: int = 1
    inner: tuple[_Term, ...] = ()


@lru_cache(maxsize=4096)
def _terms(code: str) -> tuple[_Term, ...]:
    if not code:
        raise UnitError("the code is empty")
    if len(code) > _LONGEST:
        raise UnitError(f"the code is longer than {_LONGEST} characters")
    if odd := next((char for char in code if not "!" <= char <= "~"), ""):
        raise UnitError(f"the character {odd!r} is not allowed")
    terms, end = _expression(code, 0, 0)
    if end < len(code):
        raise UnitError(f"unexpected {code[end]!r} at position {end + 1}")
    return terms


def _expression(code: str, start: int, depth: int) -> tuple[tuple[_Term, ...], int]:
    """The components from a position on, up to a closing bracket or the end."""
    if depth > _DEEPEST:
        raise UnitError("too many brackets")
    terms: list[_Term] = []
    operator = ""
    if code[start : start + 1] == "/":
        operator, start = "/", start + 1
    while True:
        term, start = _component(code, start, operator, depth)
        terms.append(term)
        operator = code[start : start + 1]
        if operator not in (".", "/"):
            return tuple(terms), start
        start += 1


def _component(code: str, start: int, operator: str, depth: int) -> tuple[_Term, int]:
    if code[start : start + 1] == "(":
        inner, end = _expression(code, start + 1, depth + 1)
        if code[end : end + 1] != ")":
            raise UnitError("a bracket is not closed")
        return _Term(operator, inner=inner), end + 1
    if note := _ANNOTATION.match(code, start):
        return _Term(operator, number=1), note.end()
    found = _SYMBOL.match(code, start)
    if not found:
        at = f"{code[start]!r} at position {start + 1}" if start < len(code) else "the end"
        raise UnitError(f"a unit is expected before {at}")
    note = _ANNOTATION.match(code, found.end())
    return _simple(found[0], operator, start), note.end() if note else found.end()


def _simple(symbol: str, operator: str, start: int) -> _Term:
    """A number, or a unit with its exponent. `start` is where the symbol stands in the code."""
    if symbol.isdigit():
        return _Term(operator, number=int(symbol))
    power = 1
    whole = _table().split(symbol)
    if whole is None and (exponent := _EXPONENT.search(symbol)):
        power = int(exponent[1])
        if abs(power) > _HIGHEST:
            raise UnitError(f"the exponent {power} is out of range")
        whole = _table().split(symbol[: exponent.start()])
    if whole is None:
        raise UnitError(f"The unit '{symbol}' is unknown at character {start + 1}")
    return _Term(operator, prefix=whole[0], atom=whole[1], power=power)


def _value(terms: tuple[_Term, ...]) -> Unit:
    """The product of the components, from left to right."""
    product: Unit | None = None
    for term in terms:
        unit = _component_value(term)
        if product is None and not term.operator:
            product = unit
        else:
            product = (product or Unit(Fraction(1))).times(unit, -1 if term.operator == "/" else 1)
    return product or Unit(Fraction(1))


def _component_value(term: _Term) -> Unit:
    if term.inner:
        return _value(term.inner)
    if term.atom is None:
        if not term.number:
            raise UnitError("a unit cannot be zero")
        return Unit(Fraction(term.number))
    unit = _atom(term.atom.code)
    if term.prefix:
        prefix = _table().prefixes[term.prefix][0]
        if unit.scale:
            unit = Unit(unit.factor, unit.powers, Scale(unit.scale.inverse, unit.scale.forward, prefix))
        else:
            unit = Unit(unit.factor * prefix, unit.powers)
    return unit if term.power == 1 else unit.raised(term.power)


@cache
def _atom(code: str) -> Unit:
    atom = _table().atoms[code]
    if (atom.arbitrary and atom.unit == "1") or not atom.unit:
        return Unit(Fraction(1), {code: 1})
    unit = _value(_terms(atom.unit))
    factor = unit.factor * Fraction(atom.value)
    return Unit(factor, unit.powers, _SCALES[atom.function] if atom.function else None)


def _shown(term: _Term) -> str:
    operator = {"": "", ".": " * ", "/": " / "}[term.operator]
    if term.inner:
        return f"{operator}({''.join(_shown(inner) for inner in term.inner).strip()})"
    if term.atom is None:
        return f"{operator}{term.number}"
    prefix = _table().prefixes[term.prefix][1] if term.prefix else ""
    power = "" if term.power == 1 else f" ^ {term.power}"
    return f"{operator}({prefix}{term.atom.name}{power})"


@cache
def _table() -> Table:
    """The prefixes and units of the official table."""
    root = etree.fromstring((Path(__file__).parent / "data" / "ucum-essence.xml").read_bytes())
    own = "{http://unitsofmeasure.org/ucum-essence}"
    prefixes = {
        row.get("Code"): (Fraction(row.find(f"{own}value").get("value")), row.findtext(f"{own}name"))
        for row in root.findall(f"{own}prefix")
    }
    atoms: dict[str, Atom] = {}
    for row in root.findall(f"{own}base-unit"):
        atoms[row.get("Code")] = Atom(row.get("Code"), row.findtext(f"{own}name"), metric=True)
    for row in root.findall(f"{own}unit"):
        value = row.find(f"{own}value")
        function = value.find(f"{own}function")
        definition = value if function is None else function
        atoms[row.get("Code")] = Atom(
            code=row.get("Code"),
            name=row.findtext(f"{own}name"),
            metric=row.get("isMetric") == "yes",
            arbitrary=row.get("isArbitrary") == "yes",
            value=Decimal(definition.get("value")),
            unit=definition.get("Unit"),
            function="" if function is None else function.get("name"),
        )
    return Table(prefixes, atoms)


def _shift(offset: str) -> Scale:
    return Scale(lambda x: _EXACT.add(x, Decimal(offset)), lambda x: _EXACT.subtract(x, Decimal(offset)))


def _logarithm(base: int | None, times: int = 1) -> Scale:
    """`times` times the logarithm to the base, None for e."""
    one = Decimal(1) if base is None else _ROUND.ln(Decimal(base))

    def inverse(x: Decimal) -> Decimal:
        exponent = _ROUND.divide(x, Decimal(times))
        return _ROUND.exp(exponent) if base is None else _ROUND.power(Decimal(base), exponent)

    def forward(x: Decimal) -> Decimal:
        log = _ROUND.log10(x) if base == 10 else _ROUND.divide(_ROUND.ln(x), one)
        return _ROUND.multiply(log, Decimal(times))

    return Scale(inverse, forward)


def _tangent(turn: Callable[[float], float], back: Callable[[float], float]) -> Scale:
    """A hundred times the tangent; binary floats are what tangents come in."""
    return Scale(
        lambda x: Decimal(repr(turn(math.atan(float(x) / 100)))),
        lambda x: Decimal(repr(100 * math.tan(back(float(x))))),
    )


_SCALES: Mapping[str, Scale] = {
    "Cel": _shift("273.15"),
    "degF": _shift("459.67"),
    "degRe": _shift("218.52"),
    "ln": _logarithm(None),
    "lg": _logarithm(10),
    "ld": _logarithm(2),
    "lgTimes2": _logarithm(10, 2),
    "pH": _logarithm(10, -1),
    "hpX": _logarithm(10, -1),
    "hpC": _logarithm(100, -1),
    "hpM": _logarithm(1000, -1),
    "hpQ": _logarithm(50000, -1),
    "tanTimes100": _tangent(float, float),
    "100tan": _tangent(math.degrees, math.radians),
    "sqrt": Scale(lambda x: _ROUND.multiply(x, x), _ROUND.sqrt),
}
