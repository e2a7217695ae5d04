"""What the server itself defines, readable as if it was stored: what users store under the same id or URL goes before.

Its operations, the search parameters and compartments of R4 as it answers them, the profiles that it checks by, and
the base definitions, code systems, value sets and maps of HL7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from threading import Lock
from typing import Any

import msgspec

from tuetinh.record import operations, published, r4, reads
from tuetinh.record.asker import Asker
from tuetinh.record.errors import NotFound
from tuetinh.record.hashes import token_hash
from tuetinh.record.operations import Operation, Out, Param
from tuetinh.record.profiles.library import guide_codes, known_profiles
from tuetinh.record.search import json_paths, moved, params
from tuetinh.record.search import page as pages
from tuetinh.record.search import run as searching
from tuetinh.record.search.compile import SORT_COLUMNS
from tuetinh.record.search.conditions import Coded, Condition
from tuetinh.record.search.holds import PLAIN, Facts, holds, is_plain
from tuetinh.record.search.index import extract
from tuetinh.record.search.page import PageRefused, Position
from tuetinh.record.search.parse import Search, Sort
from tuetinh.record.search.resolve import resolve
from tuetinh.record.search.run import Found, Hit
from tuetinh.record.search.where import bigints
from tuetinh.record.steps import Query, Step, computed
from tuetinh.record.terminology import standard
from tuetinh.record.types import RESOURCE_TYPES
from tuetinh.record.versioning import Stored

PUBLISHED = "2026-11-30"
SINCE = datetime.fromisoformat(PUBLISHED).replace(tzinfo=UTC)
COMPARTMENT = "http://hl7.org/fhir/CompartmentDefinition/"
TERMINOLOGY = ("CodeSystem", "ConceptMap", "ValueSet")
TYPES = (*TERMINOLOGY, "CompartmentDefinition", "OperationDefinition", "SearchParameter", "StructureDefinition")


@dataclass(frozen=True)
class Definition:
    """A definition by its id and its canonical URL. body: gives its JSON."""

    type: str
    id: str
    url: str
    body: Callable[[], bytes]

    @property
    def stored(self) -> Stored:
        """As if it was stored."""
        return Stored(self.type, self.id, 1, SINCE, None, self.body())


def find(type_: str, id_: str) -> Stored | None:
    """The definition of this id, of one of TYPES; None where the server has none."""
    found = _of_type(type_).get(id_)
    return found.stored if found else None


def read(asker: Asker, type_: str, id_: str) -> Step[Stored]:
    """The current version of a stored resource, else the definition of this id. Raises what `reads.read` does."""
    try:
        return (yield from reads.read(asker, type_, id_))
    except NotFound:
        own = (yield from computed(lambda: find(type_, id_))) if type_ in TYPES else None
        if own is None:
            raise
        return own


def search(asker: Asker, wanted: Search, *, secret: bytes, page: str | None = None) -> Step[Found]:
    """Find one page as `run.search` does: what is stored, then what the server defines. Raises PageRefused."""
    if not _is_ours(wanted):
        return (yield from searching.search(asker, wanted, secret=secret, page=page))
    after = pages.read(secret, asker, wanted, page) if page else None
    if after is not None and after.defined is not None:
        ours = yield from _matching(asker, wanted, after.defined)
        return _with_ours(asker, wanted, secret, Found(total=after.total), ours)
    found = yield from searching.search(asker, wanted, secret=secret, page=page)
    if found.next and found.total is None:
        return found
    ours = yield from _matching(asker, wanted)
    if found.total is not None:
        found = replace(found, total=found.total + len(ours))
    return found if found.next else _with_ours(asker, wanted, secret, found, ours)


def _with_ours(asker: Asker, wanted: Search, secret: bytes, found: Found, ours: Sequence[Definition]) -> Found:
    """Fill the rest of a page with definitions, unless none are wanted."""
    if wanted.count == 0 or wanted.summary == "count":
        return found
    room = wanted.count - sum(1 for hit in found.hits if hit.mode == "match")
    hits = [_hit(one.stored) for one in ours[:room]]
    if len(ours) > room:
        end = Position(0, (), "", "", found.total, defined=ours[room - 1].url if room else "")
        found = replace(found, next=pages.write(secret, asker, wanted, end))
    return replace(found, hits=[*found.hits, *hits])


def total(asker: Asker, wanted: Search) -> Step[int]:
    """Count every match, of what is stored and of what the server defines."""
    found = yield from searching.total(asker, wanted)
    return found + (len((yield from _matching(asker, wanted))) if _is_ours(wanted) else 0)


def _is_ours(wanted: Search) -> bool:
    return len(wanted.types) == 1 and wanted.types[0] in TYPES and wanted.place == ("", "")


def _hit(one: Stored) -> Hit:
    return Hit(one.type, one.id, 0, one.version, one.updated, None, one.body or b"", "match")


def _matching(asker: Asker, search: Search, after: str = "") -> Step[list[Definition]]:
    """Return what matches, in the order of the search; none of what users have stored under the same id or URL.

    after: the URL of the one after which to begin. Nothing for scopes with a query, nor where a condition looks beyond
    the resource. Raises PageRefused.
    """
    (type_,) = search.types
    if not asker.may("s", type_) or not all(is_plain(one, (*PLAIN, Coded)) for one in search.conditions):
        return []
    conditions = yield from resolve(asker, search.types, search.conditions)
    found: list[Definition] = yield from computed(lambda: _in_order(type_, search, conditions))
    if after:
        urls = [one.url for one in found]
        if after not in urls:
            raise PageRefused("the page begins after what is no longer defined here")
        found = found[urls.index(after) + 1 :]
    taken = yield from _overridden(type_, found)
    return [one for one in found if one.id not in taken and one.url not in taken]


def _in_order(type_: str, search: Search, conditions: Sequence[Condition]) -> list[Definition]:
    with _extracting:
        known = _known(type_, params.added().of(type_))
    found = [one for one in known if all(holds(condition, one.facts) for condition in conditions)]
    for by in reversed(search.sort):
        found.sort(key=partial(_sort_key, by))
    return [one.definition for one in found]


def _sort_key(by: Sort, one: _Known) -> Any:
    return moved.key(by, moved.value(by, one.facts, lambda param: one.texts.get(param.stored, ())))


def _overridden(type_: str, found: Sequence[Definition]) -> Step[frozenset[str]]:
    """Return which of the ids and URLs are those of stored resources."""
    if not found:
        return frozenset()
    (name,) = params.params(type_)["url"].indexed_as
    urls = {token_hash(name, one.url): one.url for one in found}
    sql = f"""SELECT id, ARRAY(SELECT unnest(tokens) INTERSECT SELECT unnest(%s::bigint[])) FROM record."{type_}"
WHERE NOT deleted AND (id = ANY(%s::text[]) OR tokens && %s::bigint[])"""
    hashes = bigints(list(urls))
    rows = yield Query(sql, [hashes, [one.id for one in found], hashes], prepare=False)
    return frozenset({row[0] for row in rows} | {urls[one] for row in rows for one in row[1]})


@dataclass(frozen=True)
class _Known:
    """A definition with what it is found by. texts: the least and the greatest of each parameter sorted by texts."""

    definition: Definition
    facts: Facts
    texts: Mapping[str, Collection[str]]


_extracting = Lock()  # what takes seconds, one does for all


@lru_cache(maxsize=len(TYPES))
def _known(type_: str, own: tuple[params.Param, ...]) -> list[_Known]:
    """Every definition of a type, by its URL, with what it is found by under these added parameters."""
    known = params.Added(params={type_: own})
    return [_extracted(one, known) for one in sorted(_of_type(type_).values(), key=lambda one: one.url)]


def _extracted(one: Definition, known: params.Added) -> _Known:
    resource = r4.decode(one.body())
    every = params.params(one.type, known.of(one.type)).values()
    sorting = [param for param in every if param.type not in SORT_COLUMNS]
    found = {param.stored: json_paths.texts(param, resource) for param in sorting}
    texts = {name: {min(some), max(some)} for name, some in found.items() if some}
    return _Known(one, Facts(one.type, one.id, SINCE, extract(resource, known)), texts)


@cache
def _of_type(type_: str) -> dict[str, Definition]:
    makers: dict[str, Callable[[], Iterator[Definition]]] = {
        **{each: partial(_codes, each) for each in TERMINOLOGY},
        "CompartmentDefinition": _compartments,
        "OperationDefinition": _operations,
        "SearchParameter": _parameters,
        "StructureDefinition": _structures,
    }
    return {one.id: one for one in makers[type_]()}


def _made(resource: r4.OperationDefinition | r4.SearchParameter | r4.CompartmentDefinition) -> Definition:
    resource.id = _id(resource.url or "")
    resource.status, resource.date, resource.publisher = "active", PUBLISHED, "Tuệ Tĩnh"
    return _definition(resource.resourceType, resource.id, resource.url or "", r4.encode(resource))


def _id(url: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "", url.rpartition("/")[2])[:64]


def _definition(type_: str, id_: str, url: str, body: bytes) -> Definition:
    return Definition(type_, id_, url, lambda: body)


def _structures() -> Iterator[Definition]:
    """HL7's own, and what other profiles ask, with the names that R4 requires of them."""
    own = published.structures()
    for id_, place in own.items():
        yield Definition("StructureDefinition", id_, place.url, partial(published.structure, id_))
    urls = {place.url for place in own.values()}
    for one in known_profiles():
        if one["url"] not in urls:
            id_ = _id(one["url"])
            named = {"name": _name(one["url"]), "status": "active"}
            whole = {"resourceType": "StructureDefinition", "id": id_, **one, **named}
            yield _definition("StructureDefinition", id_, one["url"], msgspec.json.encode(whole))


class _Named(msgspec.Struct):
    id: str


def _codes(type_: str) -> Iterator[Definition]:
    """HL7's code systems, value sets or maps, without what only people read, and those of VN Core."""
    for (kind, url, _, _), line in standard.published():
        if kind == type_:
            yield _definition(type_, msgspec.json.decode(line, type=_Named).id, url, line)
    for one in guide_codes():
        if one["resourceType"] == type_:
            yield _definition(type_, one["id"], one["url"], msgspec.json.encode(_without_blanks(one)))


def _without_blanks(value: Any) -> Any:
    """Leave out the empty texts that the guide has where it says nothing; FHIR allows none."""
    if isinstance(value, dict):
        return {name: _without_blanks(one) for name, one in value.items() if one != ""}
    return [_without_blanks(one) for one in value] if isinstance(value, list) else value


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
