"""Parts of resources: `_elements` and `_summary` (FHIR R4 search.html, 3.1.1.5.8 and 3.1.1.5.9)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache

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


def check_elements(types: Collection[str], elements: Iterable[str]) -> None:
    """Raise BadRequest for a name that is no element of any of the types; `Type.name` is one of just that type."""
    for wanted in elements:
        if not is_element(types, wanted):
            type_, dot, _ = wanted.rpartition(".")
            named = (type_,) if dot else types
            message = f"{wanted[:80]!r} is no element at the top of {' or '.join(named) or 'a resource'}"
            raise BadRequest(message, "_elements")


def is_element(types: Collection[str], wanted: str) -> bool:
    """Whether the name is an element of any of the types."""
    type_, dot, name = wanted.rpartition(".")
    named = (type_,) if dot else types
    return any(t in r4.RESOURCES and any(_names(name, *one) for one in _rules(t).items()) for t in named)


def cut(body: bytes, mode: str | None, elements: Collection[str] | None) -> bytes:
    """The resource with only the parts asked for (and those that must not be left out), marked SUBSETTED."""
    if mode is None and not elements:
        return body
    resource = r4.decode(body)
    rules = _rules(resource.resourceType)
    elements = [e.removeprefix(f"{resource.resourceType}.") for e in elements or ()]
    keep = set(ALWAYS)
    for name, rule in rules.items():
        if (rule.modifier and mode != "text") or rule.min or _wanted(name, rule, mode, elements):
            keep.add(name)
    for name in resource.__struct_fields__:
        if name.removesuffix("_ext").rstrip("_") not in keep and getattr(resource, name) is not None:
            setattr(resource, name, None)
    resource.meta = resource.meta or r4.Meta()
    resource.meta.tag = [*(resource.meta.tag or []), SUBSETTED]
    return r4.encode(resource)


def _wanted(name: str, rule: ElementRule, mode: str | None, elements: Collection[str]) -> bool:
    if elements:
        return any(_names(wanted, name, rule) for wanted in elements)
    if mode == "true":
        return rule.summary
    return name != "text" if mode == "data" else name == "text"


def _names(wanted: str, name: str, rule: ElementRule) -> bool:
    """Whether this is the name of the element, or of the choice of which it is one: `value` of `valueQuantity`."""
    return wanted in (name, rule.choice)


@cache
def _rules(type_: str) -> dict[str, ElementRule]:
    """The rules of a resource's elements, those that it inherits among them."""
    found: dict[str, ElementRule] = {}
    name: str = type_
    while name in RULES.types:
        found = RULES.types[name].elements | found
        name = RULES.types[name].base
    return found
