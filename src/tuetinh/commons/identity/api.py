"""What other modules may call about people."""

from __future__ import annotations

from tuetinh.commons.identity.actions import register
from tuetinh.commons.identity.admission import admit_many, is_another
from tuetinh.commons.identity.errors import CardError, IdentityError, SamePerson
from tuetinh.commons.identity.facts import (
    BHXH,
    BHYT_CARD,
    CCCD,
    CMND,
    JOB_CODES,
    MRN,
    OCCUPATION,
    PASSPORT,
    PersonDraft,
    administrative_units,
    age,
    age_days,
    display_name,
    ethnic_group,
    home,
    human_name,
    identifier,
    number,
    occupation,
    patient,
    phone,
)
from tuetinh.commons.identity.linkage.sets import report as measure_linkage
from tuetinh.commons.identity.links import PersonLink
from tuetinh.commons.identity.queries import Banner, Hit, banner, find_people, gender_text, likely_duplicates, whose
from tuetinh.commons.identity.review import tell as report_one_person
from tuetinh.commons.identity.unnamed import (
    YOUNGEST_MOTHER,
    Newborn,
    Unnamed,
    complete,
    description,
    register_newborn,
    register_unknown,
    unnamed,
)
from tuetinh.commons.identity.wire_card import CitizenCard, check_number, parse_card

__all__ = [
    "BHXH",
    "BHYT_CARD",
    "CCCD",
    "CMND",
    "JOB_CODES",
    "MRN",
    "OCCUPATION",
    "PASSPORT",
    "YOUNGEST_MOTHER",
    "Banner",
    "CardError",
    "CitizenCard",
    "Hit",
    "IdentityError",
    "Newborn",
    "PersonDraft",
    "PersonLink",
    "SamePerson",
    "Unnamed",
    "administrative_units",
    "admit_many",
    "age",
    "age_days",
    "banner",
    "check_number",
    "complete",
    "description",
    "display_name",
    "ethnic_group",
    "find_people",
    "gender_text",
    "home",
    "human_name",
    "identifier",
    "is_another",
    "likely_duplicates",
    "measure_linkage",
    "number",
    "occupation",
    "parse_card",
    "patient",
    "phone",
    "register",
    "register_newborn",
    "register_unknown",
    "report_one_person",
    "unnamed",
    "whose",
]
