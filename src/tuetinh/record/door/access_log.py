"""AuditEvent at the door: read, searched and added to, in the access log itself (`record.audit`)."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from tuetinh.record import audit, r4, summary
from tuetinh.record.audit import reading, sent
from tuetinh.record.audit.event import audit_event
from tuetinh.record.bundling import bundle
from tuetinh.record.door.call import Call, Response, http_date
from tuetinh.record.errors import BadRequest

if TYPE_CHECKING:
    from tuetinh.record.door.app import Door


async def read_audit_event(door: Door, call: Call) -> Response:
    """GET /AuditEvent/id."""
    entry = await door.run(call.asker, reading.by_id(call.asker, call.id))
    audit.note(call.asker, "read", reading.NAME, call.id, entry.patient)
    response = Response(304)
    if not call.has(1, entry.at):
        parts = call.parts([reading.NAME])
        response = Response(200, summary.cut(r4.encode(audit_event(entry, call.asker)), *parts))
    response.headers |= {"etag": 'W/"1"', "last-modified": http_date(entry.at)}
    return response


async def send_audit_event(door: Door, call: Call) -> Response:
    """POST /AuditEvent: an event of another system."""
    if call.headers.get("if-none-exist") is not None:
        raise BadRequest(f"{reading.NAME} is not created conditionally: each that is sent is kept", "If-None-Exist")
    event = await call.resource(reading.NAME)
    if not isinstance(event, r4.AuditEvent):
        raise AssertionError  # it was read as one
    entry = await door.transact(call.asker, lambda: sent.send(call.asker, copy(event), call.base))
    response = Response(201, r4.encode(audit_event(entry, call.asker)))
    response.headers = {
        "location": f"{call.base}/{reading.NAME}/{entry.position}",
        "etag": 'W/"1"',
        "last-modified": http_date(entry.at),
    }
    if call.prefer.get("return") == "minimal":
        response.body = b""
    return response


async def search_audit_events(door: Door, call: Call) -> Response:
    """GET /AuditEvent?…, POST /AuditEvent/_search, and both in the compartment of a patient."""
    pairs = call.searched()
    wanted = reading.read(call.asker, pairs, lenient=call.lenient)
    if call.compartment:
        within = (_COMPARTMENTS[call.compartment[0]], "/".join(call.compartment))
        wanted.where.add(*reading.condition(call.asker, *within))
    total = None
    if wanted.counts_only or wanted.total:
        total = await door.run(call.asker, reading.count(call.asker, wanted))
    address = "/".join((call.base, *(call.compartment or ()), reading.NAME))
    links = [("self", wanted.link(address, next((v for n, v in pairs if n == reading.PAGE), None)))]
    if wanted.counts_only:
        audit.note(call.asker, "search", reading.NAME, "", None)
        return Response(200, bundle("searchset", [], links, total))
    entries, after = await door.run(call.asker, reading.page(call.asker, wanted))
    if after:
        links.append(("next", wanted.link(address, after)))
    for patient in dict.fromkeys(entry.patient for entry in entries) or [None]:
        audit.note(call.asker, "search", reading.NAME, "", patient)
    told = []
    for entry in entries:
        body = summary.cut(r4.encode(audit_event(entry, call.asker)), wanted.mode, wanted.elements)
        parts = (call.base.encode(), entry.position, body)
        told.append(b'{"fullUrl":"%b/AuditEvent/%d","resource":%b,"search":{"mode":"match"}}' % parts)
    return Response(200, bundle("searchset", told, links, total))


_COMPARTMENTS = {"Patient": "patient", "Practitioner": "agent"}


def check_compartment(name: str) -> None:
    """Raise BadRequest for a compartment whose entries the log cannot tell."""
    if name not in _COMPARTMENTS:
        message = f"the access log is answered in the compartments {' and '.join(_COMPARTMENTS)}"
        raise BadRequest(message)
