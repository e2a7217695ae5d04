"""What the server itself defines, readable as if it was stored: what users store under the same id or URL goes before.

Its operations, the search parameters and compartments of R4 as it answers them, and the profiles that it checks by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

import msgspec

from tuetinh.record import operations, r4
from tuetinh.record.operations import Operation, Out, Param
from tuetinh.record.profiles.library import known_profiles
from tuetinh.record.search import params
from tuetinh.record.store import Stored
from tuetinh.record.types import RESOURCE_TYPES

PUBLISHED = "2026-11-30"
SINCE = datetime.fromisoformat(PUBLISHED).replace(tzinfo=UTC)
COMPARTMENT = "http://hl7.org/fhir/CompartmentDefinition/"
TYPES = ("CompartmentDefinition", "OperationDefinition", "SearchParameter", "StructureDefinition")


class Definition(NamedTuple):
    """A definition with its canonical URL."""

    url: str
    stored: Stored


def find(type_: str, id_: str) -> Stored | None:
    """The definition of this id, of one of TYPES; None where the server has none."""
    found = _of_type(type_).get(id_)
    return found.stored if found else None


def asked(type_: str, pairs: Sequence[tuple[str, str]]) -> list[Stored]:
    """What a search by nothing but `url` or `_id` means."""
    named = {name: value for name, value in pairs if name not in ("_format", "_pretty", "_count", "_total")}
    if len(named) != 1:
        return []
    ((name, value),) = named.items()
    wanted = set(value.split(","))
    if name == "url":
        return [one.stored for one in _of_type(type_).values() if one.url in wanted]
    return [one.stored for id_, one in _of_type(type_).items() if name == "_id" and id_ in wanted]


@cache
def _of_type(type_: str) -> dict[str, Definition]:
    makers = {
        "CompartmentDefinition": _compartments,
        "OperationDefinition": _operations,
        "SearchParameter": _parameters,
        "StructureDefinition": _profiles,
    }
    return {one.stored.id: one for one in makers[type_]()}


def _made(resource: r4.OperationDefinition | r4.SearchParameter | r4.CompartmentDefinition) -> Definition:
    resource.id = _id(resource.url or "")
    resource.status, resource.date, resource.publisher = "active", PUBLISHED, "Tuệ Tĩnh"
    return _definition(resource.resourceType, resource.id, resource.url or "", r4.encode(resource))


def _id(url: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "", url.rpartition("/")[2])[:64]


def _definition(type_: str, id_: str, url: str, body: bytes) -> Definition:
    return Definition(url, Stored(type_, id_, 1, SINCE, None, body))


def _profiles() -> Iterator[Definition]:
    """What profiles ask, with the names that R4 requires of them."""
    for one in known_profiles():
        id_ = _id(one["url"])
        whole = {"resourceType": "StructureDefinition", "id": id_, **one, "name": _name(one["url"]), "status": "active"}
        yield _definition("StructureDefinition", id_, one["url"], msgspec.json.encode(whole))


# -- operations -------------------------------------------------------------------------------------------------------


def _operations() -> Iterator[Definition]:
    """One for each canonical: several steps may answer an operation, by level or type."""
    by_url: dict[str, list[Operation]] = {}
    for one in operations.known():
        by_url.setdefault(one.definition, []).append(one)
    for url, several in by_url.items():
        levels = {level for one in several for level in one.levels}
        types = {type_ for one in several for type_ in one.types or ("Resource",)} if levels - {"system"} else set()
        given = {param.name: param for one in several for param in one.params}
        first = several[0]
        yield _made(
            r4.OperationDefinition(
                url=url,
                name=_name(url),
                kind="operation",
                description=f"${first.name} as this server answers it.",
                affectsState=any(one.affects for one in several),
                code=first.name,
                resource=[*sorted(types)] or None,
                system="system" in levels,
                type="type" in levels,
                instance="instance" in levels,
                parameter=[*map(_taken, given.values()), *map(_returned, first.out)] or None,
            )
        )


def _name(url: str) -> str:
    """A name for programs (R4 inv-0): of the last part of the URL."""
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", url.rpartition("/")[2]))
    return name if len(name) > 1 else f"Of{name}"


def _taken(param: Param) -> r4.OperationDefinitionParameter:
    most = "*" if param.max is None else str(param.max)
    parts = [_taken(part) for part in param.parts] or None
    return r4.OperationDefinitionParameter(
        name=param.name, use="in", min=param.min, max=most, type=param.type or None, part=parts
    )


def _returned(out: Out) -> r4.OperationDefinitionParameter:
    most = "*" if out.max is None else str(out.max)
    return r4.OperationDefinitionParameter(name=out.name, use="out", min=out.min, max=most, type=out.type)


# -- search -----------------------------------------------------------------------------------------------------------


def _parameters() -> Iterator[Definition]:
    """One for each canonical, which may be about several types."""
    by_url: dict[str, list[params.Param]] = {}
    for _, param in params.defined():
        by_url.setdefault(param.url, []).append(param)
    for url, several in by_url.items():
        first = several[0]
        components = [
            r4.SearchParameterComponent(definition=name if ":" in name else params.URL + name, expression=expression)
            for name, expression in first.components
        ]
        targets = {target for one in several for target in one.declared_targets}
        yield _made(
            r4.SearchParameter(
                url=url,
                name=first.code,
                description=f"{first.code} of {', '.join(one.base for one in several)}.",
                code=first.code,
                base=[one.base for one in several],
                type=first.type,
                expression=" | ".join(dict.fromkeys(one.expression for one in several if one.expression)) or None,
                target=[*sorted(targets)] or None,
                component=components or None,
            )
        )


def _compartments() -> Iterator[Definition]:
    for code, bound in params.compartments().items():
        yield _made(
            r4.CompartmentDefinition(
                url=COMPARTMENT + code.lower(),
                name=f"CompartmentOf{code}",
                code=code,
                search=True,
                resource=[
                    r4.CompartmentDefinitionResource(code=type_, param=[*bound.get(type_, ())] or None)
                    for type_ in RESOURCE_TYPES
                ],
            )
        )
