"""One walk over the plain JSON of a resource that finds every problem.

The walk is quick where nothing is wrong: places are linked tuples, put into words only for a problem.
"""

from __future__ import annotations

import re
from typing import Any

from tuetinh.record.validate import references
from tuetinh.record.validate.model import RESOURCE_TYPES, TYPES, Element, Type
from tuetinh.record.validate.primitives import kind, mistyped, shorten
from tuetinh.record.validate.problem import Path, Problem, render
from tuetinh.record.validate.references import Scope, Surroundings

Json = dict[str, Any]

# Deeper than any real questionnaire or concept tree, and well within the interpreter's own limit.
MAX_DEPTH = 80
MAX_PROBLEMS = 500
# A narrative refers to contained resources too (narrative.html, 2.4.0.2).
_PICTURES = re.compile(r"(?:src|href)\s*=\s*[\"']#([^\"']+)[\"']")
_LOCAL = frozenset(["canonical", "uri", "url"])


class Repeated(dict[str, Any]):
    """An object in which names stood twice; only the careful parser makes it."""

    names: tuple[str, ...] = ()


class Walk:
    """Collects the problems of one root resource."""

    def __init__(self, root: Json) -> None:
        self.problems: list[Problem] = []
        self.around = Surroundings(root)
        self.resource(root, None, 1, None)

    def report(self, path: Path | None, code: str, message: str, severity: str = "error") -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(severity, code, render(path), message))

    def resource(self, o: Any, path: Path | None, depth: int, scope: Scope | None) -> None:
        """A resource: the root (no path), an entry of a Bundle or Parameters, or (with a scope) a contained one."""
        if not isinstance(o, dict):
            self.report(path, "structure", f"must be a resource, not {kind(o)}")
            return
        name = o.get("resourceType")
        if not isinstance(name, str):
            missing = "resourceType" not in o
            message = "resourceType is required" if missing else f"resourceType must be a string, not {kind(name)}"
            self.report(path, "required" if missing else "structure", message)
            return
        if name not in RESOURCE_TYPES:
            self.report(path, "structure", f"there is no resource type {shorten(name)} in FHIR R4")
            return
        path = path or (None, name, None)
        if scope is not None:
            self.contained(o, path)
            self.object(o, TYPES[name], path, depth, scope)
            return
        scope = Scope(o)
        self.object(o, TYPES[name], path, depth, scope)
        if scope.contained:
            self.unused(o["contained"], path, scope)

    def contained(self, o: Json, path: Path) -> None:
        """dom-2, dom-4, dom-5, and the id by which it is referred to."""
        if "contained" in o:
            self.report((path, "contained", None), "invariant", "a contained resource must not contain others (dom-2)")
        if "id" not in o:
            self.report(path, "required", "a contained resource must have an id")
        meta = o.get("meta")
        if isinstance(meta, dict):
            for name, key in (("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")):
                if name in meta:
                    place = ((path, "meta", None), name, None)
                    self.report(place, "invariant", f"must not be in a contained resource ({key})")

    def unused(self, items: list[Any], path: Path, scope: Scope) -> None:
        """dom-3: whatever is contained is referred to, or refers to its container."""
        for index, item in enumerate(items):
            name = item.get("id") if isinstance(item, dict) else None
            if isinstance(name, str) and name not in scope.used and not refers_to_container(item):
                message = f"is contained but nothing refers to #{name[:64]} (dom-3)"
                self.report((path, "contained", index), "invariant", message)

    def object(self, o: Json, type_: Type, path: Path, depth: int, scope: Scope) -> None:
        if depth > MAX_DEPTH:
            self.report(path, "structure", f"is nested too deeply (more than {MAX_DEPTH} levels)")
            return
        before = len(self.problems)
        elements = type_.elements
        choices: dict[str, str] | None = None
        for key, value in o.items():
            element = elements.get(key)
            if element is not None and element.quick is not None and element.quick(value):
                continue
            if element is None:
                if key != "resourceType" or not type_.resource:
                    self.report((path, key[:64], None), "structure", f"{type_.name} has no element {shorten(key)}")
                continue
            if element.choice is not None:
                choices = choices or {}
                other = choices.setdefault(element.choice, element.name)
                if other != element.name:
                    message = f"only one of {element.choice}[x] may be present, but {other} is too"
                    self.report((path, key, None), "structure", message)
            if element.many:
                self.array(value, element, o, path, depth, scope)
            elif element.check is None:
                self.complex(value, element, o, (path, key, None), depth, scope)
            else:
                self.primitive(value, element, (path, key, None), scope)
        if len(o) < 2 or type_.must or type(o) is not dict:
            self.presence(o, type_, path)
        if type_.invariants and len(self.problems) == before:
            for invariant, test in type_.invariants:
                if not test(o):
                    self.report(path, "invariant", f"{invariant.human} ({invariant.key})", invariant.severity)

    def presence(self, o: Json, type_: Type, path: Path) -> None:
        for name in type_.required:
            if name not in o and f"_{name}" not in o:
                self.report((path, name, None), "required", f"{type_.name} must have {name}")
        for stem, names in type_.choices:
            if not any(name in o or f"_{name}" in o for name in names):
                self.report((path, stem, None), "required", f"{type_.name} must have {stem}")
        if (len(o) == 1 and "id" in o) or not o:
            self.report(path, "invariant", "an element must have a value or children (ele-1)")
        if isinstance(o, Repeated):
            for name in o.names:
                self.report((path, name[:64], None), "structure", "the name stands more than once in the JSON object")

    def array(self, items: Any, element: Element, o: Json, path: Path, depth: int, scope: Scope) -> None:  # noqa: PLR0917
        key = f"_{element.name}" if element.beside else element.name
        if not isinstance(items, list):
            self.report((path, key, None), "structure", f"must be an array, not {kind(items)}")
            return
        if not items:
            self.report((path, key, None), "structure", "must not be an empty array")
            return
        if element.check is None and not element.beside:
            for index, item in enumerate(items):
                self.complex(item, element, o, (path, key, index), depth, scope)
            return
        other = o.get(element.name if element.beside else f"_{element.name}")
        others = other if isinstance(other, list) else []
        for index, item in enumerate(items):
            place = (path, key, index)
            if item is None:
                if index >= len(others) or others[index] is None:
                    self.report(place, "structure", "null is only for an item that has a value or an extension beside")
            elif element.check is None:
                valued = index < len(others) and others[index] is not None
                self.beside(item, element, place, depth, scope, valued=valued)
            else:
                self.primitive(item, element, place, scope)

    def primitive(self, value: Any, element: Element, path: Path, scope: Scope) -> None:
        if element.check is not None and (fault := element.check(value)) is not None:
            self.report(path, "structure" if mistyped(element.fhir, value) else "value", fault)
        elif element.values is not None and value not in element.values:
            message = f"{shorten(value)} is not a code of the value set that is required here"
            self.report(path, "code-invalid", message)
        elif element.fhir in _LOCAL and value[0] == "#":
            scope.used.add(value[1:])
        elif element.fhir == "xhtml" and "#" in value:
            scope.used.update(_PICTURES.findall(value))

    def complex(self, value: Any, element: Element, o: Json, path: Path, depth: int, scope: Scope) -> None:  # noqa: PLR0917
        if element.beside:
            self.beside(value, element, path, depth, scope, valued=element.name in o)
            return
        if element.fhir == "Resource":
            self.resource(value, path, depth + 1, scope if element.name == "contained" else None)
            return
        type_ = element.type
        if not isinstance(value, dict) or type_ is None:
            self.report(path, "structure", f"must be an object ({element.fhir}), not {kind(value)}")
            return
        before = len(self.problems)
        self.object(value, type_, path, depth + 1, scope)
        if len(self.problems) > before:
            return
        if element.fhir == "Reference":
            for code, message in references.check(value, element.targets, scope, self.around):
                self.report(path, code, message)
        if element.codes is not None and not self.bound(value, element):
            self.report(path, "code-invalid", "has no code of the value set that is required here")
        for invariant, test in element.invariants:
            if not test(value):
                self.report(path, "invariant", f"{invariant.human} ({invariant.key})", invariant.severity)

    def beside(self, value: Any, element: Element, path: Path, depth: int, scope: Scope, *, valued: bool) -> None:
        """`_name`: id and extensions of a primitive."""
        if not isinstance(value, dict) or element.type is None:
            self.report(path, "structure", f"must be an object with id or extension, not {kind(value)}")
        elif valued and set(value) == {"id"}:
            if fault := element.type.elements["id"].check(value["id"]):  # type: ignore[misc]
                self.report((path, "id", None), "value", fault)
        else:
            self.object(value, element.type, path, depth + 1, scope)

    def bound(self, value: Json, element: Element) -> bool:
        """Whether a Coding or CodeableConcept carries a code of its required value set (or says why it cannot)."""
        codes = element.codes or {}
        codings = value.get("coding", []) if element.fhir == "CodeableConcept" else [value]
        known = any(c.get("code") in codes.get(c.get("system", ""), ()) for c in codings)
        return known or (not value.get("coding") and "extension" in value)


def refers_to_container(item: Any, depth: int = 0) -> bool:
    """Whether anything in a contained resource refers to '#'."""
    if depth > MAX_DEPTH:
        return False
    if isinstance(item, dict):
        return item.get("reference") == "#" or any(refers_to_container(v, depth + 1) for v in item.values())
    return isinstance(item, list) and any(refers_to_container(v, depth + 1) for v in item)
