"""ConceptMap/$translate: what a code is in another code system (R4 conceptmap-operation-translate.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuetinh.record.terminology import versions
from tuetinh.record.terminology.inquiry import Inquiry, parameter
from tuetinh.record.terminology.issues import missing, parameters, refused
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.model import Resource

# R4's equivalence as R5's relationship (the target is said of the source in one, the source of the target in the other)
_RELATIONSHIPS = {
    "relatedto": "related-to",
    "equivalent": "equivalent",
    "equal": "equivalent",
    "wider": "source-is-narrower-than-target",
    "subsumes": "source-is-narrower-than-target",
    "narrower": "source-is-broader-than-target",
    "specializes": "source-is-broader-than-target",
    "inexact": "related-to",
    "unmatched": "not-related-to",
    "disjoint": "not-related-to",
}
_EQUIVALENCES = {
    "related-to": "relatedto",
    "equivalent": "equivalent",
    "source-is-narrower-than-target": "wider",
    "source-is-broader-than-target": "narrower",
    "not-related-to": "disjoint",
}
_NO_MATCH = frozenset({"unmatched", "disjoint"})


@dataclass(frozen=True)
class Match:
    """One mapping: what the code is there, how well it fits, and by which map."""

    system: str
    code: str
    display: str
    equivalence: str
    map: str
    source: tuple[str, str] = ("", "")


def translate(library: Library, asked: Resource, accept_language: str = "") -> dict[str, Any]:
    """The matches of a code in the maps that fit. TerminologyError when there is nothing to translate."""
    inquiry = Inquiry(library, asked, accept_language)
    maps = list(_maps(inquiry))
    target = inquiry.text("targetsystem", "targetSystem")
    back = bool(inquiry.flag("reverse")) or inquiry.one("targetCode", "targetCoding") is not None
    matches: list[Match] = []
    for system, code in _codes(inquiry):
        for concept_map in maps:
            if back:
                found = _reversed(concept_map, system, code)
            else:
                found = _forward(inquiry.library, concept_map, system, code, set())
            matches.extend(match for match in found if not target or back or match.system == target)
    matches = list(dict.fromkeys(matches))
    result = any(match.equivalence not in _NO_MATCH for match in matches)
    rows: list[dict[str, Any]] = [{"name": "result", "valueBoolean": result}]
    if not matches:
        rows.append(parameter("message", "No mapping was found"))
    rows.extend({"name": "match", "part": list(_parts(match))} for match in matches)
    return parameters(rows)


def _codes(inquiry: Inquiry) -> Iterator[tuple[str, str]]:
    """The codes to translate; by their own system or, for a target, by the target's."""
    concept = inquiry.one("codeableConcept", "sourceCodeableConcept", "targetCodeableConcept")
    coding = inquiry.one("coding", "sourceCoding", "targetCoding")
    rows: Iterable[Any] = concept.get("coding", ()) if isinstance(concept, Mapping) else ()
    if isinstance(coding, Mapping):
        rows = [coding]
    found = [(row.get("system", ""), row.get("code", "")) for row in rows if isinstance(row, Mapping)]
    if inquiry.text("targetCode"):
        found = [(inquiry.text("targetSystem"), inquiry.text("targetCode"))]
    elif inquiry.text("code", "sourceCode"):
        found = [(inquiry.text("system", "sourceSystem"), inquiry.text("code", "sourceCode"))]
    if not any(code for _, code in found):
        raise missing("A code, coding or codeableConcept to translate is needed")
    yield from found


def _maps(inquiry: Inquiry) -> Iterator[Resource]:
    """The map that is named; else those between the value sets or systems that are named."""
    given = inquiry.resource("conceptMap", "ConceptMap")
    if given is not None:
        yield given
        return
    url, version = versions.split(inquiry.text("url"))
    if url:
        wanted = inquiry.text("conceptMapVersion") or version
        found = inquiry.library.concept_map(url, wanted)
        if found is None:
            text = f"A definition for the concept map '{versions.join(url, wanted)}' could not be found"
            raise refused("not-found", "not-found", text, "CONCEPT_MAP_UNKNOWN", status=404)
        yield found
        return
    source, target = inquiry.text("source", "sourceScope"), inquiry.text("target", "targetScope")
    for own in inquiry.library.concept_maps():
        scopes = _scope(own, "source"), _scope(own, "target")
        if all(
            not wanted or versions.split(wanted)[0] == scope
            for wanted, scope in zip((source, target), scopes, strict=True)
        ):
            yield own


def _scope(concept_map: Resource, side: str) -> str:
    for name in (f"{side}Uri", f"{side}Canonical", f"{side}ScopeUri", f"{side}ScopeCanonical"):
        if name in concept_map:
            return versions.split(str(concept_map[name]))[0]
    return ""


def _forward(library: Library, concept_map: Resource, system: str, code: str, seen: set[str]) -> Iterator[Match]:
    """The matches in a map, and in those that it refers to for what it lacks; `seen` are the maps already asked."""
    name = versions.join(concept_map.get("url", ""), concept_map.get("version", ""))
    for group in concept_map.get("group", ()):
        if versions.split(group.get("source", ""))[0] != system:
            continue
        target = versions.split(group.get("target", ""))[0]
        element = next((own for own in group.get("element", ()) if own.get("code") == code), None)
        if element is not None:
            for row in element.get("target", ()):
                yield Match(target, row.get("code", ""), row.get("display", ""), _equivalence(row), name)
            if element.get("noMap"):
                yield Match(target, "", "", "unmatched", name)
            continue
        unmapped = group.get("unmapped", {})
        if unmapped.get("mode") in ("provided", "use-source-code"):
            yield Match(target, code, "", "relatedto", name)
        elif unmapped.get("mode") == "fixed":
            yield Match(target, unmapped.get("code", ""), unmapped.get("display", ""), "relatedto", name)
        elif unmapped.get("mode") in ("other-map", "otherMap"):
            url = unmapped.get("url") or unmapped.get("otherMap") or ""
            other = None if url in seen else library.concept_map(*versions.split(url))
            seen.add(url)
            if other is not None:
                yield from _forward(library, other, system, code, seen)


def _reversed(concept_map: Resource, system: str, code: str) -> Iterator[Match]:
    """The codes that map to a code (parameter `reverse`, R5 `targetCode`)."""
    name = versions.join(concept_map.get("url", ""), concept_map.get("version", ""))
    for group in concept_map.get("group", ()):
        target = versions.split(group.get("target", ""))[0]
        if system and target != system:
            continue
        for element in group.get("element", ()):
            for row in element.get("target", ()):
                if row.get("code") == code:
                    source = (group.get("source", ""), element.get("code", ""))
                    yield Match(target, code, row.get("display", ""), _equivalence(row), name, source)


def _equivalence(row: Resource) -> str:
    if "equivalence" in row:
        return str(row["equivalence"])
    return _EQUIVALENCES.get(str(row.get("relationship", "")), "relatedto")


def _parts(match: Match) -> Iterator[dict[str, Any]]:
    yield parameter("equivalence", match.equivalence, "valueCode")
    yield parameter("relationship", _RELATIONSHIPS.get(match.equivalence, "related-to"), "valueCode")
    if match.code:
        coding = {"system": match.system, "code": match.code} | ({"display": match.display} if match.display else {})
        yield parameter("concept", coding, "valueCoding")
    if match.source[1]:
        yield parameter("source", {"system": match.source[0], "code": match.source[1]}, "valueCoding")
    if match.map:
        yield parameter("originMap", match.map, "valueCanonical")
