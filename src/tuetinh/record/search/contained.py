"""What a resource is found by through the resources that it contains: a chain is evaluated inside them as well.

FHIR R4, Search, 3.1.1.5.2: `MedicationRequest?medication.ingredient-code=…` finds the request that contains such a
Medication. Each entry that a contained resource has by itself is an entry of the container under a mark, which says by
which reference and of which type: `subject U+001F .Patient U+001F birthdate`. A token is hashed once more, after its
mark, and the mark itself is a token. Official parameters alone are followed, over LEVELS references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from tuetinh.record.hashes import token_hash
from tuetinh.record.search.composites import BAR
from tuetinh.record.search.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Contained,
    Dates,
    Follows,
    Ids,
    NoneOf,
    Numbers,
    OfType,
    Present,
    Strings,
    Tokens,
)
from tuetinh.record.search.entries import Index
from tuetinh.record.search.expressions import Leaf, walk
from tuetinh.record.search.params import Param, official

LEVELS = 2
Extract = Callable[[Any, Index], None]


def add(out: Index, resource: Any, extract: Extract) -> None:
    """Add the entries of what a resource contains and refers to. extract: adds those of one resource by itself."""
    there = {one.id: one for one in getattr(resource, "contained", None) or () if one.id}
    if there:
        _Room(there, extract).follow(out, [resource], LEVELS)


class _Room:
    """The resources that one contains. Each is looked at once, however many refer to it."""

    def __init__(self, there: dict[str, Any], extract: Extract) -> None:
        self._there, self._extract = there, extract
        self._entries: dict[str, Index] = {}

    def follow(self, out: Index, resources: Iterable[Any], levels: int) -> None:
        """Add the entries of all that some resources refer to, under the marks of these references."""
        groups: dict[tuple[str, str], dict[str, None]] = {}
        for resource in resources:
            for name, type_, id_ in self._links(resource):
                groups.setdefault((name, type_), {})[id_] = None
        for (name, type_), ids in groups.items():
            mine = Index()
            for id_ in ids:
                _join(mine, self._own(id_))
            if levels > 1:
                self.follow(mine, [self._there[id_] for id_ in ids], levels - 1)
            _add_marked(out, _mark(name, type_), mine)

    def _own(self, id_: str) -> Index:
        if id_ not in self._entries:
            self._entries[id_] = Index()
            self._extract(self._there[id_], self._entries[id_])
        return self._entries[id_]

    def _links(self, resource: Any) -> Iterator[tuple[str, str, str]]:
        """Yield the parameter, type and id of each reference to one of the resources."""
        for name, leaf in _references(type(resource).__name__):
            for value in walk([resource], leaf.hops):
                link = value.reference or ""
                if link.startswith("#") and (target := self._there.get(link[1:])) is not None:
                    type_ = type(target).__name__
                    if leaf.resolves in (None, type_):
                        yield name, type_, link[1:]


def _join(out: Index, more: Index) -> None:
    out.tokens += more.tokens
    out.dates += more.dates
    out.numbers += more.numbers
    out.strings += more.strings


def _add_marked(out: Index, mark: str, mine: Index) -> None:
    out.tokens += [token_hash(mark), *(token_hash(mark, str(token)) for token in dict.fromkeys(mine.tokens))]
    out.dates += [(mark + date[0], *date[1:]) for date in dict.fromkeys(mine.dates)]
    out.numbers += [(mark + number[0], *number[1:]) for number in dict.fromkeys(mine.numbers)]
    out.strings += [(mark + string[0], *string[1:]) for string in dict.fromkeys(mine.strings)]


@cache
def _references(type_: str) -> tuple[tuple[str, Leaf], ...]:
    """Return the paths to references, with the names under which they are indexed."""
    own = [param for param in official(type_).values() if param.type == "reference" and not param.sources]
    return tuple((param.stored, leaf) for param in own for leaf in param.leaves if leaf.type == "Reference")


def _mark(name: str, type_: str) -> str:
    return f"{name}{BAR}.{type_}{BAR}"


def inside(param: Param, type_: str, condition: Condition) -> Condition | None:
    """Return what must hold of a resource that refers by a parameter to a contained one for which a condition holds.

    condition: about resources of the type, resolved. None where no contained resource can fulfil it.
    """
    found = [each for source in param.indexed_by if (each := _inside(_mark(source.stored, type_), condition))]
    return found[0] if len(found) == 1 else AnyOf(tuple(found)) if found else None


def _inside(mark: str, condition: Condition) -> Condition | None:
    there = Tokens((token_hash(mark),))

    def names(params: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(mark + param for param in params)

    match condition:
        case Tokens(hashes, negate):
            own = Tokens(tuple(token_hash(mark, str(one)) for one in hashes), negate=negate)
            return AllOf((there, own)) if negate else own if hashes else None
        case Present(table, params, present):
            return AllOf((there, Present(table, names(params), present)))
        case Dates(params, values):
            return AllOf((there, Dates(names(params), values)))
        case Strings(params, mode, texts):
            return AllOf((there, Strings(names(params), mode, texts)))
        case Numbers(params, _, named):
            renamed = tuple(replace(one, text=mark + one.text) for one in named)
            return AllOf((there, replace(condition, params=names(params), names=renamed)))
        case Ids(_, _, negate):
            return there if negate else None
        case Follows():
            return AllOf((there, replace(condition, within=True)))
        case Contained(inner) | OfType(_, inner):
            return _inside(mark, inner)
        case NoneOf(inner):
            lies = _inside(mark, inner)
            return AllOf((there, NoneOf(lies))) if lies else there
        case AllOf(parts):
            every = [_inside(mark, part) for part in parts]
            return AllOf(tuple(one for one in every if one)) if all(every) else None
        case AnyOf(parts):
            some = tuple(one for part in parts if (one := _inside(mark, part)))
            return AnyOf(some) if some else None
    return None


def settle(condition: Condition) -> Condition:
    """Return a resolved condition as SQL can be made of it, without what is known to find nothing."""
    match condition:
        case Contained(inner, ids):
            return inner if ids is None else ids
        case AllOf(parts):
            return AllOf(tuple(settle(part) for part in parts))
        case OfType(type_, inner):
            return OfType(type_, settle(inner))
        case NoneOf(inner):
            return NoneOf(settle(inner))
        case AnyOf(parts):
            settled = [settle(part) for part in parts]
            some = tuple(one for one in settled if one != Ids((), getattr(one, "type", None)))
            return some[0] if len(some) == 1 else AnyOf(some)
    return condition
