"""Literal references to a Patient in the JSON of a resource: found, named by their paths, turned to another one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import msgspec

from tuetinh.record.hashes import token_hash
from tuetinh.record.search.params import params
from tuetinh.record.types import RESOURCE_TYPES

# Quotes within texts are escaped, so that this never lies within one. `r4.encode` writes no blanks.
_PEOPLE = re.compile(rb'"reference":"Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"\\]*)?"')


def people(body: bytes) -> list[str]:
    """Ids of the Patients that a resource refers to, each once."""
    return list(dict.fromkeys(found.decode() for found in _PEOPLE.findall(body))) if b'"Patient/' in body else []


def paths(body: bytes, person: str) -> list[str]:
    """Where a resource refers to the person: dotted element names and positions, in the order of the text."""
    return [path for path, named in _walk(msgspec.json.decode(body), "") if named == person]


ALL = "*"  # in the place of paths: wherever the survivor is named


def spots(body: bytes, source: str, target: str) -> list[str]:
    """Where a resource names the source, so that it can be told later from where it names the target; [ALL] if nowhere.

    Empty when it does not name the source.
    """
    found = people(body)
    if source not in found:
        return []
    return paths(body, source) if target in found else [ALL]


def turned(body: bytes, old: str, new: str, only: Collection[str] | None = None) -> bytes:
    """The resource with its references to `old` leading to `new`; with `only`, those at these paths.

    A reference to a version of the old one becomes one to the new one: versions of two people have nothing in common.
    """
    known = [] if only is None or ALL in only else [path for path, _ in _walk(msgspec.json.decode(body), "")]
    at = -1

    def turn(match: re.Match[bytes]) -> bytes:
        nonlocal at
        at += 1
        wanted = match[1] == old.encode() and (not known or only is None or known[at] in only)
        return b'"reference":"Patient/%b"' % new.encode() if wanted else match[0]

    return _PEOPLE.sub(turn, body)


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Path and id of each reference to a Patient, in the order of the text."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "reference" and isinstance(inner, str):
                if match := _PEOPLE.fullmatch(b'"reference":"%b"' % inner.encode()):
                    yield path, match[1].decode()
            else:
                yield from _walk(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, f"{path}.{number}")


@cache
def _codes() -> tuple[str, ...]:
    """Names of all search parameters that may lead to a Patient."""
    found = {
        code
        for type_ in RESOURCE_TYPES
        for parameter in params(type_).values()
        if parameter.type == "reference" and "Patient" in parameter.targets
        for code in parameter.indexed_as
    }
    return tuple(sorted(found))


def hashes(person: str) -> list[int]:
    """The tokens under which resources that refer to the person are found, of any type."""
    return [token_hash(code, f"Patient/{person}") for code in _codes()]
