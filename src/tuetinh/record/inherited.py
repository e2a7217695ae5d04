"""What a resource is labelled by beside its own codes: by what it names, and a Binary by the documents that show it.

It is asked within the statement that writes (`record.inherited` of sql/labels.sql). When what is named is labelled
later, `record.rise` brings its labels up to whatever names it.
"""

from __future__ import annotations

from typing import Any, Final

from tuetinh.record import r4
from tuetinh.record.search.entries import VERSION, local
from tuetinh.record.search.index import context_of

_PATHS: Final = {
    "Composition": ("section.entry", "section.section.entry"),
    "DiagnosticReport": ("result", "media.link", "imagingStudy"),
    "DocumentReference": ("context.related",),
    "Encounter": ("diagnosis.condition", "reasonReference"),
    "List": ("entry.item",),
    "MedicationAdministration": ("medicationReference",),
    "MedicationDispense": ("medicationReference",),
    "MedicationRequest": ("medicationReference",),
    "MedicationStatement": ("medicationReference",),
    "Provenance": ("target",),
}
TYPES: Final = frozenset({*_PATHS, "Binary"})


def named(resource: r4.Resource) -> list[str]:
    """The resources, as `Type/id`, whose labels it takes; a Binary itself stands for the documents that show it."""
    if isinstance(resource, r4.Binary):
        context = context_of(resource)
        return [f"Binary/{resource.id}", *([context] if context and _is_name(context) else [])]
    paths = _PATHS.get(resource.resourceType, ())
    found = [one.reference or "" for path in paths for one in _at(resource, path.split("."))]
    links = [VERSION.sub("", local(one)) for one in found]
    return sorted({link for link in links if _is_name(link)})


def _at(value: Any, path: list[str]) -> list[Any]:
    """What is found at a path of elements, lists or not."""
    if not path:
        return [value]
    given = getattr(value, path[0], None)
    many = given if isinstance(given, list) else [given] if given is not None else []
    return [one for each in many for one in _at(each, path[1:])]


def _is_name(link: str) -> bool:
    type_, _, id_ = link.partition("/")
    return type_ in r4.RESOURCES and bool(id_) and "/" not in id_
