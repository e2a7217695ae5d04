"""Whose an object is: which Patient its PatientID names, and which examination its accession number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from tuetinh.care.imaging.archive.reading import Head, words
from tuetinh.care.imaging.models import Device, Exam
from tuetinh.commons.identity import api as identity
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

ANYONE: Final = "*"  # title of the row for those that have none
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
    if told_by(head).differs(told_of(person)):
        return Whose(exam=exam, contradiction="PatientName")
    return Whose(str(person.id), exam)


def named(head: Head, facility: str, patient: str) -> Whose:
    """The patient whom a person has named, and the examination of an object if it is of that patient."""
    exam = _exam(head, facility)
    return Whose(patient, exam if exam and exam.patient == patient else None)


def _exam(head: Head, facility: str) -> Exam | None:
    """The examination that is told: by the study's UID, which the worklist gave, else by its accession number, else by
    the step that the machine has told of.
    """
    if by_study := Exam.objects.filter(study_instance_uid=head.study).first():
        return by_study
    rows = Exam.objects.filter(accession_number=head.accession) if head.accession else Exam.objects.none()
    by_number = (rows.filter(facility=facility) if facility else rows).first()
    return by_number or Exam.objects.filter(groupedstudy__study_instance_uid=head.study).order_by("pk").first()


def issuer(head: Head) -> str:
    """The facility that gave the patient's number, as our worklists tell machines; "" where that names none."""
    known = record.read_many(SYSTEM, "Organization", {head.issuer} - {""}) if head.issuer.isalnum() else {}
    return next(iter(known), "")


def unknown_at() -> str:
    """The facility for which machines send that nobody has registered; "" where none takes them."""
    row = Device.objects.filter(title=ANYONE, enabled=True).first()
    return str(row.facility) if row else ""


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


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a person. name: as `reading.words` folds it; birth: `YYYYMMDD` or its beginning, "" unknown."""

    name: str
    birth: str

    def differs(self, other: Told) -> bool:
        """Whether another person is told: neither the name nor the date of birth agrees, as far as both are told."""
        birth = bool(self.birth and other.birth)
        if birth and (self.birth.startswith(other.birth) or other.birth.startswith(self.birth)):
            return False
        if self.name and other.name:
            return not _is_one_name(self.name, other.name)
        return birth


def _is_one_name(one: str, other: str) -> bool:
    """Whether two names are one, in any order of the words and with or without middle names.

    A few family names are those of most people: the given name, the last word, must be in both. Technicians write
    ages and years beside names, which are none.
    """
    if one == other:
        return True
    short, long = sorted(([word for word in name.split() if word.isalpha()] for name in (one, other)), key=len)
    return bool(short) and set(short) <= set(long) and {short[-1], long[-1]} <= set(short)


def told_by(head: Head) -> Told:
    """What an object tells of its person."""
    return Told(head.words("PatientName"), head.birth.isoformat().replace("-", "") if head.birth else "")


def told_of(person: r4.Patient) -> Told:
    """What the record tells of a person."""
    return Told(words(identity.display_name(person)), (person.birthDate or "").replace("-", ""))


def number_of(person: r4.Patient, facility: str) -> str:
    """The PatientID that machines of a facility are told: its own number, else the record's id."""
    own = f"Organization/{facility}"
    mine = (
        i.value
        for i in person.identifier or []
        if i.system == identity.MRN and i.value and i.assigner and i.assigner.reference == own
    )
    return next(mine, str(person.id))
