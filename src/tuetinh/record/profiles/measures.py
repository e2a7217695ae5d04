"""A MeasureReport against its Measure (R4 measurereport.html, 13.10.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuetinh.record.profiles.library import Library
from tuetinh.record.validate.problem import Problem

Json = dict[str, Any]
SCORELESS = frozenset({"cohort"})
Key = frozenset[tuple[str, str]]


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
