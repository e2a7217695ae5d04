"""Which name of a concept is shown, and which names go with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuetinh.record.terminology.language import Languages
from tuetinh.record.terminology.model import CodeSystem, Concept, Designation, Resource, designations

PREFERRED = {
    "system": "http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra",
    "code": "preferredForLanguage",
    "display": "Preferred For Language",
}
_KNOWN_EXTENSIONS = frozenset(
    {
        "http://hl7.org/fhir/StructureDefinition/coding-sctdescid",
        "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status",
    }
)


def names(system: CodeSystem, concept: Concept, listed: Resource | None) -> list[Designation]:
    """All names: the value set's own display first, then the code system's, then the designations of both."""
    found = []
    if listed and listed.get("display"):
        found.append(Designation(listed["display"], system.language))
    if concept.display and not any(own.value == concept.display for own in found):
        found.append(Designation(concept.display, system.language))
    found.extend(concept.designations)
    if listed:
        found.extend(designations(listed))
    return found


def choose(own: Sequence[Designation], languages: Languages) -> Designation | None:
    """The name to show: the first in the best language asked for; another's only when that will do."""
    if not own:
        return None
    if not languages:
        return own[0]
    ranked = [
        (rank, place, name)
        for place, name in enumerate(own)
        if name.is_display and not name.status and (rank := languages.rank(name.language)) is not None
    ]
    if ranked:
        return min(ranked, key=lambda row: row[:2])[2]
    return own[0] if languages.fallback or not own[0].language else None


def others(own: Sequence[Designation], shown: Designation | None, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """The names beside the one shown, as designations; `wanted` keeps those of given languages or uses."""
    found = []
    for place, name in enumerate(own):
        if name is shown or (wanted and not any(_is_wanted(name, token) for token in wanted)):
            continue
        found.append(_json(name, preferred=place == 0))
    return found


def _is_wanted(name: Designation, token: str) -> bool:
    """A token of the parameter `designation`: `urn:ietf:bcp:47|es` for a language, else `system|code` of a use."""
    system, _, code = token.partition("|")
    if system == "urn:ietf:bcp:47":
        return name.language == code
    return name.use is not None and (name.use.get("system"), name.use.get("code")) == (system, code)


def _json(name: Designation, *, preferred: bool) -> dict[str, Any]:
    row: dict[str, Any] = {}
    extensions = [own for own in name.extensions if own.get("url") in _KNOWN_EXTENSIONS]
    if extensions:
        row["extension"] = extensions
    if name.language:
        row["language"] = name.language
    if name.use is not None:
        row["use"] = name.use
    elif preferred and name.language:
        row["use"] = PREFERRED
    return row | {"value": name.value}
