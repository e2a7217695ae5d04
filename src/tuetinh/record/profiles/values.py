"""Values whose form FHIR describes in words: attachments, canonicals, identifiers, links, enableWhen."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from tuetinh.record.fhirpath import Node
from tuetinh.record.fhirpath.compare import order
from tuetinh.record.fhirpath.model import kinds
from tuetinh.record.fhirpath.values import parse_datetime
from tuetinh.record.search.params import params
from tuetinh.record.validate.model import RESOURCE_TYPES, TYPES
from tuetinh.record.validate.problem import Problem

Json = dict[str, Any]
CONCEPT_PROPERTIES = "http://hl7.org/fhir/concept-properties#"
PROPERTIES = {
    "inactive": "boolean",
    "deprecated": "dateTime",
    "deprecationDate": "dateTime",
    "notSelectable": "boolean",
    "parent": "code",
    "child": "code",
}
URIS = "urn:ietf:rfc:3986"
_TAG = re.compile(r"<\s*/?\s*[A-Za-z][^<>]*>")
_EXAMPLE = re.compile(r"https?://(?:[\w\-]+\.)*example(?:\.(?:com|net|org))?(?::\d+)?(?:[/?#]|$)", re.IGNORECASE)
_HREF = re.compile(r"<a\s[^>]*?href\s*=\s*[\"']#([^\"']+)[\"']")


def problems(root: Node) -> Iterator[Problem]:
    """What is wrong with the values of a resource and all within it."""
    for node in (root, *root.descendants()):
        if check := CHECKS.get(node.kind.name):
            yield from check(node)
        if node.kind.resource and isinstance(node.value, dict):
            yield from _links(node)
            yield from _twice(node)


def markup(root: Node) -> Iterator[Problem]:
    """Texts that look like HTML (security.html, 6.1.0.11)."""
    for node in root.descendants():
        if node.kind.name in ("string", "markdown") and _TAG.search(str(node.value)):
            yield Problem("error", "security", node.path, "must not look like markup")


def examples(root: Node) -> Iterator[Problem]:
    """URLs under the names that are kept for examples (RFC 2606, 3)."""
    for node in root.descendants():
        if node.kind.is_a("uri") and _EXAMPLE.match(str(node.value)):
            yield Problem("error", "value", node.path, f"is the URL of an example: {str(node.value)[:200]}")


def _twice(resource: Node) -> Iterator[Problem]:
    """The ids of elements are unique within a resource (element.html#id)."""
    seen: set[str] = set()
    waiting = resource.children()
    while waiting:
        node = waiting.pop()
        if node.kind.resource or node.kind.name == "ElementDefinition":
            continue
        fields = node.value if isinstance(node.value, dict) else node.beside or {}
        name = fields.get("id")
        if isinstance(name, str) and name in seen:
            yield Problem("error", "value", node.path, f"the id {name[:80]!r} stands more than once")
        elif isinstance(name, str):
            seen.add(name)
        waiting += node.children()


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


def _period(node: Node) -> Iterator[Problem]:
    """The order of start and end can be told: they are as precise as each other, where they are of one day (per-1)."""
    start, end = (parse_datetime(str(node.value.get(name, ""))) for name in ("start", "end"))
    if start and end and order(start, end) is None:
        message = "start and end are not precise enough to tell that the one is before the other (per-1)"
        yield Problem("warning", "invalid", node.path, message)


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


def _code(node: Node) -> Iterator[Problem]:
    """A code that a required binding asks for, given by extensions alone."""
    type_ = TYPES.get(node.parent.kind.name) if node.parent else None
    element = type_.elements.get(node.key) if type_ else None
    if node.value is None and element is not None and element.values is not None:
        yield Problem("warning", "invalid", node.path, "a code of the value set is required here, not extensions alone")


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
    yield from _properties(node)


def _properties(node: Node) -> Iterator[Problem]:
    """CodeSystem.property: each code and URI once, FHIR's own with FHIR's types (codesystem.html, 4.8.10)."""
    seen: set[str] = set()
    for number, one in enumerate(node.value.get("property", [])):
        place, uri = f"{node.path}.property[{number}]", str(one.get("uri", ""))
        names = {n for n in (str(one.get("code", "")), uri) if n}
        if names & seen:
            yield Problem("error", "value", place, f"{', '.join(sorted(names & seen))[:200]} is defined already")
        seen |= names
        wanted = PROPERTIES.get(uri.removeprefix(CONCEPT_PROPERTIES)) if uri.startswith(CONCEPT_PROPERTIES) else None
        if wanted and one.get("type") != wanted:
            yield Problem("error", "value", f"{place}.type", f"{uri} is of the type {wanted}")


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
        place, path = f"{node.path}.differential.element[{number}].path", str(element.get("path", ""))
        if path.partition(".")[0] != start:
            yield Problem("error", "value", place, f"must start with {start[:80]}")
        elif (wrong := _unknown(path)) is not None:
            yield Problem("error", "value", place, f"there is no element {wrong[:80]}")


def _unknown(path: str) -> str | None:
    """The part of an element's path that its type does not have; None when all is well, or cannot be told."""
    start, *names = path.split(".")
    kind = kinds().get(start)
    for name in names:
        if kind is None:
            return None
        bare = name.removesuffix("[x]")
        if kind.primitive and bare == "value":
            return None
        if bare not in kind.steps and bare not in kind.keys and bare not in ("id", "extension"):
            return f"{kind.name}.{name}"
        steps = kind.steps.get(bare, ())
        kind = kind.keys[bare][1] if bare in kind.keys else steps[0][1] if len(steps) == 1 else None
    return None


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
    own = (resource, *resource.descendants())
    here |= {n.value["id"] for n in own if isinstance(n.value, dict) and isinstance(n.value.get("id"), str)}
    for name in sorted(wanted - here):
        yield Problem("error", "not-found", f"{resource.path}.text.div", f"the link #{name[:80]} leads to nothing")


def _capability(node: Node) -> Iterator[Problem]:
    """Search parameters of a CapabilityStatement have the type of their definition."""
    yield from _url(node)
    for rest in node.value.get("rest", []):
        for number, resource in enumerate(rest.get("resource", [])):
            known = {p.url: p.type for p in params(str(resource.get("type"))).values()} if _is_type(resource) else {}
            for one in resource.get("searchParam", []):
                url = str(one.get("definition", "")).partition("|")[0]
                if url in known and one.get("type") != known[url]:
                    place = f"{node.path}.rest.resource[{number}].searchParam"
                    yield Problem("error", "value", place, f"{one.get('name')} is a {known[url]}: {url}")


def _is_type(resource: Json) -> bool:
    return resource.get("type") in RESOURCE_TYPES


def _search_parameter(node: Node) -> Iterator[Problem]:
    """A search parameter that derives from another one has its type, and its expression starts with its base."""
    yield from _url(node)
    bases = [b for b in node.value.get("base", []) if b in RESOURCE_TYPES]
    derived = str(node.value.get("derivedFrom", "")).partition("|")[0]
    for type_ in RESOURCE_TYPES if derived else ():
        for one in params(type_).values():
            if one.url == derived and one.type != node.value.get("type"):
                yield Problem("error", "value", f"{node.path}.type", f"{derived} is a {one.type}")
                return
    starts = set(re.findall(r"(?:^|\|)\s*\(*([A-Z][A-Za-z]+)\.", str(node.value.get("expression", ""))))
    if bases and starts - {*bases, "Resource", "DomainResource"}:
        message = f"starts with {', '.join(sorted(starts))[:80]}, but the base is {', '.join(bases)[:80]}"
        yield Problem("error", "value", f"{node.path}.expression", message)


CHECKS: dict[str, Callable[[Node], Iterator[Problem]]] = {
    "Attachment": _attachment,
    "Period": _period,
    "Identifier": _identifier,
    "code": _code,
    "canonical": _canonical,
    "ValueSet": _value_set,
    "CodeSystem": _code_system,
    "StructureDefinition": _structure,
    "Questionnaire": _questionnaire,
    "CapabilityStatement": _capability,
    "SearchParameter": _search_parameter,
}
