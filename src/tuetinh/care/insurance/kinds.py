"""Kinds of care (MA_LOAI_KCB; QĐ 824, from 01/08/2026 QĐ 1804): which a visit may be of, and how it says so.

Examinations and stays in a bed need not say theirs: the class of the visit tells it, and its hours tell 03 from 09.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from tuetinh.care.insurance.tables import STAYS
from tuetinh.commons.catalogues.api import codes, list_code
from tuetinh.record import r4

SYSTEM: Final = "https://tuetinh.vn/fhir/CodeSystem/ma-loai-kcb"
EXAMINED, IN_BED, COLLECTED = "01", "03", "07"
INPATIENT: Final = ("IMP", "ACUTE", "NONAC")  # Encounter.class
BY_CLASS: Final = (EXAMINED, IN_BED)
BY_HOURS: Final = "09"  # of stays that were shorter than four hours: nobody chooses it
NEW_LIST: Final = date(2026, 8, 1)
BED_GROUPS: Final = {"04": "14", "06": "16"}  # MA_NHOM of days in bed by kind, else 15


def kinds_on(day: date) -> Mapping[str, str]:
    """All kinds of care on a day."""
    return codes(_list(day))


def kinds_to_choose(day: date, *, stay: bool) -> dict[str, str]:
    """The kinds that a visit can be said to be of on a day: those of people who lie in, or of all others."""
    return {code: name for code, name in kinds_on(day).items() if (code in STAYS) == stay and code != BY_HOURS}


def kinds_for(encounter: r4.Encounter, day: date) -> dict[str, str]:
    """The kinds that a visit which goes on can be said to be of."""
    return kinds_to_choose(day, stay=kind_so_far(encounter) in STAYS)


def told_kind(encounter: r4.Encounter) -> str:
    """The kind that a visit says it is of, "" where its class tells it."""
    codings = (coding for concept in encounter.type or () for coding in concept.coding or ())
    return next((coding.code or "" for coding in codings if coding.system == SYSTEM), "")


def kind_so_far(encounter: r4.Encounter) -> str:
    """The kind of a visit that goes on: what it says, else what its class tells."""
    inpatient = bool(encounter.class_ and encounter.class_.code in INPATIENT)
    return told_kind(encounter) or (IN_BED if inpatient else EXAMINED)


def say_kind(encounter: r4.Encounter, code: str, day: date) -> None:
    """Let a visit say its kind. Raises KeyError for none of the day."""
    known = list_code(_list(day), code)
    others = [one for one in encounter.type or [] if not any(c.system == SYSTEM for c in one.coding or [])]
    if code not in BY_CLASS:
        coding = (known.coding or [])[0]
        coding.system = SYSTEM
        others.append(known)
    encounter.type = others or None


def bed_group(kind: str) -> str:
    """MA_NHOM of a day in bed of a visit of a kind."""
    return BED_GROUPS.get(kind, "15")


def _list(day: date) -> str:
    return "MA_LOAI_KCB_1804" if day >= NEW_LIST else "MA_LOAI_KCB_824"
