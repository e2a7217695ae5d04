"""Equality, equivalence and order (FHIRPath N1, 6.1 and 6.2). None stands for the empty collection: it is not known."""

from __future__ import annotations

from collections.abc import Hashable
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any

from tuetinh.record.fhirpath.errors import EvaluationError
from tuetinh.record.fhirpath.nodes import Node, system, type_of
from tuetinh.record.fhirpath.values import CALENDAR, Date, DateTime, Quantity, Time, TypeInfo, calendar_unit
from tuetinh.record.terminology import ucum

EXACT = Context(prec=60)
_NUMBERS = (int, Decimal)


def equal(left: list[Any], right: list[Any]) -> bool | None:
    """`=` of two collections: the same items in the same order."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answer: bool | None = True
    for one, other in zip(left, right, strict=True):
        same = equal_items(one, other)
        if same is False:
            return False
        answer = answer and same
    return answer


def equal_items(one: Any, other: Any) -> bool | None:
    """`=` of two items."""
    one, other = system(one), system(other)
    kind, other_kind = type(one), type(other)
    if kind is Node or other_kind is Node:
        return kind is other_kind and one.value == other.value and one.beside == other.beside
    if kind is Quantity or other_kind is Quantity:
        pair = _quantities(one, other)
        return _equal_quantities(*pair) if pair else False
    if kind is bool or other_kind is bool:
        return one is other
    if kind in _NUMBERS and other_kind in _NUMBERS:
        return bool(one == other)
    if kind in (Date, DateTime) and other_kind in (Date, DateTime):
        sign = _moments(one, other)
        return None if sign is None else sign == 0
    if kind is Time and other_kind is Time:
        sign = _parts(one.parts, other.parts)
        return None if sign is None else sign == 0
    return kind is other_kind and one == other


def equivalent(left: list[Any], right: list[Any]) -> bool:
    """`~` of two collections: the same items in any order."""
    if len(left) != len(right):
        return False
    waiting = list(right)
    for one in left:
        for place, other in enumerate(waiting):
            if equivalent_items(one, other):
                del waiting[place]
                break
        else:
            return False
    return True


def equivalent_items(one: Any, other: Any) -> bool:
    """`~` of two items."""
    one, other = system(one), system(other)
    kind, other_kind = type(one), type(other)
    if kind is Node and other_kind is Node:
        return _equivalent_nodes(one, other)
    if kind is str and other_kind is str:
        return _folded(one) == _folded(other)
    if kind is Quantity or other_kind is Quantity:
        pair = _quantities(one, other)
        return bool(pair and _equivalent_quantities(*pair))
    if kind in _NUMBERS and other_kind in _NUMBERS:
        return _rounded_alike(Decimal(one), Decimal(other))
    return bool(equal_items(one, other))


def order(one: Any, other: Any) -> int | None:
    """Negative, zero or positive as `one` is less than, equal to or greater than `other`."""
    one, other = system(one), system(other)
    kind, other_kind = type(one), type(other)
    if kind in _NUMBERS and other_kind in _NUMBERS:
        return _sign(one, other)
    if kind is str and other_kind is str:
        return _sign(one, other)
    if kind in (Date, DateTime) and other_kind in (Date, DateTime):
        return _moments(one, other)
    if kind is Time and other_kind is Time:
        return _parts(one.parts, other.parts)
    if (kind is Quantity or other_kind is Quantity) and (pair := _quantities(one, other)):
        return _order_quantities(*pair)
    raise EvaluationError(f"{type_of(one)} and {type_of(other)} have no order between them")


def key(item: Any) -> Hashable | None:
    """Something that is the same for items that are equal; None when they must be compared one by one."""
    value = system(item)
    match value:
        case bool():
            return ("boolean", value)
        case int() | Decimal():
            return ("number", value)
        case str():
            return ("string", value)
        case TypeInfo():
            return value
        case Node():
            return ("node", _frozen(value.value), _frozen(value.beside))
    return None


def _frozen(value: Any) -> Hashable:
    if isinstance(value, dict):
        return tuple(sorted((name, _frozen(each)) for name, each in value.items()))
    if isinstance(value, list):
        return tuple(_frozen(each) for each in value)
    # So that true is not 1, in a set too; and that values of several types can be sorted beside each other.
    return (type(value).__name__ if isinstance(value, bool | str) else "", str(value) if value is None else value)


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _parts(one: tuple[int | Decimal, ...], other: tuple[int | Decimal, ...]) -> int | None:
    """Compares part by part; not known when one ends before they differ."""
    for left, right in zip(one, other, strict=False):
        if left != right:
            return _sign(left, right)
    return 0 if len(one) == len(other) else None


def _moments(one: Date | DateTime, other: Date | DateTime) -> int | None:
    left = one.offset if isinstance(one, DateTime) else None
    right = other.offset if isinstance(other, DateTime) else None
    if left is not None and right is not None:
        return _parts(_utc(one.parts, left), _utc(other.parts, right))
    if left is None and right is None:
        return _parts(one.parts, other.parts)
    # Where one of them has no zone, it may be up to 14 hours off: only a difference beyond that is certain.
    if len(one.parts) > 3 and len(other.parts) > 3:
        apart = _minutes(one.parts) - (left or 0) - _minutes(other.parts) + (right or 0)
        return None if abs(apart) <= 14 * 60 else _sign(apart, 0)
    return _parts(one.parts, other.parts)


def _minutes(parts: tuple[int | Decimal, ...]) -> int:
    whole = [int(part) for part in parts] + [0]
    return (_days(whole[0], whole[1], whole[2]) * 24 + whole[3]) * 60 + whole[4]


def _days(year: int, month: int, day: int) -> int:
    """Days since the year 0, by the Gregorian calendar."""
    past = year - (month <= 2)
    shifted = (month + 9) % 12
    return 365 * past + past // 4 - past // 100 + past // 400 + (153 * shifted + 2) // 5 + day


def _utc(parts: tuple[int | Decimal, ...], offset: int) -> tuple[int | Decimal, ...]:
    """Day number, minutes of the day, seconds: at UTC, as far as they are known."""
    if len(parts) < 5:
        return (*((_days(int(parts[0]), int(parts[1]), int(parts[2])),)), *parts[3:]) if len(parts) > 2 else parts
    day, minute = divmod(_minutes(parts) - offset, 24 * 60)
    return (day, minute, *parts[5:])


def _quantities(one: Any, other: Any) -> tuple[Quantity, Quantity] | None:
    left, right = (
        Quantity(Decimal(each)) if type(each) in _NUMBERS else each if type(each) is Quantity else None
        for each in (one, other)
    )
    return (left, right) if left and right else None


def _in_base(quantity: Quantity) -> tuple[Decimal, str] | None:
    """Value and base unit; years and months of the calendar have no length, so they have a base of their own."""
    word = calendar_unit(quantity.unit)
    if word in ("year", "month"):
        return EXACT.multiply(quantity.value, Decimal(12 if word == "year" else 1)), "month"
    return ucum.canonical(quantity.value, (word and CALENDAR[word]) or quantity.unit)


def _equal_quantities(one: Quantity, other: Quantity) -> bool | None:
    sign = _order_quantities(one, other)
    return None if sign is None else sign == 0


def _order_quantities(one: Quantity, other: Quantity) -> int | None:
    if one.unit == other.unit:
        return _sign(one.value, other.value)
    left, right = _in_base(one), _in_base(other)
    if not left or not right or left[1] != right[1]:
        return None
    return _sign(left[0], right[0])


def _equivalent_quantities(one: Quantity, other: Quantity) -> bool:
    """Compared in the unit of the one that is known less exactly, at that precision."""
    left, right = _definite(one), _definite(other)
    steps = [_in_base(Quantity(_step(each.value), each.unit)) for each in (left, right)]
    bases = _in_base(left), _in_base(right)
    if not (bases[0] and bases[1] and steps[0] and steps[1]) or bases[0][1] != bases[1][1]:
        return left.unit == right.unit and _rounded_alike(left.value, right.value)
    step = max(steps[0][0], steps[1][0])
    try:
        rounded = [EXACT.divide(base[0], step).quantize(Decimal(1), ROUND_HALF_UP, EXACT) for base in bases if base]
    except DecimalException:
        return bases[0][0] == bases[1][0]
    return rounded[0] == rounded[1]


def _definite(quantity: Quantity) -> Quantity:
    """`~` takes a calendar year for a year of UCUM, and a month likewise."""
    code = {"year": "a", "month": "mo"}.get(calendar_unit(quantity.unit) or "")
    return Quantity(quantity.value, code) if code else quantity


def _step(value: Decimal) -> Decimal:
    """One unit in the last place; trailing zeros behind the point do not count."""
    exponent = value.normalize(EXACT).as_tuple().exponent
    return Decimal(1).scaleb(min(exponent, 0) if isinstance(exponent, int) else 0, EXACT)


def _rounded_alike(one: Decimal, other: Decimal) -> bool:
    step = max(_step(one), _step(other))
    try:
        return one.quantize(step, ROUND_HALF_UP, EXACT) == other.quantize(step, ROUND_HALF_UP, EXACT)
    except DecimalException:
        return one == other


def _equivalent_nodes(one: Node, other: Node) -> bool:
    left, right = one.children(), other.children()
    if not left and not right:
        return bool(one.value == other.value)
    left = [node for node in left if node.key != "id"]
    right = [node for node in right if node.key != "id"]
    names = {node.key for node in left}
    return names == {node.key for node in right} and all(
        equivalent([node for node in left if node.key == name], [node for node in right if node.key == name])
        for name in names
    )
