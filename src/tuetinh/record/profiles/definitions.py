"""Definitions against what they stand on: profiles and their bases, value sets and concept maps and their codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tuetinh.record.fhirpath import Node
from tuetinh.record.fhirpath.model import Kind, kinds
from tuetinh.record.profiles.codings import unknown
from tuetinh.record.profiles.library import Library, base_type
from tuetinh.record.profiles.rules import same
from tuetinh.record.profiles.tree import part
from tuetinh.record.terminology.api import code_forms
from tuetinh.record.validate.primitives import shorten
from tuetinh.record.validate.problem import Problem

Json = dict[str, Any]
ABSTRACT = frozenset({"Resource", "DomainResource", "Element", "BackboneElement"})
# Operators and properties whose value is a code of the code system itself (R4 codesystem.html, 4.8.11).
OF_CODES = frozenset({"is-a", "descendent-of", "is-not-a", "generalizes", "child-of", "descendent-leaf"})
_CODING = re.compile(r"(?P<system>[^|#\s]+)(?:\|(?P<version>[^#\s]+))?#(?P<code>\S+)")
_FIRST = re.compile(r"([A-Za-z]\w*)(?:\[x\])?(?=$|\.)")


def problems(library: Library, node: Node) -> Iterator[Problem]:
    """What is wrong with a StructureDefinition, ValueSet or ConceptMap, as far as what it stands on is known."""
    if check := _CHECKS.get(node.kind.name):
        yield from check(library, node)


def _structure(library: Library, node: Node) -> Iterator[Problem]:
    """Elements of a differential keep the fixed values of the base, and name profiles and paths that fit."""
    base = library.tree(str(node.value.get("baseDefinition", "")))
    for number, element in enumerate(node.value.get("differential", {}).get("element", [])):
        place, path = f"{node.path}.differential.element[{number}]", str(element.get("path", ""))
        before = part(base, str(element.get("id") or path)) if base is not None else None
        fixed = next((v for k, v in element.items() if k.startswith("fixed")), None)
        if before is not None and before.fixed is not None and fixed is not None and not same(fixed, before.fixed):
            yield Problem("error", "value", place, f"the base fixes {shorten(before.fixed)}, which cannot change")
        for type_ in element.get("type", []):
            yield from _profiles(library, type_, place)
        for one in element.get("slicing", {}).get("discriminator", []):
            kind, first = _kind(path), _FIRST.match(str(one.get("path", "")))
            if kind and first and first[1] not in (*kind.steps, "id", "extension"):
                message = f"the discriminator {str(one.get('path'))[:80]!r} is no path of {path[:80]}"
                yield Problem("error", "value", f"{place}.slicing", message)


def _profiles(library: Library, type_: Json, place: str) -> Iterator[Problem]:
    """The profiles of a type are profiles of that type."""
    code = str(type_.get("code", ""))
    for url in type_.get("profile", []):
        definition = library.definition(str(url))
        name = str(definition.get("type", "")) if definition else base_type(str(url))
        if code in kinds() and name in kinds() and name != code and code not in ABSTRACT:
            yield Problem("error", "value", f"{place}.type", f"{str(url)[:200]} is a profile of {name}, not of {code}")


def _kind(path: str) -> Kind | None:
    """The type of the element at a path; None where there are several, or any resource may be."""
    start, *names = path.split(".")
    kind = kinds().get(start)
    for name in names:
        if kind is None:
            return None
        bare = name.removesuffix("[x]")
        steps = kind.steps.get(bare, ())
        kind = kind.keys[bare][1] if bare in kind.keys and not name.endswith("[x]") else _only(steps)
    return None if kind is None or kind.name in ABSTRACT else kind


def _only(steps: tuple[tuple[str, Kind], ...]) -> Kind | None:
    return steps[0][1] if len(steps) == 1 else None


def _value_set(library: Library, node: Node) -> Iterator[Problem]:
    """The values of filters are codes where they must be."""
    for side in ("include", "exclude"):
        for number, include in enumerate(node.value.get("compose", {}).get(side, [])):
            place = f"{node.path}.compose.{side}[{number}]"
            system = str(include.get("system", ""))
            for index, concept in enumerate(include.get("concept", [])):
                if wrong := _unknown(library, system, str(concept.get("code", ""))):
                    yield Problem("error", "code-invalid", f"{place}.concept[{index}]", wrong)
            for index, one in enumerate(include.get("filter", [])):
                if wrong := _filter(library, system, one):
                    yield Problem("error", "value", f"{place}.filter[{index}]", wrong)


def _filter(library: Library, system: str, one: Json) -> str:
    """What is wrong with the value of a filter; empty when it may be right."""
    name, op, value = (str(one.get(key, "")) for key in ("property", "op", "value"))
    if name == "constraint" and op == "=" and system == code_forms.SNOMED:
        return code_forms.constraint_reason(value)
    if op in OF_CODES and name in ("concept", "code"):
        return _unknown(library, system, value)
    known = library.code_system(system)
    type_ = known.property_types.get(name, "") if known else ""
    if type_ == "Coding" and op == "=":
        match = _CODING.fullmatch(value)
        if match is None:
            return f"{name[:80]!r} is a Coding: the value is written system(|version)#code, not {value[:80]!r}"
        return _unknown(library, match["system"], match["code"])
    return _unknown(library, system, value) if type_ == "code" and op == "=" else ""


def _unknown(library: Library, system: str, code: str) -> str:
    """Why a code is none of its code system; empty when it is one, or nobody can tell."""
    known = library.code_system(system)
    return "" if known and known.find(code) else unknown(known, system, code)


def _concept_map(library: Library, node: Node) -> Iterator[Problem]:
    """Codes that are mapped are in the value sets between which the map leads."""
    source, target = (
        str(node.value.get(f"{side}Canonical") or node.value.get(f"{side}Uri") or "") for side in ("source", "target")
    )
    for number, group in enumerate(node.value.get("group", [])):
        for index, element in enumerate(group.get("element", [])):
            place = f"{node.path}.group[{number}].element[{index}]"
            if wrong := _outside(library, source, group.get("source"), element):
                yield Problem("error", "code-invalid", f"{place}.code", wrong)
            for inner, one in enumerate(element.get("target", [])):
                if wrong := _outside(
                    library, target, group.get("target"), one
                ):  # what comes out may be of another edition
                    yield Problem("warning", "code-invalid", f"{place}.target[{inner}].code", wrong)


def _outside(library: Library, value_set: str, system: Any, row: Json) -> str:
    """Why a row of a map is not of its value set; empty when it is, or nobody can tell."""
    code = str(row.get("code", ""))
    known = library.contains(value_set, str(system or ""), code) if code and value_set else None
    return f"{code[:80]!r} is not in {value_set[:200]}" if known is False else ""


_CHECKS: dict[str, Callable[[Library, Node], Iterator[Problem]]] = {
    "StructureDefinition": _structure,
    "ValueSet": _value_set,
    "ConceptMap": _concept_map,
}
