"""The FHIRPath test suite of HL7 for R4 (`tests-fhir-r4.xml` with its `input` folder); files for R5 are passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from tuetinh.record import fhirpath
from tuetinh.record.conformance import Case, attempt
from tuetinh.record.errors import RecordError
from tuetinh.record.fhirpath import analysis
from tuetinh.record.fhirpath.engine import truth
from tuetinh.record.fhirpath.nodes import Node, plain, root, system, type_of
from tuetinh.record.fhirpath.values import Date, DateTime, Quantity, Time
from tuetinh.record.formats import safely, xml_read

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def cases(folder: Path) -> Iterator[Case]:
    """Every test of the suite's files for R4, at any depth; inputs lie beside or below their file, or
    anywhere; tests whose input is not there are passed over."""
    for path in sorted(folder.rglob("*.xml")):
        tests = _root(path)
        if tests is None or "r5" in path.name:
            continue
        beside = {each.name: each for each in folder.rglob("*") if each.is_file()}
        beside |= {each.name: each for each in path.parent.rglob("*") if each.is_file()}
        for test in tests.iter("{*}test"):
            if test.get("inputfile", path.name) not in beside:
                continue
            yield attempt(test.get("name", ""), partial(_fault, test, beside))


def _root(path: Path) -> Any:
    """The tests in a file; None for another file."""
    try:
        root = safely.parse(path.read_bytes())
    except RecordError:
        return None
    found = safely.local(root)[1] == "tests" and root.find("{*}group/{*}test/{*}expression") is not None
    return root if found else None


@cache
def _input(path: Path) -> Any:
    data = path.read_bytes()
    return _decode(data if path.suffix == ".json" else xml_read.read(data))


def _fault(test: Any, inputs: Mapping[str, Path]) -> str:
    """What differs from what the test expects; empty when nothing does."""
    asked = test.find("{*}expression")
    if asked is None:
        return "the test has no expression"
    text, invalid = asked.text or "", asked.get("invalid")
    try:
        resource = _input(inputs[test.get("inputfile")]) if test.get("inputfile") else {}
        items = _evaluate(text, resource, order=test.get("mode") == "strict")
    except fhirpath.FHIRPathError as error:
        return "" if invalid else f"{text}: {error}"
    except (OSError, ValueError) as error:
        return f"the input cannot be read: {error}"
    if invalid:
        return f"{text}: gives {_shown(items)}, not an error"
    wanted = [(output.get("type"), output.text or "") for output in test.findall("{*}output")]
    if test.get("predicate") == "true":
        items = [bool(truth(items, "a predicate"))]
    if test.get("ordered") == "false":
        items, wanted = sorted(items, key=_text), sorted(wanted, key=lambda each: each[1])
    agree = len(items) == len(wanted) and all(map(_same, items, wanted))
    return "" if agree else f"{text}: gives {_shown(items)}, not {[value for _, value in wanted]}"


def _evaluate(text: str, resource: Any, *, order: bool) -> list[Any]:
    expression = fhirpath.compile(text)
    if resource:
        analysis.check(expression, resource["resourceType"], order=order)
    return expression.items(root(resource))


def _text(item: Any) -> str:
    value = system(item)
    match value:
        case bool():
            return str(value).lower()
        case Date() | DateTime():
            return f"@{value}"
        case Time():
            return f"@T{value}"
    return str(value if isinstance(value, Quantity) else plain(value))


def _same(item: Any, wanted: tuple[str | None, str]) -> bool:
    type_name, text = wanted
    if type_name and type(item) is Node and not item.kind.is_a(type_name):
        return False
    if type_name and type(item) is not Node and type_of(item).name.lower() != type_name.lower():
        return False
    if type_name == "decimal":
        return Decimal(_text(item)) == Decimal(text)
    return _text(item) == text


def _shown(items: list[Any]) -> list[str]:
    return [_text(item)[:80] for item in items[:10]]
