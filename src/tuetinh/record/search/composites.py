"""Composite parameters (FHIR R4, Search, 3.1.1.4.7): several values that must come from the same place of a resource.

Where that place is the resource itself, all parts must simply hold. Where it is an element that may repeat, such as
`Observation.component`, the parts of each such element are indexed together, under the composite's own name:

- token with token or reference: one token `(name, hash of one form, hash of the other)` for each pair of forms;
- token with quantities: number rows of the param `name U+001F code U+001F system`;
- token with two numbers, as a sequence's start and end: one number row, from `low` to `high`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tuetinh.record.hashes import token_hash
from tuetinh.record.search.entries import EMITS, Index
from tuetinh.record.search.expressions import Hop, Leaf, Unsupported, compile_expression, walk
from tuetinh.record.search.params import CAN_INDEX, URL, Param, added, official, params

BAR = "\x1f"
FIRST, SECOND = "1", "2"  # what the parts' own tokens are named
_WHOLE = "%resource."


@dataclass(frozen=True)
class Part:
    """One part: its parameter, and its values' paths from the composite's place, or from the resource (`whole`)."""

    param: Param
    leaves: tuple[Leaf, ...]
    whole: bool = False

    def values(self, resource: Any, element: Any) -> list[tuple[str, Any]]:
        """Return datatype and value for each value of the part."""
        start = resource if self.whole else element
        return [(leaf.type, value) for leaf in self.leaves for value in walk([start], leaf.hops)]

    def entries(self, name: str, resource: Any, element: Any) -> Index:
        """Return the part's entries as if it were a parameter of that name."""
        found = Index()
        for type_, value in self.values(resource, element):
            EMITS[self.param.type, type_](found, name, value)
        return found


@dataclass(frozen=True)
class Composite:
    """A composite of one resource type.

    name: under which its elements are indexed; composites over the same place and parts share one.
    place: the repeating element, None where there is none.
    root: where the resource itself is a place, the parameters that find the parts there.
    number: of the parameter that users added, 0 for an official one.
    """

    code: str
    name: str
    parts: tuple[Part, ...]
    place: tuple[Hop, ...] | None
    root: tuple[Param, ...]
    number: int = 0

    def index(self, out: Index, resource: Any) -> None:
        """Add the entries of each element."""
        for element in walk([resource], self.place or ()):
            kinds = [part.param.type for part in self.parts]
            if kinds == ["token", "quantity"]:
                rows = self.parts[1].entries("", resource, element).numbers
                out.numbers += [(name, *row[1:]) for name in self._names(resource, element) for row in rows]
            elif len(kinds) == 3:
                start, end = (part.entries("", resource, element).numbers for part in self.parts[1:])
                if start and end:
                    bounds = (start[0][4], end[0][5], None, None, None)
                    out.numbers += [(name, "", "", None, *bounds) for name in self._names(resource, element)]
            else:
                one, other = self.parts
                seconds = other.entries(SECOND, resource, element).tokens
                for first in one.entries(FIRST, resource, element).tokens:
                    out.tokens += [pair(self.name, first, second) for second in seconds]

    def _names(self, resource: Any, element: Any) -> list[str]:
        """Return the params of number rows: one for each coding of the first part."""
        codings = [
            c for _, value in self.parts[0].values(resource, element) for c in getattr(value, "coding", [value]) or ()
        ]
        return [BAR.join((self.name, c.code or "", c.system or "")) for c in codings]


def pair(name: str, first: int, second: int) -> int:
    """Hash two forms of two parts together."""
    return token_hash(name, str(first), str(second))


def composites(type_: str, own: tuple[Param, ...] | None = None) -> dict[str, Composite]:
    """Return the composites of a resource type by their codes; for `own` see `params.params`."""
    return _composites(type_, added().of(type_) if own is None else own)


@lru_cache(maxsize=1024)
def _composites(type_: str, own: tuple[Param, ...]) -> dict[str, Composite]:
    found: dict[str, Composite] = {}
    names: dict[Any, str] = {}
    for code, param in sorted(official(type_).items(), reverse=True):
        if param.type == "composite":
            composite = compose(param, own)
            shape = (composite.place, tuple(part.leaves for part in composite.parts))
            found[code] = replace(composite, name=names.setdefault(shape, code))
    return found | {param.code: compose(param, own) for param in own if param.type == "composite"}


def compose(param: Param, own: tuple[Param, ...]) -> Composite:
    """Return a composite parameter with its parts. Raises Unsupported."""
    type_ = param.base
    places = [place.strip() for place in param.expression.split("|") if _about(type_, place)]
    inner = [place for place in places if place != type_]
    place = compile_place(type_, inner[0]) if inner else None
    declared = [(_param(type_, definition, own), expression) for definition, expression in param.components]
    parts = tuple(_part(type_, inner[0] if inner else type_, place or (), *part) for part in declared)
    root = tuple(_of_root(type_, *part) for part in declared) if type_ in places else ()
    return Composite(param.code, param.stored, parts, place, root, param.number)


@lru_cache(maxsize=1024)
def correlated(type_: str, own: tuple[Param, ...]) -> tuple[Composite, ...]:
    """Return the composites that need entries of their own, each name once."""
    by_name = {c.name: c for c in composites(type_, own).values() if c.place is not None}
    return tuple(by_name.values())


def _about(type_: str, place: str) -> bool:
    return place.strip() == type_ or place.strip().startswith(f"{type_}.")


def compile_place(type_: str, place: str) -> tuple[Hop, ...]:
    """Return the hops to an element. Raises Unsupported."""
    (leaf,) = compile_expression(type_, place)
    return leaf.hops


def _of_root(type_: str, declared: Param, expression: str) -> Param:
    """Return the parameter over just this element of the resource: `code` for the `combo-code` of the root."""
    union = " | ".join(f"{type_}.{alternative.strip()}" for alternative in expression.split("|"))
    wanted = set(compile_expression(type_, union))
    same = [p for p in official(type_).values() if p.type == declared.type and set(p.leaves) == wanted]
    return same[0] if same else declared


def _param(type_: str, definition: str, own: tuple[Param, ...]) -> Param:
    urls = (definition, URL + definition)
    param = next((p for p in params(type_, own).values() if p.url in urls), None)
    if param is None:
        raise Unsupported(f"{type_} has no parameter {definition}")
    return param


def _part(type_: str, place: str, hops: tuple[Hop, ...], param: Param, expression: str) -> Part:
    if expression.startswith(_WHOLE):
        return Part(param, compile_expression(type_, f"{type_}.{expression.removeprefix(_WHOLE)}"), whole=True)
    union = " | ".join(f"{place}.{alternative.strip()}" for alternative in expression.split("|"))
    leaves = [leaf for leaf in compile_expression(type_, union) if leaf.type in CAN_INDEX[param.type]]
    return Part(param, tuple(Leaf(leaf.hops[len(hops) :], leaf.type) for leaf in leaves))
