"""`tuetinh claims benefit`: who pays what of a visit that is told on standard input (docs/benefit.md)."""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

from tuetinh.node.prepare import load_alone

HELP = "split the cost of a case, or of a list of cases, read as JSON from standard input"
UNREADABLE = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """How the split is told."""
    parser.add_argument("--json", action="store_true", help="as JSON, amounts as exact numbers (else as lines of text)")


def run(arguments: argparse.Namespace) -> int:
    """Print the split of each case in turn; 2 when one could not be read, which does not stop the others."""
    try:
        told = json.loads(sys.stdin.buffer.read(), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        print(f"tuetinh: the input is not JSON: {error}", file=sys.stderr)
        return UNREADABLE
    load_alone()
    batch = isinstance(told, list)
    found = [_split(case, f"cases[{n}]" if batch else "") for n, case in enumerate(told if batch else [told])]
    refused = [one["error"] for one in found if "error" in one]
    for place in refused:
        print(f"tuetinh: {place['field']} {place['message']}", file=sys.stderr)
    if batch or not refused:
        _print(found if batch else found[0], as_json=arguments.json)
    return UNREADABLE if refused else 0


def _split(case: Any, place: str) -> dict[str, Any]:
    from tuetinh.care.insurance.api import BadCase, benefit

    try:
        return benefit(case)
    except BadCase as error:
        field = ".".join(part for part in (place, error.field) if part)
        return {"error": {"field": field or "case", "message": error.why}}


def _print(found: Any, *, as_json: bool) -> None:
    if as_json:
        text = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode(_plain(found))
        print(msgspec.json.format(text, indent=1).decode())
        return
    for one in found if isinstance(found, list) else [found]:
        shown = {name: value for name, value in one.items() if name not in ("lines", "error")}
        print("  ".join(f"{name} {value}" for name, value in _plain(shown).items()))


def _plain(value: Any) -> Any:
    """Decimals without zeros at their end, so that 100.00 is told as 100."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value.normalize()
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")
