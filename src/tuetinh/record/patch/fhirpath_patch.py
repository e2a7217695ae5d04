"""FHIRPath Patch (R4 fhirpatch.html): Parameters whose operations name their places by FHIRPath."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from tuetinh.record.errors import BadRequest, Unprocessable
from tuetinh.record.fhirpath import FHIRPathError, Node, compile
from tuetinh.record.fhirpath.model import Kind
from tuetinh.record.patch import limits
from tuetinh.record.validate.parse import quick

Json = dict[str, Any]
Pair = tuple[Any, Json | None]  # a value, and what stands beside it when it is a primitive
# Narrative.div is the one element whose name is an operator of FHIRPath; paths of patches do not put it in quotes.
_DIV = re.compile(r"\.div(?=$|[.\[])")
_encode = msgspec.json.Encoder(decimal_format="number").encode


def apply(body: bytes, patch: bytes) -> bytes:
    """The patched resource. `patch`: valid Parameters. Raises BadRequest or Unprocessable, naming the operation;
    TooLarge.
    """
    resource: Json = quick(body)
    parameters: list[Json] = quick(patch).get("parameter", [])
    limits.check(len(parameters), limits.FHIRPATH)
    for number, parameter in enumerate(parameters):
        place = f"Parameters.parameter[{number}]"
        try:
            _run(resource, parameter, place)
        except FHIRPathError as error:
            raise BadRequest(f"the path cannot be followed: {str(error)[:200]}", place) from error
    return _encode(resource)


def _run(resource: Json, parameter: Json, place: str) -> None:
    if parameter.get("name") != "operation":
        message = "every parameter of a FHIRPath Patch is an operation"
        raise BadRequest(message, place)
    parts: dict[str, Json] = {part["name"]: part for part in parameter.get("part", [])}
    kind = _text(parts, "type", place)
    if kind not in OPERATIONS:
        message = f"there is no operation of the type {kind[:40]!r}"
        raise BadRequest(message, place)
    nodes: list[Node] = []
    for item in compile(_DIV.sub(".`div`", _text(parts, "path", place))).items(resource):
        if not isinstance(item, Node):
            message = "the path leads to a computed value, not to an element"
            raise Unprocessable(message, place)
        nodes.append(item)
    OPERATIONS[kind](nodes, parts, place)


def _text(parts: dict[str, Json], name: str, place: str) -> str:
    found = next((v for k, v in parts.get(name, {}).items() if k.startswith("value")), None)
    if not isinstance(found, str):
        message = f"the operation needs the part {name}"
        raise BadRequest(message, place)
    return found


def _number(parts: dict[str, Json], name: str, most: int, place: str) -> int:
    found = next((v for k, v in parts.get(name, {}).items() if k.startswith("value")), None)
    if type(found) is not int:
        message = f"the operation needs the part {name}, an integer"
        raise BadRequest(message, place)
    if not 0 <= found <= most:
        message = f"{name} is {found}, but there are only the places 0 to {most}"
        raise Unprocessable(message, place)
    return found


def _value(parts: dict[str, Json], place: str) -> Json:
    if "value" not in parts:
        message = "the operation needs the part value"
        raise BadRequest(message, place)
    return parts["value"]


def _single(nodes: list[Node], place: str) -> Node:
    if len(nodes) != 1:
        found = "nothing" if not nodes else f"{len(nodes)} elements"
        message = f"the path must lead to one element, but leads to {found}"
        raise Unprocessable(message, place)
    return nodes[0]


# -- the operations ---------------------------------------------------------------------------------------------------


def _add(nodes: list[Node], parts: dict[str, Json], place: str) -> None:
    node = _single(nodes, place)
    value = _value(parts, place)
    key, kind = _element(node.kind, _text(parts, "name", place), value, place)
    fields = _fields(node)
    pair = _pair(value, kind, place)
    if key in node.kind.many:
        _store(fields, key, [*_pairs(fields, key), pair], many=True)
    elif any(other in fields or f"_{other}" in fields for other, _ in node.kind.steps[node.kind.keys[key][0]]):
        message = f"{key} is there already: replace it"
        raise Unprocessable(message, place)
    else:
        _store(fields, key, [pair], many=False)


def _insert(nodes: list[Node], parts: dict[str, Json], place: str) -> None:
    fields, key, pairs, kind = _list(nodes, place)
    index = _number(parts, "index", len(pairs), place)
    _store(fields, key, [*pairs[:index], _pair(_value(parts, place), kind, place), *pairs[index:]], many=True)


def _delete(nodes: list[Node], parts: dict[str, Json], place: str) -> None:
    if not nodes:
        return  # what is not there is deleted already
    node = _single(nodes, place)
    if node.parent is None:
        message = "a resource cannot delete itself"
        raise Unprocessable(message, place)
    _remove(node)


def _replace(nodes: list[Node], parts: dict[str, Json], place: str) -> None:
    node = _single(nodes, place)
    if node.parent is None:
        message = "a patch cannot replace the whole resource"
        raise Unprocessable(message, place)
    value = _value(parts, place)
    name = node.parent.kind.keys.get(node.key, (node.key, None))[0]
    key, kind = _element(node.parent.kind, name, value, place, like=node.key)
    fields = _fields(node.parent)
    pair = _pair(value, kind, place)
    if node.index is None:
        _store(fields, node.key, [], many=False)
        _store(fields, key, [pair], many=False)
    else:
        pairs = _pairs(fields, node.key)
        pairs[node.index] = pair
        _store(fields, node.key, pairs, many=True)


def _move(nodes: list[Node], parts: dict[str, Json], place: str) -> None:
    fields, key, pairs, _ = _list(nodes, place)
    source = _number(parts, "source", len(pairs) - 1, place)
    destination = _number(parts, "destination", len(pairs) - 1, place)
    pairs.insert(destination, pairs.pop(source))
    _store(fields, key, pairs, many=True)


OPERATIONS: dict[str, Callable[[list[Node], dict[str, Json], str], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


# -- the tree ---------------------------------------------------------------------------------------------------------


def _list(nodes: list[Node], place: str) -> tuple[Json, str, list[Pair], Kind]:
    """The list that all the nodes are, or are in."""
    if not nodes or nodes[0].parent is None or nodes[0].key not in nodes[0].parent.kind.many:
        message = "the path must lead to the elements of a list"
        raise Unprocessable(message, place)
    first, fields = nodes[0], _fields(nodes[0].parent)
    if any(n.key != first.key or n.parent is None or _fields(n.parent) is not fields for n in nodes):
        message = "the path leads to elements of several lists"
        raise Unprocessable(message, place)
    return fields, first.key, _pairs(fields, first.key), nodes[0].parent.kind.keys[first.key][1]


def _fields(node: Node) -> Json:
    """The JSON object that holds the children of a node: beside it when it is a primitive."""
    if isinstance(node.value, dict):
        return node.value
    if node.beside is not None:
        return node.beside
    node.beside = {}
    if node.parent is not None:
        outer = _fields(node.parent)
        pairs = _pairs(outer, node.key)
        pairs[node.index or 0] = (node.value, node.beside)
        _store(outer, node.key, pairs, many=node.index is not None)
    return node.beside


def _pairs(fields: Json, key: str) -> list[Pair]:
    """Values with what stands beside them, of a list or of a single element."""
    values, others = fields.get(key), fields.get(f"_{key}")
    if not isinstance(values, list) and not isinstance(others, list):
        return [(values, others)] if values is not None or others is not None else []
    values, others = values or [], others or []
    size = max(len(values), len(others))
    return [
        (values[i] if i < len(values) else None, others[i] if i < len(others) else None) for i in range(size)
    ]  # fmt: skip


def _store(fields: Json, key: str, pairs: list[Pair], *, many: bool) -> None:
    """Put values back, in JSON's two parts, and leave out what is empty."""
    for name, place in ((key, 0), (f"_{key}", 1)):
        values = [pair[place] for pair in pairs]
        if any(value is not None for value in values):
            fields[name] = values if many else values[0]
        else:
            fields.pop(name, None)


def _remove(node: Node) -> None:
    """Take an element out, and its parents as far as nothing is left in them."""
    parent = node.parent
    if parent is None:
        return
    fields = _fields(parent)
    if node.index is None:
        _store(fields, node.key, [], many=False)
    else:
        pairs = _pairs(fields, node.key)
        del pairs[node.index]
        _store(fields, node.key, pairs, many=True)
    if not fields and not parent.kind.resource:
        if parent.kind.primitive and parent.value is not None:
            parent.beside = None
            outer = _fields(parent.parent) if parent.parent else {}
            pairs = _pairs(outer, parent.key)
            pairs[parent.index or 0] = (parent.value, None)
            _store(outer, parent.key, pairs, many=parent.index is not None)
        else:
            _remove(parent)


# -- values -----------------------------------------------------------------------------------------------------------


def _element(kind: Kind, name: str, value: Json, place: str, like: str = "") -> tuple[str, Kind]:
    """The JSON key and type of an element by its FHIRPath name; the value says which type a choice has."""
    steps = kind.steps.get(name, ())
    if not steps and name in kind.keys:
        return name, kind.keys[name][1]
    if not steps:
        message = f"{kind.name} has no element {name[:80]!r}"
        raise Unprocessable(message, place)
    if len(steps) == 1:
        return steps[0]
    given = next((k.removeprefix("_").removeprefix("value") for k in value if k.lstrip("_").startswith("value")), "")
    for key, step in steps:
        if key == name + given:
            return key, step
    fitting = [step for step in steps if step[0] == like]
    if fitting and not given:
        return fitting[0]
    message = f"{name}[x] cannot be a {given or 'group of parts'}"
    raise Unprocessable(message, place)


def _pair(part: Json, kind: Kind, place: str) -> Pair:
    """The value of a part: of a datatype, a resource, or (for elements without a datatype of their own) its parts."""
    if "resource" in part:
        return part["resource"], None
    if "part" in part:
        return _object(part["part"], kind, place), None
    value = next((v for k, v in part.items() if k.startswith("value")), None)
    beside = next((v for k, v in part.items() if k.startswith("_value")), None)
    if value is None and beside is None:
        message = "the operation needs a value"
        raise BadRequest(message, place)
    return value, beside


def _object(parts: list[Json], kind: Kind, place: str) -> Json:
    found: Json = {}
    for part in parts:
        key, step = _element(kind, part.get("name", ""), part, place)
        pair = _pair(part, step, place)
        many = key in kind.many
        _store(found, key, [*(_pairs(found, key) if many else []), pair], many=many)
    return found
