"""The interactions of the door: which method on which address is what (FHIR R4 http.html, 3.1.0.1)."""

from __future__ import annotations

from typing import NamedTuple

from tuetinh.record import operations, pace, permits, versioning
from tuetinh.record.audit import sent
from tuetinh.record.audit.reading import NAME as AUDIT_EVENT
from tuetinh.record.door.access_log import check_compartment
from tuetinh.record.door.call import Call
from tuetinh.record.errors import BadRequest, NotAllowed, NotFound
from tuetinh.record.operations.bulk import PLACE
from tuetinh.record.r4 import RESOURCES
from tuetinh.record.search.params import compartments

COMPARTMENTS = frozenset(compartments())


class Route(NamedTuple):
    """One interaction. `letter` is the scope that it needs; "" where each entry of a Bundle is looked at."""

    method: str
    shape: str
    name: str
    letter: str


ROUTES = (
    Route("GET", "/metadata", "capabilities", ""),
    Route("GET", "/openapi.json", "openapi", ""),
    Route("POST", "/", "bundle", ""),
    Route("GET", "/", "search_all", "s"),
    Route("POST", "/_search", "search_all", "s"),
    Route("GET", "/_history", "history_all", "r"),
    Route("GET", "/{type}", "search", "s"),
    Route("POST", "/{type}/_search", "search", "s"),
    Route("POST", "/{type}", "create", "c"),
    Route("PUT", "/{type}", "update_by", "u"),
    Route("PATCH", "/{type}", "patch_by", "u"),
    Route("DELETE", "/{type}", "delete_by", "d"),
    Route("GET", "/{type}/_history", "history_type", "r"),
    Route("GET", "/{type}/{id}", "read", "r"),
    Route("PUT", "/{type}/{id}", "update", "u"),
    Route("PATCH", "/{type}/{id}", "patch", "u"),
    Route("DELETE", "/{type}/{id}", "delete", "d"),
    Route("GET", "/{type}/{id}/_history", "history", "r"),
    Route("GET", "/{compartment}/{id}/{type}", "search_compartment", "s"),
    Route("POST", "/{compartment}/{id}/{type}/_search", "search_compartment", "s"),
    Route("GET", "/{type}/{id}/_history/{version}", "vread", "r"),
    Route("GET", "/AuditEvent", "search_audit_events", "s"),
    Route("POST", "/AuditEvent", "send_audit_event", ""),  # who may is looked at in `allow`
    Route("POST", "/AuditEvent/_search", "search_audit_events", "s"),
    Route("GET", "/AuditEvent/{id}", "read_audit_event", "r"),
    Route("GET", "/{compartment}/{id}/AuditEvent", "search_audit_events", "s"),
    Route("POST", "/{compartment}/{id}/AuditEvent/_search", "search_audit_events", "s"),
    Route("GET", "/_bulk/{job}", "bulk_status", ""),
    Route("DELETE", "/_bulk/{job}", "bulk_delete", ""),
    Route("GET", "/_bulk/{job}/{file}", "bulk_file", ""),
)
_NOTHING = "there is nothing at this address"
OPEN = frozenset({"capabilities", "openapi"})
"""Interactions for everyone, with or without a token."""
_TABLE: dict[str, dict[str, Route]] = {}
for _route in ROUTES:
    _TABLE.setdefault(_route.shape, {})[_route.method] = _route


def find(call: Call) -> Route:
    """The route of a call; fills in its type, id and version. Raises NotFound, BadRequest or NotAllowed."""
    if "/$" in call.path:
        return _operation(call)
    shape = _shape(call)
    methods = _TABLE[shape]
    route = methods.get("GET" if call.method == "HEAD" else call.method)
    if route is None:
        allow = ", ".join([*sorted(methods), *(["HEAD"] if "GET" in methods else []), "OPTIONS"])
        message = f"{call.method} is not possible here"
        raise NotAllowed(message, allow)
    return route


def allow(call: Call, route: Route) -> None:
    """Raise Forbidden for what the asker may not do at all, TooMany where it reads too fast; before all else."""
    if route.letter and call.type:
        permits.allow(call.asker, route.letter, call.type)
    if route.name == "send_audit_event":
        sent.allow(call.asker)
    if call.operation is not None:
        call.operation.who(call.asker)
    if route.letter in ("r", "s") or (call.operation is not None and not call.operation.affects):
        pace.read(call.asker)


def _operation(call: Call) -> Route:
    """The route of `$name` on the system, a type or a resource; sets the operation of the call."""
    *parts, name = call.path.strip("/").split("/")
    unknown = NotFound(f"the operation {name[:80]} is not known here")
    if not name.startswith("$") or len(parts) > 2 or (parts and parts[0] not in RESOURCES):
        raise unknown
    call.type, call.id = [*parts, "", ""][:2]
    if call.id and not versioning.is_id(call.id):
        raise unknown
    level: operations.Level = "instance" if call.id else "type" if call.type else "system"
    call.operation = operations.find(name[1:], level, call.type)
    if call.operation is None:
        raise unknown
    allowed = ["GET", "HEAD", "POST"] if call.operation.by_get else ["POST"]
    if call.method not in allowed:
        message = f"{name} is called by {' or '.join(allowed)}"
        raise NotAllowed(message, ", ".join([*allowed, "OPTIONS"]))
    return Route(call.method, call.path, "operation", call.operation.letter)


def _shape(call: Call) -> str:
    parts = call.path.strip("/").split("/") if call.path.strip("/") else []
    if not parts:
        return "/"
    if len(parts) == 1 and parts[0] in ("metadata", "openapi.json", "_search", "_history"):
        return "/" + parts[0]
    if parts[0] == PLACE and len(parts) in (2, 3):
        call.id, call.version = [*parts[1:], ""][:2]
        return "/_bulk/{job}" + "/{file}" * (len(parts) == 3)
    if parts[0] not in RESOURCES:
        message = f"there is no resource type {parts[0][:80]!r}"
        raise NotFound(message)
    call.type = parts[0]
    if call.type == AUDIT_EVENT:
        return _of_access_log(call, parts)
    if len(parts) == 1:
        return "/{type}"
    if len(parts) == 2 and parts[1] in ("_search", "_history"):
        return "/{type}/" + parts[1]
    if not versioning.is_id(parts[1]):
        message = f"{parts[1][:80]!r} is no id: 1 to 64 letters, digits, hyphens and dots"
        raise BadRequest(message, f"{call.type}.id")
    call.id = parts[1]
    if len(parts) == 2:
        return "/{type}/{id}"
    if parts[2] == "_history" and len(parts) <= 4:
        if len(parts) == 3:
            return "/{type}/{id}/_history"
        call.version = parts[3]
        return "/{type}/{id}/_history/{version}"
    if parts[0] in COMPARTMENTS and (parts[2] in RESOURCES or parts[2] == "*") and parts[3:] in ([], ["_search"]):
        call.compartment, call.type = (parts[0], parts[1]), parts[2].replace("*", "")
        if call.type == AUDIT_EVENT:
            check_compartment(parts[0])
            return "/{compartment}/{id}/AuditEvent" + "/_search" * len(parts[3:])
        return "/{compartment}/{id}/{type}" + "/_search" * len(parts[3:])
    raise NotFound(_NOTHING)


def _of_access_log(call: Call, parts: list[str]) -> str:
    """The shape of an address of AuditEvent, which has no versions and is not changed."""
    if len(parts) == 1:
        return "/AuditEvent"
    if len(parts) > 2 or parts[1] == "_history":
        raise NotFound(_NOTHING)
    if parts[1] == "_search":
        return "/AuditEvent/_search"
    call.id = parts[1]
    return "/AuditEvent/{id}"
