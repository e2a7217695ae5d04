"""The test suite of SQL on FHIR v2: views with the rows that they give, or an error."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tuetinh.record import views
from tuetinh.record.conformance import Case, attempt

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def cases(folder: Path) -> Iterator[Case]:
    """Every test of every file of the suite that is for R4, at any depth; other files are passed over."""
    for path in sorted(folder.rglob("*.json")):
        try:
            suite = _decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if not isinstance(suite, dict) or not isinstance(suite.get("tests"), list):
            continue
        versions = suite.get("fhirVersion", ["4.0.1"])
        if not any(str(version).startswith("4.") for version in versions):
            continue
        for test in suite["tests"]:
            title = test.get("title") if isinstance(test, dict) else None
            yield attempt(f"{path.stem}: {title}", partial(fault, test, suite.get("resources", [])))


def fault(test: dict[str, Any], resources: list[Any]) -> str:
    """What differs from what the test expects; empty when nothing does. The order of rows does not count."""
    try:
        view = views.read(test["view"])
        names = [column.name for column in view.columns]
        found = [dict(zip(names, row, strict=True)) for row in views.rows(view, resources)]
    except views.ViewError as error:
        return "" if test.get("expectError") else f"refused: {error}"
    if test.get("expectError"):
        return f"gives {len(found)} rows, not an error"
    if "expectCount" in test and len(found) != test["expectCount"]:
        return f"gives {len(found)} rows, not {test['expectCount']}"
    if "expectColumns" in test and names != test["expectColumns"]:
        return f"has the columns {names}, not {test['expectColumns']}"
    if "expect" in test and _sorted(found) != _sorted(test["expect"]):
        return f"gives {_sorted(found)[:5]}, not {_sorted(test['expect'])[:5]}"
    return ""


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(_canonical(row) for row in rows)


def _canonical(value: Any) -> str:
    """A text that is the same for equal values: 1.0 is 1, true is not 1."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_canonical(each)}" for name, each in sorted(value.items())) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_canonical, value))}]"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"{Decimal(value).normalize():f}"
    return repr(value)
