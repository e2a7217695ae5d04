"""Value sets that HL7's definitions carry wholly, as code lists."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class Codes:
    """Expands value sets whose every code is in the package; the others are open and stay unchecked."""

    def __init__(self, value_sets: list[Json], code_systems: list[Json]) -> None:
        self.value_sets = {v["url"]: v for v in value_sets}
        self.systems = {c["url"]: c for c in code_systems if c.get("content") == "complete"}
        self.used: dict[str, dict[str, list[str]]] = {}

    def closed(self, canonical: str) -> str | None:
        """The name under which the value set's codes are kept, or None if it is open."""
        url = canonical.split("|", maxsplit=1)[0]
        name = url.rsplit("/", 1)[1]
        if name not in self.used:
            expanded = self.expand(url, set())
            if not expanded:
                return None
            self.used[name] = {system: sorted(codes) for system, codes in sorted(expanded.items())}
        return name

    def expand(self, url: str, seen: set[str]) -> dict[str, set[str]] | None:
        value_set = self.value_sets.get(url)
        if value_set is None or url in seen or "compose" not in value_set:
            return None
        if "exclude" in value_set["compose"]:
            return None
        found: dict[str, set[str]] = {}
        for include in value_set["compose"]["include"]:
            part = self.include(include, seen | {url})
            if part is None:
                return None
            for system, codes in part.items():
                found.setdefault(system, set()).update(codes)
        return found

    def include(self, include: Json, seen: set[str]) -> dict[str, set[str]] | None:
        if "valueSet" in include:
            if "system" in include or len(include["valueSet"]) != 1:
                return None
            return self.expand(include["valueSet"][0].split("|")[0], seen)
        system = include["system"]
        if "concept" in include:
            return {system: {c["code"] for c in include["concept"]}}
        if system not in self.systems:
            return None
        codes: set[str] = set()
        if "filter" not in include:
            collect(self.systems[system].get("concept", []), codes)
            return {system: codes}
        parents = self.parents(system)
        for rule in include["filter"]:
            if rule["op"] != "is-a":
                return None
            codes |= {code for code in parents if rule["value"] in lineage(code, parents)}
        return {system: codes} if len(include["filter"]) == 1 else None

    def parents(self, system: str) -> dict[str, set[str]]:
        """Each code with its direct parents, by nesting and by the `subsumedBy` property of v3."""
        found: dict[str, set[str]] = {}

        def walk(concepts: list[Json], above: str | None) -> None:
            for concept in concepts:
                mine = found.setdefault(concept["code"], set())
                if above:
                    mine.add(above)
                mine.update(p["valueCode"] for p in concept.get("property", []) if p["code"] == "subsumedBy")
                walk(concept.get("concept", []), concept["code"])

        walk(self.systems[system].get("concept", []), None)
        return found


def collect(concepts: list[Json], into: set[str]) -> None:
    for concept in concepts:
        into.add(concept["code"])
        collect(concept.get("concept", []), into)


def lineage(code: str, parents: dict[str, set[str]]) -> set[str]:
    """The code and all its ancestors."""
    found = {code}
    todo = [code]
    while todo:
        for parent in parents.get(todo.pop(), ()):
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    return found
