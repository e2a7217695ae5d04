"""The summary of a record to be read by its person: who they are, what lasts, what they take, results and visits."""

from __future__ import annotations

from typing import Any, Final

from django.utils import timezone, translation

from tuetinh.commons.access.api import place_name
from tuetinh.commons.documents.api import pdf
from tuetinh.commons.identity import api as identity
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

MOST: Final = 200  # lines of each part; all of it is in the data beside
PARTS: Final = (
    ("allergies", "AllergyIntolerance", ""),
    ("problems", "Condition", "_sort=-recorded-date"),
    ("medicines", "MedicationRequest", "_sort=-authoredon"),
    ("vaccines", "Immunization", "_sort=-date"),
    ("results", "Observation", "_sort=-date"),
    ("visits", "Encounter", "_sort=-date"),
)


def told(asker: Asker, person: r4.Patient) -> dict[str, Any]:
    """What the summary says, in Vietnamese."""
    with translation.override("vi"):
        found: dict[str, Any] = {
            "person": {
                "name": identity.display_name(person),
                "birth": person.birthDate or "",
                "sex": str(identity.gender_text(person.gender or "unknown")),
                "number": identity.identifier(person, "cccd"),
                "phone": identity.phone(person),
                "home": identity.home(person)[0],
            },
            "at": timezone.now(),
        }
        for name, type_, order in PARTS:
            found[name] = _lines(asker, str(person.id), type_, order)
        return found


def pdf_of(data: dict[str, Any]) -> bytes:
    """The summary as PDF/A."""
    return pdf("privacy/person_summary.typ", data)


def _lines(asker: Asker, patient: str, type_: str, order: str) -> list[dict[str, str]]:
    if not asker.may("s", type_):
        return []
    query = "&".join(filter(None, (f"patient=Patient/{patient}", f"_count={MOST}", order)))
    return [_line(one) for one in record.search(asker, type_, query).resources]


def _line(one: r4.Resource) -> dict[str, str]:
    """Words, value and day of an entry."""
    words, value = _concept(one), ""
    if isinstance(one, r4.Observation):
        quantity = one.valueQuantity
        value = f"{quantity.value} {quantity.unit or ''}".strip() if quantity else one.valueString or ""
        if one.valueCodeableConcept:
            value = one.valueCodeableConcept.text or _display(one.valueCodeableConcept)
    elif isinstance(one, r4.Encounter):
        provider = (one.serviceProvider.reference or "") if one.serviceProvider else ""
        words = place_name("Organization", provider.rpartition("/")[2])
        value = ", ".join(concept.text or _display(concept) for concept in one.reasonCode or [])
    elif isinstance(one, r4.MedicationRequest):
        value = "; ".join(dosage.text or "" for dosage in one.dosageInstruction or [])
    return {"words": words, "value": value, "day": _day(one)}


def _concept(one: r4.Resource) -> str:
    for name in ("code", "vaccineCode", "medicationCodeableConcept"):
        concept = getattr(one, name, None)
        if isinstance(concept, r4.CodeableConcept):
            return concept.text or _display(concept)
    return one.resourceType


def _display(concept: r4.CodeableConcept) -> str:
    return next((coding.display or coding.code or "" for coding in concept.coding or []), "")


_DAYS: Final = ("effectiveDateTime", "occurrenceDateTime", "authoredOn", "recordedDate", "onsetDateTime", "issued")


def _day(one: r4.Resource) -> str:
    text = next((value for name in _DAYS if isinstance(value := getattr(one, name, None), str)), "")
    if isinstance(one, r4.Encounter) and one.period:
        text = one.period.start or ""
    return "/".join(reversed(text[:10].split("-"))) if text else ""
