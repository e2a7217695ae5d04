"""`$reindex` and `$reindex-status`: index entries made anew, and how far that and added search parameters are.

For administrators, with scopes of the level `system`. The entries of one resource are made at once; those of a type, or
of all, by the worker.
"""

from __future__ import annotations

from datetime import datetime

from tuetinh.record import permits, r4, reads, versioning
from tuetinh.record.asker import Asker
from tuetinh.record.errors import BadRequest, NotFound
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply, administrators, of_some_type
from tuetinh.record.search import additions
from tuetinh.record.search import reindex as indexing
from tuetinh.record.steps import Query, Row, Step

MOST = 200
_ASK = (
    "INSERT INTO record.reindexing (type) SELECT unnest(%s::text[]) ON CONFLICT (type) WHERE ended IS NULL DO NOTHING"
)
_SIZE = "(SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = format('record.%%I', w.type)::regclass)"
_WORK = f"""SELECT w.*, {_SIZE} FROM (
  SELECT base AS type, id, url, code, state, done, asked, ended FROM record.search_parameter
  UNION ALL
  SELECT type, NULL, NULL, NULL, CASE WHEN ended IS NULL THEN 'indexing' ELSE 'ready' END, done, asked, ended
  FROM record.reindexing
) w WHERE (%s = '' OR w.type = %s) AND (%s = '' OR w.id = %s) ORDER BY w.asked DESC, w.type LIMIT {MOST}"""
_STATES = {"indexing": "in-progress", "ready": "completed", "leaving": "removed"}


def reindex(asked: Asked) -> Step[Reply]:
    """Make the entries of a resource anew, or ask for those of a type or (named by `type`) of several."""
    if asked.id:
        if not (yield from indexing.one(asked.type, asked.id)):
            message = f"{asked.type}/{asked.id} is not known"
            raise NotFound(message)
        return Reply(r4.Parameters(parameter=[_part("count", 1)]), seen=[(asked.type, asked.id, None)])
    types = [asked.type] if asked.type else asked.many("type") or sorted(r4.RESOURCES.keys() - {permits.ACCESS_LOG})
    for type_ in types:
        if type_ not in r4.RESOURCES:
            message = f"there is no resource type {type_[:80]!r}"
            raise BadRequest(message, "type")
        permits.allow(asked.asker, "u", type_)
    yield Query(_ASK, [types])
    yield Query("SELECT pg_notify(%s, '')", [additions.CHANNEL])
    return (yield from _told(asked, 202))


def status(asked: Asked) -> Step[Reply]:
    """What is being indexed, newest first: all, of a type, or of one SearchParameter."""
    if asked.id:
        yield from reads.read(asked.asker, asked.type, asked.id)
    return (yield from _told(asked))


def _may_make(asker: Asker) -> None:
    administrators(asker)
    of_some_type("u")(asker)


def _may_look(asker: Asker) -> None:
    administrators(asker)
    permits.allow(asker, "r", "SearchParameter")


def _told(asked: Asked, code: int = 200) -> Step[Reply]:
    type_ = "" if asked.type == "SearchParameter" and asked.name == "reindex-status" else asked.type
    rows = yield Query(_WORK, [type_, type_, asked.id, asked.id])
    return Reply(r4.Parameters(parameter=[_job(row) for row in rows] or None), code)


def _job(row: Row) -> r4.ParametersParameter:
    type_, id_, url, code, state, done, asked, ended, size = row
    parts = [
        *([_part("parameter", r4.Reference(reference=f"SearchParameter/{id_}")), _part("code", code)] if id_ else []),
        *([_part("url", url)] if url else []),
        _part("type", type_),
        _part("status", _STATES[state]),
        _part("done", done),
        *([_part("total", max(done, size))] if state == "indexing" else []),
        _part("asked", asked),
        *([_part("ended", ended)] if ended else []),
    ]
    return r4.ParametersParameter(name="work", part=parts)


def _part(name: str, value: object) -> r4.ParametersParameter:
    match value:
        case int():
            return r4.ParametersParameter(name=name, valueInteger=value)
        case datetime():
            return r4.ParametersParameter(name=name, valueInstant=versioning.instant(value))
        case r4.Reference():
            return r4.ParametersParameter(name=name, valueReference=value)
    if name == "url":
        return r4.ParametersParameter(name=name, valueUri=str(value))
    return r4.ParametersParameter(name=name, valueCode=str(value))


_DEFINITION = "https://tuetinh.vn/fhir/OperationDefinition/"
_OUT = (Out("return", "Parameters", 1),)
OPERATIONS = (
    Operation(
        "reindex",
        _DEFINITION + "Resource-reindex",
        ("system", "type", "instance"),
        reindex,
        affects=True,
        letter="u",
        who=_may_make,
        params=(Param("type", "code", max=None),),
        out=_OUT,
    ),
    Operation(
        "reindex-status",
        _DEFINITION + "Resource-reindex-status",
        ("system", "type"),
        status,
        who=_may_look,
        out=_OUT,
    ),
    Operation(
        "reindex-status",
        _DEFINITION + "Resource-reindex-status",
        ("instance",),
        status,
        types=frozenset({"SearchParameter"}),
        who=_may_look,
        out=_OUT,
    ),
)
