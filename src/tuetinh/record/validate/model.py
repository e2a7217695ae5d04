"""The rules as the walk needs them: every type with its JSON keys, checkers and tests, linked once at import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuetinh.record.validate import invariants
from tuetinh.record.validate.primitives import CHECKERS, SEEN, Checker
from tuetinh.record.validate.rules import RULES, ElementRule

Codes = dict[str, frozenset[str]]


class Element:
    """One JSON key of a type. `type` is set for objects, `check` for primitives; `beside` marks `_name` keys."""

    def __init__(self, name: str, rule: ElementRule, *, beside: bool = False) -> None:
        self.name = name
        self.fhir = "Element" if beside else rule.type
        self.many = rule.many
        self.choice = rule.choice
        self.beside = beside
        self.targets = frozenset(rule.targets)
        self.check: Checker | None = None if beside else CHECKERS.get(rule.type)
        self.type: Type | None = None
        self.codes: Codes | None = None
        self.values: frozenset[str] | None = None
        self.invariants = invariants.of(rule.profile) if rule.profile else []
        if rule.codes and not beside:
            systems = RULES.codes[rule.codes]
            if self.check:
                self.values = frozenset(code for codes in systems.values() for code in codes)
            else:
                self.codes = {system: frozenset(codes) for system, codes in systems.items()}
        self.quick = self._quick()

    def _quick(self) -> Callable[[Any], bool] | None:
        """A cheap test under which a single primitive needs no further look."""
        if self.many or self.choice or self.check is None or self.fhir == "xhtml":
            return None
        if self.values is not None:
            values = self.values
            return lambda value: type(value) is str and value in values
        if self.fhir in SEEN:
            seen = SEEN[self.fhir]
            return lambda value: type(value) is str and value in seen
        check = self.check
        return lambda value: check(value) is None


class Type:
    """A datatype, backbone element or resource: what may and what must be in it."""

    def __init__(self, name: str) -> None:
        rule = RULES.types[name]
        self.name = name
        self.resource = rule.kind == "resource"
        self.elements: dict[str, Element] = {}
        self.required: list[str] = []
        self.choices: list[tuple[str, tuple[str, ...]]] = []
        self.invariants = []
        line = [rule]
        while line[0].base:
            line.insert(0, RULES.types[line[0].base])
        for part in line:
            for key, element in part.elements.items():
                self.elements[key] = Element(key, element)
                if element.type in CHECKERS and not element.bare:
                    self.elements[f"_{key}"] = Element(key, element, beside=True)
                if element.min:
                    self.required.append(key)
            self.choices += [(f"{stem}[x]", choice.names) for stem, choice in part.choices.items() if choice.min]
        self.must = bool(self.required or self.choices)
        names, ancestor = [name], rule
        while ancestor.base:
            names.append(ancestor.base)
            ancestor = RULES.types[ancestor.base]
        seen: set[str] = set()
        for each in names:
            for invariant, test in invariants.of(each):
                if invariant.key not in seen:
                    seen.add(invariant.key)
                    self.invariants.append((invariant, test))


def _link() -> dict[str, Type]:
    types = {name: Type(name) for name, rule in RULES.types.items() if rule.kind != "profile"}
    for each in types.values():
        for element in each.elements.values():
            if element.check is None:
                element.type = types[element.fhir]
    return types


TYPES = _link()
ABSTRACT = frozenset(["Resource", "DomainResource"])
RESOURCE_TYPES = frozenset(name for name, each in TYPES.items() if each.resource and name not in ABSTRACT)
