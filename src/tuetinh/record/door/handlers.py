"""One handler for each interaction. Each takes the door and the call and returns the response."""

from __future__ import annotations

import asyncio
from copy import copy
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import msgspec

from tuetinh.record import audit, bundles, bundling, capability, conditional, contents, origin, r4, store, summary
from tuetinh.record import history as feed
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.door import downloading, pages
from tuetinh.record.door import openapi as description
from tuetinh.record.door.access_log import read_audit_event, search_audit_events
from tuetinh.record.door.bulk import bulk_delete, bulk_file, bulk_status
from tuetinh.record.door.call import JSON, Call, Response, http_date, since
from tuetinh.record.door.operating import operation
from tuetinh.record.errors import BadRequest, Forbidden, Gone, NotFound, Unavailable, UnsupportedMedia
from tuetinh.record.patch import MEDIA, MERGE_PATCH, Patch
from tuetinh.record.search import additions
from tuetinh.record.steps import Step
from tuetinh.record.store import Stored
from tuetinh.record.terminology.capabilities import statement as terminology_statement
from tuetinh.record.terminology.shelf import current, refresh

if TYPE_CHECKING:
    from tuetinh.record.door.app import Door

# found by the names of their routes, like every handler below
__all__ = ["bulk_delete", "bulk_file", "bulk_status", "operation", "read_audit_event", "search_audit_events"]

COUNT, MOST = 20, 1000
HISTORY = frozenset({"_count", "_since", pages.PAGE, "_format", "_pretty"})


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
        found = await door.run(call.asker, store.read(call.asker, call.type, call.id))
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
    found = await door.run(call.asker, store.read_version(call.asker, call.type, call.id, int(call.version)))
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
    known = call.headers.get("if-none-match")
    if known is not None:
        fresh = _etag(found.version) not in known and known.strip() != "*"
    else:
        moment = since(call.headers.get("if-modified-since"))
        fresh = moment is None or found.updated.replace(microsecond=0) > moment
    response = Response(200, found.body or b"") if fresh else Response(304)
    response.headers |= headers
    if fresh and ("_summary" in call.query or "_elements" in call.query):
        mode = summary.check_mode(call.option("_summary"))
        elements = [e for e in (call.option("_elements") or "").split(",") if e]
        summary.check_elements([found.type], elements)
        response.body = summary.cut(response.body, mode, elements)
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
    resource = await call.resource(call.type)
    resource.id = None
    condition = call.headers.get("if-none-exist")
    if condition is None:
        condition = _condition(call) or None  # some clients name the condition in the address
    if condition is None and call.binary is None and len(call.body) <= contents.LARGE:
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
        return (yield from store.read(asker, found.type, found.id))
    return (yield from store.create(asker, [resource]))[0]


async def update(door: Door, call: Call) -> Response:
    """PUT /Type/id."""
    resource = await call.resource(call.type)
    if resource.id != call.id:
        message = f"the id in the body must be the id in the address, {call.id}"
        raise BadRequest(message, f"{call.type}.id")
    upsert = call.headers.get("if-match", "").strip() != "*"
    step = partial(store.put, call.asker, resource, if_match=call.if_match(), upsert=upsert)
    return _written(call, await door.transact(call.asker, step))


async def update_by(door: Door, call: Call) -> Response:
    """PUT /Type?condition."""
    resource = await call.resource(call.type)
    return _written(call, await door.transact(call.asker, lambda: _update_by(call, resource)))


def _update_by(call: Call, given: r4.Resource) -> Step[Stored]:
    resource = copy(given)  # a second attempt starts from what was sent
    found = yield from conditional.find_alone(call.asker, call.type, _condition(call))
    if found and resource.id not in (None, found.id):
        message = f"the id in the body is not that of the match, {found.id}"
        raise BadRequest(message, f"{call.type}.id")
    if found:
        resource.id = found.id
        return (yield from store.put(call.asker, resource, if_match=call.if_match(), upsert=False))
    resource.id = resource.id or store.new_id()
    return (yield from store.put(call.asker, resource, if_match=call.if_match()))


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
    """The patch of the body; an entry of a batch carries it as a resource."""
    if call.content_type() == "application/json" and not call.inside_bundle:
        return Patch(MERGE_PATCH, call.body)
    if call.inside_bundle or call.content_type() == JSON:
        return bundles.patch_of(call.body)
    if call.content_type() not in MEDIA:
        message = f"PATCH takes {', '.join(MEDIA)}"
        raise UnsupportedMedia(message)
    return Patch(call.content_type(), call.body)


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
    count, moment, page = _history_options(call)
    below = page or 2**31 - 1
    step = store.versions(call.asker, call.type, call.id, below=below, since=moment, limit=count + 1)
    found = await door.run(call.asker, step)
    audit.note(call.asker, "history", call.type, call.id, found[0].patient if found else None)
    count = await door.run(call.asker, contents.fitting([one.body for one in found[:count]]))
    last = found[count - 1].version if len(found) > count else None
    return _history_page(call, found[:count], last)


async def history_type(door: Door, call: Call) -> Response:
    """GET /Type/_history."""
    count, moment, page = _history_options(call)
    below = page or feed.END
    step = feed.changes(call.asker, call.type or None, below=below, since=moment, limit=count + 1)
    found = await door.run(call.asker, step)
    for patient in dict.fromkeys(one.patient for _, one in found):
        audit.note(call.asker, "history", call.type, "", patient)
    count = await door.run(call.asker, contents.fitting([one.body for _, one in found[:count]]))
    last = found[count - 1][0] if len(found) > count else None
    return _history_page(call, [one for _, one in found[:count]], last)


history_all = history_type


def _history_options(call: Call) -> tuple[int, datetime | None, int | None]:
    """`_count`, `_since` and the page of a history."""
    if not call.lenient and (unknown := [name for name, _ in call.pairs if name not in HISTORY]):
        message = f"the parameter {unknown[0][:80]!r} is not known to history"
        raise BadRequest(message, unknown[0][:80])
    count, page, moment = call.option("_count"), call.option(pages.PAGE), call.option("_since")
    for name, value in (("_count", count), (pages.PAGE, page)):
        if value is not None and not (value.isascii() and value.isdigit() and len(value) < 19):
            message = f"{name} must be a number"
            raise BadRequest(message, name)
    return min(int(count or COUNT), MOST) or COUNT, _moment(moment), int(page) if page else None


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = "_since must be an instant such as 2026-01-31T08:00:00+07:00"
        raise BadRequest(message, "_since") from error
    message = "_since needs a time zone"
    raise BadRequest(message, "_since")


def _history_page(call: Call, found: list[Stored], last: int | None) -> Response:
    address = f"{call.base}{call.path}"
    understood = [pair for pair in call.pairs if pair[0] in HISTORY]
    links = [("self", f"{address}?{urlencode(understood)}" if understood else address)]
    if last is not None:
        pairs = [*(p for p in understood if p[0] != pages.PAGE), (pages.PAGE, str(last))]
        links.append(("next", f"{address}?{urlencode(pairs)}"))
    return Response(200, bundling.bundle("history", [pages.history_entry(one, call.base) for one in found], links))


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
            step = partial(bundles.transaction, call.asker, envelope, _getter(call))
            answers = await door.transact(call.asker, step)
    else:
        answers = [await _batch_entry(door, call, n, entry) for n, entry in enumerate(envelope.entry)]
    told = partial(bundles.response_bundle, envelope.type, answers, call.base, full=full)
    return Response(200, await asyncio.to_thread(told) if call.is_large else told())


def _getter(call: Call) -> bundles.Getter:
    """Reads and searches inside of a transaction."""

    def get(asker: Asker, url: str) -> Step[bundles.Answer]:
        path, _, query = url.removeprefix(call.base).partition("?")
        parts = path.strip("/").split("/")
        if len(parts) == 2 and parts[0] in r4.RESOURCES and store.is_id(parts[1]):
            found = yield from store.read(asker, parts[0], parts[1])
            audit.note(asker, "read", found.type, found.id, found.patient)
            return bundles.Answer("200 OK", "", found.version, store.instant(found.updated), found.body)
        if len(parts) == 1 and parts[0] in r4.RESOURCES:
            store.allow(asker, "s", parts[0])
            pairs = parse_qsl(query, keep_blank_values=True)
            result = yield from pages.searchset(asker, parts[0], pairs, call.base, lenient=call.lenient)
            for type_, patient in dict.fromkeys(result.seen):
                audit.note(asker, "search", type_, "", patient)
            return bundles.Answer("200 OK", body=result.body)
        message = f"{url[:200]!r} cannot be read in a transaction"
        raise BadRequest(message)

    return get


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
    path, _, query = request.url.removeprefix(call.base).partition("?")
    names = (("if-match", "ifMatch"), ("if-none-match", "ifNoneMatch"), ("if-none-exist", "ifNoneExist"))
    headers = {header: value for header, field in names if (value := getattr(request, field))}
    headers["content-type"] = JSON
    headers["prefer"] = call.headers.get("prefer", "return=minimal")
    inner = Call(request.method, "/" + path.strip("/"), query, headers, call.base, body=bytes(entry.resource))
    inner.asker, inner.inside_bundle = call.asker, True
    if query:
        origin.current.get().ask(f"{inner.path}?{query}")
    response = await door.inner(inner)
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
