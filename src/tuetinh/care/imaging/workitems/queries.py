"""Workitems as they are asked for (PS3.18, 11.5, 11.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import tuetinh.care.imaging.library  # noqa: F401

from django.db.models import QuerySet
from pydicom.datadict import dictionary_VR, tag_for_keyword

from tuetinh.care.imaging.archive.persons import number_of
from tuetinh.care.imaging.workitems import own
from tuetinh.care.imaging.workitems.actions import CLASS, START, STATE, UID, Impossible
from tuetinh.care.imaging.workitems.models import Workitem
from tuetinh.commons.identity import api as identity
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

PUSH: Final = "1.2.840.10008.5.1.4.34.6.1"
MOST: Final = 1000
_SEXES: Final = {"male": "M", "female": "F", "other": "O"}
_PATIENT: Final = {"00100010", "00100020"}


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
        tag = _tag(name)
        if tag in _PATIENT:
            people[tag] = wanted
        elif wanted not in ("", "*"):
            rows = _matching(rows, tag, wanted)
    found = _told(asker, rows[:MOST])
    for tag, wanted in people.items():
        found = [one for one in found if _is_named(one, tag, wanted)]
    return found[offset : offset + min(limit, MOST)]


def _tag(name: str) -> str:
    tag = int(name, 16) if len(name) == 8 and set(name) <= set("0123456789abcdefABCDEF") else tag_for_keyword(name)
    if tag is None:
        raise Impossible(400, f"no such attribute: {name[:64]}")
    return f"{tag:08X}"


def _matching(rows: QuerySet[Workitem], tag: str, wanted: str) -> QuerySet[Workitem]:
    if tag == STATE:
        return rows.filter(state=wanted)
    if tag == UID:
        return rows.filter(uid__in=wanted.split(","))
    key = f"attributes__{tag}__Value__0"
    if tag == START and "-" in wanted:
        first, _, last = wanted.partition("-")
        rows = rows.filter(**{f"{key}__gte": first}) if first else rows
        return rows.filter(**{f"{key}__lte": last + "99"}) if last else rows
    if dictionary_VR(int(tag, 16)) == "SQ":
        raise Impossible(400, "sequences are not matched")
    if wanted.endswith("*") and "*" not in wanted[:-1]:
        return rows.filter(**{f"{key}__startswith": wanted[:-1]})
    return rows.filter(**{key: wanted})


def _is_named(item: dict[str, Any], tag: str, wanted: str) -> bool:
    told = ((item.get(tag) or {}).get("Value") or [""])[0]
    text = str(told.get("Alphabetic", "") if isinstance(told, dict) else told)
    return text.startswith(wanted[:-1]) if wanted.endswith("*") else not wanted or text == wanted


def _told(asker: Asker, rows: QuerySet[Workitem]) -> list[dict[str, Any]]:
    """What workitems say; of whom, as far as that person is there for the asker. Nobody is told a Transaction UID."""
    items = list(rows.select_related("exam", "result__study"))
    people = record.read_many(asker, "Patient", {one.patient for one in items if one.patient})
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
