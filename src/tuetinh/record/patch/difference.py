"""What changed between two versions of a resource, as a FHIRPath Patch that turns the one into the other."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

import msgspec

from tuetinh.record.fhirpath.model import Kind, kinds
from tuetinh.record.validate.parse import quick

Json = dict[str, Any]
Pair = tuple[Any, Any]  # a value, and what stands beside it
_encode = msgspec.json.Encoder(decimal_format="number").encode
_IGNORED = frozenset({"resourceType", "id", "meta"})


def difference(before: bytes, after: bytes, *, meta: bool = False) -> bytes:
    """Parameters of operations (fhirpatch.html), to be applied in their order. meta: with changes of meta."""
    one, other = quick(before), quick(after)
    operations: list[Json] = []
    kind = kinds()[one["resourceType"]]
    _Differ(operations).object(one, other, kind, kind.name, _IGNORED - ({"meta"} if meta else set()))
    result: Json = {"resourceType": "Parameters"}
    if operations:
        result["parameter"] = operations
    return _encode(result)


class _Differ:
    def __init__(self, operations: list[Json]) -> None:
        self.operations = operations

    def say(self, type_: str, path: str, *parts: Json) -> None:
        head = [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path}]
        self.operations.append({"name": "operation", "part": [*head, *parts]})

    def object(self, one: Json, other: Json, kind: Kind, path: str, ignored: frozenset[str] | set[str]) -> None:
        """Compare the elements of two objects of the same type."""
        keys = dict.fromkeys(k.removeprefix("_") for k in (*one, *other))
        gone = [k for k in keys if k in kind.keys and k not in ignored and not _pairs(other, k)]
        for key in [*gone, *(k for k in keys if k in kind.keys and k not in ignored and k not in gone)]:
            name, step = kind.keys[key]
            before, after = _pairs(one, key), _pairs(other, key)
            place = f"{path}.{name}"
            if before == after:
                continue
            if key in kind.many:
                self.list(before, after, step, path, name)
            elif not before:
                self.say("add", path, {"name": "name", "valueString": name}, _value(after[0], step))
            elif not after:
                self.say("delete", place)
            else:
                self.changed(before[0], after[0], step, place)

    def changed(self, before: Pair, after: Pair, kind: Kind, place: str) -> None:
        """One element that is there before and after."""
        simple = kind.primitive or kind.resource or not isinstance(before[0], dict)
        if simple or not before[0].keys() & after[0].keys():  # an element without content would be gone meanwhile
            self.say("replace", place, _value(after, kind))
        else:
            self.object(before[0], after[0], kind, place, frozenset())

    def list(self, before: list[Pair], after: list[Pair], kind: Kind, path: str, name: str) -> None:
        """A list: what is kept keeps its place, the rest is replaced, inserted, added or deleted."""
        keys = [[_encode(pair) for pair in pairs] for pairs in (before, after)]
        place, size, shift = f"{path}.{name}", len(before), 0
        for tag, a, b, c, d in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
            if tag == "equal":
                continue
            both = min(b - a, d - c)
            for n in range(both):
                self.changed(before[a + n], after[c + n], kind, f"{place}[{a + n + shift}]")
            for n in range(b - a - both):
                self.say("delete", f"{place}[{a + both + n + shift}]")
                shift, size = shift - 1, size - 1
            for n in range(d - c - both):
                at = a + both + shift
                value = _value(after[c + both + n], kind)
                if at >= size:
                    self.say("add", path, {"name": "name", "valueString": name}, value)
                else:
                    self.say("insert", place, {"name": "index", "valueInteger": at}, value)
                shift, size = shift + 1, size + 1


def _pairs(fields: Json, key: str) -> list[Pair]:
    """The values of an element with what stands beside each."""
    values, others = fields.get(key), fields.get(f"_{key}")
    if isinstance(values, list) or isinstance(others, list):
        values, others = values or [], others or []
        size = max(len(values), len(others))
        pad = [None] * size
        return list(zip((values + pad)[:size], (others + pad)[:size], strict=True))
    return [(values, others)] if values is not None or others is not None else []


def _value(pair: Pair, kind: Kind, name: str = "value") -> Json:
    """A part that holds a value: of a datatype, a resource, or (for elements without a datatype) its parts."""
    value, beside = pair
    if kind.resource:
        return {"name": name, "resource": value}
    if kind.primitive or kind.public in _DATATYPES:
        public = "String" if kind.name == "xhtml" else kind.public[0].upper() + kind.public[1:]
        part: Json = {"name": name}
        if value is not None:
            part[f"value{public}"] = value
        if beside is not None:
            part[f"_value{public}"] = beside
        return part
    parts = []
    for key in dict.fromkeys(k.removeprefix("_") for k in value):
        inner, step = kind.keys[key]
        parts += [_value(one, step, inner) for one in _pairs(value, key)]
    return {"name": name, "part": parts}


_DATATYPES = frozenset(
    key.removeprefix("value") for key in kinds()["ParametersParameter"].keys if key.startswith("value")
)
