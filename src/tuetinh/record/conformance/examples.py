"""Official examples: each is decoded, encoded again, turned into the other form and back, and must be equal in value.

Decimals are equal digit by digit, narratives as markup. What is no valid resource has no form in XML: only its JSON is
judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from lxml import etree

from tuetinh.record import formats, r4
from tuetinh.record.conformance import Case
from tuetinh.record.errors import RecordError
from tuetinh.record.formats import safely
from tuetinh.record.sources import documents
from tuetinh.record.validate import check


def cases(folder: Path) -> Iterator[Case]:
    """Every resource in the folder, in JSON (also in lines, packed and in archives) or XML."""
    for document in documents([str(folder)]):
        name = document.place.removeprefix(f"{folder}/")
        try:
            value = _exact(document.data)
            if document.error or not isinstance(value, dict) or "resourceType" not in value:
                continue
            reason = _json(document.data, value)
        except (ValueError, RecordError) as error:
            reason = str(error)
        yield Case(name, passed=not reason, reason=reason)
    for path in sorted(folder.rglob("*.xml")):
        try:
            data = path.read_bytes()
            if safely.local(safely.parse(data))[0] != safely.FHIR:
                continue
            reason = _xml(data)
        except (ValueError, RecordError) as error:
            reason = str(error)
        yield Case(str(path.relative_to(folder)), passed=not reason, reason=reason)


def _json(data: bytes, value: dict[str, Any]) -> str:
    """What a resource in JSON loses on the way; empty when nothing."""
    type_ = str(value["resourceType"])
    reason = _first_difference(value, _exact(r4.encode(r4.decode(data))), type_)
    if reason or check(data)[0] is None:
        return reason
    return _first_difference(value, _exact(formats.read(formats.write(data))), f"{type_} as XML: {type_}")


def _xml(data: bytes) -> str:
    """What a resource in XML loses on the way through JSON; empty when nothing."""
    read = formats.read(data)
    value: Any = _exact(read)
    type_ = str(value["resourceType"])
    return _first_difference(value, _exact(formats.read(formats.write(r4.encode(r4.decode(read))))), type_)


def _exact(data: bytes) -> object:
    """JSON with each number as it is written: 72.50 is not 72.5."""
    return json.loads(data, parse_float=lambda text: ("decimal", Decimal(text).as_tuple()))


def _first_difference(one: object, other: object, path: str) -> str:
    """The path of the first value that differs; empty when nothing does."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            left, right = one.get(key), other.get(key)
            if key.startswith("_"):  # what stands beside an array may end with nulls
                left, right = _shortened(left), _shortened(right)
            if found := _first_difference(left, right, f"{path}.{key}"):
                return found
        return ""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            if found := _first_difference(left, right, f"{path}[{place}]"):
                return found
        return ""
    same = one == other or (path.endswith(".div") and _markup(one) == _markup(other) is not None)
    return "" if same else f"{path} differs"


def _shortened(items: object) -> object:
    while isinstance(items, list) and items and items[-1] is None:
        items = items[:-1]
    return items


def _markup(text: object) -> bytes | None:
    """A narrative in canonical form; None for what is none."""
    try:
        return bytes(etree.tostring(safely.parse(str(text).encode()), method="c14n2"))
    except RecordError:
        return None
