"""Which workitems tell what is asked for (PS3.18, 11.9; PS3.4, CC.2.8), in searches and filtered subscriptions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import tuetinh.care.imaging.library  # noqa: F401

from django.db.models import QuerySet
from pydicom.datadict import dictionary_VR, tag_for_keyword

from tuetinh.care.imaging.workitems.models import Workitem

UID, STATE, START = "00080018", "00741000", "00404005"
PATIENT: Final = {"00100010", "00100020"}  # of the house's own work the record tells it, for who asks


class Impossible(Exception):
    """It cannot be done. status: as UPS-RS answers (PS3.18, 11); why: as its Warning says."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def tag_of(name: str) -> str:
    """The tag of a keyword or of eight hexadecimal digits. Raises Impossible."""
    tag = int(name, 16) if len(name) == 8 and set(name) <= set("0123456789abcdefABCDEF") else tag_for_keyword(name)
    if tag is None:
        raise Impossible(400, f"no such attribute: {name[:64]}")
    return f"{tag:08X}"


def matching(rows: QuerySet[Workitem], tag: str, wanted: str) -> QuerySet[Workitem]:
    """Those of these workitems that tell a value. Raises Impossible."""
    if "\0" in wanted:
        raise Impossible(400, "no value has a NUL")
    if tag == STATE:
        return rows.filter(state=wanted)
    if tag == UID:
        return rows.filter(uid__in=wanted.split(","))
    key = f"attributes__{tag}__Value__0"
    if tag == START and "-" in wanted:
        first, _, last = wanted.partition("-")
        rows = rows.filter(**{f"{key}__gte": first}) if first else rows
        return rows.filter(**{f"{key}__lte": last + "99"}) if last else rows
    if _is_sequence(tag):
        raise Impossible(400, "sequences are not matched")
    if wanted.endswith("*") and "*" not in wanted[:-1]:
        return rows.filter(**{f"{key}__startswith": wanted[:-1]})
    return rows.filter(**{key: wanted})


def _is_sequence(tag: str) -> bool:
    try:
        return dictionary_VR(int(tag, 16)) == "SQ"
    except KeyError as error:
        raise Impossible(400, f"no such attribute: {tag}") from error


def filter_of(asked: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What a filtered subscription wants, by tag, told as keys of a query or as `filter=KEY=VALUE,KEY=VALUE`.

    Raises Impossible.
    """
    pairs = []
    for name, value in asked:
        pairs += [one.partition("=")[::2] for one in value.split(",")] if name == "filter" else [(name, value)]
    wanted = {tag_of(name.strip()): value.strip() for name, value in pairs if value.strip() not in ("", "*")}
    if not wanted:
        raise Impossible(400, "a filtered subscription tells what it wants")
    if PATIENT & wanted.keys():
        raise Impossible(400, "subscriptions are not filtered by patient")
    for tag, value in wanted.items():
        matching(Workitem.objects.none(), tag, value)
    return wanted
