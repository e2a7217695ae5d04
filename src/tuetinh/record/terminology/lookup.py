"""CodeSystem/$lookup: what is known of a concept (R4 codesystem-operation-lookup.html)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuetinh.record.terminology import versions
from tuetinh.record.terminology.coded import Coded
from tuetinh.record.terminology.compose import Composer
from tuetinh.record.terminology.designate import PREFERRED, choose, names
from tuetinh.record.terminology.inquiry import Inquiry, parameter
from tuetinh.record.terminology.issues import (
    Issue,
    TerminologyError,
    missing,
    parameters,
    refused,
    unknown_code_system,
)
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.model import CodeSystem, Concept, Designation, Resource

PURPOSE = "the code cannot be looked up"


def lookup(library: Library, asked: Resource, accept_language: str = "") -> dict[str, Any]:
    """Name, display, definition, designations and properties of a code. TerminologyError when it is not known."""
    inquiry = Inquiry(library, asked, accept_language)
    coded = _coded(inquiry)
    composer = Composer(inquiry, None, PURPOSE)
    system = composer.system(coded.system, coded.version)
    concept = system.find(coded.code)
    if concept is None:
        version = f" version '{system.version}'" if system.version else ""
        text = f"Unknown code '{coded.code}' in the CodeSystem '{system.url}'{version}"
        raise refused("not-found", "invalid-code", text, "Unknown_Code_in_Version", status=404)
    return parameters(_rows(inquiry, composer, system, concept))


def _coded(inquiry: Inquiry) -> Coded:
    coding = inquiry.one("coding")
    if isinstance(coding, Mapping):
        system, code = coding.get("system", ""), coding.get("code", "")
        version = coding.get("version", "")
    else:
        system, code, version = inquiry.text("system"), inquiry.text("code"), inquiry.text("version")
    if not (isinstance(system, str) and isinstance(code, str) and system and code):
        raise missing("Either coding, or system and code, is needed")
    url, own = versions.split(system)
    return Coded(url, code, version if isinstance(version, str) and version else own)


def _rows(inquiry: Inquiry, composer: Composer, system: CodeSystem, concept: Concept) -> Iterator[dict[str, Any]]:
    yield parameter("name", system.name or system.title or system.url)
    if system.version:
        yield parameter("version", system.version)
    own = names(system, concept, None)
    shown = choose(own, inquiry.languages()) or (own[0] if own else None)
    yield parameter("display", shown.value if shown else concept.code)
    yield parameter("code", concept.code, "valueCode")
    yield parameter("system", system.url, "valueUri")
    if concept.definition:
        yield parameter("definition", concept.definition)
    yield {"name": "abstract", "valueBoolean": system.is_abstract(concept)}
    for place, name in enumerate(own):
        if place or name.language:
            yield {"name": "designation", "part": list(_designation(name, preferred=place == 0))}
    yield from _properties([str(code) for code in inquiry.all("property")], system, concept)
    for canonical in composer.used.supplements:
        yield parameter("used-supplement", canonical, "valueCanonical")


def _designation(name: Designation, *, preferred: bool) -> Iterator[dict[str, Any]]:
    if name.language:
        yield parameter("language", name.language, "valueCode")
    use = name.use if name.use is not None else PREFERRED if preferred else None
    if use is not None:
        yield parameter("use", use, "valueCoding")
    if name.source:
        yield parameter("source", name.source, "valueCanonical")
    yield parameter("value", name.value)


def _properties(wanted: list[str], system: CodeSystem, concept: Concept) -> Iterator[dict[str, Any]]:
    """Those asked for, `*` for all; whether it is inactive in any case."""
    yield _property("inactive", "valueBoolean", system.is_inactive(concept))
    every = "*" in wanted
    for code, codes in (("parent", concept.parents), ("child", concept.children)):
        for other in codes if every or code in wanted else ():
            known = system.concepts.get(other)
            yield _property(code, "valueCode", other, known.display if known else "")
    hierarchy = system.codes_of("parent") | system.codes_of("child")
    for own in concept.properties:
        if (every or own.code in wanted) and own.code not in hierarchy and own.code != "inactive":
            yield _property(own.code, own.element, own.value)


def _property(code: str, element: str, value: object, description: str = "") -> dict[str, Any]:
    parts = [parameter("code", code, "valueCode"), {"name": "value", element: value}]
    if description:
        parts.append(parameter("description", description))
    return {"name": "property", "part": parts}


def subsumes(library: Library, asked: Resource, accept_language: str = "") -> dict[str, Any]:
    """How two codes of a system are related (R4 codesystem-operation-subsumes.html)."""
    inquiry = Inquiry(library, asked, accept_language)
    url, version = versions.split(inquiry.text("system"))
    if (given := inquiry.resource("codeSystem", "CodeSystem")) is not None:
        if url not in ("", given.get("url")):
            raise missing(f"The code system that is asked is not {url}")
        library = library.over([given])
        url, version = given.get("url", ""), given.get("version", "")
    codes = []
    for letter in "AB":
        coding = inquiry.one(f"coding{letter}")
        if isinstance(coding, Mapping):
            own = coding.get("system", "")
            if url and own and own != url:
                raise missing("Both codes must be of one code system")
            url, version = url or own, version or coding.get("version", "")
            codes.append(str(coding.get("code", "")))
        else:
            codes.append(inquiry.text(f"code{letter}"))
    if not (url and all(codes)):
        raise missing("Either codingA and codingB, or system, codeA and codeB, are needed")
    system = _system(library, url, inquiry.text("version") or version)
    for code in codes:
        if system.find(code) is None:
            text = f"Unknown code '{code}' in the CodeSystem '{system.url}'"
            raise refused("not-found", "invalid-code", text, "Unknown_Code_in", status=404)
    return parameters([parameter("outcome", relation(system, *codes), "valueCode")])


def relation(system: CodeSystem, one: str, other: str) -> str:
    """`equivalent`, `subsumes`, `subsumed-by` or `not-subsumed` (concept-subsumption-outcome)."""
    if one == other:
        return "equivalent"
    if system.subsumes(one, other):
        return "subsumes"
    return "subsumed-by" if system.subsumes(other, one) else "not-subsumed"


def _system(library: Library, url: str, version: str) -> CodeSystem:
    found = library.system(url, version)
    if found is None:
        issue: Issue = unknown_code_system(url, version, library.system_versions(url), PURPOSE)
        raise TerminologyError(issue, 404)
    return found
