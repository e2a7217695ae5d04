"""Workitems as they are asked for (PS3.18, 11.5, 11.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import tuetinh.care.imaging.library  # noqa: F401

from django.db.models import QuerySet

from tuetinh.care.imaging.archive.persons import number_of
from tuetinh.care.imaging.workitems import own
from tuetinh.care.imaging.workitems.actions import CLASS
from tuetinh.care.imaging.workitems.matching import PATIENT, STATE, UID, Impossible, matching, tag_of
from tuetinh.care.imaging.workitems.models import Workitem
from tuetinh.commons.identity import api as identity
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

PUSH: Final = "1.2.840.10008.5.1.4.34.6.1"
MOST: Final = 1000
_SEXES: Final = {"male": "M", "female": "F", "other": "O"}


def retrieve(asker: Asker, uid: str) -> dict[str, Any]:
    """A workitem. Raises Impossible."""
    own.follow(asker.facility)
    found = _told(asker, Workitem.objects.filter(uid=uid, facility=asker.facility))
    if not found:
        raise Impossible(404, "there is no such workitem, or it is not for you")
    return found[0]


def search(asker: Asker, asked: Mapping[str, str], limit: int, offset: int) -> list[dict[str, Any]]:
    """The workitems of the asker's facility that fit. asked: values by keyword or tag. Raises Impossible."""
    own.follow(asker.facility)
    rows, people = Workitem.objects.filter(facility=asker.facility).order_by("pk"), {}
    for name, wanted in asked.items():
        tag = tag_of(name)
        if tag in PATIENT:
            people[tag] = wanted
        elif wanted not in ("", "*"):
            rows = matching(rows, tag, wanted)
    found = _told(asker, rows[:MOST])
    for tag, wanted in people.items():
        found = [one for one in found if _is_named(one, tag, wanted)]
    return found[offset : offset + min(limit, MOST)]


def _is_named(item: dict[str, Any], tag: str, wanted: str) -> bool:
    told = ((item.get(tag) or {}).get("Value") or [""])[0]
    text = str(told.get("Alphabetic", "") if isinstance(told, dict) else told)
    return text.startswith(wanted[:-1]) if wanted.endswith("*") else not wanted or text == wanted


def sees_people(asker: Asker) -> bool:
    """Whether the asker is told of the house's own work, which tells of whom it is."""
    return asker.may("r", "Patient")


def _told(asker: Asker, rows: QuerySet[Workitem]) -> list[dict[str, Any]]:
    """What workitems say; of whom, as far as that person is there for the asker. Nobody is told a Transaction UID."""
    items = list(rows.select_related("exam", "result__study"))
    ids = {one.patient for one in items if one.patient}
    people = record.read_many(asker, "Patient", ids) if sees_people(asker) else {}
    return [
        {
            **one.attributes,
            CLASS: {"vr": "UI", "Value": [PUSH]},
            UID: {"vr": "UI", "Value": [one.uid]},
            STATE: {"vr": "CS", "Value": [one.state]},
            **_person(cast("r4.Patient | None", people.get(one.patient)), asker.facility),
        }
        for one in items
        if not one.patient or one.patient in people
    ]


def _person(person: r4.Patient | None, facility: str) -> dict[str, Any]:
    if person is None:
        return {}
    birth = (person.birthDate or "").replace("-", "")
    name = identity.display_name(person).replace(" ", "^", 1)
    return {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
        "00100020": {"vr": "LO", "Value": [number_of(person, facility)]},
        "00100030": {"vr": "DA", "Value": [birth]} if len(birth) == 8 else {"vr": "DA"},
        "00100040": {"vr": "CS", "Value": [_SEXES.get(person.gender or "", "O")]},
    }
