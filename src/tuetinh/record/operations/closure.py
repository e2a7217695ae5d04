"""`$closure` (conceptmap-operation-closure.html): a client keeps a table of which of its codes lie under which.

A table belongs to the account that named it. The name alone starts it anew; codes add to it; a version asks again for
what came after that.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tuetinh.record.errors import BadRequest, NotFound
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply
from tuetinh.record.steps import Query, Step
from tuetinh.record.terminology.closure import Seen, added, closure
from tuetinh.record.terminology.shelf import refresh

_LARGEST = 20_000
_START = """
INSERT INTO record.closure (account, name, version, codes) VALUES (%s, %s, 0, '[]')
ON CONFLICT (account, name) DO UPDATE SET version = 0, codes = '[]'
"""
_LOCK = "SELECT version, codes FROM record.closure WHERE account = %s AND name = %s FOR UPDATE"
_STORE = "UPDATE record.closure SET version = %s, codes = %s WHERE account = %s AND name = %s"


def keep(asked: Asked) -> Step[Reply]:
    """Start a table, add codes to it, or tell again what came after a version."""
    shelf = yield from refresh()
    name, account = asked.one("name"), asked.asker.account
    sent = [(own.system or "", own.version or "", own.code or "") for own in asked.many("concept")]
    if not sent and asked.one("version") is None:
        yield Query(_START, (account, name))
        return _reply(closure(shelf.library, name, (), 0, 0))
    rows = yield Query(_LOCK, (account, name))
    if not rows:
        message = f"there is no closure table {name[:80]!r}: send its name alone to start it"
        raise NotFound(message, "name")
    version, codes = rows[0]
    known = [Seen(*own) for own in codes]
    if asked.one("version") is not None:
        return _reply(closure(shelf.library, name, known, _number(asked.one("version")), version))
    new = added(known, sent, version + 1)
    if len(known) + len(new) > _LARGEST:
        message = f"a closure table holds {_LARGEST} codes at most"
        raise BadRequest(message, "concept")
    known += new
    yield Query(_STORE, (version + 1, json.dumps(known), account, name))
    return _reply(closure(shelf.library, name, known, version, version + 1))


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        message = "the version is not one of this table"
        raise BadRequest(message, "version")
    return int(text)


def _reply(concept_map: dict[str, Any]) -> Reply:
    if not concept_map["group"]:
        del concept_map["group"]
    return Reply(msgspec.json.encode(concept_map))


OPERATIONS = (
    Operation(
        "closure",
        "http://hl7.org/fhir/OperationDefinition/ConceptMap-closure",
        ("system",),
        keep,
        affects=True,
        letter="",
        params=(Param("name", "string", 1), Param("concept", "Coding", max=None), Param("version", "string")),
        out=(Out("return", "ConceptMap", 1),),
    ),
)
