"""What FHIR adds to FHIRPath (FHIR R4, 2.9.1.5), and the key functions of SQL on FHIR."""

from __future__ import annotations

import re
from typing import Any

from tuetinh.record.fhirpath.context import Context, one
from tuetinh.record.fhirpath.errors import EvaluationError
from tuetinh.record.fhirpath.model import kinds
from tuetinh.record.fhirpath.nodes import Node, plain, root, system
from tuetinh.record.fhirpath.registry import Eval, Items, collection, value_of
from tuetinh.record.validate import narrative

_BASE = "http://hl7.org/fhir/StructureDefinition/"
_REFERENCE = re.compile(r"(?:^|/)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]+)?$")


def _field(node: Any, name: str) -> Any:
    """A JSON field of an element; None for what is none."""
    return node.value.get(name) if type(node) is Node and isinstance(node.value, dict) else None


@collection("extension", 1)
def _extension(context: Context, items: Items, url: Items) -> Items:
    wanted = value_of(url, str, "extension()")
    context.spend(len(items))
    return [
        found
        for item in items
        if type(item) is Node
        for found in item.child("extension")
        if _field(found, "url") == wanted
    ]


def _valued(item: Any) -> bool:
    return type(item) is not Node or (item.value is not None and not isinstance(item.value, dict))


@collection("hasValue")
def _has_value(context: Context, items: Items) -> Items:
    return [len(items) == 1 and _valued(items[0])]


@collection("getValue")
def _get_value(context: Context, items: Items) -> Items:
    return [system(items[0])] if len(items) == 1 and _valued(items[0]) else []


@collection("resolve")
def _resolve(context: Context, items: Items) -> Items:
    """Each reference, canonical or URI; what cannot be found is left out."""
    found: Items = []
    for item in items:
        context.spend(10)
        reference = _field(item, "reference")
        text = reference if reference is not None else system(item)
        if isinstance(text, str) and text:
            found += _find(item if type(item) is Node else context.node, text, context)
    return found


def _find(near: Node, reference: str, context: Context) -> Items:
    own = near.resource
    if reference.startswith("#"):
        holder = own.parent.resource if own and own.key == "contained" and own.parent else own
        if holder is None or reference == "#":
            return [holder] if holder else []
        return [each for each in holder.child("contained") if _field(each, "id") == reference[1:]]
    bundle = own
    while bundle is not None and bundle.kind.name != "Bundle":
        bundle = bundle.parent.resource if bundle.parent else None
    if bundle is not None:
        for entry in bundle.child("entry"):
            context.spend(1)
            url = _field(entry, "fullUrl")
            if not isinstance(url, str):
                continue
            if url == reference or (":" not in reference and url.endswith(f"/{reference}")):
                return entry.child("resource")
    resolve = context.services.resolve
    resource = resolve(reference) if resolve else None
    return [] if resource is None else [root(resource)]


@collection("memberOf", 1)
def _member_of(context: Context, items: Items, value_set: Items) -> Items:
    item, url = one(items, "memberOf()"), value_of(value_set, str, "memberOf()")
    if item is None or url is None:
        return []
    if context.services.member_of is None:
        raise EvaluationError("memberOf() needs a terminology service")
    answer = context.services.member_of(plain(item), url)
    return [] if answer is None else [answer]


def _subsumed(context: Context, items: Items, other: Items, name: str, *, swapped: bool) -> Items:
    left, right = one(items, name), one(other, name)
    if left is None or right is None:
        return []
    if context.services.subsumes is None:
        raise EvaluationError(f"{name} needs a terminology service")
    pair = (right, left) if swapped else (left, right)
    answer = context.services.subsumes(plain(pair[0]), plain(pair[1]))
    return [] if answer is None else [answer]


@collection("subsumes", 1)
def _subsumes(context: Context, items: Items, other: Items) -> Items:
    return _subsumed(context, items, other, "subsumes()", swapped=False)


@collection("subsumedBy", 1)
def _subsumed_by(context: Context, items: Items, other: Items) -> Items:
    return _subsumed(context, items, other, "subsumedBy()", swapped=True)


@collection("conformsTo", 1)
def _conforms_to(context: Context, items: Items, profile: Items) -> Items:
    item, url = one(items, "conformsTo()"), value_of(profile, str, "conformsTo()")
    if item is None or url is None:
        return []
    name = url.removeprefix(_BASE)
    if url.startswith(_BASE) and name in kinds():
        return [type(item) is Node and item.kind.is_a(name)]
    if context.services.conforms_to is None:
        raise EvaluationError(f"conformsTo() does not know {url}")
    return [context.services.conforms_to(plain(item), url)]


@collection("htmlChecks")
def _html_checks(context: Context, items: Items) -> Items:
    """txt-1 and txt-2: only basic XHTML, and something to see."""
    text = system(one(items, "htmlChecks()"))
    return [narrative.check(text) is None] if isinstance(text, str) else []


@collection("checkModifiers", 0, 20)
def _check_modifiers(context: Context, items: Items, *known: Items) -> Items:
    """The items themselves; an error where a modifier extension is none of the known ones."""
    urls = {value_of(url, str, "checkModifiers()") for url in known}
    for item in items:
        for extension in item.child("modifierExtension") if type(item) is Node else []:
            url = _field(extension, "url")
            if not isinstance(url, str) or url not in urls:
                raise EvaluationError(f"the modifier {str(url)[:200]} is not known")
    return items


@collection("getResourceKey")
def _get_resource_key(context: Context, items: Items) -> Items:
    resources = [item for item in items if type(item) is Node and item.kind.resource]
    return [f"{item.kind.name}/{id_}" for item in resources if isinstance(id_ := _field(item, "id"), str)]


def reference_key(wanted: str | None) -> Eval:
    """`getReferenceKey`: the key of the resource that a reference names, as `getResourceKey` gives it; empty for
    another type than the one that is wanted, and for what names no resource by type and id."""

    def run(items: Items, context: Context) -> Items:
        found: Items = []
        for item in items:
            reference = _field(item, "reference")
            named = _REFERENCE.search(reference) if isinstance(reference, str) else None
            if named and wanted in (None, named["type"]):
                found.append(f"{named['type']}/{named['id']}")
        return found

    return run
