"""Whether the conditions of a search hold of one resource, by what it is found by, without asking the database.

Says the same as the SQL of `where`. What conditions that look beyond the resource say, the caller has asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from tuetinh.record.search.conditions import (
    AllOf,
    AnyOf,
    Canonicals,
    Condition,
    Dates,
    DateValue,
    FollowedBy,
    Follows,
    Ids,
    InCompartment,
    Name,
    NoneOf,
    Numbers,
    NumberValue,
    OfType,
    Present,
    Strings,
    Tokens,
    Updated,
    Within,
)
from tuetinh.record.search.entries import Index
from tuetinh.record.search.values import instant

PLAIN = (Tokens, Present, Dates, Numbers, Strings, Ids, Updated, Within)
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Facts:
    """One version of a resource. found_by: of `index.extract`. beyond: whether the conditions of `beyond` hold."""

    type: str
    id: str
    updated: datetime
    found_by: Index
    beyond: Mapping[Condition, bool] = field(default_factory=dict)

    @cached_property
    def tokens(self) -> frozenset[int]:
        """Its token hashes."""
        return frozenset(self.found_by.tokens)


def is_plain(condition: Condition, kinds: tuple[type, ...] = PLAIN) -> bool:
    """Whether the condition is about the resource alone, or made of these kinds."""
    if isinstance(condition, AllOf | AnyOf):
        return all(is_plain(one, kinds) for one in condition.conditions)
    if isinstance(condition, NoneOf):
        return is_plain(condition.condition, kinds)
    return isinstance(condition, kinds)


def beyond(conditions: Iterable[Condition], types: Sequence[str]) -> Iterator[tuple[Sequence[str], Condition]]:
    """Yield the parts of resolved conditions that look beyond a resource, and of which types it is there."""
    for condition in conditions:
        match condition:
            case AllOf(parts) | AnyOf(parts):
                yield from beyond(parts, types)
            case NoneOf(inner):
                yield from beyond((inner,), types)
            case OfType(type_, inner):
                yield from beyond((inner,), (type_,))
            case Follows() | FollowedBy() | Canonicals():
                yield types, condition


def holds(condition: Condition, facts: Facts) -> bool:
    """Whether a condition holds. Raises TypeError for one that looks beyond and of which nothing is known."""
    match condition:
        case AllOf(conditions):
            return all(holds(one, facts) for one in conditions)
        case AnyOf(conditions):
            return any(holds(one, facts) for one in conditions)
        case NoneOf(inner):
            return not holds(inner, facts)
        case OfType(type_, inner):
            return facts.type == type_ and holds(inner, facts)
        case InCompartment(tokens, own):
            known = (hashes for types, hashes in tokens if facts.type in types)
            return own == (facts.type, facts.id) or any(not facts.tokens.isdisjoint(hashes) for hashes in known)
        case Follows() | FollowedBy() | Canonicals() if condition in facts.beyond:
            return facts.beyond[condition]
        case Tokens(hashes, negate):
            return facts.tokens.isdisjoint(hashes) is negate
        case Ids(values, type_, negate):
            return (facts.id in values and type_ in (None, facts.type)) != negate
        case Within():
            return any(_near(condition, row) for row in facts.found_by.numbers if row[0] == "near")
        case Updated(dates):
            return any(_date(value, facts.updated, facts.updated + _MOMENT) for value in dates)
        case Present(table, params, present):
            return any(row[0] in params for row in getattr(facts.found_by, f"{table}s")) is present
        case Dates(params, dates):
            rows = [(instant(low), instant(high)) for name, low, high in facts.found_by.dates if name in params]
            return any(_date(value, *row) for row in rows for value in dates)
        case Numbers():
            return any(_numbers(condition, row) for row in facts.found_by.numbers)
        case Strings(params, mode, texts):
            test = _STRINGS[mode]
            return any(
                test(text, row[1], row[2]) for row in facts.found_by.strings if row[0] in params for text in texts
            )
    message = f"{type(condition).__name__} looks beyond the resource"
    raise TypeError(message)


_STRINGS: dict[str, Callable[[str, str, str], bool]] = {
    "starts": lambda text, norm, _: norm.startswith(text),
    "contains": lambda text, norm, _: text in norm,
    "exact": lambda text, _, exact: exact == text,
}


def _date(value: DateValue, low: datetime, high: datetime) -> bool:
    start, end = instant(value.low), instant(value.high)
    match value.prefix:
        case "eq":
            return start <= low < end and high <= end
        case "ne":
            return not (low >= start and high <= end)
        case "gt":
            return high > end
        case "lt":
            return low < start
        case "ge":
            return high > start and (high > end or low >= start)
        case "le":
            return low < end and (low < start or high <= end)
        case "sa":
            return low >= end
        case "eb":
            return high <= start
    return low < end and high > start


def _near(place: Within, row: Sequence[Any]) -> bool:
    """Whether a Location is within reach, by the formula of `where`."""
    north, east, lat, lon = map(math.radians, (float(row[4]), float(row[5]), place.latitude, place.longitude))
    half = math.sin((north - lat) / 2) ** 2 + math.cos(lat) * math.cos(north) * math.sin((east - lon) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1, math.sqrt(half))) <= place.kilometres


def _numbers(condition: Numbers, row: Sequence[Any]) -> bool:
    name, _, _, _, low, high, *_ = row
    if not condition.names:
        return name in condition.params and any(_number(value, row) for value in condition.values)
    if not any(_named(one, name) for one in condition.names):
        return False
    if condition.ends:
        return _any_bound(condition.values, low, low) and _any_bound(condition.ends, high, high)
    return any(_number(value, row) for value in condition.values)


def _any_bound(values: Iterable[NumberValue], low: Decimal, high: Decimal) -> bool:
    return any(_bound(value, low, high) for value in values)


def _named(wanted: Name, name: str) -> bool:
    return name == wanted.text if wanted.whole else name.startswith(wanted.text) and name.endswith(wanted.ending)


def _number(value: NumberValue, row: Sequence[Any]) -> bool:
    _, system, code, unit, low, high, base, base_low, base_high = row
    if value.base:
        if base != value.base:
            return False
        low, high = base_low, base_high
    if value.system is not None and system != value.system:
        return False
    if value.code is not None and code != value.code and (value.system is not None or unit != value.code):
        return False
    return _bound(value, low, high)


def _bound(value: NumberValue, low: Decimal, high: Decimal) -> bool:
    exact, first, last = value.value, value.low, value.high
    match value.prefix:
        case "eq":
            return first <= low < last and high < last
        case "ne":
            return not (low >= first and high < last)
        case "gt":
            return high > exact
        case "lt":
            return low < exact
        case "ge":
            return high >= exact
        case "le":
            return low <= exact
        case "sa":
            return low > exact
        case "eb":
            return high < exact
    return low <= last and high >= first
