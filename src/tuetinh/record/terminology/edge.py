"""What is R5's in an answer, in the form that R4 gives it: elements that R4 does not have become extensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Cross-version extensions: https://hl7.org/fhir/versions.html#extensions
_EXPANSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion"


def as_r4(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource with `ValueSet.expansion.property` and `contains.property` as extensions.

    A match of $translate names its map as R4 does (`source`), too.
    """
    if resource.get("resourceType") == "Parameters" and "parameter" in resource:
        return {**resource, "parameter": [_match(row) for row in resource.get("parameter", ())]}
    expansion = resource.get("expansion")
    if resource.get("resourceType") != "ValueSet" or not isinstance(expansion, Mapping):
        return dict(resource)
    moved = _moved(expansion, f"{_EXPANSION}.property")
    if "contains" in moved:
        moved["contains"] = [_row(row) for row in moved["contains"]]
    return {**resource, "expansion": moved}


def _match(row: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = {part["name"]: part for part in row.get("part", ())}
    if row.get("name") != "match" or "originMap" not in parts or "source" in parts:
        return row
    source = {"name": "source", "valueUri": parts["originMap"]["valueCanonical"]}
    return {**row, "part": [*row["part"], source]}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    moved = _moved(row, f"{_EXPANSION}.contains.property")
    if "contains" in moved:
        moved["contains"] = [_row(below) for below in moved["contains"]]
    return moved


def _moved(element: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The element with its rows of `property` as extensions."""
    kept = {name: value for name, value in element.items() if name != "property"}
    extensions = [{"url": url, "extension": list(map(dict, _parts(own)))} for own in element.get("property", ())]
    if extensions:
        kept["extension"] = [*kept.get("extension", ()), *extensions]
    return kept


def _parts(own: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for name, value in own.items():
        if name.startswith("value"):
            parts.append({"url": "value", name: value})
        else:
            parts.append({"url": name, "valueUri" if name == "uri" else "valueCode": value})
    return parts
