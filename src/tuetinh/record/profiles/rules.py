"""Elements against the rules of a profile's tree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import product
from typing import Any

from tuetinh.record.fhirpath import FHIRPathError, Node, Services, compile
from tuetinh.record.profiles import narratives, slicing
from tuetinh.record.profiles.budget import STEPS, Budget
from tuetinh.record.profiles.library import Library, base_type
from tuetinh.record.profiles.tree import Rule, TypeRule
from tuetinh.record.terminology.api import convert
from tuetinh.record.validate.primitives import shorten
from tuetinh.record.validate.problem import Problem

STRINGS = "http://hl7.org/fhirpath/System."
MAX_DEPTH = 60


class Judge:
    """Holds resources against profiles, within a budget."""

    def __init__(self, library: Library, budget: Budget) -> None:
        self.library, self.budget = library, budget
        self.running: set[tuple[str, str]] = set()
        self.services = Services(library.resolve, self._member_of, self._conforms, self._subsumes)

    def profile(self, node: Node, tree: Rule) -> list[Problem]:
        """What a node lacks of a profile. One that is being looked at already is taken to hold: they go in circles."""
        if tree.type and not node.kind.is_a(tree.type):
            return [_problem(node, "structure", f"must be a {tree.type}: so says the profile {tree.url}")]
        key = (tree.url, node.path + str(id(node.value)))
        if key in self.running or len(self.running) > MAX_DEPTH:
            return []
        self.running.add(key)
        try:
            return self.node(node, tree)
        finally:
            self.running.discard(key)

    def node(self, node: Node, rule: Rule) -> list[Problem]:
        """What one element lacks."""
        self.budget.spend()
        found = self.types(node, rule) + self.value(node, rule)
        for constraint in rule.constraints:
            found += self.constraint(node, constraint, own=not rule.url)
        for name, child in rule.children.items():
            found += self.elements(node, name, child)
        return found

    def elements(self, parent: Node, name: str, rule: Rule) -> list[Problem]:
        """What the elements of one name lack, as a group and each for itself."""
        if parent.kind.steps and name not in parent.kind.steps and name not in ("id", "extension"):
            return []  # the profile speaks of something that there is not
        nodes = parent.child(name)
        found = self.count(parent, name, nodes, rule)
        for node in nodes:
            found += self.node(node, rule)
        if rule.slices:
            found += slicing.problems(self, parent, name, nodes, rule)
        return found

    def count(self, parent: Node, name: str, nodes: Sequence[Node], rule: Rule, of: str = "") -> list[Problem]:
        """min and max."""
        what = f"{name}:{of}" if of else name
        place = f"{parent.path}.{name}"
        if len(nodes) < rule.min:
            code = "required"
            return [Problem("error", code, place, f"there must be {rule.min} or more of {what}, not {len(nodes)}")]
        if rule.max is not None and len(nodes) > rule.max:
            return [Problem("error", "structure", place, f"there may be {rule.max} of {what}, not {len(nodes)}")]
        return []

    # -- types --------------------------------------------------------------------------------------------------------

    def types(self, node: Node, rule: Rule) -> list[Problem]:
        """The type of an element, the profiles of that type, and what a reference may lead to."""
        if rule.types is None:
            return []
        fitting = [t for t in rule.types if _is(node, t.code)]
        if not fitting:
            names = " or ".join(t.code for t in rule.types)
            return [_problem(node, "structure", f"must be {names}, not {node.kind.name}")]
        found: list[Problem] = []
        if all(t.profiles for t in fitting):
            found = self.any_profile(node, [url for t in fitting for url in t.profiles])
        if node.kind.name == "Reference":
            found += self.reference(node, fitting)
        return found

    def any_profile(self, node: Node, urls: Sequence[str]) -> list[Problem]:
        """Nothing when one of the profiles holds (or is not known), else what the first one lacks."""
        first: list[Problem] | None = None
        for url in urls:
            tree = self.library.tree(url)
            if tree is None:
                name = base_type(url.partition("|")[0])
                if not name or node.kind.is_a(name) or name not in _TYPES:
                    return []
                lacks = [_problem(node, "structure", f"must be a {name}")]
            else:
                lacks = self.profile(node, tree)
            if not _wrong(lacks):
                return []
            first = lacks if first is None else first
        return first or []

    def reference(self, node: Node, types: Sequence[TypeRule]) -> list[Problem]:
        """targetProfile and aggregation, as far as the target is here."""
        urls = [url for t in types for url in t.targets]
        kinds = {a for t in types for a in t.aggregation}
        target, how = self.target(node)
        found: list[Problem] = []
        bundled = _top(node).kind.name == "Bundle"  # outside of a Bundle nobody knows what will come along
        if bundled and kinds and how and how not in kinds and not (how == "bundled" and "referenced" in kinds):
            found.append(_problem(node, "structure", f"the target is {how}, but must be {' or '.join(sorted(kinds))}"))
        implied = _implied(node)
        allowed = [self._type_of(url) or base_type(url) for url in urls]
        if implied and allowed and not {implied, "Resource", ""} & set(allowed):
            found.append(_problem(node, "structure", f"must lead to {' or '.join(allowed)}, not to {implied}"))
        elif urls and target is not None and _wrong(lacks := self.any_profile(target, urls)):
            message = f"the target {target.path} is not what it must be: {lacks[0].message}"
            found.append(_problem(node, "structure", message))
        return found

    def _type_of(self, url: str) -> str:
        definition = self.library.definition(url)
        return str(definition.get("type", "")) if definition else ""

    def target(self, node: Node) -> tuple[Node | None, str]:
        """Where a reference leads, if that is here, and how (ElementDefinition.type.aggregation)."""
        try:
            items = compile("resolve()").items(node, context=node, services=self.services)
        except FHIRPathError:
            return None, ""
        text = node.value.get("reference", "") if isinstance(node.value, dict) else ""
        if not items or not isinstance(items[0], Node):
            return None, "referenced" if text and not text.startswith("#") else ""
        return items[0], "contained" if text.startswith("#") else "bundled"

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self, node: Node, rule: Rule) -> list[Problem]:
        """fixed, pattern, minValue, maxValue, maxLength and binding."""
        found: list[Problem] = []
        if rule.fixed is not None and not same(node.value, rule.fixed):
            found.append(_problem(node, "value", f"must be exactly {shorten(rule.fixed)}"))
        if rule.pattern is not None and not fits(node.value, rule.pattern):
            found.append(_problem(node, "value", f"must have the values of {shorten(rule.pattern)}"))
        for limit, bound in rule.limits.items():
            if not _within(node, limit, bound):
                found.append(_problem(node, "value", f"must not be beyond {limit} {shorten(bound)}"))
        if rule.max_length is not None and isinstance(node.value, str) and len(node.value) > rule.max_length:
            found.append(_problem(node, "value", f"must not be longer than {rule.max_length} characters"))
        if rule.min_length is not None and isinstance(node.value, str) and len(node.value) < rule.min_length:
            found.append(_problem(node, "value", f"must not be shorter than {rule.min_length} characters"))
        if rule.must_have_value and node.value is None:
            found.append(_problem(node, "required", "must have a value, not extensions alone"))
        if rule.alternatives and node.value is None and not _instead(node) & set(rule.alternatives):
            message = f"must have a value, or the extension {' or '.join(rule.alternatives)}"
            found.append(_problem(node, "required", message))
        if (rule.languages or rule.sources) and node.kind.name == "Narrative":
            found += narratives.problems(node, rule)
        for strength, value_set in [*([rule.binding] if rule.binding else []), *rule.additional]:
            if strength == "required" and self._member_of(node.value, value_set) is False:
                found.append(_problem(node, "code-invalid", f"has no code of {value_set}"))
        return found

    def _member_of(self, value: Any, value_set: str) -> bool | None:
        """Whether a code, Coding, CodeableConcept or Quantity is in a value set."""
        if isinstance(value, str):
            codes = self.library.codes(value_set)
            return None if codes is None else value in codes
        if not isinstance(value, dict):
            return None
        codings = value.get("coding", [value] if "code" in value else [])
        answers = [
            self.library.contains(value_set, c.get("system", ""), c.get("code", "")) for c in codings if "code" in c
        ]
        if True in answers:
            return True
        return None if None in answers else False

    def _subsumes(self, above: Any, below: Any) -> bool | None:
        """Whether a coding of the one is, or is above, a coding of the other; None when nobody knows."""
        known = False
        codings = (value.get("coding", [value]) if isinstance(value, dict) else [] for value in (above, below))
        for one, other in product(*codings):
            system = self.library.code_system(str(one.get("system", "")))
            codes = str(one.get("code", "")), str(other.get("code", ""))
            if system and one.get("system") == other.get("system") and all(map(system.find, codes)):
                known = True
                if system.subsumes(*codes):
                    return True
        return False if known else None

    def _conforms(self, value: Any, url: str) -> bool:
        from tuetinh.record.fhirpath.nodes import root

        tree = self.library.tree(url)
        return tree is not None and not _wrong(self.profile(root(value), tree))

    def constraint(self, node: Node, constraint: dict[str, Any], *, own: bool) -> list[Problem]:
        """An invariant of a profile. own: it stands on the element; %resource is what that element is in."""
        outer = node.parent.resource if own and node.parent is not None else None
        inside = outer is not None and node.kind.resource
        variables = {"resource": outer, "rootResource": outer} if inside else {}
        try:
            expression = compile(str(constraint["expression"]))
            options = {"variables": variables, "services": self.services, "steps": STEPS}
            if expression.holds(node, context=node, unknown=True, **options):
                return []
        except FHIRPathError:
            return []
        severity = "warning" if constraint.get("severity") == "warning" else "error"
        message = f"{constraint.get('human', '')} ({constraint.get('key', '')})"
        return [Problem(severity, "invariant", node.path, message)]


def _top(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node


def _problem(node: Node, code: str, message: str) -> Problem:
    return Problem("error", code, node.path, message)


def _instead(node: Node) -> set[str]:
    """The extensions of an element that may stand in place of its value."""
    return {str(one.value.get("url")) for one in node.child("extension") if isinstance(one.value, dict)}


def _implied(node: Node) -> str:
    """The type that a literal reference says in its text."""
    text = node.value.get("reference", "") if isinstance(node.value, dict) else ""
    match = re.fullmatch(r"(?:https?://\S+/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/\S+)?", str(text))
    return match[1] if match and match[1] in _TYPES else ""


def _wrong(problems: Sequence[Problem]) -> bool:
    return any(p.severity == "error" for p in problems)


def _is(node: Node, code: str) -> bool:
    """Whether the element is of a type that a profile names."""
    return code.startswith(STRINGS) or node.kind.is_a(code) or code in ("Resource", "Element", "BackboneElement")


def same(value: Any, fixed: Any) -> bool:
    """Whether two JSON values are equal, numbers by value."""
    if isinstance(value, dict) and isinstance(fixed, dict):
        return value.keys() == fixed.keys() and all(same(value[k], fixed[k]) for k in fixed)
    if isinstance(value, list) and isinstance(fixed, list):
        return len(value) == len(fixed) and all(same(a, b) for a, b in zip(value, fixed, strict=True))
    if isinstance(value, (int, float, Decimal)) and isinstance(fixed, (int, float, Decimal)):
        return Decimal(str(value)) == Decimal(str(fixed))
    return bool(value == fixed)


def fits(value: Any, pattern: Any) -> bool:
    """Whether a value has everything that a pattern has (elementdefinition.html, pattern[x])."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(k in value and fits(value[k], v) for k, v in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(fits(v, p) for v in value) for p in pattern)
    return same(value, pattern)


_PERIODS = {
    "a": "years", "mo": "months", "wk": "weeks", "d": "days", "h": "hours", "min": "minutes", "s": "seconds",
}  # fmt: skip


def _within(node: Node, limit: str, bound: Any) -> bool:
    """minValue and maxValue; what cannot be compared passes. A duration bounds a date so far back or ahead from now."""
    sign = ">=" if limit == "minValue" else "<="
    value = node.value
    if isinstance(bound, dict) and isinstance(value, str):
        unit, way = _PERIODS.get(str(bound.get("code"))), "-" if limit == "minValue" else "+"
        now = "today()" if node.kind.name == "date" else "now()"
        try:
            return compile(f"@{value} {sign} {now} {way} {bound['value']} {unit}").holds({}, unknown=True)
        except (FHIRPathError, KeyError):
            return True
    if isinstance(bound, dict):
        if not isinstance(value, dict) or "value" not in value or "value" not in bound:
            return True
        other = Decimal(str(bound["value"]))
        if value.get("code") != bound.get("code"):
            converted = convert(other, str(bound.get("code", "")), str(value.get("code", "")))
            if converted is None:
                return True
            other = converted
        value, bound = value["value"], other
    if isinstance(bound, str) and isinstance(value, str):
        mark = "@T" if node.kind.name == "time" else "@"
        try:
            text = f"{mark}{value} {sign} {mark}{bound}"
            return compile(text).holds({}, unknown=True)
        except FHIRPathError:
            return True
    try:
        return (
            bool(Decimal(str(value)) >= Decimal(str(bound)))
            if sign == ">="
            else Decimal(str(value)) <= Decimal(str(bound))
        )
    except ArithmeticError:
        return True


def _types() -> frozenset[str]:
    from tuetinh.record.fhirpath.model import kinds

    return frozenset(kinds())


_TYPES = _types()
