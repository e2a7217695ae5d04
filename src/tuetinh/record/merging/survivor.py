"""What the two Patients look like after a merge, and after it is undone."""

from __future__ import annotations

from typing import Any

import msgspec

from tuetinh.record import r4

# What the survivor takes from the other one where it has nothing of its own.
GAPS = ("name", "telecom", "gender", "birthDate", "address", "maritalStatus", "contact", "communication")


def survivor(target: r4.Patient, source: r4.Patient) -> r4.Patient:
    """The target with the source's numbers, its link, and what the target lacks.

    A number of a kind that the target has already (the same system and type) comes as `old`.
    """
    result = msgspec.structs.replace(target)
    mine = target.identifier or []
    known = {(i.system, i.value) for i in mine}
    held = {_kind(i) for i in mine if i.use != "old"}
    new = [i for i in source.identifier or [] if (i.system, i.value) not in known]
    taken = [msgspec.structs.replace(i, use="old") if _kind(i) in held else i for i in new]
    result.identifier = [*mine, *taken] or None
    for name in GAPS:
        if getattr(result, name) in (None, [], "unknown"):
            setattr(result, name, getattr(source, name))
    result.link = with_link(target, "replaces", str(source.id))
    return result


def vanished(source: r4.Patient, target: str) -> r4.Patient:
    """The source: inactive, leading to the target."""
    return msgspec.structs.replace(source, active=False, link=with_link(source, "replaced-by", target))


def with_link(patient: r4.Patient, kind: str, other: str) -> list[r4.PatientLink]:
    """The links of a Patient with this one among them."""
    links = patient.link or []
    if has_link(patient, kind, other):
        return links
    return [*links, r4.PatientLink(other=r4.Reference(reference=f"Patient/{other}"), type=kind)]


def has_link(patient: r4.Patient, kind: str, other: str = "") -> bool:
    """Whether a Patient has a link of this kind (to this other one)."""
    wanted = f"Patient/{other}"
    return any(
        link.type == kind and (not other or (link.other is not None and link.other.reference == wanted))
        for link in patient.link or []
    )


def _kind(identifier: r4.Identifier) -> tuple[str | None, str | None]:
    coding = identifier.type.coding if identifier.type else None
    return identifier.system, coding[0].code if coding else None


def without(before: r4.Patient, after: r4.Patient, current: r4.Patient) -> r4.Patient:
    """The current Patient without what led from `before` to `after`; what was changed since stays.

    An element that is as the merge left it becomes what it was. Of a list that was changed since, the items that the
    merge brought leave and those that it took come back. Any other element keeps its later value.
    """
    result = msgspec.structs.replace(current)
    for name in type(current).__struct_fields__:
        old, merged, now = (getattr(p, name) for p in (before, after, current))
        if name in ("id", "meta") or old == merged:
            continue
        if now == merged:
            setattr(result, name, old)
        elif isinstance(now, list) and isinstance(old or merged, list):
            setattr(result, name, _without(old or [], merged or [], now) or None)
    if before.meta != after.meta or before.meta != current.meta:
        result.meta = msgspec.structs.replace(current.meta or r4.Meta())
    return result


def _without(old: list[Any], merged: list[Any], now: list[Any]) -> list[Any]:
    kept = [item for item in now if item not in merged or item in old]
    return [*(item for item in old if item not in merged and item not in kept), *kept]
