"""Registers people."""

from __future__ import annotations

import re
import secrets
from datetime import date

from django.db import connection, transaction

from tuetinh.commons.identity import facts, queries
from tuetinh.commons.identity.errors import Code, IdentityError, SamePerson
from tuetinh.commons.identity.facts import PersonDraft
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden


def register(asker: Asker, draft: PersonDraft) -> r4.Patient:
    """Store a new person and return the Patient, with a record number of the asker's facility.

    Raises IdentityError when the draft is not enough, SamePerson when one of its numbers is someone's already: of
    two desks that register the same number at once, one is told of the other's person.
    """
    if not asker.may("c", "Patient"):
        message = "this desk registers nobody"
        raise Forbidden(message)
    check(draft)
    with transaction.atomic():
        numbers = queries.draft_numbers(draft)
        for kind, value in sorted(numbers):
            hold_number(f"{kind}:{value}")
        for hit in queries.likely_duplicates(asker, draft) if numbers else []:
            if hit.certain:
                raise SamePerson(hit.id, name=hit.name, birth=hit.born)
        return record.create(asker, facts.patient(draft, facility=asker.facility, mrn=new_number()))


def new_number() -> str:
    """Make a record number: the year and eight digits by chance, since facilities without a line give them too."""
    return f"BN{date.today():%y}{secrets.randbelow(10**8):08}"  # noqa: DTZ011


def check(draft: PersonDraft) -> None:
    """Raise IdentityError for the first thing that is missing or wrong in a draft."""
    if not draft.name.strip():
        raise IdentityError(Code.NAME_MISSING, field="name")
    if draft.gender not in ("male", "female", "other", "unknown"):
        raise IdentityError(Code.GENDER_WRONG, field="gender")
    if draft.birth and (
        not re.fullmatch(r"\d{4}(-\d{2}){0,2}", draft.birth) or facts.age(draft.birth, queries.today()) is None
    ):
        raise IdentityError(Code.BIRTH_WRONG, field="birth")
    if draft.cccd and not re.fullmatch(r"\d{12}", draft.cccd):
        raise IdentityError(Code.NUMBER_WRONG, field="cccd")


def hold_number(name: str) -> None:
    """Hold a number, `kind:value`, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"identity:{name}"])
