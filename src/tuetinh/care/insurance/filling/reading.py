"""Small readers of FHIR elements that the tables share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar, cast

from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from tuetinh.care.insurance.filling.visit import Visit

R = TypeVar("R", bound=r4.Resource)
LOINC: Final = "http://loinc.org"
MACHINE: Final = "https://tuetinh.vn/fhir/sid/ma-may"
ICD9: Final = "http://hl7.org/fhir/sid/icd-9-cm"
_MACHINE = re.compile(r"[A-ZĐ]{2,3}\.[123](\[[^\]]*\])?\..+")  # QĐ 3176, bảng 3, trường 44
MACHINE_CODE: Final = r"[A-ZĐ]{2,3}\.[1-3](\[[^\]]*\])?\.[^\s;]+"  # as it is entered


def search_all(asker: Asker, type_: type[R], query: str) -> list[R]:
    """Everything that a search finds, page by page."""
    found, page = [], None
    while True:
        result = record.search(asker, type_.__name__, f"{query}&_count=1000", page)
        found += cast("list[R]", result.resources)
        page = result.next
        if page is None:
            return found


def id_of(reference: r4.Reference | None) -> str:
    """The id that a literal reference ends in, or ""."""
    return (reference.reference or "").rpartition("/")[2] if reference else ""


def code(concept: r4.CodeableConcept | None, system: str = "") -> str:
    """The code of a system, the first code for ""."""
    for coding in (concept.coding if concept else None) or ():
        if not system or coding.system == system:
            return coding.code or ""
    return ""


def listed(concepts: Iterable[r4.CodeableConcept | None], name: str) -> str:
    """The code of a list of the Ministry (`ma-tai-nan`), joined when there are several."""
    found = [c.code or "" for one in concepts if one for c in one.coding or [] if (c.system or "").endswith(f"/{name}")]
    return ";".join(dict.fromkeys(found))


def text(concept: r4.CodeableConcept | None) -> str:
    """A concept in words: its text, else a display, else a code."""
    if concept is None:
        return ""
    return concept.text or next((c.display or c.code or "" for c in concept.coding or []), "")


def quantity(one: r4.Observation | None) -> str:
    """The number of a measurement as it was written."""
    value = one.valueQuantity.value if one and one.valueQuantity else None
    return "" if value is None else f"{value:f}"


def based_on(references: list[r4.Reference] | None, id_: str | None) -> bool:
    """Whether one of the references names the order."""
    return any(id_of(reference) == id_ for reference in references or [])


def about(item: r4.ChargeItem) -> set[str]:
    """Ids of what a charge rests on."""
    return {id_of(reference) for reference in [*(item.supportingInformation or []), *(item.service or [])]}


def extension(element: r4.DomainResource | None, url: str) -> r4.Extension | None:
    """The extension of an address, or None."""
    for one in (element.extension if element else None) or ():
        if one.url == url:
            return one
    return None


def told(element: r4.DomainResource | None, url: str) -> str:
    """The text, code or date of an extension, or ""."""
    found = extension(element, url)
    return (found.valueString or found.valueCode or found.valueDate or "") if found else ""


def amount(element: r4.DomainResource | None, url: str) -> Decimal | None:
    """The money of an extension, or None."""
    found = extension(element, url)
    return found.valueMoney.value if found and found.valueMoney else None


def measured(visit: Visit, *codes: str) -> r4.Observation | None:
    """The latest measurement of a visit with one of these LOINC codes."""
    found = [o for o in visit.observations if code(o.code, LOINC) in codes]
    return max(found, key=lambda o: o.effectiveDateTime or "", default=None)


def licence(visit: Visit, who: r4.Reference | None, *, fallback: bool = True) -> str:
    """Licence number of a practitioner; where nobody is named, of the one who led the visit."""
    id_ = id_of(who)
    if not id_ and fallback:
        id_ = leader(visit)
    known = visit.licences.get(id_)
    if known is None:
        known = visit.licences[id_] = _licence(visit.practitioners.get(id_))
    return known


def _licence(person: r4.Practitioner | None) -> str:
    if person is None:
        return ""
    licences = [i.value for q in person.qualification or [] for i in q.identifier or [] if i.value]
    return licences[0] if licences else next((i.value or "" for i in person.identifier or []), "")


def leader(visit: Visit) -> str:
    """Id of the practitioner who led the visit, or ""."""
    return next((id_of(p.individual) for p in visit.encounter.participant or [] if p.individual), "")


def staff_name(visit: Visit, who: r4.Reference | None) -> str:
    """Full name of a practitioner, else what the reference shows."""
    person = visit.practitioners.get(id_of(who) or leader(visit))
    name = (person.name or [None])[0] if person else None
    spoken = (name.text or " ".join(part for part in (name.family, *(name.given or [])) if part)) if name else ""
    return spoken or ((who.display or "") if who else "")


def licences(visit: Visit, people: Iterable[r4.Reference]) -> str:
    """Licence numbers of several, each once."""
    return ";".join(dict.fromkeys(filter(None, (licence(visit, one, fallback=False) for one in people))))


def machines(visit: Visit, named: Iterable[r4.Reference | None]) -> str:
    """MA_MAY of devices that are named: what the reference identifies, else its Device, else what it shows."""
    found = []
    for one in named:
        if one is None:
            continue
        own = one.identifier.value if one.identifier and one.identifier.system == MACHINE else ""
        device = visit.devices.get(id_of(one))
        by_device = next((i.value for i in (device.identifier if device else None) or [] if i.system == MACHINE), "")
        shown = one.display or ""
        found.append(own or by_device or (shown if _MACHINE.fullmatch(shown) else ""))
    return ";".join(dict.fromkeys(filter(None, found)))
