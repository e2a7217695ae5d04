"""Official examples: each is decoded, encoded again, and must be equal in value, decimals digit by digit."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from tuetinh.record import r4
from tuetinh.record.conformance import Case


def cases(folder: Path) -> Iterator[Case]:
    """Every JSON resource in the folder, loose or in a `.tar.gz`."""
    for name, data in _files(folder):
        try:
            value = _exact(data)
            if not isinstance(value, dict) or "resourceType" not in value:
                continue
            again = _exact(r4.encode(r4.decode(data)))
        except ValueError as error:
            yield Case(name, passed=False, reason=str(error))
            continue
        yield Case(name, passed=again == value, reason=_first_difference(value, again, value["resourceType"]))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.name.endswith(".json") and (file := archive.extractfile(member)):
                        yield Path(member.name).name, file.read()
        elif path.suffix == ".json":
            yield path.name, path.read_bytes()


def _exact(data: bytes) -> object:
    """JSON with each number as it is written: 72.50 is not 72.5."""
    return json.loads(data, parse_float=lambda text: ("decimal", Decimal(text).as_tuple()))


def _first_difference(one: object, other: object, path: str) -> str:
    """The path of the first value that differs; empty when nothing does."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            if found := _first_difference(one.get(key), other.get(key), f"{path}.{key}"):
                return found
        return ""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            if found := _first_difference(left, right, f"{path}[{place}]"):
                return found
        return ""
    return "" if one == other else f"{path} differs"
