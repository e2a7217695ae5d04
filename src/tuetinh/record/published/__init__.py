"""The StructureDefinitions of FHIR R4 as HL7 publishes them, for those who read them; nothing here is answered by.

They lie compressed in the package, several in a part, and are read when they are asked for.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple
from zipfile import ZipFile

import msgspec


class Place(NamedTuple):
    """Where a definition lies: the line of a part."""

    url: str
    part: int
    line: int


@cache
def structures() -> dict[str, Place]:
    """The place of each StructureDefinition by its id."""
    found: dict[str, Place] = {}
    lines: dict[int, int] = {}
    for id_, url, part in msgspec.json.decode(_member("index.json"), type=list[tuple[str, str, int]]):
        found[id_] = Place(url, part, lines.setdefault(part, 0))
        lines[part] += 1
    return found


def structure(id_: str) -> bytes:
    """The JSON of a StructureDefinition that there is."""
    place = structures()[id_]
    return _part(place.part)[place.line]


@lru_cache(maxsize=2)  # a megabyte each
def _part(number: int) -> list[bytes]:
    return _member(f"{number}.jsonl").split(b"\n")


def _member(name: str) -> bytes:
    file = resources.files("tuetinh.record.published") / "data" / "structures.zip"
    with file.open("rb") as opened, ZipFile(opened) as archive:
        return archive.read(name)
