"""Versions of resources, written and deleted: the one write path of the record, as steps.

Callers give resources that have passed `tuetinh.record.validate`; here come permission, version, index, feed and access
log. A step that locks needs a transaction around it; `create` of resources with new ids is one statement for a type and
needs none, unless a projection or a guard is attached.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg

from tuetinh.record import (
    contents,
    granular,
    guards,
    inherited,
    labels,
    locks,
    permits,
    projections,
    r4,
    security_context,
    statements,
    targets,
    versioning,
)
from tuetinh.record.asker import Asker
from tuetinh.record.contents.keeping import User
from tuetinh.record.errors import (
    Forbidden,
    Issue,
    PreconditionFailed,
    Unprocessable,
)
from tuetinh.record.merging import redirect
from tuetinh.record.projections import Written
from tuetinh.record.search import additions, entries, index
from tuetinh.record.search.params import Added, added
from tuetinh.record.security_context import DOCUMENTS, Owner, Shown
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import Pause, Query, Row, Step, computed
from tuetinh.record.versioning import Stored

BULK = 200
PAUSE = 20  # resources that are prepared before others are let run
LARGE = 64 * 1024  # bytes of a resource that is looked through beside the event loop
MOST_FOUND_BY = 20_000  # strings, dates and numbers of one resource; no sound one comes near
MOST_TOKENS = 300_000  # a code system of 100,000 codes stays below
OWNED = frozenset({"Subscription"})
"""Types in no compartment that nevertheless belong to the patient on whose behalf they were made."""
DIRECTORY = frozenset({"Organization", "Location", "Practitioner", "PractitionerRole", "HealthcareService"})
"""Types that say who and where: made only by who may change them."""
RESULTS = frozenset({"Observation", "DiagnosticReport", "ImagingStudy"})
FINAL = frozenset({"final", "amended", "corrected", "appended", "available"})
"""What somebody may have acted on; it goes only after it was said to be wrong."""
_REFERENCE = re.compile(rb'"reference":"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})"')


class NeedsTransaction(Exception):
    """A create names a person who was merged, and the ledger must know of it together with the record."""


class Draft(NamedTuple):
    """A resource with what its row needs."""

    resource: r4.Resource
    id: str
    shard: str
    patient: str | None
    custodian: str | None
    found_by: entries.Index
    generation: int  # of the search parameters with which its entries were made


def draft(resource: r4.Resource, facility: str | None, owner: Owner | None = None) -> Draft:
    """Work out the row of a resource whose id is set.

    facility: answers for it where it does not say who does. owner: whose it is, where it does not say so itself. Raises
    Unprocessable where it has too much to be found by.
    """
    known = added()
    shard, patient = index.shard_of(resource)
    custodian = index.custodian_of(resource) or facility or None
    if owner is not None:
        shard, patient, custodian = owner.patient or shard, *owner
    found_by = index.extract(resource, known)
    ordered = len(found_by.strings) + len(found_by.dates) + len(found_by.numbers)
    if ordered > MOST_FOUND_BY or len(found_by.tokens) > MOST_TOKENS:
        text = f"there are more than {MOST_FOUND_BY} texts, dates and numbers, or {MOST_TOKENS} codes, to be found by"
        raise Unprocessable(issues=[Issue("error", "too-costly", text, resource.resourceType)])
    return Draft(resource, str(resource.id), shard, patient, custodian, found_by, known.generation)


def _anew(items: Sequence[Draft], known: Added) -> Step[list[Draft]]:
    """The same rows, found by the search parameters as they are known now."""

    def one(item: Draft) -> Draft:
        return item._replace(found_by=index.extract(item.resource, known), generation=known.generation)

    return (yield from computed(lambda: [one(item) for item in items]))


def _drafted(resource: r4.Resource, facility: str | None, owner: Owner | None) -> Step[Draft]:
    if len(r4.encode(resource)) < LARGE and not added().evaluates(resource.resourceType):
        return draft(resource, facility, owner)
    return (yield from computed(lambda: draft(resource, facility, owner)))


def _owner(asker: Asker, type_: str) -> Owner | None:
    """Whose a resource is that names no patient: that of the account through which it was made, if bound to one."""
    return Owner(asker.patient, asker.facility or None) if type_ in OWNED and asker.patient is not None else None


def _check_change(asker: Asker, type_: str, custodian: str | None) -> None:
    """What another facility answers for is changed there; here it is answered by something new."""
    if not asker.sight.changes(type_, custodian, asker.facility):
        message = f"this {type_} is changed by Organization/{custodian}, which answers for it"
        raise Forbidden(message)


def _check_new(asker: Asker, interaction: str, item: Draft) -> None:
    if not permits.sees(asker, item.patient):
        message = "the resource does not belong to the patient of this account"
        raise Forbidden(message)
    type_ = item.resource.resourceType
    if not granular.within(granular.clauses(asker.scopes, interaction, type_), item.found_by.tokens):
        message = f"this {type_} is not within the queries of the scopes of this account"
        raise Forbidden(message)


def create(
    asker: Asker, resources: Sequence[r4.Resource], *, checked: bool = False, alone: bool = False
) -> Step[list[Stored]]:
    """Store first versions, with one statement for each type (and chunk). Ids that are missing are made.

    An id that the caller set must be new: see `put`. checked: the targets of references were looked at already.
    alone: there is no transaction around it; raises NeedsTransaction, before it is stored, for what needs one.
    """
    groups: dict[str, list[Draft]] = {}
    showing: list[Draft] = []
    named = {resource.id for resource in resources if resource.resourceType in DOCUMENTS}
    for resource in resources:
        permits.allow(asker, "c", resource.resourceType)
        resource.id = resource.id or versioning.new_id()
    owners = yield from security_context.owners(resources)
    patients = yield from targets.patients(resources)
    for number, resource in enumerate(resources, 1):
        if number % PAUSE == 0:
            yield Pause()
        type_ = resource.resourceType
        kept = yield from guards.admit(asker, resource)
        owner = owners.get(str(resource.id)) if type_ == "Binary" else _owner(asker, type_)
        if type_ == targets.TYPE:
            owner = _about(patients, kept, asker.facility)
        item = yield from _drafted(kept, asker.facility, owner)
        _check_new(asker, "c", item)
        if type_ in DIRECTORY:
            _check_change(asker, type_, item.custodian)
        groups.setdefault(type_, []).append(item)
        if type_ in index.SHOWING and index.shown(kept):
            showing.append(item)
    if showing and alone:
        raise NeedsTransaction
    if not checked:
        yield from check_targets(resources)
    stored: dict[tuple[str, str], Stored] = {}
    for type_, drafts in groups.items():
        drafts.sort(key=_by_patient)
        for start in range(0, len(drafts), BULK):
            for one in (yield from _insert(asker, type_, drafts[start : start + BULK], alone=alone)):
                stored[type_, one.id] = one
        if type_ in DOCUMENTS and (known := [(d.id, Owner(d.patient, d.custodian)) for d in drafts if d.id in named]):
            yield from security_context.follow(type_, known)
    if len(resources) > 1:
        yield from targets.follow_all((type_, i.id) for type_, drafts in groups.items() for i in drafts if i.patient)
    here = [(item, stored[item.resource.resourceType, item.id].patient) for item in showing]
    yield from security_context.show([Shown(item.resource, Owner(who, item.custodian)) for item, who in here])
    return [stored[r.resourceType, str(r.id)] for r in resources]


def _about(patients: dict[str, str | None], provenance: r4.Resource, facility: str | None) -> Owner | None:
    """Whose a Provenance is that does not name a Patient itself."""
    if (id_ := str(provenance.id)) not in patients:
        return None
    return Owner(patients[id_], index.custodian_of(provenance) or facility or None)


def _by_patient(item: Draft) -> str:
    """Whose comes first: where two transactions follow one order, neither waits for the other in vain."""
    return item.patient or ""


def _insert(asker: Asker, type_: str, drafts: Sequence[Draft], *, alone: bool = False) -> Step[list[Stored]]:
    updated = versioning.now()
    users = [User(item.id, item.shard, item.patient, item.custodian) for item in drafts]
    bodies = yield from contents.keep(type_, [versioning.stamp(item.resource, 1, updated) for item in drafts], users)
    while not (rows := (yield from _written(_insertion(asker, type_, drafts, bodies, updated)))):
        known = yield from additions.refresh()
        if all(item.generation == known.generation for item in drafts):
            break  # not an old generation: all name people who were merged
        drafts = yield from _anew(drafts, known)
    keys: dict[str, int] = dict(rows)
    here = [(item, body) for item, body in zip(drafts, bodies, strict=True) if item.id in keys]
    if projections.exists(type_) and here:
        yield from projections.project(
            type_, [Written(type_, i.id, keys[i.id], 1, i.patient, i.resource) for i, _ in here]
        )
    stored = [Stored(type_, i.id, 1, updated, i.patient, body, created=True) for i, body in here]
    if away := [item for item in drafts if item.id not in keys]:
        if alone:
            raise NeedsTransaction
        yield from redirect.redirect([item.resource for item in away])
        redirected = []
        for item in away:
            redirected.append((yield from _drafted(item.resource, item.custodian, None)))
        stored += yield from _insert(asker, type_, redirected)
    return stored


def _written(statement: Query) -> Step[list[Row]]:
    """The rows of a statement that writes. Raises Forbidden where the row policies would hide what it writes."""
    try:
        return (yield statement)
    except psycopg.errors.InsufficientPrivilege as error:
        message = "what would be written is not for this account to see, and so not to write"
        raise Forbidden(message) from error


def _insertion(asker: Asker, type_: str, drafts: Sequence[Draft], bodies: Sequence[bytes], updated: datetime) -> Query:
    """The statement that stores first versions; it returns no rows, and does nothing, for an old generation."""
    at, generation = updated.isoformat(), min(item.generation for item in drafts)
    bits = [labels.row(body) for body in bodies]
    if len(drafts) == 1:
        one = drafts[0]
        letters, rows = statements.index_rows(one.found_by)
        tokens = statements.token_array(one.found_by.tokens)
        who: tuple[object, ...] = (one.patient, one.custodian, bits[0], *_names(one.resource))
        named = statements.array(redirect.named(one.resource, bodies[0]))
        head: tuple[object, ...] = (one.id, one.shard, at, *who, tokens, bodies[0], generation, named)
        sql = statements.insert(type_, letters)
    else:
        ids = [item.id for item in drafts]
        letters, rows = statements.many_index_rows(ids, [item.found_by for item in drafts])
        text = statements.array
        people = [redirect.named(item.resource, body) for item, body in zip(drafts, bodies, strict=True)]
        names = [inherited.named(item.resource) for item in drafts]
        of_all = [text(sorted({one for each in some for one in each})) for some in (people, names)]
        head = (
            *(of_all if type_ in inherited.TYPES else of_all[:1]),
            *(at, text(ids)),
            *(text(i.shard for i in drafts), text(i.patient for i in drafts), text(i.custodian for i in drafts)),
            *(text(map(str, bits)), text(map(text, names))),
            text(statements.token_array(i.found_by.tokens) for i in drafts),
            *(bodies, text(map(text, people)), generation),
        )
        sql = statements.insert_many(type_, letters)
    return Query(sql, (*head, *rows, *statements.write_params(asker, "create")))


def _names(resource: r4.Resource) -> tuple[str, ...]:
    """The parameter that says whose labels a resource takes, for types that take any."""
    return (statements.array(inherited.named(resource)),) if resource.resourceType in inherited.TYPES else ()


def put(
    asker: Asker, resource: r4.Resource, *, if_match: int | None = None, upsert: bool = True, fresh: bool = False
) -> Step[Stored]:
    """Store the next version of the resource, or its first one where there is none yet (`upsert`).

    fresh: only where there is none. Needs a transaction. Raises NotFound, PreconditionFailed (`if_match`, `fresh`),
    Forbidden.
    """
    type_, id_ = resource.resourceType, str(resource.id)
    permits.allow(asker, "u", type_)
    concerned = redirect.named(resource, r4.encode(resource))
    row = yield from locks.lock(type_, id_, concerned)
    if row is None and upsert and if_match is None:
        yield from locks.lock_ids(type_, [id_])
        row = yield from locks.lock(type_, id_, concerned)
        if row is None and (yield from locks.taken(type_, [id_])):
            raise permits.absent(type_, id_)
    if row is None:
        if if_match is not None:
            message = f"{type_}/{id_} has no version {if_match}"
            raise PreconditionFailed(message)
        if not upsert or asker.patient is not None:
            raise permits.absent(type_, id_)
        (stored,) = yield from create(_creator(asker, type_), [resource])
        yield from targets.follow(type_, [id_] if stored.patient else [])
        return stored
    if not _may_replace(asker, type_, row):
        raise permits.absent(type_, id_)
    if if_match is not None and row[1] != if_match:
        message = f"{type_}/{id_} is at version {row[1]}, not {if_match}"
        raise PreconditionFailed(message)
    if fresh and not row[4]:
        message = f"{type_}/{id_} is there already, at version {row[1]}"
        raise PreconditionFailed(message)
    yield from check_targets([resource])
    return (yield from _replace(asker, resource, row))


def put_many(
    asker: Asker, resources: Sequence[r4.Resource], *, keep_same: bool = False
) -> Step[tuple[list[Stored], set[tuple[str, str]]]]:
    """Store the next or first versions of many resources, each with an id and none twice. Needs a transaction.

    keep_same: a resource whose content is that of a version that is here already gets no new version.
    Returns the versions that are current now, in order, and which (type, id) were left as they were.
    """
    stored: dict[tuple[str, str], Stored] = {}
    same: set[tuple[str, str]] = set()
    groups: dict[str, dict[str, r4.Resource]] = {}
    for resource in resources:
        permits.allow(asker, "u", resource.resourceType)
        groups.setdefault(resource.resourceType, {})[str(resource.id)] = resource
    yield from check_targets(resources)
    for type_, group in sorted(groups.items()):
        yield from locks.lock_ids(type_, group)
        concerned = {p for resource in group.values() for p in redirect.named(resource, r4.encode(resource))}
        ids = statements.array(sorted(group))
        rows = yield Query(statements.lock_many(type_), (statements.array(sorted(concerned)), ids, ids))
        here = {row[0]: row for row in rows}
        for id_, row in here.items():
            if not _may_replace(asker, type_, row):
                raise permits.absent(type_, id_)
            if keep_same and (yield from _is_known(group[id_], row)):
                stored[type_, id_] = Stored(type_, id_, row[1], row[2], row[3], row[5])
                same.add((type_, id_))
            else:
                stored[type_, id_] = yield from _replace(asker, group[id_], row)
        new = [resource for id_, resource in group.items() if id_ not in here]
        if new and asker.patient is not None:
            raise permits.absent(type_, str(new[0].id))
        if hidden := (yield from locks.taken(type_, [str(resource.id) for resource in new])):
            raise permits.absent(type_, hidden[0])
        made = yield from create(_creator(asker, type_), new, checked=True)
        stored |= {(type_, one.id): one for one in made}
        if len(made) == 1:  # of more `create` knows that they may be awaited
            yield from targets.follow(type_, [one.id for one in made if one.patient])
    return [stored[r.resourceType, str(r.id)] for r in resources], same


def _is_known(resource: r4.Resource, row: Row) -> Step[bool]:
    """Whether the content is that of the current version or of one before it."""
    mine = yield from contents.shortened(versioning.content(resource))
    if row[4] or versioning.content(r4.decode(row[5])) == mine:
        return not row[4]
    old = yield Query(statements.old_bodies(resource.resourceType), (row[0],))
    return any(versioning.content(r4.decode(body)) == mine for (body,) in old)


def _creator(asker: Asker, type_: str) -> Asker:
    """Creating by PUT is within an update scope (SMART App Launch 2: `u` covers it), with the query that it has."""
    if asker.may("c", type_):
        return asker
    named = (scope.partition("/")[2].partition(".") for scope in asker.scopes)
    parts = [rest.partition("?") for name, _, rest in named if name in ("*", type_)]
    more = {f"system/{type_}.c{mark}{query}" for letters, mark, query in parts if "u" in letters}
    return replace(asker, scopes=asker.scopes | more)


def _may_replace(asker: Asker, type_: str, row: Row) -> bool:
    """Whether the locked row is there to be written over: it is seen, or a tombstone of which no query tells."""
    return permits.sees(asker, row[3]) if row[4] else permits.shows(asker, "u", type_, row[3], row[5])


def _replace(asker: Asker, resource: r4.Resource, row: Row) -> Step[Stored]:
    """Write the version after the locked row."""
    type_ = resource.resourceType
    _check_change(asker, type_, row[8])
    if not row[10]:
        yield from redirect.settle(resource)
    resource = yield from guards.admit(asker, resource)
    owners = yield from security_context.owners([resource])
    owner = Owner(row[3], row[8]) if type_ in OWNED and row[3] else owners.get(str(resource.id))
    if type_ == targets.TYPE:
        owner = _about((yield from targets.patients([resource])), resource, row[8] or asker.facility)
    item = yield from _drafted(resource, row[8] or asker.facility, owner)
    _check_new(asker, "u", item)
    version = row[1] + 1
    updated = max(versioning.now(), row[2] + timedelta(milliseconds=1))
    user = User(item.id, item.shard, item.patient, item.custodian)
    (body,) = yield from contents.keep(type_, [versioning.stamp(resource, version, updated)], [user])
    action = "create" if row[4] else "update"
    moment = (version, updated.isoformat())
    while not (yield from _written(_replacement(asker, item, moment, body, action))):
        (item,) = yield from _anew([item], (yield from additions.refresh()))
    if (item.patient, item.custodian) != (row[3], row[8]):
        yield from security_context.follow(type_, [(item.id, Owner(item.patient, item.custodian))])
        yield from targets.follow(type_, [item.id])
    if type_ in index.SHOWING:
        yield from security_context.show([Shown(item.resource, Owner(item.patient, item.custodian), row[3])])
    if projections.exists(type_):
        yield from projections.project(type_, [Written(type_, item.id, row[6], version, item.patient, resource)])
    return Stored(type_, item.id, version, updated, item.patient, body, created=row[4])


def _replacement(asker: Asker, item: Draft, moment: tuple[int, str], body: bytes, action: str) -> Query:
    """The statement that stores a next version; it returns no rows, and does nothing, for an old generation."""
    letters, rows = statements.index_rows(item.found_by)
    tokens = statements.token_array(item.found_by.tokens)
    who = (item.patient, item.custodian, labels.row(body), *_names(item.resource))
    head = (item.id, item.generation, item.shard, *moment, *who)
    sql = statements.replace(item.resource.resourceType, letters)
    return Query(sql, (*head, False, tokens, body, *rows, *statements.write_params(asker, action)))


def rewrite(
    asker: Asker, type_: str, rows: Sequence[Row], resources: Sequence[r4.Resource], action: str
) -> Step[list[Stored]]:
    """Write the versions after many locked rows of a type, in one statement; `action` is what the access log says.

    Looks at no permission and passes no gate: for a merge, which has shut it.
    """
    yield from additions.refresh()
    updated = [max(versioning.now(), row[2] + timedelta(milliseconds=1)) for row in rows]
    given = list(zip(resources, rows, strict=True))
    patients = yield from targets.patients(resources)
    items = yield from computed(lambda: [draft(one, row[8], _about(patients, one, row[8])) for one, row in given])
    stamped = [versioning.stamp(r, row[1] + 1, at) for r, row, at in zip(resources, rows, updated, strict=True)]
    users = [User(i.id, i.shard, i.patient, i.custodian) for i in items]
    bodies = yield from contents.keep(type_, stamped, users)
    letters, index_rows = statements.many_index_rows([i.id for i in items], [i.found_by for i in items])
    text = statements.array
    head = (
        *(text(i.id for i in items), text(at.isoformat() for at in updated), text(i.shard for i in items)),
        *(text(i.patient for i in items), text(i.custodian for i in items)),
        text(str(labels.row(body)) for body in bodies),
        text(text(inherited.named(i.resource)) for i in items),
        *(text(statements.token_array(i.found_by.tokens) for i in items), bodies),
    )
    said = statements.write_params(asker, action)
    yield Query(statements.replace_many(type_, letters), (*head, *index_rows, "update", *said[1:]))
    changed = [i for i, row in zip(items, rows, strict=True) if (i.patient, i.custodian) != (row[3], row[8])]
    if changed:
        yield from security_context.follow(type_, [(i.id, Owner(i.patient, i.custodian)) for i in changed])
        yield from targets.follow(type_, [i.id for i in changed])
    if type_ in index.SHOWING:
        pairs = zip(items, rows, strict=True)
        yield from security_context.show([Shown(i.resource, Owner(i.patient, i.custodian), row[3]) for i, row in pairs])
    if projections.exists(type_):
        written = [
            Written(type_, i.id, row[6], row[1] + 1, i.patient, i.resource) for i, row in zip(items, rows, strict=True)
        ]
        yield from projections.project(type_, written)
    return [
        Stored(type_, i.id, row[1] + 1, at, i.patient, body)
        for i, row, at, body in zip(items, rows, updated, bodies, strict=True)
    ]


def delete(asker: Asker, type_: str, id_: str, *, if_match: int | None = None) -> Step[Stored]:
    """Put a tombstone in the place of the resource; deleting twice changes nothing the second time.

    Needs a transaction. Raises NotFound, PreconditionFailed, Forbidden.
    """
    permits.allow(asker, "d", type_)
    row = yield from locks.lock(type_, id_)
    if row is None or not (permits.sees(asker, row[3]) if row[4] else permits.shows(asker, "d", type_, row[3], row[5])):
        raise permits.absent(type_, id_)
    if if_match is not None and row[1] != if_match:
        message = f"{type_}/{id_} is at version {row[1]}, not {if_match}"
        raise PreconditionFailed(message)
    if row[4]:
        return Stored(type_, id_, row[1], row[2], row[3], None)
    _check_change(asker, type_, row[8])
    if type_ in RESULTS and asker.sight != EVERYTHING and getattr(r4.decode(bytes(row[5])), "status", "") in FINAL:
        message = f"a released {type_} is not deleted before it was marked as entered-in-error"
        raise Forbidden(message)
    yield from guards.release(asker, type_, id_)
    version = row[1] + 1
    updated = max(versioning.now(), row[2] + timedelta(milliseconds=1))
    names = ("{}",) if type_ in inherited.TYPES else ()
    head = (id_, None, row[7], version, updated.isoformat(), row[3], row[8], row[9], *names, True, "{}", None)
    yield Query(statements.replace(type_, ""), (*head, *statements.write_params(asker, "delete")))
    if projections.exists(type_):
        yield from projections.project(type_, [Written(type_, id_, row[6], version, row[3], None)])
    return Stored(type_, id_, version, updated, row[3], None)


def check_targets(resources: Sequence[r4.Resource]) -> Step[None]:
    """With TUETINH_REFERENCES=strict, refuse references to resources that are not here (nor among these)."""
    if os.environ.get("TUETINH_REFERENCES") != "strict":
        return
    here = {(r.resourceType, str(r.id)) for r in resources}
    wanted: dict[str, set[str]] = {}
    for resource in resources:
        for type_, id_ in _REFERENCE.findall(r4.encode(resource)):
            target = (type_.decode(), id_.decode())
            if target not in here and target[0] in r4.RESOURCES:
                wanted.setdefault(target[0], set()).add(target[1])
    missing: list[str] = []
    for type_name, ids in wanted.items():
        rows = yield Query(statements.read_many(type_name), (statements.array(sorted(ids)),))
        found = {row[0] for row in rows if not row[4]}
        missing += [f"{type_name}/{id_}" for id_ in sorted(ids - found)]
    if missing:
        text = "the reference leads to nothing that is here: "
        raise Unprocessable(issues=[Issue("error", "not-found", text + name) for name in missing])
