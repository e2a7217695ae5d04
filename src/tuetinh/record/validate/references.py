"""The form of `Reference.reference` and what it may point to (R4 references.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tuetinh.record.validate.model import RESOURCE_TYPES
from tuetinh.record.validate.primitives import shorten

_RELATIVE = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?(#.+)?")
# A search that names one resource (http.html#trules); whoever stores it resolves it.
_CONDITIONAL = re.compile(r"([A-Za-z]+)\?\S+")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_TAIL = re.compile(r".*/([A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_URN_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_URN_OID = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+")

Fault = tuple[str, str]


class Scope:
    """One resource that is nobody's contained: what it contains, and which of that is referred to."""

    def __init__(self, resource: dict[str, Any]) -> None:
        self.type = resource.get("resourceType")
        self.contained: dict[str, str] = {}
        self.used: set[str] = set()
        inner = resource.get("contained")
        for item in inner if isinstance(inner, list) else []:
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                self.contained[item["id"]] = str(item.get("resourceType"))


class Surroundings:
    """What a reference may resolve to outside its resource: the other entries of the Bundle that is checked."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.urls: dict[str, str] = {}
        entries = root.get("entry")
        if root.get("resourceType") == "Bundle" and isinstance(entries, list):
            for entry in entries:
                if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                    url, kind = entry.get("fullUrl"), entry["resource"].get("resourceType")
                    if isinstance(url, str) and isinstance(kind, str):
                        self.urls[url] = kind


def check(o: dict[str, Any], targets: Iterable[str], scope: Scope, around: Surroundings) -> Iterator[Fault]:
    """The faults of a Reference object whose own shape is right, each as (IssueType code, message)."""
    target: str | None = None
    reference = o.get("reference")
    if reference is not None:
        fault, target = _target(reference, scope, around)
        if fault:
            yield fault
    stated = o.get("type")
    if target and stated in RESOURCE_TYPES and target in RESOURCE_TYPES and stated != target:
        yield "invariant", f"refers to {target}, but its type says {stated}"
    target = target or (stated if stated in RESOURCE_TYPES else None)
    if targets and target in RESOURCE_TYPES and target not in targets:
        yield "value", f"must refer to {' or '.join(sorted(targets))}, not to {target}"


def _target(reference: str, scope: Scope, around: Surroundings) -> tuple[Fault | None, str | None]:
    """What is wrong with the text of a reference, and the type that it points to where that shows."""
    if reference.startswith("#"):
        local = reference[1:]
        if not local:
            return None, scope.type
        scope.used.add(local)
        if local not in scope.contained:
            return ("not-found", f"refers to {shorten(reference)}, which is not contained (ref-1)"), None
        return None, scope.contained[local]
    if match := _RELATIVE.fullmatch(reference) or _CONDITIONAL.fullmatch(reference):
        if match[1] not in RESOURCE_TYPES:
            return ("value", f"refers to {shorten(reference)}, but there is no resource type {shorten(match[1])}"), None
        return None, match[1]
    if reference in around.urls:
        return None, around.urls[reference]
    for prefix, form, name in (("urn:uuid:", _URN_UUID, "UUID"), ("urn:oid:", _URN_OID, "OID")):
        if reference.startswith(prefix):
            good = form.fullmatch(reference)
            return (None if good else ("value", f"is not a valid {name}: {shorten(reference)}")), None
    if _ABSOLUTE.fullmatch(reference) is None:
        form_of = "Type/id, a URL, urn:uuid:…, urn:oid:… or #id"
        return ("value", f"is not a reference ({form_of}): {shorten(reference)}"), None
    tail = _TAIL.fullmatch(reference)
    return None, tail[1] if tail and tail[1] in RESOURCE_TYPES else None
