"""What a page brings along: `_include`, `_revinclude`, and both again for what they found (`:iterate`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from tuetinh.record import granular, r4
from tuetinh.record.asker import Asker
from tuetinh.record.hashes import token_hash
from tuetinh.record.search import json_paths
from tuetinh.record.search.params import params
from tuetinh.record.search.parse import Include
from tuetinh.record.search.where import bigints
from tuetinh.record.steps import Query, Row, Step, computed

T = TypeVar("T")

# How many resources a page may bring along by all of them together, and how many times the iterating ones are asked.
MAX_INCLUDED = 2000
MAX_ROUNDS = 8
COLUMNS = "r.type, r.id, r.key, r.version, r.updated, r.patient, r.body"


def bring(asker: Asker, includes: Sequence[Include], matches: Sequence[Row]) -> Step[tuple[list[Row], bool]]:
    """Find what the matches refer to and what refers to them, each resource once; and whether more were left out.

    Rows have the columns of COLUMNS.
    """
    have = {(row[0], row[1]) for row in matches}
    found: list[Row] = []
    fresh: Sequence[Row] = matches
    for turn in range(MAX_ROUNDS):
        asked = [include for include in includes if include.iterate or turn == 0]
        if not asked or not fresh:
            break
        limit = MAX_INCLUDED - len(found) + 1
        rows = yield from _round(asker, asked, fresh, have, limit)
        found += rows
        if len(found) > MAX_INCLUDED:
            return found[:MAX_INCLUDED], True
        fresh = rows
    return found, False


def _round(
    asker: Asker, includes: Sequence[Include], rows: Sequence[Row], have: set[tuple[str, str]], limit: int
) -> Step[list[Row]]:
    """Follow each include once from the rows; `have` is what is on the page already and grows."""
    wanted: dict[str, dict[str, None]] = {}
    named: dict[str, dict[str, None]] = {}
    fresh: list[Row] = []

    def take(type_: str, found: Iterable[Row]) -> None:
        for row in _within(asker, type_, list(found)):
            if (row[0], row[1]) not in have:
                have.add((row[0], row[1]))
                fresh.append(row)

    for include in includes:
        if include.reverse:
            if len(fresh) < limit:
                take(include.source, (yield from _pointing(asker, include, rows, limit)))
            continue
        links, texts = yield from _told(include, partial(_followed, include, rows))
        for type_, id_ in links:
            if (type_, id_) not in have:
                wanted.setdefault(type_, {})[id_] = None
        for type_, text in texts:
            named.setdefault(type_, {})[text] = None
    for type_, ids in wanted.items():
        take(type_, (yield from _by_id(asker, type_, list(ids), limit)))
    for type_, urls in named.items():
        take(type_, (yield from _by_url(asker, type_, list(urls), limit)))
    return fresh


def _told(include: Include, work: Callable[[], T]) -> Step[T]:
    """What resources say to an include, beside the event loop where expressions are evaluated."""
    return (yield from computed(work)) if any(param.evaluated for param in include.params) else work()


def _followed(include: Include, rows: Iterable[Row]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the references and the canonicals that an include follows from some rows."""
    links, texts = [], []
    for row in rows:
        if row[0] == include.source:
            resource = r4.decode(bytes(row[6]))
            links += _links(include, resource)
            texts += _canonicals(include, resource)
    return links, texts


def _links(include: Include, resource: object) -> list[tuple[str, str]]:
    """Return type and id of the local references of the parameters."""
    found = [link for param in include.params for link in json_paths.links(param, resource)]
    return [link for link in found if include.target in (None, link[0])]


def _canonicals(include: Include, resource: object) -> list[tuple[str, str]]:
    """Return the canonicals of the parameters, as `url` or `url|version`, with each type that they may be of."""
    found = []
    for param in include.params:
        if param.canonical:
            texts = [text.partition("#")[0] for text in json_paths.texts(param, resource)]
            types = [type_ for type_ in param.targets if include.target in (None, type_) and "url" in params(type_)]
            found += [(type_, text) for text in texts if ":" in text for type_ in types]
    return found


class _Named(msgspec.Struct):
    url: str = ""
    version: str = ""


def _names(body: bytes) -> tuple[str, str]:
    """Return the canonicals by which a resource is referred to: without and with its version."""
    named = msgspec.json.decode(body, type=_Named)
    return named.url, f"{named.url}|{named.version}"


def _by_url(asker: Asker, type_: str, texts: list[str], limit: int) -> Step[list[Row]]:
    """Find the resources that canonicals name."""
    own, own_params = _compartment(asker)
    names = params(type_)["url"].indexed_as
    hashes = [token_hash(name, text.partition("|")[0]) for name in names for text in texts]
    where = f"r.tokens && %s::bigint[]{own} AND NOT r.deleted"
    sql = f'SELECT {COLUMNS} FROM record."{type_}" r WHERE {where} ORDER BY r.key + 0 DESC LIMIT %s'
    rows: list[Row] = yield Query(sql, [bigints(hashes), *own_params, max(limit, 0)])
    return [row for row in rows if not set(_names(row[6])).isdisjoint(texts)]


def _within(asker: Asker, type_: str, rows: list[Row]) -> list[Row]:
    """Leave the rows that the asker may search or read."""
    if asker.may("s", type_) or asker.may("r", type_):
        return rows
    ways = [granular.clauses(asker.scopes, letter, type_) for letter in "sr"]
    return [row for row in rows if any(granular.within_body(way, row[6]) for way in ways)]


def _by_id(asker: Asker, type_: str, ids: list[str], limit: int) -> Step[list[Row]]:
    own, own_params = _compartment(asker)
    where = f"r.type = %s AND r.id = ANY(%s::text[]){own} AND NOT r.deleted"
    sql = f'SELECT {COLUMNS} FROM record."{type_}" r WHERE {where} LIMIT %s'
    return (yield Query(sql, [type_, ids, *own_params, max(limit, 0)]))


def _pointing(asker: Asker, include: Include, rows: Sequence[Row], limit: int) -> Step[list[Row]]:
    """Find resources of the include's source that refer to one of the rows."""
    if not (asker.may_some("s", include.source) or asker.may_some("r", include.source)):
        return []
    hashes, texts = [], set[str]()
    for row in rows:
        known = [p for p in include.params if include.target in (None, row[0]) and p.resolves in (None, row[0])]
        links = {f"{row[0]}/{row[1]}"}
        hashes += [token_hash(name, link) for param in known for name in param.indexed_as for link in links]
        if any(param.canonical for param in known) and (names := _names(row[6]))[0]:
            texts |= {*names, *links}
            hashes += [token_hash(name, names[0]) for param in known if param.canonical for name in param.indexed_as]
    if not hashes:
        return []
    own, own_params = _compartment(asker)
    sql = (
        f'SELECT {COLUMNS} FROM record."{include.source}" r WHERE r.tokens && %s::bigint[] AND NOT r.deleted{own}'
        " ORDER BY r.key + 0 DESC LIMIT %s"
    )
    found: list[Row] = yield Query(sql, [bigints(hashes), *own_params, max(limit, 0)])
    return (yield from _told(include, partial(_meaning, include, found, texts))) if texts else found


def _meaning(include: Include, rows: Iterable[Row], texts: set[str]) -> list[Row]:
    return [row for row in rows if _refers(include, row[6], texts)]


def _refers(include: Include, body: bytes, texts: set[str]) -> bool:
    """Whether a resource that has the url of a canonical means one of these versions, or has a reference."""
    resource = r4.decode(bytes(body))
    if any(not param.canonical and json_paths.texts(param, resource) for param in include.params):
        return True
    found = (text for param in include.params if param.canonical for text in json_paths.texts(param, resource))
    return any(text.partition("#")[0] in texts for text in found)


def _compartment(asker: Asker) -> tuple[str, list[str]]:
    return ("", []) if asker.patient is None else (" AND r.patient = %s", [asker.patient])
