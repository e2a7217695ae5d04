"""Where code systems, value sets and concept maps are found: in layers, each over the one below."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any

from tuetinh.record.terminology import versions
from tuetinh.record.terminology.model import CodeSystem, Resource, code_system, supplemented

Load = Callable[[], CodeSystem]
LoadResource = Callable[[], Resource]
_WITHOUT_CONCEPTS = ("not-present", "example")


class Library:
    """Code systems, value sets and concept maps by canonical URL and version.

    What a layer does not have is asked of the layer below.
    Code systems are built when they are first asked for. `worked_out` remembers what was derived from this library;
    whoever uses it bounds it, and it goes with the library.
    """

    def __init__(self, below: Library | None = None) -> None:
        self.below = below
        self._systems: dict[str, dict[str, Load]] = {}
        self._value_sets: dict[str, dict[str, LoadResource]] = {}
        self._maps: dict[str, dict[str, list[LoadResource]]] = {}
        self._all_codes: dict[str, str] = {}
        self._supplements: dict[str, dict[str, Load]] = {}
        self.worked_out: dict[Hashable, Any] = {}

    def add(self, resource: Resource) -> None:
        """Take in a CodeSystem, ValueSet or ConceptMap; others are passed over."""
        kind, url, version = resource.get("resourceType"), resource.get("url", ""), resource.get("version", "")
        if kind == "CodeSystem" and resource.get("content") == "supplement":
            self._supplements.setdefault(url, {})[version] = _once(lambda: code_system(resource))
        elif kind == "CodeSystem":
            self.register(url, version, lambda: code_system(resource), all_codes=resource.get("valueSet", ""))
        elif kind in ("ValueSet", "ConceptMap"):
            self.register_resource(kind, url, version, lambda: resource)

    def register(self, url: str, version: str, load: Load, all_codes: str = "") -> None:
        """Offer a code system that is built by `load` when first needed; `all_codes` is the value set of all of it."""
        self._systems.setdefault(url, {})[version] = _once(load)
        self.worked_out.clear()
        if all_codes:
            self._all_codes[all_codes] = url

    def register_resource(self, kind: str, url: str, version: str, load: LoadResource) -> None:
        """Offer a ValueSet or ConceptMap that is read by `load` when asked for."""
        self.worked_out.clear()
        if kind == "ValueSet":
            self._value_sets.setdefault(url, {})[version] = load
        else:
            self._maps.setdefault(url, {}).setdefault(version, []).insert(0, load)

    def system_versions(self, url: str) -> list[str]:
        """The known versions of a code system; [""] when it is known without one, empty when it is not known."""
        own = set(self._systems.get(url, ()))
        return sorted(own | set(self.below.system_versions(url))) if self.below else sorted(own)

    def system(self, url: str, wanted: str = "") -> CodeSystem | None:
        """The newest wanted version of a code system, an upper layer's before one below.

        A definition without its concepts does not hide one that has them.
        """
        own = self._systems.get(url, {})
        version = versions.best(wanted, own)
        mine = own[version]() if version is not None else None
        if mine is not None and mine.content not in _WITHOUT_CONCEPTS:
            return mine
        lower = self.below.system(url, wanted) if self.below else None
        return mine if lower is None or (mine is not None and lower.content in _WITHOUT_CONCEPTS) else lower

    def value_set_versions(self, url: str) -> list[str]:
        """The known versions of a value set."""
        own = set(self._value_sets.get(url, ()))
        return sorted(own | set(self.below.value_set_versions(url))) if self.below else sorted(own)

    def value_set(self, url: str, wanted: str = "") -> Resource | None:
        """The newest wanted version of a value set; also the implicit one of all codes of a code system."""
        own = self._value_sets.get(url, {})
        version = versions.best(wanted, own)
        if version is not None:
            return own[version]()
        found = self.below.value_set(url, wanted) if self.below else None
        if found is None and url in self._all_codes:
            include = [{"system": self._all_codes[url]}]
            found = {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": include}}
        return found

    def supplement(self, url: str, wanted: str = "") -> CodeSystem | None:
        """A supplement by its own URL."""
        own = self._supplements.get(url, {})
        version = versions.best(wanted, own)
        if version is not None:
            return own[version]()
        return self.below.supplement(url, wanted) if self.below else None

    def language_packs(self, url: str) -> Iterator[CodeSystem]:
        """The supplements of a code system whose names hold without being asked for, the upper layers' first."""
        for own in self._supplements.values():
            for load in own.values():
                supplement = load()
                if supplement.is_language_pack and versions.split(supplement.supplements)[0] == url:
                    yield supplement
        if self.below:
            yield from self.below.language_packs(url)

    def concept_maps(self) -> Iterator[Resource]:
        """All concept maps, the upper layers' first."""
        for by_version in self._maps.values():
            for same in by_version.values():
                for load in same:
                    yield load()
        if self.below:
            yield from self.below.concept_maps()

    def concept_map(self, url: str, wanted: str = "") -> Resource | None:
        """A concept map by its URL."""
        own = self._maps.get(url, {})
        version = versions.best(wanted, own)
        if version is not None:
            return own[version][0]()
        return self.below.concept_map(url, wanted) if self.below else None

    def over(self, resources: Iterable[Resource]) -> Library:
        """A layer over this one with more resources."""
        upper = Library(self)
        for resource in resources:
            upper.add(resource)
        return upper

    def with_supplements(self, system: CodeSystem, supplements: Iterable[CodeSystem]) -> CodeSystem:
        """The system with those of the supplements that are for it."""
        for supplement in supplements:
            url, version = versions.split(supplement.supplements)
            if url == system.url and (not version or versions.matches(version, system.version)):
                system = supplemented(system, supplement)
        return system

    def systems(self) -> Iterator[tuple[str, str]]:
        """URL and version of every code system, sorted."""
        known = {(url, version) for url, own in self._systems.items() for version in own}
        layer = self.below
        while layer is not None:
            known |= {(url, version) for url, own in layer._systems.items() for version in own}
            layer = layer.below
        yield from sorted(known)


@lru_cache(maxsize=256)
def _built(load: Load) -> CodeSystem:
    """Code systems in memory; those that nobody asked for lately are built anew."""
    return load()


def _once(load: Load) -> Load:
    return partial(_built, load)
