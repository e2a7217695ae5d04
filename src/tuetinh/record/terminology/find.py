"""CodeSystem/$find-matches: the concepts that have given properties (R4 codesystem-operation-find-matches.html)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuetinh.record.terminology import versions
from tuetinh.record.terminology.inquiry import Inquiry, parameter
from tuetinh.record.terminology.issues import TerminologyError, missing, parameters, refused, unknown_code_system
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.model import CodeSystem, Concept, Property, Resource

PURPOSE = "no concept can be found"
MOST = 100


def find_matches(library: Library, asked: Resource, accept_language: str = "") -> dict[str, Any]:
    """Concepts with all of the properties (`exact`), or with some, those with most of them first."""
    inquiry = Inquiry(library, asked, accept_language)
    system = _system(library, inquiry)
    wanted = [_wanted(row) for row in asked.get("parameter", ()) if row.get("name") == "property"]
    exact = inquiry.flag("exact")
    if not wanted or exact is None:
        raise missing("The parameters property and exact are needed")
    if inquiry.flag("compositional"):
        raise refused("not-supported", "not-supported", "Codes are not put together here", status=422)
    found = [(concept, [one for one in wanted if not _has(concept, one)]) for concept in system.concepts.values()]
    matches = [each for each in found if len(each[1]) < (1 if exact else len(wanted))]
    matches.sort(key=lambda each: len(each[1]))
    rows = [_match(system, *each) for each in matches[:MOST]]
    return parameters(rows) if rows else {"resourceType": "Parameters"}


def _system(library: Library, inquiry: Inquiry) -> CodeSystem:
    """The code system that is asked; it must list its concepts."""
    url, version = versions.split(inquiry.text("system"))
    version = inquiry.text("version") or version
    if (given := inquiry.resource("codeSystem", "CodeSystem")) is not None:
        library = library.over([given])
        url, version = given.get("url", ""), given.get("version", "")
    if not url:
        raise missing("The parameter system is needed")
    system = library.system(url, version)
    if system is None:
        raise TerminologyError(unknown_code_system(url, version, library.system_versions(url), PURPOSE), 404)
    if not system.enumerable:
        raise refused("not-supported", "not-supported", f"The codes of {url} are not listed here", status=422)
    return system


def _wanted(row: Mapping[str, Any]) -> Property:
    parts = {part.get("name"): part for part in row.get("part", ())}
    if "subproperty" in parts:
        raise refused("not-supported", "not-supported", "Properties of properties are not known here", status=422)
    element = next((name for name in parts.get("value", {}) if name.startswith("value")), "")
    code = next((value for name, value in parts.get("code", {}).items() if name.startswith("value")), "")
    if not element or not code:
        raise missing("A property has a code and a value")
    return Property(str(code), element, parts["value"][element])


def _has(concept: Concept, wanted: Property) -> bool:
    kin = {"parent": concept.parents, "child": concept.children}.get(wanted.code, ())
    return wanted.text in kin or any(p.code == wanted.code and p.text == wanted.text for p in concept.properties)


def _match(system: CodeSystem, concept: Concept, unmatched: list[Property]) -> dict[str, Any]:
    return {"name": "match", "part": list(_parts(system, concept, unmatched))}


def _parts(system: CodeSystem, concept: Concept, unmatched: list[Property]) -> Iterator[dict[str, Any]]:
    coding = {"system": system.url, "version": system.version, "code": concept.code, "display": concept.display}
    yield parameter("code", {name: value for name, value in coding.items() if value}, "valueCoding")
    for one in unmatched:
        rest = [parameter("code", one.code, "valueCode"), parameter("value", one.value, one.element)]
        yield {"name": "unmatched", "part": rest}
