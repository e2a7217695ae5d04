"""Parts of resources: `_elements` and `_summary` (FHIR R4 search.html, 3.1.1.5.8 and 3.1.1.5.9)."""

from __future__ import annotations

from collections.abc import Collection

from tuetinh.record import r4
from tuetinh.record.errors import BadRequest
from tuetinh.record.validate.rules import RULES, ElementRule

ALWAYS = frozenset({"id", "meta", "implicitRules"})
MODES = frozenset({"true", "false", "text", "data", "count"})
SUBSETTED = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ObservationValue", code="SUBSETTED")


def check_mode(mode: str | None) -> str | None:
    """The `_summary` that is asked for, or None for whole resources. Raises BadRequest."""
    if mode is not None and mode not in MODES:
        message = f"_summary is one of {', '.join(sorted(MODES))}"
        raise BadRequest(message)
    return None if mode == "false" else mode


def cut(body: bytes, mode: str | None, elements: Collection[str] | None) -> bytes:
    """The resource with only the parts asked for (and those that must not be left out), marked SUBSETTED."""
    if mode is None and not elements:
        return body
    resource = r4.decode(body)
    rules = _rules(resource.resourceType)
    keep = set(ALWAYS)
    for name, rule in rules.items():
        if rule.modifier or rule.min or _wanted(name, mode, elements, summary=rule.summary):
            keep.add(name)
    for name in resource.__struct_fields__:
        if name.removesuffix("_ext").rstrip("_") not in keep and getattr(resource, name) is not None:
            setattr(resource, name, None)
    resource.meta = resource.meta or r4.Meta()
    resource.meta.tag = [*(resource.meta.tag or []), SUBSETTED]
    return r4.encode(resource)


def _wanted(name: str, mode: str | None, elements: Collection[str] | None, *, summary: bool) -> bool:
    if elements:
        return name in elements or any(name.startswith(e) and name[len(e) : len(e) + 1].isupper() for e in elements)
    if mode == "true":
        return summary
    return name != "text" if mode == "data" else name == "text"


def _rules(type_: str) -> dict[str, ElementRule]:
    """The rules of a resource's elements, those that it inherits among them."""
    found: dict[str, ElementRule] = {}
    name: str = type_
    while name in RULES.types:
        found = RULES.types[name].elements | found
        name = RULES.types[name].base
    return found
