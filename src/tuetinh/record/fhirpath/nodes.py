"""Elements of a resource with their types and places, over its plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from tuetinh.record.fhirpath.model import UNKNOWN, Kind, kinds
from tuetinh.record.fhirpath.values import (
    Date,
    DateTime,
    Quantity,
    Time,
    TypeInfo,
    Value,
    calendar_unit,
    parse_date,
    parse_datetime,
    parse_time,
)

UCUM = "http://unitsofmeasure.org"


class Node:
    """One element: `value` is its JSON (None when a primitive has only extensions), `beside` what stands in `_name`.

    `key` and `index` say where it stands in `parent`: the JSON name, and the place in its array or None.
    """

    __slots__ = ("beside", "index", "key", "kind", "parent", "value")

    def __init__(  # noqa: PLR0917
        self,
        value: Any,
        kind: Kind = UNKNOWN,
        beside: dict[str, Any] | None = None,
        parent: Node | None = None,
        key: str = "",
        index: int | None = None,
    ) -> None:
        self.value = value
        self.kind = kind
        self.beside = beside
        self.parent = parent
        self.key = key
        self.index = index

    def __repr__(self) -> str:
        return f"Node({self.path})"

    @property
    def path(self) -> str:
        """Its place below the root as a simple FHIRPath, such as `Patient.name[0].given[1]`."""
        if self.parent is None:
            return self.kind.name
        name = self.parent.kind.keys.get(self.key, (self.key, UNKNOWN))[0]
        place = "" if self.index is None else f"[{self.index}]"
        return f"{self.parent.path}.{name}{place}"

    @property
    def resource(self) -> Node | None:
        """The nearest resource that it is in, or is."""
        node: Node | None = self
        while node is not None and not node.kind.resource:
            node = node.parent
        return node

    def child(self, name: str) -> list[Node]:
        """The elements of that name, in order; `value` finds whichever `value[x]` is there."""
        found: list[Node] = []
        fields = self.value
        if not isinstance(fields, dict):
            fields = self.beside
            if not isinstance(fields, dict):
                return found
        kind = self.kind
        steps = kind.few(name)
        if steps is None:
            steps = tuple(
                (key, kind.keys[key][1])
                for key in dict.fromkeys(each.removeprefix("_") for each in fields)
                if key in kind.keys and kind.keys[key][0] == name
            )
        elif not steps:
            if kind is not UNKNOWN or name == "resourceType":
                return found
            steps = ((name, UNKNOWN),)
        for key, step in steps:
            self._put(found, fields, key, step)
        return found

    def _put(self, found: list[Node], fields: dict[str, Any], key: str, kind: Kind) -> None:
        value = fields.get(key)
        beside = fields.get(f"_{key}") if kind.primitive or kind is UNKNOWN else None
        if value is None and beside is None:
            return
        if type(value) is list or type(beside) is list:
            values: list[Any] = value if type(value) is list else []
            others: list[Any] = beside if type(beside) is list else []
            for index in range(max(len(values), len(others))):
                one = values[index] if index < len(values) else None
                other = others[index] if index < len(others) else None
                if one is not None or other is not None:
                    found.append(Node(one, real(one, kind), other, self, key, index))
            return
        found.append(Node(value, real(value, kind), beside, self, key))

    def children(self) -> list[Node]:
        """Every element directly below, in the order of the JSON."""
        found: list[Node] = []
        fields = self.value if isinstance(self.value, dict) else self.beside
        if not isinstance(fields, dict):
            return found
        keys = self.kind.keys
        for key in fields:
            name = key
            if key[:1] == "_":
                name = key[1:]
                if name in fields:
                    continue
            if self.kind is UNKNOWN:
                if name != "resourceType":
                    self._put(found, fields, name, UNKNOWN)
            elif name in keys:
                self._put(found, fields, name, keys[name][1])
        return found

    def descendants(self) -> Iterator[Node]:
        """Every element below, each before its own children."""
        waiting = [iter(self.children())]
        while waiting:
            node = next(waiting[-1], None)
            if node is None:
                waiting.pop()
            else:
                yield node
                waiting.append(iter(node.children()))


Item = Node | Value
Items = list[Any]


def real(value: Any, kind: Kind) -> Kind:
    """The type that a value of an element of this type has: a resource says its own."""
    if kind.name == "Resource" and isinstance(value, dict):
        name = value.get("resourceType")
        return kinds().get(name, UNKNOWN) if isinstance(name, str) else UNKNOWN
    return kind


def root(value: Any, type_name: str | None = None) -> Node:
    """A resource, or an element with the name of its type, as a Node. Takes JSON values and the classes of `r4`."""
    if isinstance(value, Node):
        return value
    if isinstance(value, msgspec.Struct):
        type_name = type_name or type(value).__name__
        value = msgspec.to_builtins(value, builtin_types=(Decimal,))
    if type_name is None and isinstance(value, dict):
        type_name = value.get("resourceType")
    return Node(value, kinds().get(type_name, UNKNOWN) if isinstance(type_name, str) else UNKNOWN)


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    return Decimal(value) if type(value) is int else value


def _quantity(node: Node) -> Any:
    """A quantity of a known value; with a comparator it is none (FHIR R4, 2.9.1.3)."""
    fields = node.value
    value = fields.get("value") if isinstance(fields, dict) else None
    if value is None or "comparator" in fields:
        return node
    unit = fields.get("code") if fields.get("system") in (UCUM, None) else None
    return Quantity(_number(value), unit or fields.get("unit") or "1")


def _text(parse: Callable[[str], Date | DateTime | Time | None]) -> Callable[[Node], Any]:
    def convert(node: Node) -> Any:
        value = node.value
        return (parse(value) or value) if isinstance(value, str) else node

    return convert


def _plain(node: Node) -> Any:
    return node if node.value is None else node.value


_CONVERT: dict[str, Callable[[Node], Any]] = {
    name: _plain for name, kind in kinds().items() if kind.primitive and name not in ("decimal", "date", "time")
} | {
    "decimal": lambda node: node if node.value is None else _number(node.value),
    "date": _text(parse_date),
    "dateTime": _text(parse_datetime),
    "instant": _text(parse_datetime),
    "time": _text(parse_time),
    **dict.fromkeys((name for name, kind in kinds().items() if kind.is_a("Quantity")), _quantity),
}


def system(item: Any) -> Any:
    """The System value of an item; an element that has none, such as a HumanName, stays as it is."""
    if type(item) is not Node:
        return item
    convert = _CONVERT.get(item.kind.name)
    if convert is not None:
        return convert(item)
    if item.kind is UNKNOWN and not isinstance(item.value, dict) and item.value is not None:
        return _number(item.value) if isinstance(item.value, float) else item.value
    return item


def type_of(item: Any) -> TypeInfo:
    """What `type()` gives."""
    if type(item) is Node:
        return TypeInfo("FHIR", item.kind.public or "Element")
    return TypeInfo("System", _NAMES.get(type(item), "Any"))


_NAMES = {
    bool: "Boolean",
    int: "Integer",
    Decimal: "Decimal",
    str: "String",
    Date: "Date",
    DateTime: "DateTime",
    Time: "Time",
    Quantity: "Quantity",
}


def plain(item: Any) -> Any:
    """An item as JSON would have it: dates and times as text, a quantity as FHIR's."""
    if type(item) is Node:
        return item.value
    match item:
        case Quantity(value, unit):
            fields: dict[str, Any] = {"value": value, "unit": unit}
            return fields if calendar_unit(unit) else {**fields, "system": UCUM, "code": unit}
        case Date() | DateTime() | Time() | TypeInfo():
            return str(item)
    return item
