"""What programs may call beside FHIR, for `/fhir/openapi.json`: OAuth 2.0, CDS Hooks 2.0, the health of the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tuetinh.record.door import openapi

Part = dict[str, Any]
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}}


def _form(*required: str, **more: Part) -> Part:
    """A form with texts."""
    text = {"type": "string"}
    schema = {"type": "object", "required": [*required], "properties": dict.fromkeys(required, text) | more}
    return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}


def _json(*required: str, **more: Part) -> Part:
    """An object with these members at least."""
    schema = {"type": "object", "required": [*required], "properties": more}
    return {"application/json": {"schema": schema}}


def _operation(name: str, good: Part, *refused: str, status: str = "200", public: bool = False, **more: Any) -> Part:
    """An operation: the content of its answer, and the statuses of refusals, each with `error`."""
    answers: Part = {status: {"description": "It is done.", **({"content": good} if good else {})}}
    answers |= {one: {"description": "Refused.", "content": _json("error")} for one in refused}
    return {"operationId": name, "responses": answers, **({"security": []} if public else {}), **more}


_TEXT = {"type": "string"}
_GRANTS = ["client_credentials", "authorization_code", "refresh_token"]
_TOKEN_FORM = _form("grant_type", scope=_TEXT, client_id=_TEXT, code=_TEXT, refresh_token=_TEXT)
_TOKEN_FORM["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]["grant_type"] = {"enum": _GRANTS}
_CALL = {"required": True, "content": _json("hook", "hookInstance", "context", context={"type": "object"})}
_NOTES = {"required": True, "content": _json("feedback", feedback={"type": "array"})}
_PART = {"enum": ["ok", "absent", "unknown"]}
_BACKUP = {"enum": ["off", "ok", "late", "behind", "drill"]}
_HEALTH = _json("status", "web", "database", "worker", "listeners", "backup", "roles", worker=_PART, backup=_BACKUP)

PATHS: Part = {
    "/oauth/token": {
        "post": _operation(
            "token",
            _json("access_token", "token_type", "expires_in", "scope"),
            *("400", "401"),
            requestBody=_TOKEN_FORM,
            public=True,
        )
    },
    "/oauth/introspect": {
        "post": _operation("introspect", _json("active"), "400", "401", requestBody=_form("token"), public=True)
    },
    "/oauth/revoke": {"post": _operation("revoke", {}, "400", "401", requestBody=_form("token"), public=True)},
    "/oauth/jwks": {"get": _operation("jwks", _json("keys", keys={"type": "array"}), public=True)},
    "/.well-known/smart-configuration": {
        "get": _operation("smart_configuration", _json("token_endpoint", "capabilities"), public=True)
    },
    "/cds-services": {"get": _operation("cds_services", _json("services", services={"type": "array"}), public=True)},
    "/cds-services/{id}": {
        "parameters": [_ID],
        "post": _operation(
            "cds_service",
            _json("cards", cards={"type": "array"}),
            *("400", "401", "403", "404", "412", "415"),
            requestBody=_CALL,
        ),
    },
    "/cds-services/{id}/feedback": {
        "parameters": [_ID],
        "post": _operation("cds_feedback", {}, "400", "401", "403", "404", "415", requestBody=_NOTES),
    },
    "/healthz": {
        "get": _operation("health", _HEALTH, public=True)
        | {"responses": {one: {"description": "Each part.", "content": _HEALTH} for one in ("200", "503")}}
    },
}


def describe() -> None:
    """Tell the `/fhir` door of them."""
    openapi.register(PATHS)


HEAD = """# Interfaces

Made by `make interfaces` from what a node serves at `/fhir/openapi.json`. After each method are its parameters but
for those of the path; `*` stands for the search parameters of every type:
"""


def listed() -> str:
    """All addresses with their methods and parameters as Markdown, one a line."""
    describe()
    document = msgspec.json.decode(openapi.document())
    common = {"_id", "_lastUpdated", "_profile", "_security", "_source", "_tag", "_text", "_content", *openapi.RESULT}
    lines = [HEAD + " ".join(sorted(common)) + ".", ""]
    for path, item in document["paths"].items():
        methods = " · ".join(_line(document, method, one, common) for method, one in item.items() if method in _METHODS)
        lines.append(f"- `{path}` {methods}")
    return "\n".join(lines) + "\n"


_METHODS = ("get", "post", "put", "patch", "delete")


def _line(document: Part, method: str, operation: Part, common: set[str]) -> str:
    names = [name for name in _names(document, operation) if name not in common]
    if common <= {*_names(document, operation)}:
        names.append("*")
    return f"{method.upper()} {' '.join(names)}".rstrip()


def _names(document: Part, operation: Part) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        told = document["components"]["parameters"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        if told["in"] != "path":
            yield told["name"]
