"""Search parameters in FHIRPath that is more than paths: evaluated over each resource instead of walked.

What an expression says must follow from the resource alone, else an entry would be wrong as soon as the world changed.
Where it has no answer for a resource (two values where a function takes one), the resource is not found by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from tuetinh.record import fhirpath, r4
from tuetinh.record.fhirpath import analysis, syntax
from tuetinh.record.fhirpath.values import Date, DateTime, Quantity

STEPS = 50_000
_OTHERS = {
    **dict.fromkeys(("now", "today", "timeOfDay"), "says something else at each moment"),
    **dict.fromkeys(("memberOf", "subsumes", "subsumedBy", "conformsTo"), "looks at definitions, which change"),
}
_SYSTEM = {
    bool: "boolean",
    int: "integer",
    Decimal: "decimal",
    str: "string",
    Date: "date",
    DateTime: "dateTime",
    Quantity: "Quantity",
}


def types(type_: str, expression: str) -> frozenset[str] | None:
    """Return the datatypes that its values can have, None when nothing is known of them.

    Raises FHIRPathError for what is no FHIRPath over the resource type, ValueError for what does not follow from it.
    """
    compiled = fhirpath.compile(expression)
    found = analysis.types(compiled, type_)
    unknown = [name for name in sorted(compiled.variables) if not fhirpath.is_constant(name)]
    if unknown:
        raise ValueError(f"there is no variable %{unknown[0]}")
    _check_alone(compiled.tree)
    return found


def _check_alone(tree: syntax.Node) -> None:
    """Raise ValueError for a part that looks beyond the resource."""
    parts = list(syntax.walk(tree))
    tested = {id(_end(one)) for one in _tested(parts)}
    for part in parts:
        if isinstance(part, syntax.Call) and part.name in _OTHERS:
            raise ValueError(f"{part.name}() {_OTHERS[part.name]}, and nothing is indexed anew then")
        if isinstance(part, syntax.Call) and part.name == "resolve" and id(part) not in tested:
            raise ValueError("resolve() is followed by `is` and a type alone: what another resource says may change")


def _tested(parts: list[syntax.Node]) -> Iterator[syntax.Node]:
    """Yield what `is` looks at, as operator and as function."""
    for part in parts:
        match part:
            case syntax.TypeTest("is", operand):
                yield operand
            case syntax.Path(left, syntax.Call("is")):
                yield left


def _end(tree: syntax.Node) -> syntax.Node:
    return tree.right if isinstance(tree, syntax.Path) else tree


def values(resource: Any, expression: str) -> dict[str, list[Any]]:
    """Return the values by their datatypes, as the classes of `record.r4` have them."""
    try:
        services = fhirpath.Services(resolve=_named)
        items = fhirpath.compile(expression).items(resource, services=services, steps=STEPS)
    except fhirpath.FHIRPathError:
        return {}
    found: dict[str, list[Any]] = {}
    for item in items:
        type_, value = _typed(item)
        if value is not None:
            found.setdefault(type_, []).append(value)
    return found


def _typed(item: Any) -> tuple[str, Any]:
    if not isinstance(item, fhirpath.Node):
        type_ = _SYSTEM.get(type(item), "")
        if isinstance(item, Quantity):
            return type_, r4.Quantity(value=item.value, code=item.unit, system="http://unitsofmeasure.org")
        return type_, str(item) if isinstance(item, Date | DateTime) else item
    kind, value = item.kind, item.value
    if kind.primitive or not isinstance(value, dict):
        return kind.name, value
    try:
        made = msgspec.convert(value, getattr(r4, kind.name))
    except (AttributeError, msgspec.ValidationError):
        return kind.name, None
    return "Resource" if kind.resource else kind.name, made


def _named(reference: str) -> dict[str, str] | None:
    """Return as much of a resource as its reference says."""
    parts = reference.split("/_history/", maxsplit=1)[0].rsplit("/", 2)[-2:]
    return {"resourceType": parts[0], "id": parts[1]} if len(parts) == 2 and parts[0] in r4.RESOURCES else None
