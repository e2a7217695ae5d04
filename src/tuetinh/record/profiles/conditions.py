"""Invariants of the base types by FHIRPath: those that the quick validation leaves out."""

from __future__ import annotations

from functools import cache

from tuetinh.record.fhirpath import FHIRPathError, Node, Services, compile
from tuetinh.record.profiles.budget import STEPS, Budget
from tuetinh.record.validate.invariants import HELD_BY_WALK, NOT_REPORTED, TESTS
from tuetinh.record.validate.problem import Problem
from tuetinh.record.validate.rules import RULES, Invariant

# Their expressions in R4 are wrong or cannot be decided as they are written; later versions say so.
MISWRITTEN = frozenset({"dom-3", "ref-1", "bdl-8", "que-7", "cnl-0"})
SERVICES = Services()
# Technical corrections of R4 that HL7 made after 4.0.1.
CORRECTED = {"que-12": "enableWhen.count() > 1 implies enableBehavior.exists()"}


@cache
def _left(type_: str) -> tuple[Invariant, ...]:
    """The invariants of a type and its ancestors that need FHIRPath."""
    found: dict[str, Invariant] = {}
    name = type_
    while name in RULES.types:
        for invariant in RULES.types[name].invariants:
            done = (name, invariant.key) in TESTS or invariant.key in HELD_BY_WALK | NOT_REPORTED | MISWRITTEN
            if invariant.expression and not done:
                found.setdefault(invariant.key, invariant)
        name = RULES.types[name].base
    return tuple(found.values())


@cache
def _on_elements(type_: str) -> dict[str, tuple[Invariant, ...]]:
    """The invariants that stand on elements of a type, by JSON key."""
    rule = RULES.types.get(type_)
    found = {} if rule is None else {
        key: tuple(
            i for i in element.invariants
            if i.expression and (type_, i.key) not in TESTS and i.key not in HELD_BY_WALK | NOT_REPORTED | MISWRITTEN
            and (element.profile or "", i.key) not in TESTS
        )
        for key, element in rule.elements.items()
    }  # fmt: skip
    return {key: invariants for key, invariants in found.items() if invariants}


def problems(resource: Node, budget: Budget) -> list[Problem]:
    """What a resource (without the resources within it) violates."""
    found: list[Problem] = []
    waiting = [resource]
    while waiting:
        node = waiting.pop()
        budget.spend()
        invariants = _left(node.kind.name)
        if node.parent is not None:
            invariants += _on_elements(node.parent.kind.name).get(node.key, ())
        found += [p for invariant in invariants if (p := broken(node, invariant)) is not None]
        waiting += [child for child in node.children() if not child.kind.resource]
    return found


def broken(node: Node, invariant: Invariant) -> Problem | None:
    """The problem of an element that violates an invariant; None when it holds or cannot be decided."""
    try:
        expression = CORRECTED.get(invariant.key, str(invariant.expression))
        if compile(expression).holds(node, context=node, unknown=True, services=SERVICES, steps=STEPS):
            return None
    except FHIRPathError:
        return None
    return Problem(invariant.severity, "invariant", node.path, f"{invariant.human} ({invariant.key})")
