"""The catalogues as code systems of the record's terminology service, so that others can expand and validate them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tuetinh.record.terminology import api as terminology
from tuetinh.record.terminology.api import CodeSystem, Concept, Designation, Property

from .drugs import drugs
from .facts import ETHNIC_GROUPS, FORMULARY, ICD10, PLACES, SERVICES, list_system
from .icd10 import Icd10, all_codes, plain
from .lists import code_list, code_lists, ethnic_groups
from .places import communes_of, provinces
from .services import all_services

_OURS = "https://tuetinh.vn/fhir/ValueSet"
# The value set of all codes of a catalogue.
VALUE_SETS = {
    ICD10: f"{_OURS}/icd-10",
    SERVICES: f"{_OURS}/services",
    FORMULARY: f"{_OURS}/formulary",
    PLACES: f"{_OURS}/places",
    ETHNIC_GROUPS: f"{_OURS}/ethnic-groups",
}


def register() -> None:
    """Offer every catalogue to the terminology service; each is built when it is first asked for."""
    systems: dict[str, Callable[[], CodeSystem]] = {
        ICD10: _icd10,
        SERVICES: _services,
        FORMULARY: _formulary,
        PLACES: _places,
        ETHNIC_GROUPS: _ethnic_groups,
    }
    for url, load in systems.items():
        terminology.register_code_system(url, "", load, VALUE_SETS[url])
    for name in code_lists():
        terminology.register_code_system(list_system(name), "", _code_list(name))


def _system(url: str, name: str, title: str, concepts: Iterable[Concept]) -> CodeSystem:
    known: dict[str, Concept] = {}
    for concept in concepts:
        known.setdefault(concept.code, concept)
    return CodeSystem(url=url, name=name, title=title, language="vi", concepts=known)


def _icd10() -> CodeSystem:
    """Codes of QĐ 4469 under their chapters, blocks and shorter codes."""
    concepts: dict[str, Concept] = {}
    for entry in all_codes():
        chapter, block = entry.chapter, entry.block
        _add(concepts, chapter.number, chapter.vi, chapter.en, "", group=True)
        _add(concepts, block.codes, block.vi, block.en, chapter.number, group=True)
        _add(concepts, entry.code, entry.vi, entry.en, _above(entry, concepts) or block.codes)
    return CodeSystem(url=ICD10, name="ICD10", title="ICD-10 (QĐ 4469/QĐ-BYT)", language="vi", concepts=concepts)


def _above(entry: Icd10, concepts: dict[str, Concept]) -> str:
    """The code of which an entry is a part: `A01` for `A01.0`."""
    key = plain(entry.code)
    for size in range(len(key) - 1, 2, -1):
        for code in (key[:size].upper(), f"{key[:3]}.{key[3:size]}".upper()):
            if code in concepts and code != entry.code:
                return code
    return ""


def _add(concepts: dict[str, Concept], code: str, vi: str, en: str, parent: str, *, group: bool = False) -> None:
    if code in concepts:
        return
    names = (Designation(en, "en"),) if en else ()
    marks = (Property("notSelectable", "valueBoolean", value=True),) if group else ()
    concepts[code] = Concept(code, vi, designations=names, properties=marks, parents=[parent] if parent else [])
    if parent in concepts:
        concepts[parent].children.append(code)


def _services() -> CodeSystem:
    return _system(SERVICES, "Services", "Dịch vụ kỹ thuật", (Concept(own.code, own.name) for own in all_services()))


def _formulary() -> CodeSystem:
    return _system(FORMULARY, "Formulary", "Danh mục thuốc", (Concept(own.code, own.label) for own in drugs()))


def _places() -> CodeSystem:
    """Provinces with their communes."""
    concepts = {own.code: Concept(own.code, own.full_name) for own in provinces()}
    for above in provinces():
        for own in communes_of(above.code):
            concepts[own.code] = Concept(own.code, own.full_name, parents=[above.code])
            concepts[above.code].children.append(own.code)
    return CodeSystem(url=PLACES, name="Places", title="Đơn vị hành chính", language="vi", concepts=concepts)


def _ethnic_groups() -> CodeSystem:
    return _system(ETHNIC_GROUPS, "EthnicGroups", "Dân tộc", (Concept(own.code, own.name) for own in ethnic_groups()))


def _code_list(name: str) -> Callable[[], CodeSystem]:
    def load() -> CodeSystem:
        return _system(list_system(name), name, name, (Concept(own.code, own.meaning) for own in code_list(name)))

    return load
