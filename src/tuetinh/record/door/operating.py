"""Calls of operations (FHIR R4 operations.html, 3.2.0): parameters in, the operation's step, the answer out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuetinh.record import audit
from tuetinh.record.bulk.files import chunks
from tuetinh.record.door.call import Call, Response
from tuetinh.record.errors import BadRequest
from tuetinh.record.operations import Asked, Operation, Reply, given

if TYPE_CHECKING:
    from tuetinh.record.door.app import Door


async def operation(door: Door, call: Call) -> Response:
    """GET or POST /$name, /Type/$name, /Type/id/$name."""
    known = call.operation
    if known is None:
        raise AssertionError  # the route set it
    asked = await call.checked(lambda: _asked(call, known))
    if known.affects:
        reply = await door.transact(call.asker, lambda: known.step(asked))
    else:
        reply = await door.run(call.asker, known.step(asked))
    if reply.file is not None and call.inside_bundle:
        reply.file.close()
        raise BadRequest(f"what ${known.name} gives is no resource, which an entry of a Bundle could hold")
    for type_, id_, patient in dict.fromkeys(reply.seen):
        audit.note(call.asker, f"${known.name}", type_, id_, patient)
    return _response(reply)


def _asked(call: Call, known: Operation) -> Asked:
    values, others = given.from_address(known, call.pairs, lenient=call.lenient)
    own = call.method == "POST" and call.content_type() in known.takes
    if call.method == "POST" and call.body and not own:
        call.need_json()
        inner, more = given.from_body(known, call.body, lenient=call.lenient)
        others += more
        for name, several in inner.items():
            values.setdefault(name, []).extend(several)
    given.complete(known, values)
    return Asked(
        call.asker,
        known.name,
        call.base,
        f"{call.base}{call.path}",
        call.type,
        call.id,
        values,
        others,
        call.pairs,
        accept=next((kind for kind in call.accepted() if kind in known.media), ""),
        body=call.body if own else b"",
        media=call.content_type() if own else "",
        prefer=call.prefer,
        language=call.headers.get("accept-language", ""),
        by_get=call.method != "POST",
    )


def _response(reply: Reply) -> Response:
    response = Response(reply.status, reply.encoded())
    response.headers = dict(reply.headers)
    if reply.file is not None:
        response.chunks = chunks(reply.file, zipped=False)
    if reply.media:
        response.headers["content-type"] = reply.media
    return response
