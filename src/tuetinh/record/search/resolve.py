"""Conditions that look beyond a resource, made into conditions that its own index answers.

What a chain leads to is asked first, up to MOST of it. So few resources are simply named: their hashes or ids are
looked up in an index. Where there are more, the chain is looked at for each row that is met on the way through the
result (`Follows`, `FollowedBy`): then matches are many, and a page of them is full soon.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuetinh.record.asker import Asker
from tuetinh.record.errors import BadRequest, Forbidden, Issue, RecordError
from tuetinh.record.hashes import token_hash
from tuetinh.record.search import json_paths
from tuetinh.record.search.conditions import (
    AllOf,
    AnyOf,
    Coded,
    Condition,
    Contained,
    FollowedBy,
    Follows,
    Has,
    Ids,
    Linked,
    Listed,
    Near,
    NoneOf,
    OfType,
    Tokens,
)
from tuetinh.record.search.contained import inside, settle
from tuetinh.record.search.entries import local
from tuetinh.record.search.params import Param, params, personal
from tuetinh.record.search.reading import HIERARCHIES, canonicals, coded_hashes, linked
from tuetinh.record.search.where import Rows, Sql, names_patient, where
from tuetinh.record.steps import Query, Row, Step
from tuetinh.record.terminology import api as terminology

MOST = 1000
MOST_CODES = 10_000
MOST_LISTED = 10_000
MOST_NEAR = 10_000
DENSE = 0.005
NAMES = "".join(f", (SELECT min(x) FROM record.texts(t.body, '{{$.{name}}}') x)" for name in ("url", "version"))


class TooCostly(RecordError):
    """The search leads to more than it may."""

    status = 403
    code = "too-costly"


def resolve(asker: Asker, types: Sequence[str], conditions: Sequence[Condition]) -> Step[tuple[Condition, ...]]:
    """Return the conditions on resources of the types as those that SQL can be made of. Raises Forbidden, TooCostly."""
    found = yield from _each(asker, types, conditions)
    return tuple(settle(condition) for condition in found)


def contained(asker: Asker, condition: Linked) -> Step[Condition]:
    """Return what must hold of a resource that contains what a chain leads to."""
    found: list[Condition] = []
    for type_, inner in condition.targets:
        (resolved,) = yield from _each(asker, (type_,), (inner,))
        if (lies := inside(condition.param, type_, resolved)) is not None:
            found.append(lies)
    return settle(AnyOf(tuple(found)))


def _each(asker: Asker, types: Sequence[str], conditions: Sequence[Condition]) -> Step[tuple[Condition, ...]]:
    found: list[Condition] = []
    for condition in conditions:
        found.append((yield from _one(asker, types, condition)))
    return tuple(found)


def _one(asker: Asker, types: Sequence[str], condition: Condition) -> Step[Condition]:
    match condition:
        case AllOf(parts):
            return AllOf((yield from _each(asker, types, parts)))
        case AnyOf(parts):
            return AnyOf((yield from _each(asker, types, parts)))
        case NoneOf(inner):
            (resolved,) = yield from _each(asker, types, (inner,))
            return NoneOf(resolved)
        case OfType(type_, inner):
            (resolved,) = yield from _each(asker, (type_,), (inner,))
            return OfType(type_, resolved)
        case Linked():
            return (yield from _linked(asker, condition))
        case Has():
            return (yield from _has(asker, types[0], condition))
        case Near():
            return (yield from _near(asker, condition))
        case Coded():
            return (yield from _coded(condition))
        case Listed(lists):
            return (yield from _listed(asker, types, lists))
    return condition


def _may(asker: Asker, type_: str) -> None:
    if not asker.may("s", type_):
        message = f"search of {type_}, to which a parameter leads, is not within the scopes of this account"
        raise Forbidden(message)


def _linked(asker: Asker, condition: Linked) -> Step[Condition]:
    found: list[Condition] = []
    for type_, inner in condition.targets:
        _may(asker, type_)
        (wanted,) = yield from _each(asker, (type_,), (inner,))
        resolved = settle(wanted)
        rows = Rows((type_,), "t", asker.patient)
        there = where(rows, (resolved,))
        size = "(SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = %s::regclass)"
        names = NAMES if condition.param.canonical else ""
        sql = f"SELECT t.id, {size}{names} FROM {rows.table()} t WHERE {there.all_of()} LIMIT {MOST + 1}"
        ids = yield Query(sql, [rows.table(), *there.params], prepare=False)
        if (lies := inside(condition.param, type_, wanted)) is not None:
            found.append((yield from _contained(asker, condition.param.base, lies)))
        if len(ids) > MOST and names:
            raise TooCostly(f"{condition.param.code} leads to more than {MOST} of {type_}")
        if named := [row for row in ids if names and row[2]]:
            texts = [text for _, _, url, version in named for text in (url, f"{url}|{version or ''}")]
            found.append(canonicals(condition.param, texts))
        if len(ids) > MOST:
            found.append(Follows(condition.param, type_, resolved))
            continue
        few = type_ in personal() and len(ids) <= max(DENSE * (ids[0][1] if ids else 0), 20)
        found.append(linked(condition.param, [f"{type_}/{row[0]}" for row in ids], few=few))
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


def _contained(asker: Asker, type_: str, condition: Condition) -> Step[Condition]:
    """Name the resources of a type that contain what is wanted, where they are few: mostly there is none."""
    rows = Rows((type_,), "t", asker.patient)
    there = where(rows, (settle(condition),))
    sql = f"SELECT t.id FROM {rows.table()} t WHERE {there.all_of()} LIMIT {MOST + 1}"
    found = yield Query(sql, there.params, prepare=False)
    return Contained(condition, Ids(tuple(row[0] for row in found), type_) if len(found) <= MOST else None)


def _has(asker: Asker, type_: str, condition: Has) -> Step[Condition]:
    _may(asker, condition.source)
    (resolved,) = yield from resolve(asker, (condition.source,), (condition.condition,))
    if type_ == "Patient" and names_patient(condition.param, (condition.source,)):
        return FollowedBy(condition.source, condition.param, resolved)  # joined by a column, be it many or few
    rows = Rows((condition.source,), "t", asker.patient)
    there = where(rows, (resolved,))
    if condition.param.canonical and {"url", "version"} <= params(type_).keys():
        return (yield from _named(type_, condition.param, rows, there))
    some = f"SELECT t.body FROM {rows.table()} t WHERE {there.all_of()} LIMIT {MOST + 1}"
    links = "SELECT record.links(m.body, %s::jsonpath[], %s) AS ids, count(*) OVER () AS of"
    sql = f"SELECT link, n.of FROM ({links} FROM ({some}) m) n LEFT JOIN unnest(n.ids) link ON true"
    found: list[Row] = yield Query(sql, [json_paths.array(condition.param), type_, *there.params], prepare=False)
    if found and found[0][1] > MOST:
        return FollowedBy(condition.source, condition.param, resolved)
    return Ids(tuple(sorted({row[0] for row in found if row[0] is not None})))


def _named(type_: str, param: Param, rows: Rows, there: Sql) -> Step[Condition]:
    """What the canonicals of some rows name, by URL and (where they say it) version, and what they refer to."""
    texts = "SELECT DISTINCT record.texts(t.body, %s::jsonpath[])"
    sql = f"{texts} FROM {rows.table()} t WHERE {there.all_of()} LIMIT {MOST_LISTED + 1}"
    found = yield Query(sql, [json_paths.array(param), *there.params], prepare=False)
    if len(found) > MOST_LISTED:
        raise TooCostly(f"more than {MOST_LISTED} canonicals would be followed")
    names = {local(text.partition("#")[0]) for (text,) in found}
    links = (name.split("/") for name in names if name.startswith(f"{type_}/"))
    ids = tuple(sorted(link[1] for link in links if len(link) == 2))
    (url,), (version,) = (params(type_)[name].indexed_as for name in ("url", "version"))
    bare = sorted(token_hash(url, name) for name in names if "|" not in name)
    exact = [name.split("|", maxsplit=1) for name in sorted(names) if "|" in name]
    if len(exact) > MOST:
        raise TooCostly(f"more than {MOST} canonicals with a version would be followed")
    both = (AllOf((Tokens((token_hash(url, u),)), Tokens((token_hash(version, v),)))) for u, v in exact)
    return AnyOf((Tokens(tuple(bare)), Ids(ids, type_), *both))


def _near(asker: Asker, condition: Near) -> Step[Condition]:
    """Walk the hierarchy of a type up or down from the ids."""
    _may(asker, condition.type)
    code = HIERARCHIES[condition.type]
    rows = Rows((condition.type,), "t", asker.patient)
    there = where(rows, ())
    if condition.up:
        paths = json_paths.array(params(condition.type)[code])
        step = (
            f'SELECT unnest(record.links(t.body, %s::jsonpath[], %s)) COLLATE "C" FROM near JOIN {rows.table()} t'
            f" ON t.type = '{condition.type}' AND t.id = near.id WHERE {there.all_of()}"
        )
        values: list[object] = [paths, condition.type]
    else:
        step = (
            f"SELECT t.id FROM near JOIN {rows.table()} t ON t.tokens @> ARRAY[record.token_hash(%s || near.id)]"
            f" WHERE {there.all_of()}"
        )
        values = [f"{code}\x1f{condition.type}/"]
    # UNION, not UNION ALL: whoever is part of itself is met once.
    walk = f'SELECT unnest(%s::text[]) COLLATE "C" UNION {step}'
    sql = f"WITH RECURSIVE near (id) AS ({walk}) SELECT id FROM near LIMIT {MOST_NEAR + 1}"
    found = yield Query(sql, [list(condition.ids), *values, *there.params], prepare=False)
    if len(found) > MOST_NEAR:
        raise TooCostly(f"more than {MOST_NEAR} are in the hierarchy that is asked for")
    return linked(condition.param, [f"{condition.type}/{row[0]}" for row in found], few=False)


def _coded(condition: Coded) -> Step[Condition]:
    found = yield from _codes(condition)
    if len(found) > MOST_CODES:
        raise TooCostly(f"more than {MOST_CODES} codes are meant")
    hashes = coded_hashes(condition.param, found)
    return Tokens(hashes, negate=condition.mode == "not-in")


def _codes(condition: Coded) -> Step[set[tuple[str, str]]]:
    """Return system and code of what a value set has, or of a code and all above or below it."""
    yield from terminology.refresh()
    found: set[tuple[str, str]] = set()
    for system, text in condition.values:
        if condition.mode in ("in", "not-in"):
            codes = terminology.expansion(_canonical(text))
            if codes is None:
                message = f"the codes of the value set {text[:200]!r} are not known here"
                raise BadRequest(issues=[Issue("error", "not-found", message, condition.param.code)])
            found |= codes
        else:
            kin = terminology.ancestors if condition.mode == "above" else terminology.descendants
            found |= {(system, code) for code in (text, *kin(system, text))}
    return found


def _canonical(text: str) -> str:
    """Return the canonical URL of a value set that is named by it, or by where it is stored: `ValueSet/id`."""
    type_, _, id_ = text.partition("/")
    return (terminology.value_set_url(id_) if type_ == "ValueSet" else None) or text


def _listed(asker: Asker, types: Sequence[str], lists: Sequence[str]) -> Step[Condition]:
    """Find what Lists name, by type and id."""
    _may(asker, "List")
    rows = Rows(("List",), "t", asker.patient)
    there = where(rows, (Ids(tuple(lists)),))
    texts = "SELECT record.texts(t.body, %s::jsonpath[])"
    sql = f'{texts} FROM record."List" t WHERE {there.all_of()} LIMIT {MOST_LISTED + 1}'
    found = yield Query(sql, [json_paths.array(params("List")["item"]), *there.params], prepare=False)
    if len(found) > MOST_LISTED:
        raise TooCostly(f"more than {MOST_LISTED} entries are in the Lists")
    by_type: dict[str, list[str]] = {}
    for (link,) in found:
        parts = link.split("/_history/")[0].split("/")
        if len(parts) == 2 and parts[0] in types:
            by_type.setdefault(parts[0], []).append(parts[1])
    one_of = tuple(Ids(tuple(dict.fromkeys(ids)), type_) for type_, ids in by_type.items())
    return one_of[0] if len(one_of) == 1 else AnyOf(one_of)
