"""`Composition/id/$document` (composition-operation-document.html): a document with everything that it refers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tuetinh.record import r4, reads, store, versioning
from tuetinh.record.errors import BadRequest, Unprocessable
from tuetinh.record.operations.declare import Asked, Level, Operation, Out, Param, Reply
from tuetinh.record.steps import Step
from tuetinh.record.versioning import Stored

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/(\d{1,9}))?")


def document(asked: Asked) -> Step[Reply]:
    """A Bundle of type document; with `persist` it is stored as well.

    A document without a part of it is not that document: Unprocessable when a reference leads to nothing here.
    """
    if asked.one("persist") and asked.by_get:
        message = "a document is stored by POST; GET changes nothing"
        raise BadRequest(message, "persist")
    id_ = asked.id or asked.one("id", "").removeprefix(asked.base + "/").removeprefix("Composition/")
    composition = yield from reads.read(asked.asker, "Composition", id_)
    parts = [composition]
    for reference in dict.fromkeys(_references(msgspec.json.decode(composition.body or b"{}"))):
        match = _LOCAL.fullmatch(reference.removeprefix(asked.base + "/"))
        if match and match[1] in r4.RESOURCES and (match[1], match[2]) not in {(p.type, p.id) for p in parts}:
            parts.append((yield from _part(asked, match)))
    id_, moment = versioning.new_id(), versioning.now()
    bundle = {
        "resourceType": "Bundle",
        "id": id_,
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{id_}"},
        "type": "document",
        "timestamp": versioning.instant(moment),
        "entry": [{"fullUrl": f"{asked.base}/{p.type}/{p.id}", "resource": msgspec.Raw(p.body or b"")} for p in parts],
    }
    body = msgspec.json.encode(bundle)
    if asked.one("persist"):
        stored = yield from store.create(asked.asker, [r4.decode(body)])
        body = stored[0].body or b""
    return Reply(body, seen=[(part.type, part.id, part.patient) for part in parts])


def _part(asked: Asked, match: re.Match[str]) -> Step[Stored]:
    type_, id_ = match[1], match[2]
    if match[3]:
        return (yield from reads.read_version(asked.asker, type_, id_, int(match[3])))
    found = yield from reads.read_many(asked.asker, type_, [id_])
    if not found:
        message = f"the document refers to {type_}/{id_}, which is not here"
        raise Unprocessable(message, "Composition")
    return found[0]


def _references(value: Any) -> Iterator[str]:
    """Every literal reference of the composition, in its order; contained resources are part of it already."""
    if isinstance(value, dict):
        if isinstance(reference := value.get("reference"), str):
            yield reference
        for key, inner in value.items():
            if key != "contained":
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


_PLACES: tuple[tuple[Level, tuple[Param, ...]], ...] = (("instance", ()), ("type", (Param("id", "uri", 1),)))
OPERATIONS = tuple(
    Operation(
        "document",
        "http://hl7.org/fhir/OperationDefinition/Composition-document",
        (level,),
        document,
        types=frozenset({"Composition"}),
        params=(Param("persist", "boolean"), *more),
        out=(Out("return", "Bundle", 1),),
    )
    for level, more in _PLACES
)
