"""What an evaluation knows beside its input, and what it may cost."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tuetinh.record.fhirpath.errors import EvaluationError, LimitError, SemanticError
from tuetinh.record.fhirpath.nodes import Node, root

# A step is about one element looked at; this many take a second or so.
STEPS = 1_000_000
LONGEST_TEXT = 1_000_000

_CONSTANTS = {"sct": "http://snomed.info/sct", "loinc": "http://loinc.org", "ucum": "http://unitsofmeasure.org"}
_PREFIXES = {"vs-": "http://hl7.org/fhir/ValueSet/", "ext-": "http://hl7.org/fhir/StructureDefinition/"}


_RESOURCES = ("context", "resource", "rootResource")


def is_constant(name: str) -> bool:
    """Whether `%name` is there in every evaluation."""
    return name in _CONSTANTS or name in _RESOURCES or name.startswith(tuple(_PREFIXES))


@dataclass(frozen=True)
class Services:
    """What an expression can ask the world around the resource; a function without its service is an error.

    - `resolve`: a reference such as `Patient/1`, to the resource's JSON or None. Contained resources and entries of
      the same Bundle are found without it.
    - `member_of`: the element's JSON and a value set's canonical URL, to whether it is in it, or None when unknown.
    - `conforms_to`: a resource's JSON and a profile's canonical URL. The base definitions are known without it.
    - `subsumes`: two codings' JSON, to whether the first subsumes the second, or None when unknown.
    - `trace`: the name and the items of each `trace()`.
    """

    resolve: Callable[[str], Any] | None = None
    member_of: Callable[[Any, str], bool | None] | None = None
    conforms_to: Callable[[Any, str], bool] | None = None
    subsumes: Callable[[Any, Any], bool | None] | None = None
    trace: Callable[[str, list[Any]], None] | None = None


class Context:
    """One evaluation. `this`, `index` and `total` change as functions go through their items."""

    __slots__ = ("left", "node", "now", "services", "this", "total", "variables", "index")  # noqa: RUF023

    def __init__(self, node: Node, variables: Mapping[str, Any], services: Services, steps: int = STEPS) -> None:
        self.node = node
        self.this: list[Any] = [node]
        self.index: int | None = None
        self.total: list[Any] = []
        self.variables: Mapping[str, Any] = variables
        self.services = services
        self.left = steps
        self.now: datetime.datetime | None = None

    def spend(self, steps: int) -> None:
        """Count what was done. LimitError when it is too much."""
        self.left -= steps
        if self.left < 0:
            raise LimitError("the expression takes too many steps")

    def variable(self, name: str) -> list[Any]:
        """The value of `%name`."""
        if name in self.variables:
            return items_of(self.variables[name])
        match name:
            case "context":
                return [self.node]
            case "resource":
                return [self.node.resource or self.node]
            case "rootResource":
                return [container(self.node.resource or self.node)]
        if name in _CONSTANTS:
            return [_CONSTANTS[name]]
        for prefix, url in _PREFIXES.items():
            if name.startswith(prefix):
                return [url + name.removeprefix(prefix)]
        raise SemanticError(f"there is no variable %{name}")

    def define(self, name: str, value: list[Any]) -> None:
        """`defineVariable`: seen by whatever follows in the same chain."""
        if name in self.variables or is_constant(name):
            raise SemanticError(f"%{name} is defined already")
        self.variables = {**self.variables, name: value}

    def moment(self) -> datetime.datetime:
        """Now, the same for the whole evaluation, in the zone of this machine."""
        if self.now is None:
            self.now = datetime.datetime.now(datetime.UTC).astimezone()
        return self.now


def container(node: Node) -> Node:
    """The resource that a contained one is in; any other is its own."""
    if node.key == "contained" and node.parent is not None:
        return node.parent.resource or node
    return node


def items_of(value: Any) -> list[Any]:
    """A variable's value as items: a list as it is, JSON objects as elements."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [root(each) if isinstance(each, dict) else each for each in values]


def one(items: list[Any], what: str) -> Any:
    """The single item, None for an empty collection, EvaluationError for more."""
    if len(items) > 1:
        raise EvaluationError(f"{what} takes one item, not {len(items)}")
    return items[0] if items else None
