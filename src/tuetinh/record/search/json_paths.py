"""Paths of search parameters as PostgreSQL's jsonpath, for what no index holds: sort keys and links, row by row."""

from __future__ import annotations

import json
from functools import cache

from tuetinh.record.search.entries import local
from tuetinh.record.search.expressions import Given, Leaf, walk
from tuetinh.record.search.params import Param
from tuetinh.record.types import RESOURCE_TYPES

# What of a value of each datatype is compared, as steps below it.
TAILS: dict[str, tuple[str, ...]] = {
    "CodeableConcept": ("coding", "code"),
    "Coding": ("code",),
    "Identifier": ("value",),
    "ContactPoint": ("value",),
    "Reference": ("reference",),
}


@cache
def jsonpath(leaf: Leaf) -> str:
    """Return the path to the texts of a leaf."""
    steps = ["$"]
    for hop in leaf.hops:
        step = f".{json.dumps(hop.attribute.rstrip('_'))}"
        if hop.index is not None:
            step += f"[{hop.index}]"
        elif hop.many:
            step += "[*]"
        if hop.where:
            step += f" ? (@.{json.dumps(hop.where[0].rstrip('_'))} == {json.dumps(hop.where[1])})"
        steps.append(step)
    for name in TAILS.get(leaf.type, ()):
        steps.append(f".{json.dumps(name)}" + ("[*]" if name == "coding" else ""))
    if leaf.resolves:
        steps.append(f" ? (@ starts with {json.dumps(leaf.resolves + '/')})")
    return "".join(steps)


def array(param: Param, *, contained: bool = False) -> str:
    """Return the paths of a parameter, or those in contained resources of its type, as a literal of `jsonpath[]`."""
    start = f'$.contained[*] ? (@.resourceType == "{param.base}")' if contained else "$"
    paths = (start + jsonpath(leaf).removeprefix("$") for leaf in param.leaves)
    quoted = (path.replace("\\", "\\\\").replace('"', '\\"') for path in paths)
    return "{" + ",".join(f'"{path}"' for path in quoted) + "}"


def texts(param: Param, resource: object) -> list[str]:
    """Return what the paths lead to in a decoded resource."""
    found = []
    given: dict[str, Given] = {}
    for leaf in param.leaves:
        values = walk([resource], leaf.hops, given)
        for name in TAILS.get(leaf.type, ()):
            children = [getattr(value, name) for value in values]
            values = [x for c in children for x in (c if isinstance(c, list) else (c,)) if x is not None]
        for value in values:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if not leaf.resolves or text.startswith(f"{leaf.resolves}/"):
                found.append(text)
    return found


def links(param: Param, resource: object) -> list[tuple[str, str]]:
    """Return type and id of the relative references of a parameter in a decoded resource."""
    found = []
    for text in texts(param, resource):
        parts = local(text).split("/_history/")[0].split("/")
        if len(parts) == 2 and parts[0] in RESOURCE_TYPES:
            found.append((parts[0], parts[1]))
    return found
