"""Filters of ValueSet.compose: which concepts of a code system they let through (R4 valueset-filter-operator)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2

from tuetinh.record.terminology.issues import TerminologyError, refused
from tuetinh.record.terminology.model import CodeSystem, Concept, Resource

Test = Callable[[Concept], bool]

_LONGEST_REGEX = 1000


def test(system: CodeSystem, filter_: Resource, expression: str = "") -> Test:
    """A test of concepts for one filter. TerminologyError when the filter has no value or is not understood."""
    name, op, value = filter_.get("property", ""), filter_.get("op", ""), filter_.get("value", "")
    if not value:
        text = f"The system {system.url} filter with property = {name}, op = {op} has no value"
        raise refused(
            "invalid", "vs-invalid", text, "UNABLE_TO_HANDLE_SYSTEM_FILTER_WITH_NO_VALUE", expression=expression
        )
    own = system.filter(name, op, value)
    if own is not None:
        return own
    if op in _HIERARCHY:
        if name not in ("concept", "code"):
            raise _not_understood(system, name, op, value)
        return _HIERARCHY[op](system, value)
    if name in ("concept", "code"):
        return _on_text(system, lambda concept: [concept.code], name, op, value)
    if name == "display":
        return _on_text(system, lambda concept: [concept.display], name, op, value)
    return _on_text(system, _property_reader(system, name, op, value), name, op, value)


def _property_reader(system: CodeSystem, name: str, op: str, value: str) -> Callable[[Concept], list[str]]:
    """Reads the values of a property: hierarchy, standard properties and those of the code system."""
    if name == "parent":
        return lambda concept: list(concept.parents)
    if name == "child":
        return lambda concept: list(concept.children)
    codes = system.codes_of(name) | {name}
    if name == "inactive":
        return lambda concept: ["true" if system.is_inactive(concept) else "false"]
    if not codes & (set(system.property_uris) | _used(system)) and name not in _STANDARD:
        raise _not_understood(system, name, op, value)
    return lambda concept: [own.text for own in concept.properties if own.code in codes]


def _used(system: CodeSystem) -> frozenset[str]:
    """Codes of properties that concepts use, declared or not."""
    return frozenset(own.code for concept in system.concepts.values() for own in concept.properties)


def _on_text(
    system: CodeSystem, read: Callable[[Concept], list[str]], name: str, op: str, value: str
) -> Callable[[Concept], bool]:
    if op == "=":
        return lambda concept: value in read(concept)
    if op in ("in", "not-in"):
        wanted = {part.strip() for part in value.split(",")}
        inside = op == "in"
        return lambda concept: bool(wanted.intersection(read(concept))) == inside
    if op == "exists":
        present = value == "true"
        return lambda concept: bool(read(concept)) == present
    if op == "regex":
        pattern = _pattern(value)
        return lambda concept: any(pattern(text) for text in read(concept))
    raise _not_understood(system, name, op, value)


@lru_cache(maxsize=256)
def _pattern(regex: str) -> Callable[[str], bool]:
    """A whole-value match in linear time (RE2), so that no expression can hold the server."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        if len(regex) > _LONGEST_REGEX:
            raise ValueError("too long")
        compiled = re2.compile(regex, options)
    except (re2.error, ValueError) as error:
        raise refused("invalid", "vs-invalid", f"The regular expression '{regex}' is not usable: {error}") from error
    return lambda text: compiled.fullmatch(text) is not None


def _is_a(system: CodeSystem, value: str) -> Test:
    below = system.descendants(value)
    return lambda concept: concept.code == value or concept.code in below


def _descendent_of(system: CodeSystem, value: str) -> Test:
    below = system.descendants(value)
    return lambda concept: concept.code in below


def _is_not_a(system: CodeSystem, value: str) -> Test:
    is_a = _is_a(system, value)
    return lambda concept: not is_a(concept)


def _generalizes(system: CodeSystem, value: str) -> Test:
    above = system.ancestors(value)
    return lambda concept: concept.code == value or concept.code in above


def _child_of(system: CodeSystem, value: str) -> Test:
    parent = system.find(value)
    children = frozenset(parent.children if parent else ())
    return lambda concept: concept.code in children


def _descendent_leaf(system: CodeSystem, value: str) -> Test:
    below = system.descendants(value)
    return lambda concept: concept.code in below and not concept.children


_HIERARCHY: dict[str, Callable[[CodeSystem, str], Test]] = {
    "is-a": _is_a,
    "descendent-of": _descendent_of,
    "is-not-a": _is_not_a,
    "generalizes": _generalizes,
    "child-of": _child_of,
    "descendent-leaf": _descendent_leaf,
}
_STANDARD = frozenset({"notSelectable", "status", "deprecated", "deprecationDate", "retirementDate"})


def _not_understood(system: CodeSystem, name: str, op: str, value: str) -> TerminologyError:
    text = f'The filter "{name} {op} {value}" from the value set was not understood in the context of {system.url}'
    found: TerminologyError = refused("not-supported", "vs-invalid", text, "FILTER_NOT_UNDERSTOOD")
    return found
