"""`$meta`, `$meta-add`, `$meta-delete` (resource-operations.html): profiles, tags and labels.

Of one resource, or all that are in use on a type or everywhere. A change of them is a version like any other: what was
signed or synchronised is never rewritten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tuetinh.record import built_in, locks, permits, r4, reads, store, versioning
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.hashes import token_hash
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply
from tuetinh.record.search.where import Rows, bigints
from tuetinh.record.steps import Query, Step
from tuetinh.record.types import RESOURCE_TYPES

T = TypeVar("T")
MOST = 10_000  # profiles, tags and labels of one answer
Change = Callable[[r4.Meta, r4.Meta], None]
CORE = "http://hl7.org/fhir/OperationDefinition/Resource-"


def meta(asked: Asked) -> Step[Reply]:
    """The meta of the current version."""
    found = yield from built_in.read(asked.asker, asked.type, asked.id)
    return _reply(r4.decode(found.body or b""), found)


def meta_in_use(asked: Asked) -> Step[Reply]:
    """All profiles, tags and labels of what the asker may read, of one type or of all."""
    if asked.type:
        permits.allow(asked.asker, "r", asked.type, whole=True)
    wanted = (asked.type,) if asked.type else tuple(t for t in RESOURCE_TYPES if asked.asker.may("r", t))
    found = r4.Meta()
    for name, value in (yield _in_use(asked.asker, wanted)):
        _add(found, msgspec.json.decode(f'{{"{name}":[{value}]}}', type=r4.Meta))
    return Reply(r4.Parameters(parameter=[r4.ParametersParameter(name="return", valueMeta=found)]))


def _may_gather(asker: Asker) -> None:
    """Raise Forbidden unless a whole type is within the scopes: what is in use leaves out nothing."""
    if not any(asker.may("r", type_) for type_ in RESOURCE_TYPES):
        raise Forbidden("what is in use of the types is not within the scopes of this account")


def _in_use(asker: Asker, types: tuple[str, ...]) -> Query:
    """The query of what is in use; only resources that have a profile, a tag or a label are looked at."""
    rows = Rows(types)
    some = [token_hash(name, "", "", "") for name in ("_profile", "_tag", "_security")]
    own = " AND r.patient = %s" if asker.patient is not None else ""
    sql = (
        "SELECT DISTINCT part.key, item::text FROM"
        f" (SELECT convert_from(r.body, 'UTF8')::jsonb -> 'meta' AS meta FROM {rows.table()} r"
        f" WHERE r.type = ANY(%s::text[]) AND NOT r.deleted AND r.tokens && %s::bigint[]{own} OFFSET 0) found,"
        " jsonb_each(found.meta) part,"
        " jsonb_array_elements(CASE WHEN jsonb_typeof(part.value) = 'array' THEN part.value END) item"
        f" WHERE part.key IN ('profile', 'tag', 'security') ORDER BY 1, 2 LIMIT {MOST}"
    )
    return Query(sql, [list(types), bigints(some), *([asker.patient] if own else [])], prepare=False)


def meta_add(asked: Asked) -> Step[Reply]:
    """Add the profiles, tags and labels that are given."""
    return (yield from _change(asked, _add))


def meta_delete(asked: Asked) -> Step[Reply]:
    """Take away the profiles, tags and labels that are given; what is not there is passed over."""
    return (yield from _change(asked, _take))


def _change(asked: Asked, change: Change) -> Step[Reply]:
    row = yield from locks.lock(asked.type, asked.id)
    current = reads.seen(asked.asker, asked.type, asked.id, [row[:6]] if row else [])
    resource = r4.decode(current.body or b"")
    before = versioning.content(resource)
    resource.meta = resource.meta or r4.Meta()
    change(resource.meta, asked.one("meta"))
    if versioning.content(resource) == before:
        return _reply(resource, current)
    return _reply(resource, (yield from store.put(asked.asker, resource, upsert=False)))


def _reply(resource: r4.Resource, stored: versioning.Stored) -> Reply:
    parameter = r4.ParametersParameter(name="return", valueMeta=resource.meta or r4.Meta())
    return Reply(r4.Parameters(parameter=[parameter]), seen=[(stored.type, stored.id, stored.patient)])


def _add(mine: r4.Meta, given: r4.Meta) -> None:
    mine.profile = list(dict.fromkeys([*(mine.profile or []), *(given.profile or [])])) or None
    mine.tag = _joined(mine.tag, given.tag)
    mine.security = _joined(mine.security, given.security)


def _joined(mine: list[r4.Coding] | None, given: list[r4.Coding] | None) -> list[r4.Coding] | None:
    known = {_key(c) for c in mine or []}
    return [*(mine or []), *(c for c in given or [] if _key(c) not in known)] or None


def _take(mine: r4.Meta, given: r4.Meta) -> None:
    mine.profile = [p for p in mine.profile or [] if p not in (given.profile or [])] or None
    mine.tag = _left(mine.tag, given.tag)
    mine.security = _left(mine.security, given.security)


def _left(mine: list[r4.Coding] | None, given: list[r4.Coding] | None) -> list[r4.Coding] | None:
    gone = {_key(c) for c in given or []}
    return [c for c in mine or [] if _key(c) not in gone] or None


def _key(coding: r4.Coding) -> tuple[str | None, str | None]:
    """Tags and labels are the same when system and code are (resource.html, 2.29.5)."""
    return coding.system, coding.code


_META = (Param("meta", "Meta", 1),)
_OUT = (Out("return", "Meta", 1),)
OPERATIONS = (
    Operation("meta", CORE + "meta", ("instance",), meta, out=_OUT),
    Operation("meta", CORE + "meta", ("system", "type"), meta_in_use, who=_may_gather, out=_OUT),
    *(
        Operation(name, CORE + name, ("instance",), step, affects=True, letter="u", params=_META, out=_OUT)
        for name, step in (("meta-add", meta_add), ("meta-delete", meta_delete))
    ),
)
