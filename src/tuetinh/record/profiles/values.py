"""Values whose form FHIR describes in words: attachments, canonicals, identifiers, links, enableWhen."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from tuetinh.record.fhirpath import Node
from tuetinh.record.validate.model import RESOURCE_TYPES
from tuetinh.record.validate.problem import Problem

Json = dict[str, Any]
URIS = "urn:ietf:rfc:3986"
_HREF = re.compile(r"<a\s[^>]*?href\s*=\s*[\"']#([^\"']+)[\"']")


def problems(root: Node) -> Iterator[Problem]:
    """What is wrong with the values of a resource and all within it."""
    for node in (root, *root.descendants()):
        if check := CHECKS.get(node.kind.name):
            yield from check(node)
        if node.kind.resource and isinstance(node.value, dict):
            yield from _links(node)


def _attachment(node: Node) -> Iterator[Problem]:
    """Attachment.size is that of the data."""
    size, data = node.value.get("size"), node.value.get("data")
    if not isinstance(size, int) or not isinstance(data, str):
        return
    try:
        real = len(base64.b64decode(data))
    except (binascii.Error, ValueError):
        return
    if real != size:
        yield Problem("error", "value", f"{node.path}.size", f"says {size} bytes, but the data has {real}")


def _canonical(node: Node) -> Iterator[Problem]:
    """Canonical URLs are absolute, or fragments (references.html#canonical)."""
    if isinstance(node.value, str) and ":" not in node.value and not node.value.startswith("#"):
        yield Problem("error", "value", node.path, "a canonical URL must be absolute")


def _identifier(node: Node) -> Iterator[Problem]:
    """An identifier that is a URI is written as a whole URI (datatypes.html#Identifier)."""
    value = node.value.get("value") if isinstance(node.value, dict) else None
    if isinstance(value, str) and node.value.get("system") == URIS and ":" not in value:
        yield Problem("error", "value", f"{node.path}.value", f"must be a whole URI, as the system is {URIS}")


def _url(node: Node) -> Iterator[Problem]:
    """The canonical URL of a definition, and the code systems of a value set."""
    url = node.value.get("url")
    if isinstance(url, str) and ":" not in url:
        yield Problem("error", "value", f"{node.path}.url", "a canonical URL must be absolute")


def _value_set(node: Node) -> Iterator[Problem]:
    yield from _url(node)
    for part in ("include", "exclude"):
        for number, one in enumerate(node.value.get("compose", {}).get(part, [])):
            system = one.get("system")
            if isinstance(system, str) and ":" not in system:
                place = f"{node.path}.compose.{part}[{number}].system"
                yield Problem("error", "value", place, "a code system is named by an absolute URI")


def _code_system(node: Node) -> Iterator[Problem]:
    yield from _url(node)
    content = node.value.get("content")
    if content == "not-present" and node.value.get("concept"):
        yield Problem("error", "invariant", f"{node.path}.content", "says that no concept is here, but some are")
    if (content == "supplement") != ("supplements" in node.value):
        yield Problem("error", "invariant", f"{node.path}.content", "is `supplement` if it supplements a code system")


def _structure(node: Node) -> Iterator[Problem]:
    """The type of a definition: one of FHIR's, or named by a URL; its paths start with it."""
    yield from _url(node)
    type_ = str(node.value.get("type", ""))
    if node.value.get("kind") == "resource" and type_ not in RESOURCE_TYPES | {"Resource", "DomainResource"}:
        yield Problem("error", "value", f"{node.path}.type", f"there is no resource type {type_[:80]!r}")
    if node.value.get("kind") == "logical" and ":" not in type_:
        yield Problem("error", "value", f"{node.path}.type", "a type that is not FHIR's is named by a URL")
    start = type_.rpartition("/")[2]
    for number, element in enumerate(node.value.get("differential", {}).get("element", [])):
        if str(element.get("path", "")).partition(".")[0] != start:
            place = f"{node.path}.differential.element[{number}].path"
            yield Problem("error", "value", place, f"must start with {start[:80]}")


def _questionnaire(node: Node) -> Iterator[Problem]:
    """enableWhen refers to an item that is there, and not below the one that it enables."""
    yield from _url(node)
    known = {str(i.get("linkId")) for i in _items(node.value)}
    for item in _items(node.value):
        inner = {str(i.get("linkId")) for i in _items(item)}
        for condition in item.get("enableWhen", []):
            wanted = str(condition.get("question"))
            if wanted not in known or wanted in inner:
                where = "is not there" if wanted not in known else "is below it"
                message = f"{str(item.get('linkId'))[:80]!r} is enabled by {wanted[:80]!r}, which {where}"
                yield Problem("error", "invariant", node.path, message)


def _items(container: Json) -> Iterator[Json]:
    for item in container.get("item", []):
        yield item
        yield from _items(item)


def _links(resource: Node) -> Iterator[Problem]:
    """Links within a narrative lead to something: a place in it, or an element with that id."""
    text = resource.value.get("text")
    markup = str(text.get("div", "")) if isinstance(text, dict) else ""
    wanted = set(_HREF.findall(markup)) if "#" in markup else set()
    if not wanted:
        return
    here = set(re.findall(r"\b(?:id|name)\s*=\s*[\"']([^\"']+)[\"']", markup))
    top = resource
    while top.parent is not None:
        top = top.parent
    here |= {n.value["id"] for n in (top, *top.descendants()) if isinstance(n.value, dict) and "id" in n.value}
    for name in sorted(wanted - here):
        yield Problem("error", "not-found", f"{resource.path}.text.div", f"the link #{name[:80]} leads to nothing")


CHECKS: dict[str, Callable[[Node], Iterator[Problem]]] = {
    "Attachment": _attachment,
    "Identifier": _identifier,
    "canonical": _canonical,
    "ValueSet": _value_set,
    "CodeSystem": _code_system,
    "StructureDefinition": _structure,
    "Questionnaire": _questionnaire,
}
