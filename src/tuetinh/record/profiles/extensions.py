"""Extensions in a resource against their definitions (R4 extensibility.html, defining-extensions.html)."""

from __future__ import annotations

from typing import Any

from tuetinh.record.fhirpath import FHIRPathError, Node, compile
from tuetinh.record.profiles.library import Library
from tuetinh.record.profiles.rules import Judge
from tuetinh.record.validate.problem import Problem

HL7 = ("http://hl7.org/fhir/StructureDefinition/",)


def problems(library: Library, judge: Judge, root: Node) -> list[Problem]:
    """What is wrong with each extension whose definition is known, and which ones of HL7's are none."""
    found: list[Problem] = []
    for node in root.descendants():
        if node.kind.name != "Extension" or not isinstance(node.value, dict):
            continue
        url = node.value.get("url")
        if not isinstance(url, str) or (node.parent is not None and node.parent.kind.name == "Extension"):
            continue
        definition, tree = library.definition(url), library.tree(url)
        if definition is None or tree is None:
            continue
        if definition.get("type") != "Extension":
            found.append(Problem("error", "value", node.path, f"{url[:200]} is not the definition of an extension"))
            continue
        found += judge.profile(node, tree)
        if not _fits(definition, node):
            message = f"the extension {url[:200]} may not be used here"
            found.append(Problem("error", "structure", node.path, message))
    return found


def _fits(definition: dict[str, Any], node: Node) -> bool:
    """Whether the extension may stand where it does (StructureDefinition.context)."""
    contexts, parent = definition.get("context", []), node.parent
    if not contexts or parent is None:
        return True
    return any(_matches(str(c.get("type")), str(c.get("expression")), parent) for c in contexts)


def _matches(kind: str, expression: str, parent: Node) -> bool:
    if kind == "fhirpath":
        return _selects(expression, parent)
    if kind == "extension":
        return parent.kind.name == "Extension" and parent.value.get("url") == expression.partition("#")[0]
    bare = expression.partition("#")[0].removesuffix("[x]")
    if parent.kind.is_a(bare) or (bare in ("Element", "Resource") and parent.kind.resource == (bare == "Resource")):
        return True
    return _place(parent).endswith(bare) or bare in _places(parent)


def _places(node: Node) -> set[str]:
    """The names of an element's place from each of the types on the way: `Patient.name.given`, `HumanName.given`."""
    names: set[str] = set()
    tail: list[str] = []
    while node.parent is not None:
        tail.insert(0, node.parent.kind.keys.get(node.key, (node.key, None))[0])
        node = node.parent
        names |= {".".join([ancestor, *tail]) for ancestor in node.kind.line}
    return names


def _place(node: Node) -> str:
    return f"#{node.path}"


def _selects(expression: str, parent: Node) -> bool:
    resource = parent.resource
    if resource is None:
        return True
    try:
        found = compile(expression).items(resource)
    except FHIRPathError:
        return True
    return any(isinstance(n, Node) and n.path == parent.path for n in found)
