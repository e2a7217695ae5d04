"""Extensions in a resource against their definitions (R4 extensibility.html, defining-extensions.html)."""

from __future__ import annotations

import re
from typing import Any

from tuetinh.record.fhirpath import FHIRPathError, Node, compile
from tuetinh.record.profiles.library import Library
from tuetinh.record.profiles.rules import Judge
from tuetinh.record.profiles.tree import Rule
from tuetinh.record.validate.problem import Problem
from tuetinh.record.validate.rules import RULES

UNKNOWN = "extension"  # the IssueType for an extension that is not understood
# HL7 goes on to publish extensions under its own name, and examples are nobody's.
PUBLISHED = ("http://hl7.org/fhir/StructureDefinition/", "http://example.org/")
# Definitions that HL7 has widened since R4 to all resources that define something.
_WIDENED = re.compile(r"http://hl7\.org/fhir/StructureDefinition/structuredefinition-\S+")


def problems(library: Library, judge: Judge, root: Node) -> list[Problem]:
    """What is wrong with each extension whose definition is known, and which definitions are not."""
    found: list[Problem] = []
    for node in root.descendants():
        if node.kind.name != "Extension" or not isinstance(node.value, dict):
            continue
        url = node.value.get("url")
        if not isinstance(url, str) or (node.parent is not None and node.parent.kind.name == "Extension"):
            continue
        definition, tree = library.definition(url), library.tree(url)
        if ":" not in url:
            found.append(Problem("error", "value", f"{node.path}.url", "must be an absolute URL"))
            continue
        if definition is None or tree is None:
            message = f"the extension {url[:200]} is not known, and not checked"
            code = "not-found" if url.startswith(PUBLISHED) else UNKNOWN
            found.append(Problem("warning", code, node.path, message))
            continue
        if definition.get("type") != "Extension":
            found.append(Problem("error", "value", node.path, f"{url[:200]} is not the definition of an extension"))
            continue
        found += judge.profile(node, tree) + _parts(tree, node)
        if not _fits(definition, node):
            message = f"the extension {url[:200]} may not be used here"
            found.append(Problem("error", "structure", node.path, message))
    return found


def _parts(tree: Rule, node: Node) -> list[Problem]:
    """Sub-extensions that the definition of a complex extension does not name."""
    sliced = tree.children.get("extension")
    if sliced is None or not sliced.slices or sliced.max == 0:
        return []
    known = {part.children["url"].fixed for part in sliced.slices.values() if "url" in part.children}
    known |= {url for part in sliced.slices.values() for t in part.types or () for url in t.profiles}
    found = []
    for below in node.child("extension"):
        url = below.value.get("url") if isinstance(below.value, dict) else None
        if url not in known and ":" not in str(url):
            message = f"{str(url)[:80]!r} is no part of this extension"
            found.append(Problem("error", "structure", below.path, message))
    return found


def _fits(definition: dict[str, Any], node: Node) -> bool:
    """Whether the extension may stand where it does (StructureDefinition.context)."""
    contexts, parent = definition.get("context", []), node.parent
    if not contexts or parent is None or _WIDENED.fullmatch(str(definition["url"])):
        return True
    for expression in definition.get("contextInvariant", []):
        if not _holds(str(expression), parent):
            return False
    return any(_matches(str(c.get("type")), str(c.get("expression")), parent) for c in contexts)


def _matches(kind: str, expression: str, parent: Node) -> bool:
    if kind == "fhirpath":
        return _selects(expression, parent)
    if kind == "extension":
        above = (parent, parent.parent)  # on the extension, or on its value
        return any(
            n is not None and n.kind.name == "Extension" and n.value.get("url") == expression.partition("#")[0]
            for n in above
        )
    bare = expression.partition("#")[0].removesuffix("[x]")
    if parent.kind.is_a(bare) or (bare in ("Element", "Resource") and parent.kind.resource == (bare == "Resource")):
        return True
    defined = RULES.types.get(parent.kind.name)  # `PlanDefinition.action` also where actions are within actions
    return (defined is not None and defined.path == bare) or bare in _places(parent)


def _places(node: Node) -> set[str]:
    """The names of an element's place from each of the types on the way: `Patient.name.given`, `HumanName.given`."""
    names: set[str] = set()
    tail: list[str] = []
    while node.parent is not None:
        tail.insert(0, node.parent.kind.keys.get(node.key, (node.key, None))[0])
        node = node.parent
        names |= {".".join([ancestor, *tail]) for ancestor in node.kind.line}
    return names


def _holds(expression: str, parent: Node) -> bool:
    try:
        return compile(expression).holds(parent, context=parent, unknown=True)
    except FHIRPathError:
        return True


def _selects(expression: str, parent: Node) -> bool:
    resource = parent.resource
    if resource is None:
        return True
    try:
        found = compile(expression).items(resource)
    except FHIRPathError:
        return True
    return any(isinstance(n, Node) and n.path == parent.path for n in found)
