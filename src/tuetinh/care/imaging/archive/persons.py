"""Whose an object is: which Patient its PatientID names, and which examination its accession number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from tuetinh.care.imaging.archive.reading import Head, words
from tuetinh.care.imaging.models import Exam
from tuetinh.commons.identity import api as identity
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

# In this order: the number that the facility gave is what its worklist tells machines.
_NUMBERS = (identity.MRN, identity.CCCD, identity.BHXH, identity.BHYT_CARD, identity.PASSPORT, identity.CMND)


@dataclass(frozen=True, slots=True)
class Whose:
    """Who is pictured, and for what. patient "": nobody knows. contradiction: what speaks against it, if anything."""

    patient: str = ""
    exam: Exam | None = None
    contradiction: str = ""


def whose(head: Head, facility: str) -> Whose:
    """Find the patient and the examination of an object that came for a facility."""
    exam = _exam(head, facility)
    person = find(head.patient_id, facility)
    if exam:
        if person and person.id != exam.patient:
            return Whose(exam=exam, contradiction="AccessionNumber")
        if not person:
            person = cast("r4.Patient | None", record.read_many(SYSTEM, "Patient", [exam.patient]).get(exam.patient))
    if not person:
        return Whose(exam=exam)
    if differs(head, person):
        return Whose(exam=exam, contradiction="PatientName")
    return Whose(str(person.id), exam)


def _exam(head: Head, facility: str) -> Exam | None:
    """The examination that is told: by the study's UID, which the worklist gave, else by its accession number."""
    by_study = Exam.objects.filter(study_instance_uid=head.study).first()
    if by_study or not head.accession:
        return by_study
    rows = Exam.objects.filter(accession_number=head.accession)
    return (rows.filter(facility=facility) if facility else rows).first()


def find(number: str, facility: str) -> r4.Patient | None:
    """The one Patient whom a number names at a facility: by its own number, a national one, or the record's id."""
    if not number or set(number) & set(",|$\\&"):
        return None
    systems = ",".join(f"{system}|{number}" for system in _NUMBERS)
    found = cast("list[r4.Patient]", record.search(SYSTEM, "Patient", f"identifier={systems}&_count=20").resources)
    for system in _NUMBERS:
        named = [one for one in found if _has(one, system, number, facility)]
        if len(named) == 1:
            return named[0]
        if named:
            return None
    return cast("r4.Patient | None", record.read_many(SYSTEM, "Patient", [number]).get(number))


def _has(person: r4.Patient, system: str, number: str, facility: str) -> bool:
    own = f"Organization/{facility}"
    return any(
        i.system == system
        and i.value == number
        and (system != identity.MRN or not facility or not i.assigner or i.assigner.reference in (None, own))
        for i in person.identifier or []
    )


def differs(head: Head, person: r4.Patient) -> bool:
    """Whether an object tells another person than this one: neither a word of the name nor the date of birth agrees."""
    told, known = set(words(head.name).split()), set(words(identity.display_name(person)).split())
    birth = (person.birthDate or "").replace("-", "")
    other_birth = bool(head.birth) and len(birth) == 8 and f"{head.birth:%Y%m%d}" != birth
    return other_birth and bool(told) and bool(known) and not told & known


def number_of(person: r4.Patient, facility: str) -> str:
    """The PatientID that machines of a facility are told: its own number, else the record's id."""
    own = f"Organization/{facility}"
    mine = (
        i.value
        for i in person.identifier or []
        if i.system == identity.MRN and i.value and i.assigner and i.assigner.reference == own
    )
    return next(mine, str(person.id))
