"""One handler for each interaction. Each takes the door and the call and returns the response."""

from __future__ import annotations

import asyncio
import contextlib
import re
from copy import copy
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from tuetinh.record import (
    audit,
    built_in,
    bundles,
    bundling,
    capability,
    conditional,
    contents,
    origin,
    r4,
    reads,
    store,
    summary,
    versioning,
)
from tuetinh.record import history as feed
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.door import downloading, pages, routes, within
from tuetinh.record.door import openapi as description
from tuetinh.record.door.access_log import read_audit_event, search_audit_events, send_audit_event
from tuetinh.record.door.bulk import bulk_delete, bulk_file, bulk_status
from tuetinh.record.door.call import JSON, Call, Response, http_date
from tuetinh.record.door.operating import operation
from tuetinh.record.errors import (
    BadRequest,
    Forbidden,
    Gone,
    NotFound,
    RecordError,
    Unavailable,
    UnsupportedMedia,
)
from tuetinh.record.patch import JSON_PATCH, MEDIA, MERGE_PATCH, Patch
from tuetinh.record.search import additions
from tuetinh.record.search.values import date_range
from tuetinh.record.steps import Step, arun
from tuetinh.record.terminology.capabilities import statement as terminology_statement
from tuetinh.record.terminology.shelf import current, refresh
from tuetinh.record.versioning import Stored

if TYPE_CHECKING:
    from tuetinh.record.door.app import Connection, Door

# found by the names of their routes, like every handler below
__all__ = [
    "bulk_delete",
    "bulk_file",
    "bulk_status",
    "operation",
    "read_audit_event",
    "search_audit_events",
    "send_audit_event",
]

COUNT, MOST = 20, 1000
HISTORY = frozenset({"_count", "_since", "_at", pages.PAGE, "_format", "_pretty", "_summary", "_elements"})


_AT = re.compile(r"(eq|gt|lt|ge|le|sa|eb)?([0-9].*)")
EVER_AFTER, EVER_BEFORE = versioning.EVER.before, versioning.EVER.after


def warm() -> None:
    """Load what the first request would wait for."""
    capability.statement("http://127.0.0.1/fhir")
    description.document()
    r4.decode(b'{"resourceType":"Basic"}')
    current()


async def capabilities(door: Door, call: Call) -> Response:
    """GET /metadata, `mode=terminology` for TerminologyCapabilities."""
    if ("mode", "terminology") in call.pairs:
        shelf = await door.run(SYSTEM, refresh())
        return Response(200, msgspec.json.encode(terminology_statement(shelf.library, call.base)))
    await door.run(SYSTEM, additions.refresh())
    return Response(200, capability.statement(call.base))


async def openapi(door: Door, call: Call) -> Response:
    """GET /openapi.json: all of this for programs that do not know FHIR."""
    return Response(200, description.document(), content_type="application/json")


async def read(door: Door, call: Call) -> Response:
    """GET /Type/id."""
    try:
        found = await door.run(call.asker, built_in.read(call.asker, call.type, call.id))
    except Gone as gone:
        response = Response(410, gone.outcome(), etag=_etag(gone.version))
        return response
    audit.note(call.asker, "read", found.type, found.id, found.patient)
    return await _one(door, call, found)


async def vread(door: Door, call: Call) -> Response:
    """GET /Type/id/_history/version."""
    if not call.version.isascii() or not call.version.isdigit() or len(call.version) > 9:
        message = f"{call.type}/{call.id} has no version {call.version[:40]!r}"
        raise NotFound(message)
    found = await door.run(call.asker, reads.read_version(call.asker, call.type, call.id, int(call.version)))
    audit.note(call.asker, "read", found.type, found.id, found.patient)
    return await _one(door, call, found)


async def _one(door: Door, call: Call, found: Stored) -> Response:
    """A version as response, or 304 when the client has it."""
    if downloading.is_wanted(call, found):
        await door.run(call.asker, contents.ready())
        return await asyncio.to_thread(downloading.raw, call, found)
    if not call.inside_bundle:
        call.check_format()
    headers = {"etag": _etag(found.version), "last-modified": http_date(found.updated)}
    response = Response(304) if call.has(found.version, found.updated) else Response(200, found.body or b"")
    response.headers |= headers
    if response.body and ("_summary" in call.query or "_elements" in call.query):
        response.body = summary.cut(response.body, *call.parts([found.type]))
    return response


def _etag(version: int) -> str:
    return f'W/"{version}"'


async def search(door: Door, call: Call) -> Response:
    """GET /Type?… and POST /Type/_search."""
    pairs = call.searched()
    step = pages.searchset(
        call.asker, call.type or None, pairs, call.base, lenient=call.lenient, compartment=call.compartment
    )
    result = await door.run(call.asker, step)
    for type_, patient in dict.fromkeys(result.seen):
        audit.note(call.asker, "search", type_, "", patient)
    return Response(200, result.body)


async def search_compartment(door: Door, call: Call) -> Response:
    """GET /Patient/id/Type and /Patient/id/*: what is in a compartment (FHIR R4 http.html, 3.1.0.8.1)."""
    return await search(door, call)


async def search_all(door: Door, call: Call) -> Response:
    """GET /?_type=… and POST /_search: every type asked for must be within the asker's scopes."""
    pairs = call.searched()
    types = [t for name, value in pairs if name == "_type" for t in value.split(",")] or list(r4.RESOURCES)
    for type_ in types:
        if not call.asker.may("s", type_):
            message = f"search of {type_[:80]} is not, or not as a whole, within the scopes of this account"
            raise Forbidden(message)
    return await search(door, call)


async def create(door: Door, call: Call) -> Response:
    """POST /Type, with If-None-Exist where it is conditional."""
    resource = await _given(door, call)
    resource.id = None
    condition = call.headers.get("if-none-exist")
    if condition is None:
        condition = _condition(call) or None  # some clients name the condition in the address
    small = call.binary is None and len(call.body) <= contents.LARGE and not contents.may_hold(call.body)
    if condition is None and small:
        return _written(call, await door.together.create(call.asker, resource))
    if condition is None:
        return _written(call, await door.transact(call.asker, lambda: _create_alone(call.asker, resource)))
    query = condition.partition("?")[2] or condition
    stored = await door.transact(call.asker, lambda: _create_if_none(call.asker, resource, query))
    if not stored.created:
        audit.note(call.asker, "read", stored.type, stored.id, stored.patient)
    return _written(call, stored)


def _create_alone(asker: Asker, given: r4.Resource) -> Step[Stored]:
    """A create with large contents, which must not let others wait."""
    return (yield from store.create(asker, [copy(given)]))[0]


def _create_if_none(asker: Asker, resource: r4.Resource, condition: str) -> Step[Stored]:
    """What was made, or the one that matches the condition as it is."""
    found = yield from conditional.find_alone(asker, resource.resourceType, condition)
    if found:
        return (yield from reads.read(asker, found.type, found.id))
    return (yield from store.create(asker, [resource]))[0]


async def update(door: Door, call: Call) -> Response:
    """PUT /Type/id."""
    resource = await _given(door, call)
    if resource.id != call.id:
        message = f"the id in the body must be the id in the address, {call.id}"
        raise BadRequest(message, f"{call.type}.id")
    upsert = call.headers.get("if-match", "").strip() != "*"
    step = partial(store.put, call.asker, resource, if_match=call.if_match(), upsert=upsert, fresh=call.is_fresh())
    return _written(call, await door.transact(call.asker, step))


async def update_by(door: Door, call: Call) -> Response:
    """PUT /Type?condition."""
    resource = await _given(door, call)
    return _written(call, await door.transact(call.asker, lambda: _update_by(call, resource)))


async def _given(door: Door, call: Call) -> r4.Resource:
    """The resource that is sent, checked, its conditional references resolved. Raises PreconditionFailed."""
    resource = await call.resource(call.type)
    if call.binary is not None or not bundles.may_have_conditions(call.body):
        return resource
    resolved = await door.run(call.asker, bundles.with_conditions(call.asker, call.body))
    return r4.decode(resolved)


def _update_by(call: Call, given: r4.Resource) -> Step[Stored]:
    resource = copy(given)  # a second attempt starts from what was sent
    found = yield from conditional.find_alone(call.asker, call.type, _condition(call))
    if found and resource.id not in (None, found.id):
        message = f"the id in the body is not that of the match, {found.id}"
        raise BadRequest(message, f"{call.type}.id")
    resource.id = resource.id or (found.id if found else versioning.new_id())
    fresh = call.is_fresh()
    return (yield from store.put(call.asker, resource, if_match=call.if_match(), upsert=not found, fresh=fresh))


async def patch(door: Door, call: Call) -> Response:
    """PATCH /Type/id."""
    operations = await call.checked(lambda: _operations(call))
    step = partial(bundles.patched, call.asker, call.type, call.id, operations, call.if_match())
    return _written(call, await door.transact(call.asker, step))


async def patch_by(door: Door, call: Call) -> Response:
    """PATCH /Type?condition."""
    operations = await call.checked(lambda: _operations(call))
    return _written(call, await door.transact(call.asker, lambda: _patch_by(call, operations)))


def _patch_by(call: Call, operations: Patch) -> Step[Stored]:
    found = yield from conditional.find_alone(call.asker, call.type, _condition(call))
    if found is None:
        message = "nothing matches the condition of the patch"
        raise NotFound(message)
    return (yield from bundles.patched(call.asker, call.type, found.id, operations, call.if_match()))


def _operations(call: Call) -> Patch:
    """The patch of the body; an entry of a batch carries it as a resource. Plain JSON is told by what it is."""
    if call.content_type() == "application/json" and not call.inside_bundle:
        return _of_plain_json(call.body)
    if call.inside_bundle or call.content_type() == JSON:
        return bundles.patch_of(call.body)
    if call.content_type() not in MEDIA:
        message = f"PATCH takes {', '.join(MEDIA)}"
        raise UnsupportedMedia(message)
    return Patch(call.content_type(), call.body)


class _Typed(msgspec.Struct):
    resourceType: str = ""


def _of_plain_json(body: bytes) -> Patch:
    """A JSON Patch is a list, a FHIRPath Patch is Parameters, and any other object is a merge patch."""
    if body.lstrip().startswith(b"["):
        return Patch(JSON_PATCH, body)
    try:
        kind = msgspec.json.decode(body, type=_Typed).resourceType
    except (msgspec.DecodeError, UnicodeDecodeError):
        kind = ""  # the patch says what is wrong with it
    return bundles.patch_of(body) if kind == "Parameters" else Patch(MERGE_PATCH, body)


async def delete(door: Door, call: Call) -> Response:
    """DELETE /Type/id. Deleting what is deleted, or never was, is no error (http.html, 3.1.0.6)."""
    try:
        step = partial(store.delete, call.asker, call.type, call.id, if_match=call.if_match())
        stored = await door.transact(call.asker, step)
    except NotFound:
        return Response(204)
    return Response(204, etag=_etag(stored.version))


async def delete_by(door: Door, call: Call) -> Response:
    """DELETE /Type?condition."""
    await door.transact(call.asker, lambda: _delete_by(call))
    return Response(204)


def _delete_by(call: Call) -> Step[None]:
    found = yield from conditional.find_alone(call.asker, call.type, _condition(call))
    if found:
        yield from store.delete(call.asker, call.type, found.id, if_match=call.if_match())


def _condition(call: Call) -> str:
    return urlencode([(name, value) for name, value in call.pairs if name not in ("_format", "_pretty")])


async def history(door: Door, call: Call) -> Response:
    """GET /Type/id/_history."""
    count, span, page = _history_options(call)
    below = page or 2**31 - 1
    step = reads.counted(call.asker, call.type, call.id, below=below, span=span, limit=count + 1)
    found, total = await door.run(call.asker, step)
    audit.note(call.asker, "history", call.type, call.id, found[0].patient if found else None)
    count = await door.run(call.asker, contents.fitting([one.body for one in found[:count]]))
    last = found[count - 1].version if len(found) > count else None
    return _history_page(call, found[:count], last, None if call.asker.is_granular else total)


async def history_type(door: Door, call: Call) -> Response:
    """GET /Type/_history."""
    count, span, page = _history_options(call)
    below = page or feed.END
    step = feed.changes(call.asker, call.type or None, below=below, span=span, limit=count + 1)
    found = await door.run(call.asker, step)
    total = await door.run(call.asker, feed.count(call.asker, call.type or None, span=span))
    for patient in dict.fromkeys(one.patient for _, one in found):
        audit.note(call.asker, "history", call.type, "", patient)
    count = await door.run(call.asker, contents.fitting([one.body for _, one in found[:count]]))
    last = found[count - 1][0] if len(found) > count else None
    return _history_page(call, [one for _, one in found[:count]], last, total)


history_all = history_type


def _history_options(call: Call) -> tuple[int, versioning.Span, int | None]:
    """`_count`, `_since` and `_at`, and the page of a history."""
    if not call.lenient and (unknown := [name for name, _ in call.pairs if name not in HISTORY]):
        message = f"the parameter {unknown[0][:80]!r} is not known to history"
        raise BadRequest(message, unknown[0][:80])
    count, page, moment = call.option("_count"), call.option(pages.PAGE), call.option("_since")
    for name, value in (("_count", count), (pages.PAGE, page)):
        if value is not None and not (value.isascii() and value.isdigit() and len(value) < 19):
            message = f"{name} must be a number"
            raise BadRequest(message, name)
    start = None if moment is None else _moment(moment)
    span = _at(call.option("_at"))
    span = span._replace(since=start.isoformat()) if start else span
    return min(int(count or COUNT), MOST) or COUNT, span, int(page) if page else None


def _at(text: str | None) -> versioning.Span:
    """Versions that were current at some moment of what `_at` means (R4 http.html, 3.1.0.15)."""
    if text is None:
        return versioning.EVER
    match = _AT.fullmatch(text.replace(" ", "+"))
    meant = date_range(match[2]) if match else None
    if match is None or meant is None:
        raise BadRequest("_at must be a date or time such as 2026-01-31 or ge2026-01-31T08:00:00+07:00", "_at")
    low, high = meant
    after, before = {
        "gt": (high, EVER_AFTER),
        "sa": (high, EVER_AFTER),
        "ge": (low, EVER_AFTER),
        "lt": (EVER_BEFORE, low),
        "eb": (EVER_BEFORE, low),
        "le": (EVER_BEFORE, high),
    }.get(match[1] or "eq", (low, high))
    return versioning.Span(after=after, before=before)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = "_since must be an instant such as 2026-01-31T08:00:00+07:00"
        raise BadRequest(message, "_since") from error
    message = "_since needs a time zone"
    raise BadRequest(message, "_since")


def _history_page(call: Call, found: list[Stored], last: int | None, total: int | None) -> Response:
    address = f"{call.base}{call.path}"
    mode, elements = call.parts([call.type] if call.type else r4.RESOURCES)
    understood = [pair for pair in call.pairs if pair[0] in HISTORY]
    links = [("self", f"{address}?{urlencode(understood)}" if understood else address)]
    if last is not None:
        pairs = [*(p for p in understood if p[0] != pages.PAGE), (pages.PAGE, str(last))]
        links.append(("next", f"{address}?{urlencode(pairs)}"))
    entries = [pages.history_entry(one, call.base, mode, elements) for one in found]
    return Response(200, bundling.bundle("history", entries, links, total))


async def bundle(door: Door, call: Call) -> Response:
    """POST / with a batch or a transaction."""
    call.need_json()
    envelope = await call.checked(lambda: bundles.read_bundle(call.body))
    if envelope.resourceType != "Bundle" or envelope.type not in ("batch", "transaction"):
        message = "what is posted here is a Bundle of type batch or transaction"
        raise BadRequest(message, "Bundle.type")
    full = call.prefer.get("return") == "representation"
    if envelope.type == "transaction":
        async with door.costly.turn(call.asker.account):
            answers = await door.transacted(call.asker, partial(_transaction, door, call, envelope))
    else:
        answers = [await _batch_entry(door, call, n, entry) for n, entry in enumerate(envelope.entry)]
    told = partial(bundles.response_bundle, envelope.type, answers, call.base, full=full)
    return Response(200, await asyncio.to_thread(told) if call.is_large else told())


async def _transaction(door: Door, call: Call, envelope: bundles.Envelope, conn: Connection) -> list[bundles.Answer]:
    """The answers to all entries; those that read are read at the end, and one that cannot be undoes everything."""
    answers: list[bundles.Answer] = []
    inside = within.within(door, conn)
    for one in await arun(bundles.transaction(call.asker, envelope), conn):
        if isinstance(one, bundles.Reading):
            try:
                answers.append(await _reading(inside, call, one))
            except RecordError as error:
                raise error.inside(f"Bundle.entry[{one.number}]") from error
        else:
            answers.append(one)
    return answers


async def _reading(door: Door, call: Call, reading: bundles.Reading) -> bundles.Answer:
    """Answer an entry of a transaction that only reads. Raises what refuses it."""
    inner = _inner(call, reading.method, reading.url, reading.entry)
    inner.body = await door.run(call.asker, contents.given(inner.body))
    route = routes.find(inner)
    within.check(inner, route)
    routes.allow(inner, route)
    response: Response = await globals()[route.name](door, inner)
    if response.status >= 400:
        error = RecordError(f"{reading.method} {reading.url[:200]} is answered with {response.status}")
        error.status = response.status
        raise error
    return _answer(call, response)


async def _batch_entry(door: Door, call: Call, number: int, entry: bundles.Entry) -> bundles.Answer:
    """Answer one entry of a batch like a request of its own, while others run; what nobody waits for is not done."""
    await asyncio.sleep(0)
    if call.is_left():
        raise BadRequest("the client left before the batch was done")
    if door.is_leaving:
        raise Unavailable("the node is stopped; the rest of the batch was not done")
    request = entry.request
    if request is None:
        error = BadRequest("an entry of a batch needs a request", f"Bundle.entry[{number}].request")
        return bundles.Answer("400 Bad Request", outcome=error.outcome())
    inner = _inner(call, request.method, request.url, entry)
    if inner.method == "PATCH" or "/$" in inner.path:  # which look into the contents
        inner.body = await door.run(call.asker, contents.given(inner.body))
    return _answer(call, await door.inner(inner))


def _inner(call: Call, method: str, url: str, entry: bundles.Entry) -> Call:
    """An entry of a Bundle as a request of its own."""
    path, _, query = url.removeprefix(call.base).partition("?")
    names = (("if-match", "ifMatch"), ("if-none-match", "ifNoneMatch"), ("if-none-exist", "ifNoneExist"))
    headers = {header: value for header, field in names if (value := getattr(entry.request, field))}
    if entry.request and entry.request.ifModifiedSince:
        with contextlib.suppress(BadRequest):  # what is no date is passed over, as it is in the header
            headers["if-modified-since"] = http_date(_moment(entry.request.ifModifiedSince))
    headers["content-type"] = JSON
    headers["prefer"] = call.headers.get("prefer", "return=minimal")
    inner = Call(method, "/" + path.strip("/"), query, headers, call.base, body=bytes(entry.resource))
    inner.asker, inner.inside_bundle = call.asker, True
    if query:
        origin.current.get().ask(f"{inner.path}?{query}")
    return inner


def _answer(call: Call, response: Response) -> bundles.Answer:
    """What an inner request is answered with, for Bundle.entry.response."""
    location = response.headers.get("location", "").removeprefix(call.base + "/")
    good = response.status < 400
    version = response.headers.get("etag", "")[3:-1]
    return bundles.Answer(
        f"{response.status} {_PHRASES.get(response.status, 'Error')}",
        location,
        int(version) if version.isdigit() else 0,
        body=(response.body or None) if good else None,
        outcome=None if good else response.body,
    )


_PHRASES = {200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 403: "Forbidden"} | {
    404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone", 412: "Precondition Failed",
    415: "Unsupported Media Type", 422: "Unprocessable Entity", 503: "Service Unavailable",
}  # fmt: skip


def _written(call: Call, stored: Stored) -> Response:
    """The response to a write, with as much as Prefer asks for."""
    response = Response(201 if stored.created else 200)
    response.headers = {
        "location": f"{call.base}/{stored.type}/{stored.id}/_history/{stored.version}",
        "etag": _etag(stored.version),
        "last-modified": http_date(stored.updated),
    }
    wanted = call.prefer.get("return", "minimal" if call.binary else "representation")
    if wanted == "OperationOutcome":
        response.body = pages.warning(f"{stored.type}/{stored.id} is stored as version {stored.version}")
    elif wanted != "minimal":
        response.body = stored.body or b""
    return response
