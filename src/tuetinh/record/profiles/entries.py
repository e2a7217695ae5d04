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
        if value.get("type") == "searchset":
            yield from _found(f"{bundle.path}.entry[{number}]", entry)
    yield from _confused(bundle, entries)
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


def _found(path: str, entry: Json) -> Iterator[Problem]:
    """What a search finds has an id, and what it says of itself is an OperationOutcome (bundle.html, searchset)."""
    resource, mode = entry.get("resource"), entry.get("search", {}).get("mode")
    if not isinstance(resource, dict):
        return
    outcome = resource.get("resourceType") == "OperationOutcome"
    if not outcome and "id" not in resource:
        yield Problem("error", "required", f"{path}.resource", "the results of a search have ids")
    if mode and outcome != (mode == "outcome"):
        message = "the mode `outcome` is that of OperationOutcomes, and of nothing else"
        yield Problem("error", "value", f"{path}.search.mode", message)


def _confused(bundle: Node, entries: list[Json]) -> Iterator[Problem]:
    """References by type and id whose id is that of an entry of another type (`urn:uuid:` with the same UUID)."""
    types = {
        str(e.get("fullUrl", "")).removeprefix("urn:uuid:"): e["resource"].get("resourceType")
        for e in entries
        if str(e.get("fullUrl", "")).startswith("urn:uuid:") and isinstance(e.get("resource"), dict)
    }
    for node in bundle.descendants() if types else ():
        text = node.value.get("reference") if node.kind.name == "Reference" and isinstance(node.value, dict) else None
        type_, _, name = str(text).partition("/")
        if name in types and type_ != types[name]:
            yield Problem(
                "error", "value", node.path, f"{str(text)[:100]} has the id of a {types[name]} of this Bundle"
            )


def _document(path: str, entries: list[Json]) -> Iterator[Problem]:
    """Every part that the Composition names is in the document."""
    composition = entries[0].get("resource", {})
    if composition.get("resourceType") != "Composition":
        return
    match = _RESTFUL.fullmatch(str(entries[0].get("fullUrl", "")))
    here = _versions(entries, by_url=True)
    place = f"{path}.entry[0].resource"
    for where, reference in _parts(composition, place):
        text = str(reference.get("reference", ""))
        bare, _, version = text.partition("/_history/")
        if _RELATIVE.fullmatch(text):
            known = here.get(match["base"] + bare, []) if match else _versions(entries, by_url=False).get(bare, [])
        elif text.startswith("urn:"):
            known = here.get(text, [])
        else:
            continue
        known = [one for one in known if one == version] if version else known
        if not known:
            yield Problem("error", "not-found", where, f"{text[:200]} is not in the document")
        elif len(known) > 1:
            yield Problem("error", "multiple-matches", where, f"{text[:200]} is {len(known)} times in the document")


def _versions(entries: list[Json], *, by_url: bool) -> dict[str, list[str]]:
    """The versions of each resource in the document, by its fullUrl, or by type and id where that is no URN."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        url, resource = str(entry.get("fullUrl", "")), entry.get("resource", {})
        if by_url or not url.startswith("urn:"):
            name = url if by_url else f"{resource.get('resourceType')}/{resource.get('id')}"
            found.setdefault(name, []).append(str(resource.get("meta", {}).get("versionId", "")))
    return found


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
