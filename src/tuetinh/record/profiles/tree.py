"""A profile as a tree of what it asks for, beyond what the base type asks for already.

Rules only ever narrow (profiling.html, 5.1.0.8), so a profile is that of its base with its differential laid over it,
and nothing of the base type needs to be repeated: a snapshot is never needed, but one without a differential is read as
if it were one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tuetinh.record.fhirpath.model import kinds

Json = dict[str, Any]
_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition."
MUST_HAVE_VALUE = f"{_R5}mustHaveValue"
ALTERNATIVES = f"{_R5}valueAlternatives"
ADDITIONAL_BINDING = f"{_R5}binding.additional"
MIN_LENGTH = "http://hl7.org/fhir/StructureDefinition/minLength"
LANGUAGES = "http://hl7.org/fhir/StructureDefinition/narrative-language-control"
SOURCES = "http://hl7.org/fhir/StructureDefinition/narrative-source-control"
PROFILE_ELEMENT = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element"
_SEGMENT = re.compile(r"(?P<name>[A-Za-z0-9_\-]+)(?:\[x\])?(?::(?P<slice>.+))?")


@dataclass
class TypeRule:
    """One type that an element may have."""

    code: str
    profiles: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    aggregation: list[str] = field(default_factory=list)


@dataclass
class Slicing:
    """How the values of an element are told apart."""

    discriminators: list[tuple[str, str]]
    rules: str
    ordered: bool


@dataclass
class Rule:
    """What is asked of one element. `fixed` and `pattern` are JSON values; `limits` are minValue and maxValue.

    alternatives: extensions that may stand in place of a value. languages and sources: what a narrative must show.
    """

    name: str = ""
    min: int = 0
    max: int | None = None
    types: list[TypeRule] | None = None
    fixed: Any = None
    pattern: Any = None
    binding: tuple[str, str] | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    max_length: int | None = None
    min_length: int | None = None
    must_have_value: bool = False
    alternatives: list[str] = field(default_factory=list)
    languages: str = ""
    sources: bool = False
    additional: list[tuple[str, str]] = field(default_factory=list)
    constraints: list[Json] = field(default_factory=list)
    children: dict[str, Rule] = field(default_factory=dict)
    slicing: Slicing | None = None
    slices: dict[str, Rule] = field(default_factory=dict)
    type: str = ""
    url: str = ""


def grow(definition: Json, tree: Callable[[str], Rule | None]) -> Rule:
    """The tree of a StructureDefinition. `tree` gives that of its base."""
    base = tree(str(definition.get("baseDefinition", "")))
    root = deepcopy(base) if base is not None and definition.get("derivation") != "specialization" else Rule()
    root.type, root.url = str(definition.get("type", "")), str(definition.get("url", ""))
    elements = definition.get("differential", {}).get("element") or definition.get("snapshot", {}).get("element") or []
    last: dict[str, Rule] = {}  # the slice that a path without id means: the one named last
    for element in elements:
        if not isinstance(element, dict) or not isinstance(element.get("path"), str):
            continue
        rule = _by_id(root, element) if ":" in str(element.get("id", "")) else _by_path(root, element, last)
        if rule is not None:
            _lay(rule, element)
    return root


def _by_id(root: Rule, element: Json) -> Rule | None:
    """The rule that an element id names (elementdefinition.html#id): `Patient.identifier:nat.system`."""
    rule = root
    kind = root.type
    for segment in str(element["id"]).split(".")[1:]:
        match = _SEGMENT.fullmatch(segment)
        if match is None:
            return None
        rule, kind = _child(rule, match["name"], kind)
        if match["slice"]:
            rule = _slice(rule, match["slice"])
    return rule


def _by_path(root: Rule, element: Json, last: dict[str, Rule]) -> Rule | None:
    """The rule that a path means, within the slices that were named last on the way."""
    path = str(element["path"])
    for below in [p for p in last if p == path or (p.startswith(path + ".") and "sliceName" in element)]:
        if below == path or below.startswith(path + "."):
            del last[below]
    rule, kind, so_far = root, root.type, path.split(".", maxsplit=1)[0]
    for segment in path.split(".")[1:]:
        so_far += f".{segment}"
        rule, kind = _child(rule, segment.removesuffix("[x]"), kind)
        rule = last.get(so_far, rule)
    if name := element.get("sliceName"):
        rule = _slice(rule, str(name))
        last[path] = rule
    return rule


def _slice(rule: Rule, name: str) -> Rule:
    """A slice by name; `a/b` is a slice of the slice `a`, where there is one (profiling.html, reslicing)."""
    outer, slash, inner = name.partition("/")
    if slash and outer in rule.slices:
        return _slice(rule.slices[outer], inner)
    return rule.slices.setdefault(name, Rule(rule.name))


def _child(rule: Rule, name: str, kind: str) -> tuple[Rule, str]:
    """The rule of a child element and the name of its type; `valueQuantity` means a slice of `value[x]`."""
    known = kinds().get(kind)
    if known is not None and name not in known.steps and name in known.keys:
        stem, step = known.keys[name]
        outer = rule.children.setdefault(stem, Rule(stem))
        inner = outer.slices.setdefault(name, Rule(stem, types=[TypeRule(step.name)]))
        return inner, step.name
    child = rule.children.setdefault(name, Rule(name))
    steps = known.steps.get(name, ()) if known is not None else ()
    if child.types and len(child.types) == 1:
        return child, child.types[0].code
    return child, steps[0][1].name if len(steps) == 1 else ""


def _lay(rule: Rule, element: Json) -> None:
    """Lay an element of a differential over what is there."""
    rule.min = max(rule.min, int(element.get("min") or 0))
    if str(element.get("max", "*")).isdigit():
        most = int(element["max"])
        rule.max = most if rule.max is None else min(rule.max, most)
    if isinstance(element.get("type"), list):
        rule.types = [_type(t) for t in element["type"] if isinstance(t, dict)]
    for key, value in element.items():
        if key.startswith("fixed"):
            rule.fixed = value
        elif key.startswith("pattern"):
            rule.pattern = value
        elif key.startswith(("minValue", "maxValue")):
            rule.limits[key[:8]] = value
    binding = element.get("binding")
    if isinstance(binding, dict) and binding.get("valueSet"):
        rule.binding = (str(binding.get("strength", "")), str(binding["valueSet"]))
        rule.additional += _additional(binding)
    for extension in element.get("extension", []):
        _extend(rule, extension)
    if isinstance(element.get("maxLength"), int):
        rule.max_length = element["maxLength"]
    known = {c.get("key") for c in rule.constraints}
    rule.constraints += [c for c in element.get("constraint", []) if c.get("key") not in known and c.get("expression")]
    slicing = element.get("slicing")
    if isinstance(slicing, dict):
        told = [(str(d.get("type")), str(d.get("path"))) for d in slicing.get("discriminator", [])]
        before = rule.slicing.discriminators if rule.slicing else []
        rule.slicing = Slicing(told or before, str(slicing.get("rules", "open")), bool(slicing.get("ordered")))


def _extend(rule: Rule, extension: Json) -> None:
    """What the extensions of an ElementDefinition ask for."""
    url = extension.get("url")
    if url == MIN_LENGTH:
        rule.min_length = extension.get("valueInteger")
    elif url == MUST_HAVE_VALUE:
        rule.must_have_value = extension.get("valueBoolean") is True
    elif url == ALTERNATIVES:
        rule.alternatives.append(str(extension.get("valueCanonical")))
    elif url == LANGUAGES:
        rule.languages = str(extension.get("valueCode", ""))
    elif url == SOURCES:
        rule.sources = True


def _additional(binding: Json) -> Iterator[tuple[str, str]]:
    """Purpose and value set of additional bindings (R5's, by their extension)."""
    for extension in binding.get("extension", []):
        if extension.get("url") == ADDITIONAL_BINDING:
            parts = {e.get("url"): e for e in extension.get("extension", [])}
            if "usage" not in parts and "valueSet" in parts:  # one for a certain context is not decided here
                purpose = str(parts.get("purpose", {}).get("valueCode", ""))
                yield purpose, str(parts["valueSet"].get("valueCanonical", ""))


def part(tree: Rule, id_: str) -> Rule | None:
    """The rule of one element of a profile, by its id."""
    return _by_id(tree, {"id": id_})


def _type(given: Json) -> TypeRule:
    profiles = [str(p) for p in given.get("profile", [])]
    for place, beside in enumerate(given.get("_profile") or []):
        for extension in (beside or {}).get("extension", []):
            if extension.get("url") == PROFILE_ELEMENT:
                profiles[place] += f"#{extension.get('valueString')}"
    return TypeRule(
        str(given.get("code", "")),
        profiles,
        [str(p) for p in given.get("targetProfile", [])],
        [str(a) for a in given.get("aggregation", [])],
    )
