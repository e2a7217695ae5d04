"""Code systems in memory: concepts, what is said of them, and how they are ordered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tuetinh.record.terminology.versions import join
from tuetinh.record.text import fold

Resource = Mapping[str, Any]

CONCEPT_PROPERTIES = "http://hl7.org/fhir/concept-properties#"
SUPPLEMENT_TYPE = "http://hl7.org/fhir/StructureDefinition/codesystem-supplement-type"
STANDARDS_STATUS = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status"
_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
# Extensions of a concept that stand for a property of R5's expansions.
AS_PROPERTY = {
    f"{_STRUCTURE}codesystem-conceptOrder": "order",
    f"{_STRUCTURE}valueset-conceptOrder": "order",
    f"{_STRUCTURE}codesystem-label": "label",
    f"{_STRUCTURE}valueset-label": "label",
    f"{_STRUCTURE}itemWeight": "weight",
}
# Bounds what is remembered of hierarchies, in codes: about 50 MB of a code system.
_MOST_WALKED = 1_000_000
_DISPLAY_USES = frozenset({"display", "preferredForLanguage", "900000000000013009", "900000000000003001"})


@dataclass(frozen=True, slots=True)
class Designation:
    """One name of a concept. `source` is the supplement that gives it."""

    value: str
    language: str = ""
    use: Resource | None = None
    extensions: tuple[Resource, ...] = ()
    source: str = ""

    @property
    def status(self) -> str:
        """`withdrawn` or `deprecated` when the name is no longer to be used."""
        status = extension(self.extensions, STANDARDS_STATUS)
        return status if status in ("withdrawn", "deprecated") else ""

    @property
    def is_display(self) -> bool:
        """Whether the name may stand for the display."""
        return self.use is None or self.use.get("code") in _DISPLAY_USES


@dataclass(frozen=True, slots=True)
class Property:
    """One value of a property, as its FHIR element (`valueCode`, ...) and value."""

    code: str
    element: str
    value: Any

    @property
    def text(self) -> str:
        """The value as filters compare it."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, Mapping):
            return str(self.value.get("code", ""))
        return str(self.value)


@dataclass(slots=True)
class Concept:
    """One concept. Parents and children are codes of the same system."""

    code: str
    display: str = ""
    definition: str = ""
    designations: tuple[Designation, ...] = ()
    properties: tuple[Property, ...] = ()
    extensions: tuple[Resource, ...] = ()
    parents: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)


@dataclass
class CodeSystem:
    """A code system whose concepts are known. Subclasses answer for systems with a grammar.

    is_language_pack: of a supplement, that its names hold without being asked for.
    enumerable: all concepts can be listed. common: the value set that stands for all of them where they cannot.
    """

    url: str
    version: str = ""
    name: str = ""
    title: str = ""
    language: str = ""
    content: str = "complete"
    case_sensitive: bool = True
    status: str = "active"
    experimental: bool = False
    standards_status: str = ""
    supplements: str = ""
    is_language_pack: bool = False
    value_set: str = ""
    property_uris: Mapping[str, str] = field(default_factory=dict)
    property_types: Mapping[str, str] = field(default_factory=dict)
    concepts: Mapping[str, Concept] = field(default_factory=dict)

    enumerable = True
    common = ""

    @property
    def canonical(self) -> str:
        """`url|version`."""
        return join(self.url, self.version)

    def find(self, code: str) -> Concept | None:
        """The concept of a code; other case will do when the system does not look at case."""
        found = self.concepts.get(code)
        if found is None and not self.case_sensitive:
            found = self._folded.get(code.casefold())
        return found

    def reason(self, code: str) -> str:
        """Why a code does not follow the grammar of the system; empty when that cannot be told."""
        return ""

    def filter(self, name: str, op: str, value: str) -> Callable[[Concept], bool] | None:
        """A test for a filter that only this system knows; None for all others."""
        return None

    def ancestors(self, code: str) -> frozenset[str]:
        """All codes above a code."""
        return self._walk(code, up=True)

    def descendants(self, code: str) -> frozenset[str]:
        """All codes below a code."""
        return self._walk(code, up=False)

    def subsumes(self, above: str, below: str) -> bool:
        """Whether the one code is the other or above it."""
        return above == below or above in self.ancestors(below)

    def codes_of(self, meaning: str) -> frozenset[str]:
        """The local codes of a property of `concept-properties#`, such as `notSelectable`."""
        return self._meanings.get(meaning, frozenset((meaning,)))

    def values(self, concept: Concept, meaning: str) -> list[Property]:
        """The values of a standard property, whatever its local code."""
        codes = self.codes_of(meaning)
        return [own for own in concept.properties if own.code in codes]

    def is_abstract(self, concept: Concept) -> bool:
        """Whether the concept may only group others."""
        return any(own.text == "true" for own in self.values(concept, "notSelectable"))

    def status_of(self, concept: Concept) -> str:
        """Why the concept should be looked at before use: its status property or standards status; else empty."""
        for own in self.values(concept, "status"):
            return own.text
        return extension(concept.extensions, STANDARDS_STATUS) or ""

    def is_inactive(self, concept: Concept) -> bool:
        """Whether the concept is no longer for use."""
        if any(own.text == "true" for own in self.values(concept, "inactive")):
            return True
        if self.status_of(concept) in ("inactive", "retired", "withdrawn"):
            return True
        return any(own.element == "valueDateTime" for own in self.values(concept, "deprecated"))

    def names(self, concept: Concept) -> Iterator[Designation]:
        """The display and what may stand for it."""
        if concept.display:
            yield Designation(concept.display, self.language)
        for designation in concept.designations:
            if designation.is_display:
                yield designation

    def search_text(self, code: str) -> str:
        """Code, display and names without accents, for text filters; computed once."""
        found = self._search_texts.get(code)
        if found is None:
            concept = self.concepts[code]
            names = [concept.code, concept.display, *(own.value for own in concept.designations)]
            found = self._search_texts[code] = fold(" ".join(names))
        return found

    def _walk(self, code: str, *, up: bool) -> frozenset[str]:
        cache = self._above if up else self._below
        found = cache.get(code)
        if found is not None:
            return found
        seen: set[str] = set()
        todo = [code]
        while todo:
            concept = self.concepts.get(todo.pop())
            for other in (concept.parents if up else concept.children) if concept else ():
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        self._walked += len(seen)
        if self._walked > _MOST_WALKED:
            cache.clear()
            self._walked = len(seen)
        found = cache[code] = frozenset(seen)
        return found

    _walked = 0

    @cached_property
    def _above(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _below(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _search_texts(self) -> dict[str, str]:
        return {}

    @cached_property
    def _folded(self) -> dict[str, Concept]:
        return {code.casefold(): concept for code, concept in self.concepts.items()}

    @cached_property
    def _meanings(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for code, uri in self.property_uris.items():
            if uri.startswith(CONCEPT_PROPERTIES):
                found.setdefault(uri.removeprefix(CONCEPT_PROPERTIES), set()).add(code)
        return {meaning: frozenset(codes) for meaning, codes in found.items()}


def extension(extensions: Iterable[Resource], url: str) -> Any:
    """The value of the first extension with the URL, or None."""
    for found in extensions:
        if found.get("url") == url:
            return next((value for key, value in found.items() if key.startswith("value")), None)
    return None


def code_system(resource: Resource) -> CodeSystem:
    """A CodeSystem resource as a code system."""
    concepts: dict[str, Concept] = {}
    _gather(resource.get("concept", ()), None, concepts)
    uris = {own["code"]: own.get("uri", "") for own in resource.get("property", ()) if "code" in own}
    types = {own["code"]: own.get("type", "") for own in resource.get("property", ()) if "code" in own}
    built = CodeSystem(
        url=resource.get("url", ""),
        version=resource.get("version", ""),
        name=resource.get("name", ""),
        title=resource.get("title", ""),
        language=resource.get("language", ""),
        content=resource.get("content", "complete"),
        case_sensitive=resource.get("caseSensitive", True),
        status=resource.get("status", ""),
        experimental=resource.get("experimental", False),
        standards_status=extension(resource.get("extension", ()), STANDARDS_STATUS) or "",
        supplements=resource.get("supplements", ""),
        is_language_pack=extension(resource.get("extension", ()), SUPPLEMENT_TYPE) == "lang-pack",
        value_set=resource.get("valueSet", ""),
        property_uris=uris,
        property_types=types,
        concepts=concepts,
    )
    _link_by_property(built, concepts)
    return built


def _gather(rows: Sequence[Resource], parent: Concept | None, into: dict[str, Concept]) -> None:
    """Read nested concepts; a code seen again under another parent has both."""
    todo: list[tuple[Resource, Concept | None]] = [(row, parent) for row in reversed(rows)]
    while todo:
        row, above = todo.pop()
        code = row.get("code", "")
        concept = into.get(code)
        if concept is None:
            concept = into[code] = _concept(row)
        if above is not None:
            concept.parents.append(above.code)
            above.children.append(code)
        todo.extend((below, concept) for below in reversed(row.get("concept", ())))


def _concept(row: Resource) -> Concept:
    properties = tuple(
        Property(own["code"], element, value)
        for own in row.get("property", ())
        for element, value in own.items()
        if element.startswith("value") and "code" in own
    )
    return Concept(
        code=row.get("code", ""),
        display=row.get("display", ""),
        definition=row.get("definition", ""),
        designations=designations(row),
        properties=properties,
        extensions=tuple(row.get("extension", ())),
    )


def designations(row: Resource, source: str = "") -> tuple[Designation, ...]:
    """The designations of a concept in a code system or value set."""
    return tuple(
        Designation(
            own.get("value", ""), own.get("language", ""), own.get("use"), tuple(own.get("extension", ())), source
        )
        for own in row.get("designation", ())
    )


def _link_by_property(system: CodeSystem, concepts: dict[str, Concept]) -> None:
    """Hierarchy that is said by properties `parent` and `child` (concept-properties)."""
    parents, children = system.codes_of("parent"), system.codes_of("child")
    for concept in list(concepts.values()):
        for own in concept.properties:
            if own.code in parents:
                _link(concepts, own.text, concept.code)
            elif own.code in children:
                _link(concepts, concept.code, own.text)


def _link(concepts: dict[str, Concept], parent: str, child: str) -> None:
    above, below = concepts.get(parent), concepts.get(child)
    if above is None or below is None or parent == child:
        return
    if child not in above.children:
        above.children.append(child)
    if parent not in below.parents:
        below.parents.append(parent)


def supplemented(system: CodeSystem, supplement: CodeSystem) -> CodeSystem:
    """The system with what a supplement adds to its concepts."""
    concepts = dict(system.concepts)
    for code, more in supplement.concepts.items():
        own = concepts.get(code)
        if own is not None:
            added = tuple(
                Designation(
                    name.value, name.language or supplement.language, name.use, name.extensions, supplement.canonical
                )
                for name in (*([Designation(more.display)] if more.display else ()), *more.designations)
            )
            concepts[code] = Concept(
                code=own.code,
                display=own.display,
                definition=own.definition,
                designations=own.designations + added,
                properties=own.properties + more.properties,
                extensions=own.extensions + more.extensions,
                parents=own.parents,
                children=own.children,
            )
    known = {own.name: getattr(system, own.name) for own in system.__dataclass_fields__.values()}
    known |= {"concepts": concepts, "property_uris": {**supplement.property_uris, **system.property_uris}}
    known |= {"property_types": {**supplement.property_types, **system.property_types}}
    return type(system)(**known)
