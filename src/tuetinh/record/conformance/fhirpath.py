"""The FHIRPath test suite of HL7 for R4 (`tests-fhir-r4.xml` with its `input` folder)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from lxml import etree

from tuetinh.record import fhirpath
from tuetinh.record.conformance import Case
from tuetinh.record.fhirpath import analysis
from tuetinh.record.fhirpath.engine import truth
from tuetinh.record.fhirpath.nodes import Node, plain, root, system, type_of
from tuetinh.record.fhirpath.values import Date, DateTime, Quantity, Time
from tuetinh.record.formats import xml_read

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def cases(folder: Path) -> Iterator[Case]:
    """Every test of the suite's files for R4."""
    for path in sorted(folder.glob("*.xml")):
        tests = etree.parse(path).getroot()
        if etree.QName(tests).localname != "tests" or "r5" in path.name:
            continue
        for test in tests.iter("{*}test"):
            reason = _fault(test, folder)
            yield Case(test.get("name", ""), passed=not reason, reason=reason)


@cache
def _input(path: Path) -> Any:
    data = path.read_bytes()
    return _decode(data if path.suffix == ".json" else xml_read.read(data))


def _fault(test: Any, folder: Path) -> str:
    """What differs from what the test expects; empty when nothing does."""
    asked = test.find("{*}expression")
    text, invalid = asked.text or "", asked.get("invalid")
    try:
        resource = _input(folder / "input" / test.get("inputfile")) if test.get("inputfile") else {}
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
