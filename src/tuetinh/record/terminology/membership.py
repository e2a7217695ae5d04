"""Whether a value set contains a code: worked out include by include, without expanding it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tuetinh.record.terminology import filters, versions
from tuetinh.record.terminology.coded import Coded
from tuetinh.record.terminology.compose import Composer
from tuetinh.record.terminology.issues import Issue, unknown_code_system
from tuetinh.record.terminology.model import CodeSystem, Concept, Resource

PURPOSE = "the code cannot be validated"


@dataclass
class Hit:
    """A concept that the value set contains, with what its include says of it."""

    system: CodeSystem
    concept: Concept
    listed: Resource | None = None
    active_only: bool = False


@dataclass
class Findings:
    """What came up while looking. `stuck` says that a version that is not known kept the question open."""

    issues: list[Issue] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    systems: dict[str, CodeSystem] = field(default_factory=dict)
    value_sets: dict[str, Resource] = field(default_factory=dict)
    stuck: bool = False
    tried: CodeSystem | None = None

    def add(self, issue: Issue) -> None:
        """Note an issue once."""
        if issue not in self.issues:
            self.issues.append(issue)


class Membership:
    """Looks a code up in value sets, for one inquiry."""

    def __init__(self, composer: Composer) -> None:
        self.composer = composer
        self._imported: dict[tuple[str, Coded], list[Hit]] = {}

    def hits(self, value_set: Resource, coded: Coded, found: Findings, path: tuple[str, ...] = ()) -> list[Hit]:
        """The ways in which the value set contains the code; empty when it does not."""
        path = self.composer.step(value_set, path)
        if "compose" not in value_set:
            return self._expanded(value_set, coded)
        compose = value_set["compose"]
        hits = list(self._parts(compose.get("include", ()), coded, found, path, "include"))
        if not hits:
            return []
        merge = self.composer.merges_versions(value_set)
        aside = Findings()
        for out in self._parts(compose.get("exclude", ()), Coded(coded.system, coded.code), aside, path, "exclude"):
            hits = [hit for hit in hits if not (merge or hit.system.version == out.system.version)]
        active_only = compose.get("inactive") is False
        return [replace(hit, active_only=hit.active_only or active_only) for hit in hits]

    def _parts(
        self, rows: Iterable[Resource], coded: Coded, found: Findings, path: tuple[str, ...], part: str
    ) -> Iterator[Hit]:
        """The hits of the includes; those of the version that the coding gives before all others."""
        mine = [(place, row) for place, row in enumerate(rows) if row.get("system", coded.system) == coded.system]
        if coded.version:
            exact = [(place, row) for place, row in mine if self._suits(row, coded)]
            mine = exact or mine
        for place, row in sorted(mine, key=lambda own: own[1].get("version", ""), reverse=True):
            hit = self._row(row, coded, found, path, f"ValueSet.compose.{part}[{place}]")
            if hit is not None:
                yield hit

    def _suits(self, row: Resource, coded: Coded) -> bool:
        wanted = self.composer.wanted_version(coded.system, row.get("version", ""))
        return not wanted or versions.matches(wanted, coded.version)

    def _row(self, row: Resource, coded: Coded, found: Findings, path: tuple[str, ...], where: str) -> Hit | None:
        hit: Hit | None = None
        if "system" in row:
            system = self._system(row, coded, found)
            hit = self._in_system(row, system, coded, where) if system else None
            if hit is None:
                return None
        for canonical in row.get("valueSet", ()):
            within = self._within(canonical, coded, found, path)
            if not within:
                return None
            hit = hit or within[0]
        return hit

    def _within(self, canonical: str, coded: Coded, found: Findings, path: tuple[str, ...]) -> list[Hit]:
        """The hits of an imported value set, looked for once, however many ways lead to it."""
        if (canonical, coded) not in self._imported:
            value_set = self.composer.value_set(canonical)
            if not canonical.startswith("#"):
                name = versions.join(value_set.get("url", ""), value_set.get("version", ""))
                found.value_sets[name] = value_set
            self._imported[canonical, coded] = self.hits(value_set, coded, found, path)
        return self._imported[canonical, coded]

    def _in_system(self, row: Resource, system: CodeSystem, coded: Coded, where: str) -> Hit | None:
        tests = [
            filters.test(system, own, f"{where}.filter[{place}]") for place, own in enumerate(row.get("filter", ()))
        ]
        concept = system.find(coded.code)
        if concept is None:
            return None
        if row.get("concept"):
            for listed in row["concept"]:
                code = listed.get("code", "")
                if code == concept.code or (not system.case_sensitive and code.casefold() == concept.code.casefold()):
                    return Hit(system, concept, listed)
            return None
        return Hit(system, concept) if all(test(concept) for test in tests) else None

    def _expanded(self, value_set: Resource, coded: Coded) -> list[Hit]:
        return [
            Hit(entry.system, entry.concept, entry.listed)
            for entry in self.composer.expanded(value_set)
            if (entry.system.url, entry.concept.code) == (coded.system, coded.code)
        ]

    # Versions ---------------------------------------------------------------------------------------------------

    def _system(self, row: Resource, coded: Coded, found: Findings) -> CodeSystem | None:
        """The code system in the version that include, client and coding agree on; notes where they do not."""
        url, included = row["system"], row.get("version", "")
        library = self.composer.library
        wanted = self.composer.wanted_version(url, included)
        if coded.version and (not wanted or versions.matches(wanted, coded.version)):
            system = library.system(url, coded.version) or self._default(coded, wanted, found)
        else:
            system = library.system(url, wanted)
            if coded.version:
                self._mismatch(coded, wanted, included, found)
        if system is None or system.content in ("not-present", "example"):
            self.not_known(coded, url, wanted, found)
            found.stuck = True
            return None
        wrong = self.composer.version_check(system, coded.at("version"))
        if wrong:
            found.add(wrong)
        system = self.composer.supplemented(system)
        found.systems[system.canonical] = system
        found.tried = found.tried or system
        return system

    def not_known(self, coded: Coded, url: str, version: str, found: Findings, *, told: bool = True) -> None:
        """Note that a code system or its version is not known."""
        known = self.composer.library.system_versions(url)
        found.add(unknown_code_system(url, version, known, PURPOSE, coded.at("system")))
        name = versions.join(url, version)
        if name not in found.unknown:
            found.unknown.append(name)

    def _default(self, coded: Coded, wanted: str, found: Findings) -> CodeSystem | None:
        """The coding names a version that is not known, the include none: look in the one that we have."""
        system = self.composer.library.system(coded.system, wanted)
        if system is None:
            return None
        self.not_known(coded, coded.system, coded.version, found)
        text = (
            f"The code system '{coded.system}' version '{system.version}' for the versionless include in the "
            f"ValueSet include is different to the one in the value ('{coded.version}')"
        )
        message_id = "VALUESET_VALUE_MISMATCH_DEFAULT"
        found.add(Issue("warning", "invalid", "vs-invalid", text, coded.at("version"), message_id, told=False))
        return system

    def _mismatch(self, coded: Coded, wanted: str, included: str, found: Findings) -> None:
        changed = f" resulting from the version '{included}'" if wanted != included else ""
        text = (
            f"The code system '{coded.system}' version '{wanted}'{changed} in the ValueSet include is different "
            f"to the one in the value ('{coded.version}')"
        )
        message_id = "VALUESET_VALUE_MISMATCH_CHANGED" if changed else "VALUESET_VALUE_MISMATCH"
        found.add(Issue("error", "invalid", "vs-invalid", text, coded.at("version"), message_id))
        if self.composer.library.system(coded.system, coded.version) is None:
            self.not_known(coded, coded.system, coded.version, found)
