"""The machine interfaces as OpenAPI 3.1, made from the routes, the operations and the search parameters.

Addresses that are the same for all types are described once (`{type}`); a type has a path of its own where its search
parameters, or its operations, are its own. Modules above add their interfaces with `register`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import msgspec

from tuetinh.record import capability, operations
from tuetinh.record.audit import reading
from tuetinh.record.door.call import FORM, JSON, XML
from tuetinh.record.door.routes import COMPARTMENTS, OPEN, ROUTES, Route
from tuetinh.record.operations import Operation
from tuetinh.record.patch import MEDIA
from tuetinh.record.r4 import RESOURCES
from tuetinh.record.search.params import Param, added

Part = dict[str, Any]
NDJSON = "application/fhir+ndjson"
ANY = "*/*"

# What the address and the headers of an interaction may hold beside its place (http.html, 3.1.0.1).
RESULT = ("_count", "_sort", "_elements", "_summary", "_total", "_include", "_revinclude")
_QUERY = {
    **dict.fromkeys(("read", "vread", "read_audit_event"), ("_elements", "_summary")),
    **dict.fromkeys(("history", "history_type", "history_all"), ("_at", "_count", "_elements", "_since", "_summary")),
    "search_all": ("_type", *RESULT, "other"),
    "search": (*RESULT, "other"),
    "search_audit_events": ("_count", "_sort", "_elements", "_summary", "_total", "other"),
    "search_compartment": (*RESULT, "other"),
    "capabilities": ("mode",),
    **dict.fromkeys(("update_by", "patch_by", "delete_by"), ("other",)),
}
_HEADERS = {
    **dict.fromkeys(("read", "vread", "read_audit_event"), ("If-None-Match", "If-Modified-Since")),
    "create": ("If-None-Exist", "Prefer"),
    **dict.fromkeys(("update", "update_by"), ("If-Match", "If-None-Match", "Prefer")),
    **dict.fromkeys(("patch", "patch_by"), ("If-Match", "Prefer")),
    "delete": ("If-Match",),
    "delete_by": ("If-Match",),
    "send_audit_event": ("Prefer",),
    "bundle": ("Prefer",),
}
# Statuses of what went well, each with its answer among the `_responses`.
_ANSWERS = {
    "openapi": {"200": "Document"},
    "capabilities": {"200": "Resource"},
    "create": {"200": "Resource", "201": "Resource"},
    "update": {"200": "Resource", "201": "Resource"},
    "update_by": {"200": "Resource", "201": "Resource"},
    "patch": {"200": "Resource"},
    "patch_by": {"200": "Resource"},
    "delete": {"204": "Nothing"},
    "delete_by": {"204": "Nothing"},
    "read": {"200": "Resource", "304": "Nothing"},
    "read_audit_event": {"200": "Resource", "304": "Nothing"},
    "send_audit_event": {"201": "Resource"},
    "vread": {"200": "Resource", "304": "Nothing"},
    "bulk_status": {"200": "Document", "202": "Nothing", "303": "Nothing", "500": "OperationOutcome"},
    "bulk_delete": {"202": "OperationOutcome"},
    "bulk_file": {"200": "Lines"},
}

_ID = {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"}
_PLACES: Part = {
    "type": {"enum": sorted(RESOURCES)},
    "id": _ID,
    "version": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
    "compartment": {"enum": sorted(COMPARTMENTS)},
    "job": _ID,
    "file": {"type": "string"},
}
_REFUSALS = {"4XX": "OperationOutcome", "503": "OperationOutcome"}

_others: Part = {}


def register(paths: Mapping[str, Any]) -> None:
    """Describe interfaces of a module above: path items of OpenAPI 3.1 by their paths."""
    _others.update(paths)
    _document.cache_clear()


def document() -> bytes:
    """The description, for clients at any address of the node."""
    return _document(added().generation)


@lru_cache(maxsize=2)
def _document(generation: int) -> bytes:  # of the added parameters
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Tuệ Tĩnh", "version": version("tuetinh"), "license": {"name": "Apache-2.0"}},
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}],
            "paths": dict(sorted({**_routes(), **_operations(), **_others}.items())),
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
                "schemas": _schemas(),
                "parameters": _parameters(),
                "responses": _responses(),
            },
        }
    )


def _routes() -> Part:
    """The paths of the interactions; `/{type}` once for each type, and the contents of Binaries as they are."""
    paths: Part = {}
    for route in ROUTES:
        for type_ in sorted(RESOURCES.keys() - {reading.NAME}) if route.shape == "/{type}" else [""]:
            path = "/fhir" + route.shape.replace("{type}", type_ or "{type}").rstrip("/")
            paths.setdefault(path, {})[route.method.lower()] = _interaction(route, path, type_)
    one = "/fhir/Binary/{id}"
    raw = {r.method.lower(): _interaction(r, one, "Binary") for r in ROUTES if r.shape == "/{type}/{id}"}
    return paths | {one: raw}


def _interaction(route: Route, path: str, type_: str) -> Part:
    name = f"{route.name}-{type_}" if type_ else route.name
    if "{compartment}" in path and route.name != "search_compartment":
        name += "-in-compartment"
    made: Part = {
        "operationId": f"{name}-by-form" if path.endswith("_search") else name,
        "parameters": [*_places(path), *(_ref("parameters", one) for one in _asked(route, path, type_))],
        "responses": _answers(route.name, type_),
    }
    if route.name == "search" and type_:
        made["parameters"] += [_ref("parameters", _key(p)) if not p.number else _parameter(p) for p in _params(type_)]
    if route.method in ("POST", "PUT", "PATCH"):
        made["requestBody"] = {"required": True, "content": _taken(route, path, type_)}
    return made | ({"security": []} if route.name in OPEN else {})


def _places(path: str) -> list[Part]:
    return [_ref("parameters", name) for name in _PLACES if f"{{{name}}}" in path]


def _asked(route: Route, path: str, type_: str) -> tuple[str, ...]:
    query = () if path.endswith("_search") else _QUERY.get(route.name, ())
    return (*query, *_HEADERS.get(route.name, ()))


def _params(type_: str) -> list[Param]:
    return [param for _, param in sorted(capability.answered(type_).items())]


def _answers(name: str, type_: str) -> Part:
    answers = _ANSWERS.get(name, {"200": "Bundle"})
    if type_ == "Binary" and name == "read":
        answers = answers | {"200": "Content"}
    return {status: _ref("responses", answer) for status, answer in (answers | _REFUSALS).items()}


def _taken(route: Route, path: str, type_: str) -> Part:
    if path.endswith("_search"):
        return {FORM: {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}}
    if route.method == "PATCH":
        return {media: {} for media in MEDIA}
    schema = "Bundle" if route.name == "bundle" else type_ if type_ in RESOURCES else "Resource"
    return _fhir(schema) | ({ANY: {}} if type_ == "Binary" else {})


def _operations() -> Part:
    """The paths of `$name` on the system, on types and on resources."""
    paths: Part = {}
    for one in operations.known():
        for level in one.levels:
            alike = level == "system" or one.types in (None, frozenset(RESOURCES))
            for type_ in [""] if alike else sorted(one.types or ()):
                place = {"system": "", "type": "/{type}", "instance": "/{type}/{id}"}[level]
                path = f"/fhir{place.replace('{type}', type_ or '{type}')}/${one.name}"
                name = "-".join(part for part in (one.name, level, type_) if part)
                paths[path] = dict(_methods(one, path, name))
    return paths


def _methods(one: Operation, path: str, name: str) -> Iterator[tuple[str, Part]]:
    content = _fhir("Resource") | {media: {} for media in one.media}
    answers = {"2XX": {"description": "The answer.", "content": content}}
    answers |= {status: _ref("responses", answer) for status, answer in _REFUSALS.items()}
    places = _places(path)
    query = [_of_address(p.name, p.max != 1) for p in one.params if p.type[:1].islower()]
    if one.by_get:
        others = [_ref("parameters", "other")] if one.open else []
        yield "get", {"operationId": f"{name}-by-get", "parameters": places + query + others, "responses": answers}
    taken = _fhir("Parameters") | {media: {} for media in one.takes}
    yield (
        "post",
        {"operationId": name, "parameters": places, "requestBody": {"content": taken}, "responses": answers},
    )


def _of_address(name: str, many: bool) -> Part:  # noqa: FBT001 - the two halves of one declaration
    text = {"type": "string"}
    return {"name": name, "in": "query", "schema": {"type": "array", "items": text} if many else text}


def _fhir(schema: str) -> Part:
    return {JSON: {"schema": _ref("schemas", schema)}, XML: {}}


def _ref(kind: str, name: str) -> Part:
    return {"$ref": f"#/components/{kind}/{name}"}


def _key(param: Param) -> str:
    return f"{param.code}-{param.type}"


def _parameter(param: Param) -> Part:
    return _of_address(param.code, many=True) | {"description": capability.told(param) or param.type}


def _parameters() -> Part:
    made = {_key(p): _parameter(p) for type_ in sorted(RESOURCES) for p in _params(type_) if not p.number}
    for name, schema in _PLACES.items():
        made[name] = {"name": name, "in": "path", "required": True, "schema": schema}
    for name in sorted({name for names in _QUERY.values() for name in names} - {"other"}):
        made[name] = _of_address(name, many=name in ("_include", "_revinclude"))
    for name in sorted({name for names in _HEADERS.values() for name in names}):
        made[name] = {"name": name, "in": "header", "schema": {"type": "string"}}
    free = {"type": "object", "additionalProperties": {"type": "string"}}
    told = "Search parameters with modifiers, chains and _has (R4 search.html)."
    made["other"] = {"name": "other", "in": "query", "style": "form", "explode": True, "schema": free}
    made["other"]["description"] = told
    return made


def _schemas() -> Part:
    """Resources by their type alone: what is in them is for StructureDefinitions to say."""
    types = sorted({*RESOURCES, "Parameters", "Bundle", "OperationOutcome"})
    made: Part = {name: {"type": "object", "required": ["resourceType"]} for name in types}
    for name, schema in made.items():
        schema["properties"] = {"resourceType": {"const": name}}
    any_type = {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"}
    made["Resource"] = {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": any_type},
    }
    issue = {
        "type": "object",
        "required": ["severity", "code"],
        "properties": {"severity": {"enum": ["fatal", "error", "warning", "information"]}, "code": {"type": "string"}},
    }
    outcome = made["OperationOutcome"]
    outcome["required"] = ["resourceType", "issue"]
    outcome["properties"]["issue"] = {"type": "array", "minItems": 1, "items": issue}
    made["Bundle"]["properties"]["entry"] = {"type": "array", "items": {"type": "object"}}
    return made


def _responses() -> Part:
    bodies = {name: _fhir(name) for name in ("Resource", "Bundle", "OperationOutcome")}
    bodies |= {"Document": {"application/json": {}}, "Lines": {NDJSON: {}}, "Content": {ANY: {}}, "Nothing": {}}
    return {name: {"description": name, **({"content": body} if body else {})} for name, body in bodies.items()}
