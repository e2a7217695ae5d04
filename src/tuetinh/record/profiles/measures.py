"""A MeasureReport against its Measure (R4 measurereport.html, 13.10.3), and a Measure against its libraries of CQL."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from tuetinh.record.fhirpath import Node
from tuetinh.record.profiles.library import Library
from tuetinh.record.validate.problem import Problem

Json = dict[str, Any]
SCORELESS = frozenset({"cohort"})
Key = frozenset[tuple[str, str]]
CQL = frozenset({"text/cql", "text/cql-identifier", "text/cql.identifier"})
# What a criterion may name: a definition of the only library, or of one that is named.
_NAMED = re.compile(r'(?:("[^"]+"|\w+)\.)?("[^"]+"|\w+)')
_DEFINED = re.compile(r'^\s*define\s+(?:(?:private|public|fluent|function)\s+)*("[^"]+"|\w+)', re.MULTILINE)


def problems(library: Library, report: Json, path: str) -> Iterator[Problem]:
    """What is wrong with the groups, populations, stratifiers and scores; nothing when the measure is not known."""
    measure = library.resource("Measure", str(report.get("measure", "")))
    if measure is None:
        return
    scoring = {code for _, code in _key(measure.get("scoring", {}))}
    groups = measure.get("group", [])
    for number, group in enumerate(report.get("group", [])):
        place = f"{path}.group[{number}]"
        if scoring & SCORELESS and "measureScore" in group:
            yield _error(f"{place}.measureScore", f"there is no score for {', '.join(sorted(scoring))}")
        same = _same(groups, group)
        if same is None:
            yield _error(place, "the code is not that of a group of the measure")
            continue
        for part in ("population", "stratifier"):
            for index, one in enumerate(group.get(part, [])):
                if _same(same.get(part, []), one) is None:
                    yield _error(f"{place}.{part}[{index}]", f"the code is not that of a {part} of the measure")
    present = [_same(groups, g) for g in report.get("group", [])]
    if report.get("status") == "complete" and any(g not in present for g in groups):
        yield _error(f"{path}.group", "a group of the measure is missing")


def criteria(library: Library, measure: Node) -> Iterator[Problem]:
    """Criteria that name a definition which the Measure's libraries, where they are known, do not have."""
    known = [library.resource("Library", str(url)) for url in measure.value.get("library", [])]
    defined = {str(one.get("name", "")): _definitions(one) for one in known if one is not None}
    for node in measure.descendants() if defined else ():
        if node.kind.name != "Expression" or node.value.get("language") not in CQL:
            continue
        named = _NAMED.fullmatch(str(node.value.get("expression", "")))
        if named is None:
            continue
        home = (named[1] or "").strip('"') or (next(iter(defined)) if len(defined) == 1 else "")
        names = defined.get(home)
        if names and named[2].strip('"') not in names:
            yield _error(node.path, f"the library {home[:80]} has no definition of {named[2][:80]}")


def _definitions(library: Json) -> set[str]:
    """The names that the CQL of a Library defines; none where it brings no CQL."""
    found: set[str] = set()
    for content in library.get("content", []):
        if content.get("contentType") == "text/cql":
            try:
                text = base64.b64decode(content.get("data", "")).decode()
            except (binascii.Error, ValueError):
                continue
            found |= {name.strip('"') for name in _DEFINED.findall(text)}
    return found


def _same(defined: list[Json], given: Json) -> Json | None:
    """The definition with the code of what is given; the only one there is needs no code."""
    codes = given.get("code", {})
    key = _key(codes[0] if isinstance(codes, list) and codes else codes)  # a stratifier has a list of them
    found = next((d for d in defined if key and key & _key(d.get("code", {}))), None)
    if found is None and len(defined) == 1 and not (key and _key(defined[0].get("code", {}))):
        return defined[0]
    return found


def _key(concept: Any) -> Key:
    """System and code of each coding of a CodeableConcept."""
    codings = concept.get("coding", []) if isinstance(concept, dict) else []
    return frozenset((str(c.get("system", "")), str(c.get("code", ""))) for c in codings)


def _error(path: str, message: str) -> Problem:
    return Problem("error", "value", path, message)
