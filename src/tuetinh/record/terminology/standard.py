"""What HL7 defines for R4: its code systems, value sets and maps, read from the package when first asked for."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from tuetinh.record.terminology import grammars, iso
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.model import CodeSystem, code_system

_FILE = Path(__file__).parent / "data" / "hl7.jsonl.gz"


@cache
def published() -> list[tuple[tuple[str, str, str, str], bytes]]:
    """Type, URL, version and value set of all codes of each resource that HL7 defines, with its JSON."""
    index, *lines = gzip.decompress(_FILE.read_bytes()).split(b"\n")
    rows: list[tuple[str, str, str, str]] = msgspec.json.decode(index, type=list[tuple[str, str, str, str]])
    return list(zip(rows, lines, strict=True))


@cache
def standard_library() -> Library:
    """A library of what the standard defines, of ISO's lists, and of the code systems that have a grammar."""
    library = Library()
    for (type_, url, version, all_codes), line in published():
        if type_ == "CodeSystem":
            library.register(url, version, _builder(line), all_codes)
        else:
            library.register_resource(type_, url, version, _decoder(line))
    units = grammars.UcumSystem()
    library.register(units.url, units.version, partial(_units, library, units.common), units.value_set)
    for system in grammars.SYSTEMS:
        library.register(system.url, system.version, partial(_itself, system), system.value_set)
    for url, build in iso.SYSTEMS:
        library.register(url, "", build, "")
    return library


def _builder(line: bytes) -> Callable[[], CodeSystem]:
    return lambda: code_system(msgspec.json.decode(line, type=dict[str, Any]))


def _units(library: Library, common: str) -> CodeSystem:
    return grammars.units(library.value_set(common) or {})


def _itself(system: CodeSystem) -> CodeSystem:
    return system


def _decoder(line: bytes) -> Callable[[], dict[str, Any]]:
    return lambda: msgspec.json.decode(line, type=dict[str, Any])
