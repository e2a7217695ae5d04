"""FHIRPath as SQL/JSON path, as far as both mean the same.

SQL/JSON path knows no empty collection in conditions: a comparison of nothing is false. So each condition becomes two,
of which one says when it is true and the other when it is false; where neither holds, the answer is empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tuetinh.record.fhirpath.engine import named_type
from tuetinh.record.fhirpath.model import UNKNOWN, Kind, kinds
from tuetinh.record.fhirpath.syntax import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Node,
    Path,
    Special,
    TypeTest,
    Variable,
)

_NUMBERS = frozenset(["decimal", "integer", "positiveInt", "unsignedInt"])
# Dates and times are compared by what they mean, which their text does not tell.
_MOMENTS = frozenset(["date", "dateTime", "instant", "time"])
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class Uncompiled(Exception):
    """The part has no such form; the message says what it is."""


@dataclass(frozen=True)
class Scope:
    """Where a path begins: `at` is `$` or `@`, `kind` the type there."""

    kind: Kind
    at: str = "$"
    root: bool = True
    constants: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Way:
    """A path to elements of one type.

    single: there is one at most. open: the last step is an array that is not unpacked yet; flat: and the only one.
    beside: the path to what stands in `_name`. choices: the types of a `value[x]` that is not chosen yet. first: only
    the first of what the path finds counts. before: the paths of which the first was taken, one inside of the other,
    before this path begins.
    """

    path: str
    kind: Kind
    single: bool = True
    open: bool = False
    flat: bool = False
    beside: str = ""
    choices: tuple[tuple[str, Kind], ...] = ()
    first: bool = False
    before: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The path to each element."""
        if self.choices:
            raise Uncompiled("a choice of types without ofType()")
        return f"{self.path}[*]" if self.open else self.path


@dataclass(frozen=True)
class Condition:
    """When it is true, and when it is false."""

    true: str
    false: str


def way(tree: Node, scope: Scope) -> Way:
    """The path of an expression that goes from element to element. Raises Uncompiled."""
    match tree:
        case Special("this"):
            return Way(scope.at, scope.kind)
        case Member(name) if name in kinds() and name[0].isupper() and scope.kind.is_a(name):
            return Way(scope.at, scope.kind)
        case Member() | Call():
            return _step(Way(scope.at, scope.kind), tree, scope)
        case Path(left, right):
            return _step(way(left, scope), right, scope)
        case Indexer(left, Literal(int() as place)):
            return _at(way(left, scope), place)
        case TypeTest("as", operand, type_name):
            return _typed(way(operand, scope), type_name.name)
    raise Uncompiled(str(tree))


def _step(start: Way, tree: Node, scope: Scope) -> Way:
    if start.first:
        if scope.at != "$":
            raise Uncompiled(f"{tree} after first() within a condition")
        start = Way("$", start.kind, before=(*start.before, start.text))
    match tree:
        case Member(name):
            return _member(start, name)
        case Call("first", ()):
            return _at(start, 0)
        case Call("where", (criterion,)):
            inner = condition(criterion, replace(scope, kind=start.kind, at="@", root=False))
            return Way(f"{start.text} ? ({inner.true})", start.kind, start.single, before=start.before)
        case Call("extension", (Literal(str() as url),)) if not start.kind.primitive:
            path = f"{start.text}.extension[*] ? (@.url == {json.dumps(url)})"
            return Way(path, kinds()["Extension"], single=False, before=start.before)
        case Call("ofType" | "as", (argument,)):
            return _typed(start, named_type(argument).name)
    raise Uncompiled(str(tree))


def _member(start: Way, name: str) -> Way:
    steps = start.kind.steps.get(name)
    if not steps:
        # Nothing is there: what is stored has the elements of its type only.
        return Way(f"{start.text} ? (1 == 0)", UNKNOWN, start.single, before=start.before)
    if start.kind.primitive:
        raise Uncompiled(f"{name} of a primitive")
    if len(steps) > 1 or steps[0][0] != name:
        return Way(start.text, start.kind, start.single, choices=steps, before=start.before)
    return _key(start, name, steps[0][1])


def _key(start: Way, key: str, kind: Kind) -> Way:
    """The step to a JSON name."""
    if kind.name == "Resource":
        raise Uncompiled(f"the resources in {key}")
    many = key in start.kind.many
    beside = f'{start.text}."_{key}"' if kind.primitive else ""
    single = start.single and not many
    return Way(f'{start.text}."{key}"', kind, single, many, start.single and many, beside, before=start.before)


def _typed(start: Way, name: str) -> Way:
    for key, kind in start.choices:
        if kind.name == name:
            return _key(Way(start.path, start.kind, start.single, before=start.before), key, kind)
    if start.choices or start.kind.name != name:
        raise Uncompiled(f"ofType({name}) of {start.kind.name}")
    return start


def _at(start: Way, place: int) -> Way:
    """One of many: by its index where there is one array, else only the first of all."""
    if start.single:
        if place:
            raise Uncompiled(f"[{place}] of one element")
        return start
    if start.flat:
        return Way(f"{start.path}[{place}]", start.kind, before=start.before)
    if place:
        raise Uncompiled(f"[{place}] of nested arrays")
    return replace(start, first=True)


def condition(tree: Node, scope: Scope) -> Condition:
    """The two forms of a Boolean expression. Raises Uncompiled."""
    match tree:
        case Binary("and", left, right):
            one, other = condition(left, scope), condition(right, scope)
            return Condition(f"({one.true} && {other.true})", f"({one.false} || {other.false})")
        case Binary("or", left, right):
            one, other = condition(left, scope), condition(right, scope)
            return Condition(f"({one.true} || {other.true})", f"({one.false} && {other.false})")
        case Binary("implies", left, right):
            one, other = condition(left, scope), condition(right, scope)
            return Condition(f"({one.false} || {other.true})", f"({one.true} && {other.false})")
        case Binary("=" | "!=" | "<" | "<=" | ">" | ">=" as operator, left, right):
            return _comparison("==" if operator == "=" else operator, left, right, scope)
        case Path(left, Call("not", ())):
            inner = condition(left, scope)
            return Condition(inner.false, inner.true)
        case Path(left, Call("exists" | "empty" as name, arguments)):
            return _existence(name, way(left, scope), arguments, scope)
        case Call("exists" | "empty" as name, arguments):
            return _existence(name, Way(scope.at, scope.kind), arguments, scope)
    found = way(tree, scope)
    if found.before or found.kind.name != "boolean" or not found.single:
        raise Uncompiled(f"{tree} as a condition")
    return Condition(f"{found.text} == true", f"{found.text} == false")


def _existence(name: str, found: Way, arguments: tuple[Node, ...], scope: Scope) -> Condition:
    """A primitive that has only extensions exists too."""
    if arguments:
        found = _step(found, Call("where", arguments), scope)
    if found.before:
        raise Uncompiled("first() within a condition")
    there = f"exists({found.text})"
    if found.beside:
        there = f"({there} || exists({found.beside}))"
    return Condition(there, f"!({there})") if name == "exists" else Condition(f"!({there})", there)


def _comparison(operator: str, left: Node, right: Node, scope: Scope) -> Condition:
    one, other = _operand(left, scope), _operand(right, scope)
    if one[1] != other[1] or (one[1] == "boolean" and operator not in ("==", "!=")):
        raise Uncompiled(f"{left} {operator} {right}: values of different types")
    if one[2] and other[2]:
        raise Uncompiled(f"{left} {operator} {right}: nothing of the resource")
    return Condition(f"{one[0]} {operator} {other[0]}", f"{one[0]} {_OPPOSITE[operator]} {other[0]}")


def _operand(tree: Node, scope: Scope) -> tuple[str, str, bool]:
    """Its path or value, which of string, number and boolean it is, and whether it is constant."""
    value: Any = None
    match tree:
        case Literal(literal):
            value = literal
        case Variable(name) if scope.constants and name in scope.constants:
            value = scope.constants[name]
    match value:
        case bool():
            return ("true" if value else "false", "boolean", True)
        case int() | Decimal():
            return (f"{value:f}" if isinstance(value, Decimal) else str(value), "number", True)
        case str():
            return (json.dumps(value), "string", True)
    found = way(tree, scope)
    if found.before or not found.single or not found.kind.primitive or found.kind.name in _MOMENTS:
        raise Uncompiled(f"{tree} in a comparison")
    name = found.kind.name
    return (found.text, "boolean" if name == "boolean" else "number" if name in _NUMBERS else "string", False)
