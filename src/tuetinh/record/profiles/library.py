"""Where profiles come from: FHIR's own, and what is added over them (stored in the record, or given with a call)."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from typing import Any

import msgspec

from tuetinh.record.profiles.tree import Rule, grow, part
from tuetinh.record.terminology import shelf
from tuetinh.record.terminology.model import CodeSystem

Json = dict[str, Any]
CORE = "http://hl7.org/fhir/StructureDefinition/"
_CODES = frozenset({"ValueSet", "CodeSystem"})


@cache
def _standard() -> tuple[Mapping[str, Json], list[Json]]:
    """The profiles and extensions of FHIR R4 and of VN Core by URL, and VN Core's own codes."""
    found: dict[str, Json] = {}
    codes: list[Json] = []
    for name in ("r4", "vn_core"):
        data = (resources.files("tuetinh.record.profiles") / "data" / f"{name}.jsonl.gz").read_bytes()
        for line in gzip.decompress(data).splitlines():
            resource = msgspec.json.decode(line, type=Json)
            if resource["resourceType"] == "StructureDefinition":
                found[resource["url"]] = resource
            else:
                codes.append(resource)
    return found, codes


def guide_codes() -> list[Json]:
    """The code systems and value sets of VN Core."""
    return _standard()[1]


def known_profiles() -> list[Json]:
    """The profiles and extensions of FHIR R4 and of VN Core: what they ask, without their names and texts."""
    return list(_standard()[0].values())


class Library:
    """Profiles, and the value sets that they bind to. `add` everything before the first use."""

    def __init__(self) -> None:
        self._own: dict[str, Json] = {}
        self._codes: list[Json] = []
        self._others: dict[str, Json] = {}
        self._named: dict[str, Json] = {}
        self._trees: dict[str, Rule | None] = {}

    def add(self, resource: Json) -> None:
        """Take a resource, as plain values: a definition by its canonical URL, others as targets of references."""
        self._named[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
        if isinstance(resource.get("url"), str):
            self._others[resource["url"]] = resource
        if resource.get("resourceType") == "StructureDefinition" and isinstance(resource.get("url"), str):
            self._own[resource["url"]] = resource
            self._own[f"{resource['url']}|{resource.get('version', '')}"] = resource
        elif resource.get("resourceType") in _CODES:
            self._codes.append(resource)

    def definition(self, url: str) -> Json | None:
        """The StructureDefinition of a canonical URL, with or without version; None when it is not known."""
        bare = url.partition("|")[0]
        return self._own.get(url) or _standard()[0].get(bare) or self._own.get(bare)

    def resource(self, type_: str, canonical: str) -> Json | None:
        """An added resource by its canonical URL, of the type or ("") of any; None when there is none."""
        found = self._others.get(canonical.partition("|")[0])
        return found if found is not None and type_ in ("", found["resourceType"]) else None

    def everywhere(self, type_: str) -> list[str]:
        """The profiles that added guides ask of every resource of a type (ImplementationGuide.global)."""
        guides = [o for o in self._others.values() if o.get("resourceType") == "ImplementationGuide"]
        return [str(g.get("profile")) for o in guides for g in o.get("global", []) if g.get("type") == type_]

    def tree(self, url: str) -> Rule | None:
        """What a profile (`url#element` for one element of it) asks for; None for a profile that is not known."""
        if url not in self._trees:
            self._trees[url] = None  # a profile that is its own base has no more to say
            whole, mark, element = url.partition("#")
            if mark:
                tree = self.tree(whole)
                self._trees[url] = part(tree, element) if tree else None
                return self._trees[url]
            definition = self.definition(url)
            self._trees[url] = grow(definition, self.tree) if definition else None
        return self._trees[url]

    @cached_property
    def _shelf(self) -> shelf.Shelf:
        return shelf.Shelf(shelf.current().library.over([*_standard()[1], *self._codes]))

    def contains(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether a value set has a code; None when that is not known."""
        found = self._shelf.contains(value_set, system, code)
        listed = self._listed(value_set) if found is None else None
        return (system, code) in listed if listed is not None else found

    def _listed(self, value_set: str) -> set[tuple[str, str]] | None:
        """The codes of a value set that names each of them, which can be told without knowing their code systems."""
        url, _, version = value_set.partition("|")
        known = self._shelf.library.value_set(url, version)
        compose = known.get("compose", {}) if known else {}
        includes = compose.get("include", [])
        if not includes or compose.get("exclude") or any("valueSet" in i or "concept" not in i for i in includes):
            return None
        return {(str(i.get("system", "")), str(c.get("code", ""))) for i in includes for c in i["concept"]}

    def code_system(self, url: str, version: str = "") -> CodeSystem | None:
        """A code system; None when it is not known."""
        library = self._shelf.library
        return library.system(url, version) or library.system(url) if url else None

    def value_set(self, url: str) -> bool:
        """Whether the URL is that of a value set."""
        return self._shelf.library.value_set(url) is not None

    def is_supplement(self, url: str) -> bool:
        """Whether the URL is that of a supplement, and of no code system."""
        library = self._shelf.library
        if not url or library.supplement(url) is None:
            system = library.system(url) if url else None
            return system is not None and bool(system.supplements)
        return library.system(url) is None

    def resolve(self, reference: str) -> Json | None:
        """An added resource by `Type/id`."""
        return self._named.get(reference)

    def within(self, value_set: Json, coding: Json) -> bool | None:
        """Whether a value set that is not known by its URL has a coding; None when that cannot be told."""
        named = {**value_set, "url": value_set.get("url") or f"urn:contained:{value_set.get('id')}"}
        own = shelf.Shelf(self._shelf.library.over([named]))
        return own.contains(named["url"], str(coding.get("system", "")), str(coding.get("code", "")))

    def codes(self, value_set: str) -> frozenset[str] | None:
        """The codes of a value set, for elements that have no system; None when they are not known."""
        found = self._shelf.expansion(value_set) or self._listed(value_set)
        return None if found is None else frozenset(code for _, code in found)


def base_type(url: str) -> str:
    """The name of a base type that a URL of FHIR's own definitions means (`…/StructureDefinition/Patient`), or ""."""
    return url.removeprefix(CORE) if url.startswith(CORE) else ""
