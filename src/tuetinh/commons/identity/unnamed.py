"""People registered before their papers: newborns by their mother, and those who cannot say who they are.

They carry a temporary number until somebody completes them; if they turn out to be somebody known, the records office
merges the two and nothing is lost.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, cast

from django.db import transaction
from django.utils import timezone

from tuetinh.commons.access.api import AccessError, carers, papers, wards
from tuetinh.commons.identity import facts, queries
from tuetinh.commons.identity.actions import check, hold_number, new_number
from tuetinh.commons.identity.errors import Code, IdentityError, SamePerson
from tuetinh.commons.identity.facts import PersonDraft
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden

NOTIFY_WITHIN: Final = timedelta(hours=48)  # an unidentified patient is told to the commune
YOUNGEST_MOTHER: Final = 10  # years; below it the record is the wrong one
BIRTH_TIME: Final = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
DESCRIPTION: Final = "https://tuetinh.vn/fhir/StructureDefinition/unidentified-description"
_SEX: Final = {"male": "nam", "female": "nữ"}


@dataclass(frozen=True, slots=True)
class Newborn:
    """What is known at birth. name: in full, or "". at: moment of birth. order: 1 for an only child."""

    at: datetime
    gender: str
    name: str = ""
    order: int = 1


@dataclass(frozen=True, slots=True)
class Unnamed:
    """Somebody who waits for papers. due: by when the commune is told of somebody unidentified; None for newborns."""

    id: str
    name: str
    number: str
    due: datetime | None
    late: bool


@transaction.atomic
def register_newborn(asker: Asker, mother_id: str, child: Newborn) -> r4.Patient:
    """Store a newborn with the mother's name, address and telephone, and the mother as the guardian by law.

    Raises IdentityError for a mother who cannot be one, a birth in the future, or a child that is registered already.
    """
    _may(asker)
    mother = cast(r4.Patient, record.read(asker, "Patient", mother_id))
    at = timezone.localtime(child.at)
    years = facts.age(mother.birthDate or "", at.date()) if mother.birthDate else None
    if mother.gender == "male" or (years is not None and years < YOUNGEST_MOTHER):
        raise IdentityError(Code.NO_MOTHER)
    if at > timezone.now() or at.date() < queries.today() - timedelta(days=365):
        raise IdentityError(Code.BIRTH_WRONG, field="at")
    if child.gender not in ("male", "female", "unknown"):
        raise IdentityError(Code.GENDER_WRONG, field="gender")
    hold_number(f"child-of:{mother_id}")
    known = [one.ward for one in wards.of_carer(mother_id)]
    for sibling in cast("dict[str, r4.Patient]", record.read_many(asker, "Patient", known)).values():
        if sibling.birthDate == at.date().isoformat() and (sibling.multipleBirthInteger or 1) == child.order:
            raise SamePerson(str(sibling.id), name=facts.display_name(sibling), birth=sibling.birthDate or "")
    stored = record.create(asker, _newborn(asker.facility, mother, child, at))
    try:
        carers.link(asker, str(stored.id), mother_id, "MTH", papers.Paper(papers.HERE))
    except AccessError as error:
        raise IdentityError(Code.NO_MOTHER) from error
    return stored


@transaction.atomic
def register_unknown(asker: Asker, gender: str, description: str) -> r4.Patient:
    """Store somebody who cannot say who they are, by sex and description. Raises IdentityError without either."""
    _may(asker)
    if gender not in ("male", "female", "unknown"):
        raise IdentityError(Code.GENDER_WRONG, field="gender")
    if not description.strip():
        raise IdentityError(Code.DESCRIPTION_MISSING, field="description")
    name = f"Không rõ danh tính {_SEX.get(gender, '')} {timezone.localtime():%d/%m/%Y %H:%M}"
    person = facts.patient(
        PersonDraft(" ".join(name.split()), gender=gender), facility=asker.facility, mrn=new_number()
    )
    person.identifier = [*(person.identifier or []), _temporary("KD", asker.facility)]
    person.extension = [*(person.extension or []), r4.Extension(url=DESCRIPTION, valueString=description.strip())]
    return record.create(asker, person)


@transaction.atomic
def complete(asker: Asker, patient_id: str, draft: PersonDraft) -> r4.Patient:
    """Give an unnamed person the name and numbers of their papers; what stood before stays as old.

    Raises IdentityError for a draft that is not enough or a person who has papers, SamePerson when a number of it is
    somebody's already: then the two records are one person's, which the records office decides.
    """
    _may(asker)
    check(draft)
    for kind, value in sorted(queries.draft_numbers(draft)):
        hold_number(f"{kind}:{value}")
    for hit in queries.likely_duplicates(asker, draft):
        if hit.certain and hit.id != patient_id:
            raise SamePerson(hit.id, name=hit.name, birth=hit.born)
    person = cast(r4.Patient, record.read(asker, "Patient", patient_id))
    if not facts.identifier(person, "temporary"):
        raise IdentityError(Code.HAS_PAPERS)
    new = facts.patient(replace(draft, mother=draft.mother or facts.mother(person)))
    for name in person.name or []:
        name.use = "old"
    for number in person.identifier or []:
        number.use = "old" if number.system == facts.TEMPORARY else number.use
    person.name = [*(new.name or []), *(person.name or [])]
    person.identifier = [*(new.identifier or []), *(person.identifier or [])]
    kept = {extension.url for extension in new.extension or []}
    person.extension = [*(new.extension or []), *(e for e in person.extension or [] if e.url not in kept)] or None
    person.gender, person.telecom = new.gender, new.telecom or person.telecom
    person.address = new.address or person.address
    if person.birthDate != new.birthDate:
        person.birthDate, person.birthDate_ext = new.birthDate, None
    return record.update(asker, person)


def unnamed(asker: Asker) -> list[Unnamed]:
    """Who waits for papers at the asker's facility, the newest first."""
    query = f"identifier={facts.TEMPORARY}|&organization=Organization/{asker.facility}&_sort=-_lastUpdated&_count=50"
    found = []
    for person in cast("list[r4.Patient]", record.search(asker, "Patient", query).resources):
        number = facts.identifier(person, "temporary")
        if number and person.active is not False:
            due = _due(person) if number.startswith("KD") else None
            late = due is not None and due < timezone.now()
            found.append(Unnamed(str(person.id), facts.display_name(person), number, due, late))
    return found


def description(person: r4.Patient) -> str:
    """How somebody who could not say who they are was described, or ""."""
    return next((e.valueString or "" for e in person.extension or [] if e.url == DESCRIPTION), "")


def _due(person: r4.Patient) -> datetime | None:
    """Until when the commune is to be told: counted from when the number was given."""
    periods = [i.period for i in person.identifier or [] if i.system == facts.TEMPORARY and i.period]
    start = periods[0].start if periods else None
    return datetime.fromisoformat(start) + NOTIFY_WITHIN if start else None


def _newborn(facility: str, mother: r4.Patient, child: Newborn, at: datetime) -> r4.Patient:
    called = facts.display_name(mother)
    name = child.name or (f"Con bà {called} {child.order}" if child.order > 1 else f"Con bà {called}")
    draft = PersonDraft(name, at.date().isoformat(), child.gender, phone=facts.phone(mother), mother=called)
    person = facts.patient(draft, facility=facility, mrn=new_number())
    person.identifier = [*(person.identifier or []), _temporary("SS", facility)]
    person.address = mother.address
    person.birthDate_ext = r4.Element(
        extension=[r4.Extension(url=BIRTH_TIME, valueDateTime=at.isoformat(timespec="seconds"))]
    )
    person.multipleBirthInteger = child.order if child.order > 1 else None
    return person


def _temporary(kind: str, facility: str) -> r4.Identifier:
    """A number until there are papers; it has letters, so that nobody takes it for a personal number."""
    value = f"{kind}{timezone.localdate():%y}{secrets.randbelow(10**8):08}"
    number = facts.number("temporary", value, facility=facility)
    number.period = r4.Period(start=timezone.localtime().isoformat(timespec="seconds"))
    return number


def _may(asker: Asker) -> None:
    if not asker.may("c", "Patient"):
        message = "this desk registers nobody"
        raise Forbidden(message)
