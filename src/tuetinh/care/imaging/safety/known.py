"""What the record tells by itself about somebody: pregnancy, allergies, kidneys, drugs, implants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar, cast

from django.utils import timezone

from tuetinh.commons.identity.api import age
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.text import concept_text, fold

LOINC: Final = "http://loinc.org"
CREATININE: Final = "14682-9,2160-0,38483-4"  # LOINC: serum or plasma, moles; the same, mass; blood, mass
UMOL: Final = Decimal("88.4")  # µmol/L of 1 mg/dL
_PREGNANCY: Final = "82810-3"  # LOINC: pregnancy status; LA15173-0: pregnant
_PREGNANCY_DAYS: Final = 300
_MOST: Final = 200
R = TypeVar("R", bound=r4.Resource)


@dataclass(frozen=True, slots=True)
class Kidneys:
    """The newest creatinine, in µmol/L, and the eGFR of it, mL/min/1.73 m² by CKD-EPI 2021; None under 18 years."""

    on: date
    creatinine: Decimal
    egfr: int | None


@dataclass(frozen=True, slots=True)
class Person:
    """Whom an examination is of. age: full years, None not known."""

    id: str
    sex: str
    birth: str

    @property
    def age(self) -> int | None:
        """Today's."""
        return age(self.birth, timezone.localdate()) if self.birth else None


def person_of(patient: r4.Patient) -> Person:
    """What of a Patient the checks ask for."""
    return Person(patient.id or "", patient.gender or "", patient.birthDate or "")


def _found(asker: Asker, kind: type[R], query: str) -> list[R]:
    return cast("list[R]", record.search(asker, kind.__name__, query).resources)


def is_pregnant(asker: Asker, patient: str, codes: Sequence[str]) -> bool:
    """Whether the newest word of the last months is that she is pregnant: an Observation of it, else a diagnosis."""
    since = (timezone.localdate() - timedelta(days=_PREGNANCY_DAYS)).isoformat()
    query = f"patient=Patient/{patient}&code={LOINC}|{_PREGNANCY}&date=ge{since}&_sort=-date&_count=1"
    for status in _found(asker, r4.Observation, query):
        told = status.valueCodeableConcept
        return any(c.code in ("LA15173-0", "77386006") for c in (told and told.coding) or [])
    query = f"patient=Patient/{patient}&recorded-date=ge{since}&_count={_MOST}"
    return any(_has(one.code, codes) for one in _found(asker, r4.Condition, query) if _stands(one))


def allergies(asker: Asker, patient: str, words: Sequence[str]) -> list[str]:
    """The allergies of the record that are named by one of these words, in the record's words."""
    found = _found(asker, r4.AllergyIntolerance, f"patient=Patient/{patient}&_count={_MOST}")
    return _named([one.code for one in found if _stands(one)], words)


def kidneys(asker: Asker, person: Person) -> Kidneys | None:
    """The newest creatinine that was given out."""
    codes = ",".join(f"{LOINC}|{code}" for code in CREATININE.split(","))
    query = f"patient=Patient/{person.id}&code={codes}&status=final,amended,corrected&_sort=-date&_count=20"
    for one in _found(asker, r4.Observation, query):
        value, on = _micromoles(one.valueQuantity), _day(one.effectiveDateTime)
        if value and on:
            return Kidneys(on, value, egfr(value, person.sex, age(person.birth, on)))
    return None


def _micromoles(quantity: r4.Quantity | None) -> Decimal | None:
    if quantity is None or quantity.value is None or quantity.value <= 0:
        return None
    unit = (quantity.code or quantity.unit or "").replace("µ", "u").replace("μ", "u")
    if unit == "umol/L":
        return quantity.value
    return quantity.value * UMOL if unit == "mg/dL" else None


def _day(moment: str | None) -> date | None:
    try:
        return datetime.fromisoformat(moment or "").date()
    except ValueError:
        return None


def egfr(creatinine: Decimal, sex: str, years: int | None) -> int | None:
    """CKD-EPI 2021 without race (N Engl J Med 2021;385:1737), of creatinine in µmol/L; None where it does not hold."""
    if years is None or years < 18 or sex not in ("male", "female"):
        return None
    female = sex == "female"
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = float(creatinine / UMOL) / kappa
    value: float = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**years
    return round(value * (1.012 if female else 1))


def drugs(asker: Asker, patient: str, words: Sequence[str]) -> list[str]:
    """The prescribed or told drugs in use that are named by one of these words."""
    orders = _found(asker, r4.MedicationRequest, f"patient=Patient/{patient}&status=active,completed&_count={_MOST}")
    since = (timezone.localdate() - timedelta(days=90)).isoformat()
    lately = [one.medicationCodeableConcept for one in orders if (one.authoredOn or "") >= since]
    told = _found(asker, r4.MedicationStatement, f"patient=Patient/{patient}&status=active&_count={_MOST}")
    return _named([*lately, *(one.medicationCodeableConcept for one in told)], words)


def implants(asker: Asker, patient: str, words: Sequence[str], codes: Sequence[str]) -> list[str]:
    """The diagnoses and procedures that tell of something in the body, in the record's words."""
    problems = [
        one.code
        for one in _found(asker, r4.Condition, f"patient=Patient/{patient}&_count={_MOST}")
        if not _is_wrong(one.verificationStatus)
    ]
    done = _found(asker, r4.Procedure, f"patient=Patient/{patient}&status=completed&_count={_MOST}")
    coded = [concept_text(one) for one in problems if _has(one, codes)]
    return list(dict.fromkeys([*coded, *_named([*problems, *(one.code for one in done)], words)]))


def _named(concepts: Iterable[r4.CodeableConcept | None], words: Sequence[str]) -> list[str]:
    """The names of concepts that hold one of these words, each once."""
    wanted = [fold(word) for word in words]
    found = []
    for concept in concepts:
        said = [concept.text or "", *(c.display or "" for c in concept.coding or [])] if concept else []
        if any(word in fold(" ".join(said)) for word in wanted):
            found.append(concept_text(concept))
    return list(dict.fromkeys(found))


def _has(concept: r4.CodeableConcept | None, beginnings: Sequence[str]) -> bool:
    codes = [c.code or "" for c in (concept and concept.coding) or []]
    return bool(beginnings) and any(code.startswith(tuple(beginnings)) for code in codes)


def _stands(one: r4.AllergyIntolerance | r4.Condition) -> bool:
    """Whether it holds: it was not written by mistake, refuted, or over."""
    status = {c.code for c in (one.clinicalStatus and one.clinicalStatus.coding) or []}
    return not status & {"inactive", "resolved", "remission"} and not _is_wrong(one.verificationStatus)


def _is_wrong(status: r4.CodeableConcept | None) -> bool:
    return any(c.code in ("entered-in-error", "refuted") for c in (status and status.coding) or [])
