"""What an ONNX file must not have, read from its bytes (onnx.proto): data in other files, operators of other makers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_VARINT, _LONG, _BYTES, _SHORT = 0, 1, 2, 5
# Messages by the fields that lead to tensors, graphs and domains: {message: {field: message}}.
_TREE: Final[dict[str, dict[int, str]]] = {
    "Model": {7: "Graph", 8: "Opset", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Function": {7: "Node", 9: "Opset"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
}
_NAME: Final = {"Tensor": 8, "Opset": 1}
_LOCATION, _EXTERNAL = 14, 13
DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
DEEPEST: Final = 64


class NotOnnx(Exception):
    """The bytes are no ONNX model, or one that is not taken. args: `broken`, `external` or `operator`, and which."""


def check(data: bytes) -> None:
    """Raise NotOnnx unless a file holds all that it needs, and uses the operators of the runtime alone."""
    seen = 0
    try:
        for _ in _walk(memoryview(data), "Model", 0):
            seen += 1
    except (IndexError, UnicodeDecodeError, RecursionError) as error:
        raise NotOnnx("broken", "") from error
    if not seen:
        raise NotOnnx("broken", "")


def _walk(data: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise NotOnnx("broken", "")
    if kind in _NAME:
        _check(kind, list(_fields(data)))
        yield kind
        return
    for field, value in _fields(data):
        inner = _TREE[kind].get(field)
        if inner and isinstance(value, memoryview):
            yield from _walk(value, inner, depth + 1)
    if kind == "Graph":
        yield kind


def _check(kind: str, fields: list[tuple[int, int | memoryview]]) -> None:
    name = next((bytes(v).decode() for f, v in fields if f == _NAME[kind] and isinstance(v, memoryview)), "")
    if kind == "Opset" and name not in DOMAINS:
        raise NotOnnx("operator", name)
    if kind == "Tensor" and any(f == _EXTERNAL or (f == _LOCATION and v) for f, v in fields):
        raise NotOnnx("external", name)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _number(data, at)
            yield key >> 3, value
        elif wire in (_LONG, _SHORT):
            at += 8 if wire == _LONG else 4
        elif wire == _BYTES:
            size, at = _number(data, at)
            if at + size > len(data):
                raise NotOnnx("broken", "")
            yield key >> 3, data[at : at + size]
            at += size
        else:
            raise NotOnnx("broken", "")


def _number(data: memoryview, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = data[at]
        found |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return found, at
        if shift > 63:
            raise NotOnnx("broken", "")
