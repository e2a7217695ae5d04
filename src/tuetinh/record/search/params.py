"""The search parameters that the record knows, by resource type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tuetinh.record.search.expressions import Leaf, Unsupported, compile_expression, evaluated_leaves, rules
from tuetinh.record.types import RESOURCE_TYPES

DATA = Path(__file__).parent / "data" / "parameters.json"
URL = "http://hl7.org/fhir/SearchParameter/"

INDEXED = ("token", "string", "date", "reference", "number", "quantity", "uri")
UNANSWERED = frozenset({"_query"})
WORDS = frozenset({"_text", "_content"})
SPECIAL = frozenset({"near"})
"""Parameters of the type `special` that are answered."""
# Types of a patient's compartment of which one nevertheless may have very many others pointing to it.
SHARED = frozenset({"Group", "Person", "Schedule", "Practitioner", "PractitionerRole", "ResearchSubject"})

# Datatypes that a parameter of each type can index; others at the end of its expression are passed over.
CAN_INDEX = {
    "token": frozenset(
        [
            "CodeableConcept",
            "Coding",
            "Identifier",
            "ContactPoint",
            "code",
            "boolean",
            "string",
            "id",
            "uri",
            "oid",
            "uuid",
            "canonical",
        ]
    ),
    "string": frozenset(["string", "markdown", "HumanName", "Address"]),
    "date": frozenset(["date", "dateTime", "instant", "Period", "Timing"]),
    "reference": frozenset(["Reference", "canonical", "uri", "Resource"]),
    "number": frozenset(["decimal", "integer", "positiveInt", "unsignedInt", "Range"]),
    "quantity": frozenset(["Quantity", "SimpleQuantity", "Money", "Age", "Duration", "Count", "Distance", "Range"]),
    "uri": frozenset(["uri", "url", "canonical", "oid", "uuid"]),
}


@dataclass(frozen=True)
class Param:
    """One search parameter of one resource type.

    sources: parameters whose index entries answer this one, so that it needs none of its own: `combo-code` is `code`
    or `component-code`, `patient` is `subject` where that is a Patient. Empty when it is indexed itself.
    number: of a parameter that users added (`additions`), 0 for an official one. ready: not while its entries are made.
    """

    base: str
    code: str
    type: str
    expression: str
    declared_targets: tuple[str, ...]
    url: str
    components: tuple[tuple[str, str], ...] = ()
    number: int = 0
    ready: bool = True

    @property
    def stored(self) -> str:
        """The name under which it is indexed; another definition of the same code never meets its entries."""
        return f"{self.code}@{self.number}" if self.number else self.code

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        if self.type not in INDEXED or not self.expression:
            return ()
        try:
            found = compile_expression(self.base, self.expression)
        except Unsupported:
            found = evaluated_leaves(self.base, self.expression, CAN_INDEX[self.type])
        return tuple(x for x in found if x.exists or x.type in CAN_INDEX[self.type])

    @cached_property
    def evaluated(self) -> bool:
        """Whether its expression is more than paths: no path leads to its values, they are in the index alone."""
        return any(hop.evaluated is not None for leaf in self.leaves for hop in leaf.hops)

    @cached_property
    def single(self) -> bool:
        """Whether a resource can have one value at most: one path without lists, or the forms of one choice."""
        parents = {tuple(leaf.hops[:-1]) for leaf in self.leaves}
        return all(x.single for x in self.leaves) and (
            len(self.leaves) == 1 or (len(parents) == 1 and self._one_choice())
        )

    def _one_choice(self) -> bool:
        return "|" not in self.expression and len({leaf.type for leaf in self.leaves}) == len(self.leaves)

    @cached_property
    def one_entry(self) -> bool:
        """Whether a resource can have one row at most in the parameter's index table."""
        kinds = {"date": CAN_INDEX["date"], "number": CAN_INDEX["number"], "string": {"string", "markdown"}}
        return self.single and not self.sources and all(leaf.type in kinds.get(self.type, ()) for leaf in self.leaves)

    @cached_property
    def resolves(self) -> str | None:
        """The only resource type that it may refer to, where the expression says so."""
        kinds = {leaf.resolves for leaf in self.leaves}
        return kinds.pop() if len(kinds) == 1 else None

    @cached_property
    def canonical(self) -> bool:
        """Whether it refers by canonical urls."""
        return self.type == "reference" and not self.evaluated and any(leaf.type == "canonical" for leaf in self.leaves)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Resource types that a reference may point to."""
        if self.resolves:
            return (self.resolves,)
        found: dict[str, None] = {}
        for leaf in self.leaves:
            found.update(dict.fromkeys(leaf.targets or self.declared_targets or RESOURCE_TYPES))
        return tuple(found)

    @cached_property
    def code_systems(self) -> frozenset[str] | None:
        """Code systems of a parameter over `code` elements alone, whose system is implied; else None."""
        if self.type != "token" or any(leaf.type != "code" or leaf.exists for leaf in self.leaves):
            return None
        bound = rules()["codes"]
        return frozenset(system for leaf in self.leaves if leaf.codes for system in bound.get(leaf.codes, {}))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """See the class."""
        mine = {leaf.hops: leaf for leaf in self.leaves}
        if self.type not in ("token", "reference", "quantity", "uri") or any(leaf.exists for leaf in self.leaves):
            return ()
        if self.number:
            return ()
        if self.resolves is None and any(leaf.resolves for leaf in self.leaves):
            return ()
        found: dict[str, set[Any]] = {}
        for other in official(self.base).values():
            theirs = {leaf.hops for leaf in other.leaves}
            if other.code == self.code or other.type != self.type or not theirs or not theirs <= mine.keys():
                continue
            if any(leaf.exists or leaf.resolves for leaf in other.leaves):
                continue
            if (
                theirs == mine.keys()
                and not self.resolves
                and (len(other.code), other.code) > (len(self.code), self.code)
            ):
                continue
            found[other.code] = theirs
        if set().union(*found.values()) != mine.keys() or not mine:
            return ()
        whole = [code for code, theirs in found.items() if theirs == mine.keys()]
        if whole:
            return (min(whole, key=lambda code: (len(code), code)),)
        return tuple(sorted(found))

    @cached_property
    def indexed_by(self) -> tuple[Param, ...]:
        """The parameters whose entries answer this one."""
        if not self.sources:
            return (self,)
        known = official(self.base)
        return tuple(dict.fromkeys(one for source in self.sources for one in known[source].indexed_by))

    @cached_property
    def indexed_as(self) -> tuple[str, ...]:
        """The names under which the values are stored."""
        return tuple(one.stored for one in self.indexed_by)


class Added(NamedTuple):
    """The parameters that users added, by resource type, as the record has them at a `generation`."""

    generation: int = 0
    params: dict[str, tuple[Param, ...]] = {}  # noqa: RUF012 - never changed

    def of(self, type_: str) -> tuple[Param, ...]:
        """Return those of a type."""
        return self.params.get(type_, ())

    def evaluates(self, type_: str) -> bool:
        """Whether expressions are evaluated over resources of a type, which may take long."""
        return any(param.evaluated for param in self.of(type_))


_added = [Added()]


def added() -> Added:
    """Return the added parameters as this process last saw them; `additions.refresh` looks anew."""
    return _added[0]


def keep_added(found: Added) -> None:
    """Make these the ones of this process."""
    _added[0] = found


@cache
def _data() -> dict[str, Any]:
    return json.loads(DATA.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def params(type_: str, own: tuple[Param, ...] | None = None) -> dict[str, Param]:
    """Return the parameters of a resource type: official ones, and those that users added (now, or `own`)."""
    own = added().of(type_) if own is None else own
    return _with(type_, own) if own else official(type_)


@lru_cache(maxsize=1024)
def _with(type_: str, own: tuple[Param, ...]) -> dict[str, Param]:
    return official(type_) | {param.code: param for param in own}


def defined() -> Iterator[tuple[str, Param]]:
    """Every official parameter with the type for which it is defined: `Resource` and `DomainResource` are such, too."""
    for family, rows in _data()["types"].items():
        for code, row in rows.items():
            yield family, _param(family, code, row)


def _param(type_: str, code: str, row: list[Any]) -> Param:
    kind, expression, targets, id_, *rest = row
    parts = tuple((a, b) for a, b in (rest[0] if rest else ()))
    return Param(type_, code, kind, expression, tuple(targets), URL + id_, parts)


@cache
def official(type_: str) -> dict[str, Param]:
    """Return the official parameters of a resource type, those of all resources among them."""
    found = {}
    families = (
        ("Resource", type_) if type_ in ("Bundle", "Binary", "Parameters") else ("Resource", "DomainResource", type_)
    )
    for family in families:
        for code, row in _data()["types"].get(family, {}).items():
            found[code] = _param(type_, code, row)
    return found


def compartments() -> dict[str, dict[str, list[str]]]:
    """Return the compartments: their types, and for each resource type the parameters that bind it to one."""
    return _data()["compartments"]  # type: ignore[no-any-return]


@cache
def personal() -> frozenset[str]:
    """Return the types of which each one belongs to one patient, so that few resources point to it."""
    return frozenset({"Patient", *compartments()["Patient"]}) - SHARED


@cache
def patient_params(type_: str) -> tuple[Param, ...]:
    """Return the parameters that bind a resource to a patient's compartment, the most direct first."""
    bound = _data()["compartments"]["Patient"].get(type_, ())
    found = [official(type_)[code] for code in bound if code in official(type_)]
    order = ("patient", "subject", "beneficiary", "individual")
    return tuple(sorted(found, key=lambda p: order.index(p.code) if p.code in order else len(order)))


__all__ = ["INDEXED", "UNANSWERED", "Added", "Param", "Unsupported", "added", "official", "params", "patient_params"]
