"""Conversion (FHIRPath N1, 5.5): each `toX` is empty where the value cannot be one, `convertsToX` says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tuetinh.record.fhirpath.arithmetic import fit
from tuetinh.record.fhirpath.nodes import Node
from tuetinh.record.fhirpath.registry import scalar
from tuetinh.record.fhirpath.values import (
    Date,
    DateTime,
    Quantity,
    Time,
    parse_datetime,
    parse_quantity,
    parse_time,
)
from tuetinh.record.terminology import ucum

_INTEGER = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,100}(\.\d{1,100})?", re.ASCII)
_TRUE = frozenset(["true", "t", "yes", "y", "1", "1.0"])
_FALSE = frozenset(["false", "f", "no", "n", "0", "0.0"])


def to_boolean(value: Any) -> bool | None:
    match value:
        case bool():
            return value
        case int() | Decimal() if value in (0, 1):
            return bool(value)
        case str():
            text = value.lower()
            return True if text in _TRUE else False if text in _FALSE else None
    return None


def to_integer(value: Any) -> int | None:
    match value:
        case bool():
            return int(value)
        case int():
            return value
        case str() if _INTEGER.fullmatch(value):
            number: int | None = fit(int(value))
            return number
    return None


def to_decimal(value: Any) -> Decimal | None:
    match value:
        case bool():
            return Decimal("1.0") if value else Decimal("0.0")
        case int() | Decimal():
            return Decimal(value)
        case str() if _DECIMAL.fullmatch(value):
            return Decimal(value)
    return None


def to_date(value: Any) -> Date | None:
    match value:
        case Date():
            return value
        case DateTime():
            return Date(tuple(int(part) for part in value.parts[:3]))
        case str():
            found = parse_datetime(value)
            return to_date(found) if found and not value.endswith("T") else None
    return None


def to_datetime(value: Any) -> DateTime | None:
    match value:
        case DateTime():
            return value
        case Date():
            return DateTime(value.parts)
        case str():
            return parse_datetime(value)
    return None


def to_time(value: Any) -> Time | None:
    match value:
        case Time():
            return value
        case str():
            return parse_time(value)
    return None


def to_quantity(value: Any, unit: str | None = None) -> Quantity | None:
    found: Quantity | None = None
    match value:
        case bool():
            found = Quantity(Decimal("1.0") if value else Decimal("0.0"))
        case int() | Decimal():
            found = Quantity(Decimal(value))
        case Quantity():
            found = value
        case str():
            found = parse_quantity(value)
    if found is None or unit is None or unit == found.unit:
        return found
    number = ucum.convert(found.value, found.unit, unit)
    return None if number is None else Quantity(number, unit)


def to_string(value: Any) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case Decimal():
            return f"{value:f}"
        case Node():
            return None
    return str(value)


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "Date": to_date,
    "DateTime": to_datetime,
    "Time": to_time,
    "String": to_string,
}


def _register(name: str, convert: Callable[..., Any], *types: Any) -> None:
    scalar(f"to{name}", object, *types, optional=len(types))(convert)
    scalar(f"convertsTo{name}", object, *types, optional=len(types))(
        lambda value, *arguments: convert(value, *arguments) is not None
    )


for _name, _convert in _CONVERSIONS.items():
    _register(_name, _convert)
_register("Quantity", to_quantity, str)
