"""The part of FHIRPath in which search parameters are written, resolved to paths through the classes of `record.r4`.

`compile_expression("Observation", "(Observation.value as Quantity)")` gives one `Leaf`: its hops (attribute, list or
not, condition), the datatype at its end, and what was asked of a reference there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from keyword import iskeyword
from pathlib import Path
from typing import Any

from tuetinh.record.search import evaluated

Given = dict[str, list[Any]]  # what an expression gives: values by their datatypes
RULES = Path(__file__).parent.parent / "r4" / "data" / "rules.json"


class Unsupported(ValueError):
    """An expression, or an element that it names, is outside of what search can index."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One element on the way: its attribute, whether it repeats, and `where(attribute = value)` or `[index]` on it.

    evaluated: FHIRPath whose values of the datatype `attribute` are meant, instead of an element's.
    """

    attribute: str
    many: bool
    where: tuple[str, str] | None = None
    index: int | None = None
    evaluated: str | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A path to values of one datatype.

    resolves: only references to this resource type (`where(resolve() is Patient)`).
    exists: the value of interest is whether something is there, which it is of every resource; truth: something other
    than `false`.
    targets: resource types that a reference at the end may point to; empty = any.
    codes: name of the value set to which a `code` at the end is bound.
    """

    hops: tuple[Hop, ...]
    type: str
    resolves: str | None = None
    exists: bool = False
    truth: bool = False
    targets: tuple[str, ...] = ()
    codes: str | None = None

    @property
    def single(self) -> bool:
        return not any(hop.many and hop.index is None for hop in self.hops)


@cache
def rules() -> dict[str, Any]:
    """Return HL7's definitions as `record.r4` carries them."""
    return json.loads(RULES.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@cache
def elements(type_: str) -> dict[str, dict[str, Any]]:
    """Return the elements of a class with those that it inherits; none for a primitive."""
    found = rules()["types"].get(type_)
    if found is None:
        return {}
    return {**(elements(found["base"]) if found.get("base") else {}), **found["elements"]}


_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z]\w*)|(?P<string>'[^']*')|(?P<number>\d+)|(?P<sign>!=|[().|=\[\]]))")
_TRUTH = re.compile(r"(\S+)\.exists\(\) and \1 != false")


def compile_expression(type_: str, expression: str) -> tuple[Leaf, ...]:
    """Resolve an expression about resources of `type_`. Raises Unsupported."""
    if match := _TRUTH.fullmatch(expression.strip()):
        return tuple(replace(leaf, exists=True, truth=True) for leaf in compile_expression(type_, match[1]))
    leaves = _Parser(type_, expression).union()
    return tuple(dict.fromkeys(leaves))


def evaluated_leaves(type_: str, expression: str, wanted: Iterable[str]) -> tuple[Leaf, ...]:
    """Return one leaf for each datatype that an expression may give, of those that are wanted. Raises Unsupported."""
    try:
        possible = evaluated.types(type_, expression)
    except ValueError as error:
        raise Unsupported(f"{expression!r}: {error}") from None
    found = sorted(each for each in wanted if possible is None or each in possible)
    return tuple(Leaf((Hop(each, many=True, evaluated=expression),), each) for each in found)


class _Parser:
    def __init__(self, type_: str, expression: str) -> None:
        self.type = type_
        self.expression = expression
        self.tokens: list[str] = []
        at = 0
        while at < len(expression.rstrip()):
            match = _TOKEN.match(expression, at)
            if not match:
                raise Unsupported(f"cannot read {expression!r} at {at}")
            self.tokens.append(match[0].strip())
            at = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.peek()
        if not token or (expected and token not in expected):
            raise Unsupported(f"{self.expression!r}: {' or '.join(expected) or 'more'} expected, not {token!r}")
        self.at += 1
        return token

    def union(self) -> list[Leaf]:
        leaves = self.path()
        while self.peek() == "|":
            self.take()
            leaves += self.path()
        if self.peek():
            self.take("|")
        return leaves

    def path(self) -> list[Leaf]:
        if self.peek() == "(":
            self.take()
            leaves = self.path()
            self.take(")")
        else:
            self.take(self.type, "Resource", "DomainResource")
            leaves = [Leaf((), self.type)]
        while self.peek() == ".":
            self.take()
            leaves = self.step(leaves)
        if self.peek() == "as":
            self.take()
            leaves = self.cast(leaves, self.take())
        return leaves

    def step(self, leaves: list[Leaf]) -> list[Leaf]:
        name = self.take()
        if self.peek() == "(":
            self.take()
            leaves = self.function(name, leaves)
            self.take(")")
        elif self.peek() == "[":
            self.take()
            index = int(self.take())
            self.take("]")
            leaves = [replace(x, hops=(*x.hops[:-1], replace(x.hops[-1], index=index))) for x in descend(leaves, name)]
        else:
            leaves = descend(leaves, name)
        if not leaves:
            raise Unsupported(f"{self.expression!r}: nothing is named {name!r} there")
        return leaves

    def function(self, name: str, leaves: list[Leaf]) -> list[Leaf]:
        if name in ("as", "ofType"):
            return self.cast(leaves, self.take())
        if name == "exists":
            return [replace(leaf, exists=True) for leaf in leaves]
        if name == "extension":
            url = self.take().strip("'")
            return where(descend(leaves, "extension"), "url", url)
        if name == "first" and all(leaf.hops and leaf.hops[-1].where is None for leaf in leaves):
            return [replace(leaf, hops=(*leaf.hops[:-1], _first(leaf.hops[-1]))) for leaf in leaves]
        if name != "where" or not all(leaf.hops for leaf in leaves):
            raise Unsupported(f"{self.expression!r}: function {name!r} cannot be indexed there")
        subject = self.take()
        if subject == "resolve":
            for expected in "()":
                self.take(expected)
            self.take("is")
            wanted = self.take()
            return [replace(leaf, resolves=wanted) for leaf in leaves]
        self.take("=")
        if any(hop.where for leaf in leaves for hop in leaf.hops[-1:]):
            raise Unsupported(f"{self.expression!r}: only one condition on an element can be indexed")
        value = self.take()
        if not value.startswith("'"):
            raise Unsupported(f"{self.expression!r}: a text is compared, not {value}")
        return where([leaf for leaf in leaves if _is_single(leaf.type, subject)], subject, value.strip("'"))

    def cast(self, leaves: list[Leaf], type_: str) -> list[Leaf]:
        found = [leaf for leaf in leaves if leaf.type == type_]
        if not found:
            raise Unsupported(f"{self.expression!r}: no {type_} there")
        return found


def _first(hop: Hop) -> Hop:
    return replace(hop, index=0) if hop.many and hop.index is None else hop


def _is_single(type_: str, element: str) -> bool:
    """Tell whether an element of the type is one text at most, so that it can be compared."""
    found = elements(type_).get(element)
    return found is not None and not found.get("list") and not elements(found["type"])


def where(leaves: list[Leaf], element: str, value: str) -> list[Leaf]:
    return [replace(x, hops=(*x.hops[:-1], replace(x.hops[-1], where=(attribute(element), value)))) for x in leaves]


def attribute(element: str) -> str:
    return element + "_" if iskeyword(element) else element


def descend(leaves: list[Leaf], name: str) -> list[Leaf]:
    """Go from each leaf to its child `name`, or to each form of the choice `name[x]`."""
    found = []
    for leaf in leaves:
        children = elements(leaf.type)
        names = [name] if name in children else [n for n, e in children.items() if e.get("choice") == name]
        for each in names:
            element = children[each]
            hop = Hop(attribute(each), bool(element.get("list")))
            targets = tuple(element.get("targets", ()))
            found.append(Leaf((*leaf.hops, hop), element["type"], targets=targets, codes=element.get("codes")))
    return found


def walk(values: list[Any], hops: tuple[Hop, ...], given: dict[str, Given] | None = None) -> list[Any]:
    """Return the values at the end of a path through resources.

    given: what expressions gave for the one resource before, by their texts; what they give now is added.
    """
    given = {} if given is None else given
    for hop in hops:
        if hop.evaluated is not None:
            (resource,) = values
            if hop.evaluated not in given:
                given[hop.evaluated] = evaluated.values(resource, hop.evaluated)
            values = given[hop.evaluated].get(hop.attribute, [])
            continue
        children = [getattr(value, hop.attribute) for value in values]
        if hop.index is not None:
            children = [(child or [])[hop.index : hop.index + 1] for child in children]
        values = [x for child in children for x in (child if isinstance(child, list) else (child,)) if x is not None]
        if hop.where:
            name, wanted = hop.where
            values = [x for x in values if getattr(x, name) == wanted]
    return values
