"""ValueSet/$expand: the codes of a value set, page by page or as a tree (R4 valueset-operation-expand.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tuetinh.record.terminology import designate, versions
from tuetinh.record.terminology.compose import Composer, Entry, Key
from tuetinh.record.terminology.inquiry import Inquiry, parameter
from tuetinh.record.terminology.issues import missing, refused
from tuetinh.record.terminology.language import Languages
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.model import (
    AS_PROPERTY,
    CONCEPT_PROPERTIES,
    STANDARDS_STATUS,
    CodeSystem,
    Resource,
)
from tuetinh.record.text import fold

UNPAGED_LIMIT = 1000
_DEEPEST = 50
PURPOSE = "the value set cannot be expanded"

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
_ECHOED = ("activeOnly", "count", "excludeNested", "filter", "includeDefinition", "includeDesignations", "offset")
_PASSED_ON = frozenset(
    f"{_STRUCTURE}{name}"
    for name in ("rendering-style", "rendering-xhtml", "valueset-deprecated", "valueset-concept-definition")
)
# Parameters by which the request has a say in what the value set contains.
_DECISIVE = (
    "valueSet",
    "tx-resource",
    "system-version",
    "check-system-version",
    "force-system-version",
    "default-valueset-version",
    "versionsMatch",
)
_STANDARD_URIS = {"weight": "itemWeight"}


def expand(library: Library, parameters: Resource, accept_language: str = "") -> dict[str, Any]:
    """The value set with its expansion, in the form of R5 (property is an element). TerminologyError when refused."""
    inquiry = Inquiry(library, parameters, accept_language)
    value_set = inquiry.value_set()
    if value_set is None:
        raise missing("One of the parameters url and valueSet is needed")
    inquiry.complement(value_set)
    return _Expansion(inquiry, value_set).resource()


class _Expansion:
    def __init__(self, inquiry: Inquiry, value_set: Resource) -> None:
        self.inquiry, self.value_set = inquiry, value_set
        self.languages: Languages = inquiry.languages(value_set)
        self.composer = Composer(inquiry, value_set, PURPOSE, as_listed=True)
        self.wanted_properties = [str(own) for own in inquiry.all("property")]
        self.designations = bool(inquiry.flag("includeDesignations"))
        self.wanted_designations = [str(own) for own in inquiry.all("designation")]
        self.property_uris: dict[str, str] = {}
        self.several_versions: frozenset[str] = frozenset()

    def resource(self) -> dict[str, Any]:
        entries = self._select(self._entries())
        count, offset = self.inquiry.number("count"), self.inquiry.number("offset")
        paged = count is not None or bool(offset)
        limit = min(self.inquiry.number("_limit", "limit") or UNPAGED_LIMIT, UNPAGED_LIMIT)
        if not paged and len(entries) > limit:
            self._too_costly(limit)
        self._find_versions()
        self._declare_status(entries)
        start = offset or 0
        shown = entries[start:] if count is None else entries[start : start + count]
        if len(shown) > max(limit, UNPAGED_LIMIT):
            shown = shown[: max(limit, UNPAGED_LIMIT)]
        nested = not paged and not self.inquiry.flag("excludeNested")
        contains = self._tree(shown) if nested else [self._row(entry) for entry in shown]
        return self._result(contains, len(entries), offset)

    def _entries(self) -> list[Entry]:
        """All of the value set; remembered where the request itself has no say in it."""
        library, value_set = self.inquiry.library, self.value_set
        if self.composer.supplements or any(self.inquiry.one(name) is not None for name in _DECISIVE):
            return self.composer.entries(value_set)
        key = (value_set.get("url", ""), value_set.get("version", ""), bool(self.inquiry.text("filter")))
        if key not in library.worked_out:
            if len(library.worked_out) >= 64:
                library.worked_out.clear()
            library.worked_out[key] = (self.composer.entries(value_set), self.composer.used)
        entries, self.composer.used = library.worked_out[key]
        return list(entries)

    def _select(self, entries: Iterable[Entry]) -> list[Entry]:
        found: Iterable[Entry] = entries
        if self.inquiry.flag("activeOnly"):
            found = (entry for entry in found if not entry.system.is_inactive(entry.concept))
        if self.inquiry.flag("excludeNotForUI"):
            found = (entry for entry in found if not entry.system.is_abstract(entry.concept))
        unwanted = {versions.split(str(own))[0] for own in self.inquiry.all("exclude-system")}
        if unwanted:
            found = (entry for entry in found if entry.system.url not in unwanted)
        phrase = fold(self.inquiry.text("filter"))
        return _nearest_first(found, phrase) if phrase else list(found)

    def _too_costly(self, limit: int) -> None:
        name = versions.join(self.value_set.get("url", "??"), self.value_set.get("version", ""))
        text = f"The value set '{name}' expansion has too many codes to produce (>{limit})"
        raise refused("too-costly", "", text, "VALUESET_TOO_COSTLY")

    def _declare_status(self, entries: Sequence[Entry]) -> None:
        """The property `status` is declared when any concept of the whole has one, on this page or not."""
        for entry in entries:
            status = entry.system.status_of(entry.concept)
            if status and status != "active":
                self._property(entry.system, "status", "valueCode", status)
                return

    def _find_versions(self) -> None:
        seen: dict[str, set[str]] = {}
        named: dict[str, set[str]] = {}
        for system in self.composer.used.systems.values():
            seen.setdefault(system.url, set()).add(system.version)
        for include in self.value_set.get("compose", {}).get("include", ()):
            named.setdefault(include.get("system", ""), set()).add(include.get("version", ""))
        several = {url for url, own in seen.items() if len(own) > 1}
        self.several_versions = frozenset(several | {url for url, own in named.items() if len(own) > 1})

    # Rows -------------------------------------------------------------------------------------------------------

    def _tree(self, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Each concept under its nearest ancestor that is shown too, down to a depth that readers can follow."""
        rows = {entry.key: self._row(entry) for entry in entries}
        above = {entry.key: _nearest(entry, rows) if entry.nests else None for entry in entries}
        top = []
        for entry in entries:
            over = above[entry.key]
            if over is None or _depth(entry.key, above) >= _DEEPEST:
                top.append(rows[entry.key])
            else:
                rows[over].setdefault("contains", []).append(rows[entry.key])
        return top

    def _row(self, entry: Entry) -> dict[str, Any]:
        system, concept, listed = entry.system, entry.concept, entry.listed
        row: dict[str, Any] = {}
        extensions = list(self._extensions(entry))
        if extensions:
            row["extension"] = extensions
        row["system"] = system.url
        if system.is_abstract(concept):
            row["abstract"] = True
        if system.is_inactive(concept):
            row["inactive"] = True
        if system.url in self.several_versions and system.version:
            row["version"] = system.version
        row["code"] = concept.code
        names = designate.names(system, concept, listed)
        shown = designate.choose(names, self.languages)
        if shown:
            row["display"] = shown.value
        if self.designations:
            others = designate.others(names, shown, self.wanted_designations)
            if others:
                row["designation"] = others
        properties = self._properties(entry)
        if properties:
            row["property"] = properties
        return row

    def _extensions(self, entry: Entry) -> Iterator[Resource]:
        seen: dict[str, Resource] = {}
        for own in entry.concept.extensions:
            if own.get("url") in _PASSED_ON:
                seen[own["url"]] = own
        for own in (entry.listed or {}).get("extension", ()):
            if own.get("url") in _PASSED_ON or own.get("url") == STANDARDS_STATUS:
                seen[own["url"]] = own
        yield from seen.values()

    def _properties(self, entry: Entry) -> list[dict[str, Any]]:
        system, concept = entry.system, entry.concept
        found: list[dict[str, Any]] = []
        if "definition" in self.wanted_properties and concept.definition:
            found.append(self._property(system, "definition", "valueString", concept.definition))
        for own in concept.properties:
            if own.code in self.wanted_properties:
                found.append(self._property(system, own.code, own.element, own.value))
        by_code: dict[str, dict[str, Any]] = {}
        for own in (*concept.extensions, *(entry.listed or {}).get("extension", ())):
            code = AS_PROPERTY.get(own.get("url", ""))
            if code:
                value = next(value for key, value in own.items() if key.startswith("value"))
                element = "valueString" if code == "label" else "valueDecimal"
                by_code[code] = self._property(system, code, element, value)
        found.extend(by_code.values())
        status = system.status_of(concept) or ("inactive" if system.is_inactive(concept) else "")
        if status and status != "active" and not any(own["code"] == "status" for own in found):
            found.append(self._property(system, "status", "valueCode", status))
        return found

    def _property(self, system: CodeSystem, code: str, element: str, value: object) -> dict[str, Any]:
        standard = CONCEPT_PROPERTIES + _STANDARD_URIS.get(code, code)
        self.property_uris.setdefault(code, system.property_uris.get(code) or standard)
        return {"code": code, element: value}

    # The whole --------------------------------------------------------------------------------------------------

    def _result(self, contains: list[dict[str, Any]], total: int, offset: int | None) -> dict[str, Any]:
        expansion: dict[str, Any] = {}
        reason = "; ".join([*self.composer.used.unclosed.values(), *self._fragments()])
        if reason:
            expansion["extension"] = [
                {"url": f"{_STRUCTURE}valueset-unclosed", "valueBoolean": True},
                {"url": f"{_STRUCTURE}valueset-unclosed-reason", "valueString": reason},
            ]
        expansion |= {
            "identifier": f"urn:uuid:{uuid4()}",
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "total": total,
        }
        if offset is not None:
            expansion["offset"] = offset
        expansion["parameter"] = self._parameters()
        if self.property_uris:
            expansion["property"] = [{"code": code, "uri": uri} for code, uri in self.property_uris.items()]
        if contains:
            expansion["contains"] = contains
        names = _METADATA | {"compose", "extension"} if self.inquiry.flag("includeDefinition") else _METADATA
        kept = {name: own for name, own in self.value_set.items() if name in names}
        return {"resourceType": "ValueSet", **kept, "expansion": expansion}

    def _fragments(self) -> list[str]:
        parts = [own.url for own in self.composer.used.systems.values() if own.content == "fragment"]
        return [f"This extension is based on a fragment of the code system {', '.join(parts)}"] if parts else []

    def _parameters(self) -> list[dict[str, Any]]:
        inquiry, used = self.inquiry, self.composer.used
        rows = []
        for name in _ECHOED:
            value = inquiry.one(name)
            if value is not None:
                rows.append(parameter(name, value))
        if self.languages.text:
            rows.append(parameter("displayLanguage", self.languages.text, "valueCode"))
        rows.extend(parameter("designation", own) for own in self.wanted_designations)
        if self.several_versions and self.composer.merges_versions(self.value_set):
            rows.append({"name": "versionsMatch", "valueBoolean": True})
        rows.extend(parameter(name, canonical, "valueUri") for name, canonical in used.parameters)
        for canonical, system in used.systems.items():
            rows.append(parameter("used-codesystem", canonical, "valueUri"))
            if system.content == "fragment":
                rows.append(parameter("used-fragment", canonical, "valueUri"))
            rows.extend(_warnings(canonical, system.status, system.standards_status, experimental=system.experimental))
        rows.extend(parameter("used-supplement", canonical, "valueUri") for canonical in used.supplements)
        own = versions.join(self.value_set.get("url", ""), self.value_set.get("version", ""))
        for canonical, value_set in {own: self.value_set, **used.value_sets}.items():
            if canonical in used.value_sets:
                rows.append(parameter("used-valueset", canonical, "valueUri"))
            rows.extend(value_set_warnings(canonical, value_set))
        return rows


_METADATA = frozenset(
    ("id", "meta", "language", "url", "identifier", "version", "name", "title", "status", "experimental")
)


def value_set_warnings(canonical: str, value_set: Resource) -> list[dict[str, Any]]:
    """Parameters that warn of a value set that is withdrawn, deprecated, ..."""
    status = next(
        (str(own.get("valueCode")) for own in value_set.get("extension", ()) if own.get("url") == STANDARDS_STATUS), ""
    )
    return _warnings(canonical, "", status, experimental=False)


def _warnings(canonical: str, status: str, standards_status: str, *, experimental: bool) -> list[dict[str, Any]]:
    kind = caution(status, standards_status, experimental=experimental)
    return [parameter(f"warning-{kind}", canonical, "valueUri")] if kind else []


def caution(status: str, standards_status: str, *, experimental: bool) -> str:
    """Why a definition should not be relied upon: `deprecated`, `withdrawn`, `experimental`, `draft`, or empty."""
    if standards_status in ("deprecated", "withdrawn"):
        return standards_status
    if status == "retired":
        return "retired"
    if experimental:
        return "experimental"
    return "draft" if status == "draft" else ""


def _nearest_first(entries: Iterable[Entry], phrase: str) -> list[Entry]:
    """The entries in which every word of a text occurs; first its own code, names that begin with it, that have it."""
    words = phrase.split()
    ranked: list[tuple[int, int, Entry]] = []
    for place, entry in enumerate(entries):
        text = _text(entry)
        if all(word in text for word in words):
            code = fold(entry.concept.code)
            rank = 0 if code == phrase else 1 if text.startswith(f"{code} {phrase}") else 2 if phrase in text else 3
            ranked.append((rank, place, entry))
    return [entry for _, _, entry in sorted(ranked, key=lambda row: row[:2])]


def _text(entry: Entry) -> str:
    """Code and names of an entry, accents aside."""
    if entry.listed and ("display" in entry.listed or "designation" in entry.listed):
        names = designate.names(entry.system, entry.concept, entry.listed)
        return fold(" ".join((entry.concept.code, *(own.value for own in names))))
    if entry.concept.code in entry.system.concepts:
        return entry.system.search_text(entry.concept.code)
    return fold(f"{entry.concept.code} {entry.concept.display}")


def _depth(key: Key, above: Mapping[Key, Key | None]) -> int:
    """How many concepts stand over one, as far as it matters; a circle has no end."""
    depth, over = 0, above[key]
    while over is not None and depth < _DEEPEST:
        depth, over = depth + 1, above[over]
    return depth


def _nearest(entry: Entry, rows: Mapping[Key, dict[str, Any]]) -> Key | None:
    system, code = entry.system, entry.concept.code
    seen = {code}
    todo = list(entry.concept.parents)
    while todo:
        parent = todo.pop(0)
        if parent in seen:
            continue
        seen.add(parent)
        key = (system.url, system.version, parent)
        if key in rows:
            return key
        above = system.concepts.get(parent)
        todo.extend(above.parents if above else ())
    return None
