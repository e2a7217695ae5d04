"""JSON as plain Python values: quickly when it is good, carefully when somebody must be told what is wrong."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from tuetinh.record.validate.problem import Problem
from tuetinh.record.validate.walk import Repeated

_quick = msgspec.json.Decoder(float_hook=Decimal)


def quick(data: bytes) -> Any:
    """Plain values with Decimals; any exception means: look again with `careful`."""
    return _quick.decode(data)


def structural_quotes(data: bytes) -> int:
    """How many quotation marks delimit names and strings.

    A name that stood twice loses one pair on the way through a decoder, so two counts tell of it without a parser.
    """
    if b"\\" not in data:
        return data.count(b'"')
    data = data.replace(b"\\\\", b"")
    return data.count(b'"') - data.count(b'\\"')


def careful(data: bytes) -> tuple[Any, Problem | None]:
    """Plain values, objects with repeated names marked; or the one problem for which there are no values."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, _broken(f"the body is not valid UTF-8 (byte {error.start})")
    if text.startswith("\ufeff"):
        return None, _broken("the body must not start with a byte order mark")
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_float=_number, parse_int=_integer), None
    except json.JSONDecodeError as error:
        return None, _broken(f"the body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})")
    except RecursionError:
        return None, _broken("the JSON is nested too deeply")


def _broken(message: str) -> Problem:
    return Problem("error", "structure", "", message)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    names = [name for name, _ in pairs]
    repeated.names = tuple(sorted(name for name in found if names.count(name) > 1))
    return repeated


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("Infinity")


def _integer(text: str) -> int | Decimal:
    # CPython refuses to convert endless digits; as a Decimal they are refused by name.
    return int(text) if len(text) < 1000 else Decimal(text)
