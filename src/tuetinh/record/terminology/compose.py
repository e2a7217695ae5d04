"""What a value set contains: ValueSet.compose worked out against the library (R4 valueset.html#compositions)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tuetinh.record.terminology import filters, versions
from tuetinh.record.terminology.inquiry import Inquiry
from tuetinh.record.terminology.issues import Issue, TerminologyError, refused, unknown_code_system, unknown_value_set
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.model import CodeSystem, Concept, Resource

_DEEPEST = 40
Key = tuple[str, str, str]


@dataclass(slots=True)
class Entry:
    """A concept of a value set. `listed`: its row in include.concept; `nests`: it may stand under a parent."""

    system: CodeSystem
    concept: Concept
    listed: Resource | None = None
    nests: bool = False

    @property
    def key(self) -> Key:
        """System, version and code."""
        return self.system.url, self.system.version, self.concept.code


@dataclass
class Used:
    """What was drawn upon, for the parameters of an expansion."""

    systems: dict[str, CodeSystem] = field(default_factory=dict)
    value_sets: dict[str, Resource] = field(default_factory=dict)
    supplements: dict[str, CodeSystem] = field(default_factory=dict)
    parameters: list[tuple[str, str]] = field(default_factory=list)
    unclosed: dict[str, str] = field(default_factory=dict)


class Composer:
    """Works out value sets for one inquiry. `purpose` is what an unknown code system prevents, for the message.

    as_listed: the codes that an include lists are taken as it has them where nothing is known of their code system.
    """

    def __init__(self, inquiry: Inquiry, value_set: Resource | None, purpose: str, *, as_listed: bool = False) -> None:
        self.inquiry = inquiry
        self.purpose = purpose
        self.as_listed = as_listed
        self.library: Library = inquiry.library
        if value_set is not None and value_set.get("contained"):
            self.library = self.library.over(_contained(value_set))
        self.supplements = inquiry.supplements(value_set)
        self.used = Used()
        self._systems: dict[tuple[str, str], CodeSystem] = {}
        # What imports contain is worked out once, however many ways lead to it.
        self._imported: dict[str, list[Entry]] = {}

    # Which version ----------------------------------------------------------------------------------------------

    def wanted_version(self, url: str, included: str) -> str:
        """The version of a code system to take: forced, included, or by default of the client; empty for any."""
        forced = self.inquiry.pinned("force-system-version", url)
        if forced:
            self._note("force-system-version", url, forced)
            return forced
        if included:
            return included
        for name in ("system-version", "check-system-version"):
            version = self.inquiry.pinned(name, url)
            if version:
                self._note(name, url, version)
                return version
        return ""

    def _note(self, name: str, url: str, version: str) -> None:
        used = (name, versions.join(url, version))
        if used not in self.used.parameters:
            self.used.parameters.append(used)

    def system(self, url: str, included: str = "") -> CodeSystem:
        """The code system that an include means, with its supplements. TerminologyError when there is none."""
        known = self._systems.get((url, included))
        if known is not None:
            return known
        wanted = self.wanted_version(url, included)
        found = self.library.system(url, wanted)
        if found is None or found.content in ("not-present", "example"):
            issue = unknown_code_system(url, wanted, self.library.system_versions(url), self.purpose)
            raise TerminologyError(issue, 404)
        wrong = self.version_check(found)
        if wrong:
            raise TerminologyError(wrong)
        found = self.supplemented(found)
        self.used.systems[found.canonical] = found
        self._systems[url, included] = found
        return found

    def supplemented(self, system: CodeSystem) -> CodeSystem:
        mine = [own for own in self.supplements if versions.split(own.supplements)[0] == system.url]
        for supplement in mine:
            self.used.supplements[supplement.canonical] = supplement
        packs = [pack for pack in self.library.language_packs(system.url) if pack not in mine]
        return self.library.with_supplements(system, [*mine, *packs]) if mine or packs else system

    def version_check(self, system: CodeSystem, expression: str = "") -> Issue | None:
        """The issue when the client asked to check that another version is used (check-system-version)."""
        checked = self.inquiry.pinned("check-system-version", system.url)
        if not checked or versions.matches(checked, system.version):
            return None
        text = (
            f"The version '{system.version}' is not allowed for system '{system.url}': "
            f"required to be '{checked}' by a version-check parameter"
        )
        return Issue("error", "exception", "version-error", text, expression, "VALUESET_VERSION_CHECK")

    # What it contains -------------------------------------------------------------------------------------------

    def entries(self, value_set: Resource, path: tuple[str, ...] = ()) -> list[Entry]:
        """All that a value set contains, each concept once, in the order of its includes."""
        path = self.step(value_set, path)
        compose = value_set.get("compose")
        if compose is None:
            return list(self.expanded(value_set))
        merge = self.merges_versions(value_set)
        out: set[object] = set()
        for exclude in compose.get("exclude", ()):
            out.update(_identity(entry, merge=merge) for entry in self._include(exclude, path, "exclude"))
        found: dict[object, Entry] = {}
        for include in compose.get("include", ()):
            for entry in self._include(include, path, "include"):
                identity = _identity(entry, merge=merge)
                if identity in out:
                    continue
                known = found.get(identity)
                if known is None or (merge and _newer(entry, known)):
                    found[identity] = entry
        if out:
            for entry in found.values():
                entry.nests = False
        if compose.get("inactive") is False:
            return [entry for entry in found.values() if not entry.system.is_inactive(entry.concept)]
        return list(found.values())

    def merges_versions(self, value_set: Resource) -> bool:
        """Whether a code of two versions counts as one: as said (versionsMatch), else unless includes mix versions."""
        said = self.inquiry.flag("versionsMatch")
        if said is not None:
            return said
        mixed: dict[str, set[str]] = {}
        for include in value_set.get("compose", {}).get("include", ()):
            if "system" in include:
                mixed.setdefault(include["system"], set()).add(include.get("version", ""))
        return all(len(own) == 1 for own in mixed.values())

    def step(self, value_set: Resource, path: tuple[str, ...]) -> tuple[str, ...]:
        canonical = versions.join(value_set.get("url", ""), value_set.get("version", ""))
        if canonical and canonical in path:
            text = f"Found a circularity pointing to {canonical} processing ValueSet with pathway [{', '.join(path)}]"
            raise refused("processing", "vs-invalid", text, "VALUESET_CIRCULAR_REFERENCE")
        if len(path) >= _DEEPEST:
            raise refused("processing", "vs-invalid", "The value sets are nested too deeply", "VALUESET_TOO_DEEP")
        return (*path, canonical)

    def expanded(self, value_set: Resource) -> Iterator[Entry]:
        """A value set that carries only its expansion."""
        todo = list(value_set.get("expansion", {}).get("contains", ()))
        while todo:
            row = todo.pop(0)
            todo = [*row.get("contains", ()), *todo]
            if "code" in row:
                system = self.library.system(row.get("system", ""), row.get("version", ""))
                concept = system.find(row["code"]) if system else None
                if system is None or concept is None:
                    system = system or CodeSystem(row.get("system", ""), row.get("version", ""))
                    concept = Concept(row["code"], row.get("display", ""))
                yield Entry(system, concept, row)

    def _include(self, include: Resource, path: tuple[str, ...], part: str) -> Iterator[Entry]:
        within = [self.imported(canonical, path) for canonical in include.get("valueSet", ())]
        sets = [{(entry.system.url, entry.concept.code) for entry in entries} for entries in within]
        if "system" in include:
            own: Iterable[Entry] = self._of_system(include, part)
        elif within:
            own = [Entry(entry.system, entry.concept, entry.listed) for entry in within[0]]
        else:
            return
        for entry in own:
            if all((entry.system.url, entry.concept.code) in codes for codes in sets):
                yield entry

    def imported(self, canonical: str, path: tuple[str, ...]) -> list[Entry]:
        """What an imported value set contains."""
        if canonical not in self._imported:
            value_set = self.value_set(canonical)
            if not canonical.startswith("#"):
                self.used.value_sets[versions.join(value_set.get("url", ""), value_set.get("version", ""))] = value_set
            self._imported[canonical] = self.entries(value_set, path)
        return self._imported[canonical]

    def value_set(self, canonical: str) -> Resource:
        """A value set that another imports, at the version named or the client's default."""
        url, version = versions.split(canonical)
        pinned = "" if version else self.inquiry.pinned("default-valueset-version", url)
        if pinned:
            self._note("default-valueset-version", url, pinned)
        found = self.library.value_set(url, version or pinned)
        if found is not None:
            return found
        if self.purpose.startswith("the value set") and (version or pinned):
            text = f"Unable to find included value set '{url}' version '{version or pinned}'"
            raise refused("not-found", "not-found", text, "VS_EXP_IMPORT_UNK_PINNED", status=404)
        raise unknown_value_set(versions.join(url, version or pinned))

    def _of_system(self, include: Resource, part: str) -> Iterator[Entry]:
        rows = include.get("concept")
        if rows and self.as_listed and not self._is_known(include["system"]):
            unknown = CodeSystem(include["system"], include.get("version", ""))
            for row in rows:
                if "code" in row:
                    yield Entry(unknown, Concept(row["code"], row.get("display", "")), row)
            return
        system = self.system(include["system"], include.get("version", ""))
        if rows:
            for row in rows:
                concept = system.find(row.get("code", ""))
                if concept is not None:
                    yield Entry(system, concept, row)
            return
        tests = [
            filters.test(system, own, f"ValueSet.compose.{part}[0].filter[{place}]")
            for place, own in enumerate(include.get("filter", ()))
        ]
        # A text search over a whole system is a list of hits; under a filter the tree still tells where they belong.
        nests = bool(tests) or not self.inquiry.text("filter")
        for concept in self._concepts(system):
            if all(test(concept) for test in tests):
                yield Entry(system, concept, nests=nests)

    def _is_known(self, url: str) -> bool:
        """Whether concepts of a code system are known, in whatever version."""
        found = self.library.system(url) if self.library.system_versions(url) else None
        return found is not None and found.content not in ("not-present", "example")

    def _concepts(self, system: CodeSystem) -> Iterable[Concept]:
        if system.enumerable:
            return system.concepts.values()
        common = self.library.value_set(system.common) if system.common else None
        if common is None:
            text = (
                f"The code system '{system.url}' cannot be expanded because its codes cannot be iterated "
                "or enumerated in any meaningful sense"
            )
            raise refused("not-supported", "", text, "CODESYSTEM_NOT_ENUMERABLE")
        self.used.unclosed[system.url] = (
            f"The code System '{system.url}' has a grammar and so has infinite members. "
            f"This extension is based on {system.common}"
        )
        rows = [row for include in common["compose"]["include"] for row in include.get("concept", ())]
        found = (system.find(row["code"]) for row in rows)
        return [concept for concept in found if concept is not None]


def _identity(entry: Entry, *, merge: bool) -> object:
    return (entry.system.url, entry.concept.code) if merge else entry.key


def _newer(entry: Entry, known: Entry) -> bool:
    ours, theirs = entry.system.version, known.system.version
    return ours != theirs and versions.newest((ours, theirs)) == ours


def _contained(value_set: Resource) -> Iterator[Resource]:
    """Contained value sets, which are referred to by `#id`."""
    for own in value_set.get("contained", ()):
        if isinstance(own, Mapping) and own.get("resourceType") in ("ValueSet", "CodeSystem"):
            if "id" in own and own["resourceType"] == "ValueSet":
                yield {**own, "url": f"#{own['id']}"}
            if "url" in own:
                yield own
