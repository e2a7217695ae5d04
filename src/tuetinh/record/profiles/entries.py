"""What the entries of a Bundle are called and how they refer to each other (R4 bundle.html, 2.36.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tuetinh.record.fhirpath import Node
from tuetinh.record.validate.model import RESOURCE_TYPES
from tuetinh.record.validate.problem import Problem

Json = dict[str, Any]
_RESTFUL = re.compile(r"(?P<base>https?://\S+/)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/\S+)?")
NAMELESS = frozenset({"batch", "transaction", "batch-response", "transaction-response"})
ONCE = frozenset({"self", "first", "previous", "prev", "next", "last"})
# What a document must bring along (documents.html, 2.43.1.1).
PARTS = ["subject", "encounter", "author", "custodian"]


def problems(bundle: Node) -> Iterator[Problem]:
    """What is wrong with the names of entries, and with the references of a document's Composition."""
    value: Json = bundle.value
    yield from _links(bundle.path, value)
    entries = [e for e in value.get("entry", []) if isinstance(e, dict)]
    for number, entry in enumerate(entries):
        yield from _named(f"{bundle.path}.entry[{number}]", entry, str(value.get("type")))
    if value.get("type") == "document" and entries:
        yield from _document(bundle.path, entries)


def _links(path: str, bundle: Json) -> Iterator[Problem]:
    relations = [link.get("relation") for link in bundle.get("link", [])]
    for name in sorted({str(r) for r in relations if r in ONCE and relations.count(r) > 1}):
        yield Problem("error", "structure", f"{path}.link", f"the link {name!r} may stand once only")


def _named(path: str, entry: Json, kind: str) -> Iterator[Problem]:
    resource, url = entry.get("resource"), entry.get("fullUrl")
    if not isinstance(resource, dict):
        return
    if not isinstance(url, str):
        if kind not in NAMELESS and resource.get("resourceType") != "OperationOutcome":
            yield Problem("error", "required", path, "every entry needs a fullUrl, except in batches and transactions")
        return
    if ":" not in url:
        yield Problem("error", "value", f"{path}.fullUrl", "the fullUrl must be absolute")
    match = _RESTFUL.fullmatch(url)
    if match and match["type"] in RESOURCE_TYPES and kind != "history":
        name = f"{resource.get('resourceType')}/{resource.get('id', '')}"
        if name != f"{match['type']}/{match['id']}":
            yield Problem("error", "value", f"{path}.fullUrl", f"the fullUrl must end with {name}")


def _document(path: str, entries: list[Json]) -> Iterator[Problem]:
    """Every part that the Composition names is in the document."""
    composition = entries[0].get("resource", {})
    if composition.get("resourceType") != "Composition":
        return
    here = {str(e.get("fullUrl")) for e in entries}
    match = _RESTFUL.fullmatch(str(entries[0].get("fullUrl", "")))
    place = f"{path}.entry[0].resource"
    for where, reference in _parts(composition, place):
        text = str(reference.get("reference", ""))
        if _RELATIVE.fullmatch(text):
            bare = text.partition("/_history/")[0]
            found = (match["base"] + bare in here) if match else bare in _names(entries)
        else:
            found = not text.startswith("urn:") or text in here
        if not found:
            yield Problem("error", "not-found", where, f"{text[:200]} is not in the document")


def _names(entries: list[Json]) -> set[str]:
    resources = (e.get("resource", {}) for e in entries if not str(e.get("fullUrl", "")).startswith("urn:"))
    return {f"{r.get('resourceType')}/{r.get('id')}" for r in resources}


def _parts(composition: Json, place: str) -> Iterator[tuple[str, Json]]:
    for name in PARTS:
        value = composition.get(name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield f"{place}.{name}", one
    yield from _sections(composition.get("section", []), place)


def _sections(sections: list[Json], place: str) -> Iterator[tuple[str, Json]]:
    for number, section in enumerate(sections):
        where = f"{place}.section[{number}]"
        for one in [*section.get("entry", []), *section.get("author", [])]:
            yield f"{where}.entry", one
        yield from _sections(section.get("section", []), where)
