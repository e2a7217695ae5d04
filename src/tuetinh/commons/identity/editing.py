"""Correcting what is known of a person: a new version of the Patient; the old one stays in its history."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from tuetinh.commons.identity import actions, facts, queries
from tuetinh.commons.identity.errors import SamePerson
from tuetinh.commons.identity.facts import PersonDraft
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker


@dataclass(frozen=True, slots=True)
class Details:
    """What a desk corrects, as `PersonDraft` has it. version: of the Patient that was shown."""

    name: str
    birth: str
    gender: str
    cccd: str
    phone: str
    address: str
    version: int


def details(person: r4.Patient) -> Details:
    """What is known now."""
    return Details(
        name=facts.display_name(person),
        birth=person.birthDate or "",
        gender=person.gender or "unknown",
        cccd=facts.identifier(person, "cccd"),
        phone=facts.phone(person),
        address=facts.home(person)[0],
        version=int((person.meta.versionId if person.meta else None) or 1),
    )


@transaction.atomic
def correct(asker: Asker, patient_id: str, told: Details) -> r4.Patient:
    """Store what was corrected; everything else of the Patient stays as it is.

    A number that is no longer the person's is kept as an old one. Raises IdentityError for what is wrong, SamePerson
    for a number of somebody else, PreconditionFailed when another desk was faster.
    """
    person = record.read(asker, "Patient", patient_id)
    assert isinstance(person, r4.Patient)  # noqa: S101
    known = details(person)
    actions.check(PersonDraft(told.name, told.birth, told.gender, cccd=told.cccd))
    if told.cccd != known.cccd:
        _number(asker, person, told.cccd)
    if told.name != known.name:
        others = [name for name in person.name or [] if name.use != "official"]
        person.name = [facts.human_name(told.name), *others]
    if told.phone != known.phone:
        rest = [one for one in person.telecom or [] if not (one.system == "phone" and one.value == known.phone)]
        new = [r4.ContactPoint(system="phone", use="mobile", value=told.phone)] if told.phone else []
        person.telecom = [*new, *rest] or None
    if told.address != known.address:
        person.address = [facts.address(told.address)] if told.address else None
    person.gender, person.birthDate = told.gender, told.birth or None
    return record.update(asker, person, version=told.version)


def _number(asker: Asker, person: r4.Patient, cccd: str) -> None:
    for one in person.identifier or []:
        if one.system == facts.SYSTEMS["cccd"] and one.use != "old":
            one.use = "old"
    if cccd:
        actions.hold_number(f"cccd:{cccd}")
        draft = PersonDraft(facts.display_name(person), cccd=cccd)
        for hit in queries.likely_duplicates(asker, draft):
            if hit.certain and hit.id != person.id:
                raise SamePerson(hit.id, name=hit.name, birth=hit.born)
        person.identifier = [facts.number("cccd", cccd), *(person.identifier or [])]
