"""Hospitals, practitioners and departments that claims name: those known, and those made because a claim names them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import quote

from django.utils.translation import gettext

from tuetinh.care.insurance.intake.rows import Told
from tuetinh.care.insurance.intake.stay import organization_of
from tuetinh.care.insurance.situations import CODE
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Gone

SOUGHT: Final = 100  # numbers of one search
LICENSED: Final = ("MA_BAC_SI", "NGUOI_THUC_HIEN", "MA_BS_DOC_KQ", "MA_BS")


@dataclass
class Directory:
    """What a process has learned: ids of hospitals by code, of practitioners by licence, and these; what is there."""

    organizations: dict[str, str] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    practitioners: dict[str, r4.Practitioner] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    stored: set[tuple[str, str]] = field(default_factory=set)

    def forget(self) -> None:
        """Learn everything anew: others change the directory too."""
        for known in (self.organizations, self.licences, self.practitioners, self.asked, self.stored):
            known.clear()

    def find_hospitals(self, codes: set[str], *, make: bool) -> None:
        """Learn the Organizations of these codes. make: store one of a code that is unknown and was not deleted."""
        wanted = sorted(codes - self.organizations.keys())
        if not wanted:
            return
        for one in _search("Organization", CODE, wanted):
            for identifier in cast("r4.Organization", one).identifier or []:
                if identifier.system == CODE and identifier.value in codes:
                    self.organizations.setdefault(identifier.value, str(one.id))
        unknown = [code for code in wanted if code not in self.organizations]
        if make:
            here = _ensured(SYSTEM, "Organization", {code: organization_of(code) for code in unknown})
        else:
            here = set(record.read_many(SYSTEM, "Organization", unknown))
        self.organizations.update({id_: id_ for id_ in here})

    def find_practitioners(self, claims: Iterable[Told]) -> None:
        """Learn who has the licences that these claims name."""
        named = {
            licence
            for claim in claims
            for rows in claim.tables.values()
            for row in rows
            for name in LICENSED
            for part in row.get(name, "").split(";")
            if (licence := part.strip())
        } - self.asked
        for one in _search("Practitioner", "", sorted(named)):
            for identifier in cast("r4.Practitioner", one).identifier or []:
                if identifier.value in named:
                    self.licences.setdefault(identifier.value, str(one.id))
                    self.practitioners[str(one.id)] = cast("r4.Practitioner", one)
        self.asked |= named

    def store(self, asker: Asker, needed: dict[tuple[str, str], r4.Resource]) -> set[tuple[str, str]]:
        """Store what is not there yet; what is there stays as it is. Returns what is known to be there afterwards.

        Raises Gone, naming it as people do, for what somebody has deleted.
        """
        for type_ in ("Location", "Practitioner"):
            new = {key[1]: one for key, one in needed.items() if key[0] == type_ and key not in self.stored}
            for id_ in sorted(new.keys() - _ensured(asker, type_, new)):
                raise Gone(gettext("Đã bị xoá khỏi danh mục của hệ thống."), _name(new[id_]))
        return set(needed)


def _name(one: r4.Resource) -> str:
    """By what people know a department or a practitioner: its name, the number of the licence."""
    if isinstance(one, r4.Location):
        return one.name or ""
    return ", ".join(licence.value or "" for licence in cast("r4.Practitioner", one).identifier or [])


def _ensured(asker: Asker, type_: str, wanted: Mapping[str, r4.Resource]) -> set[str]:
    """Store those of these that nobody has stored yet; which are there now, as what was deleted is not."""
    here = set(record.read_many(asker, type_, wanted)) if wanted else set()
    missing = [one for id_, one in sorted(wanted.items()) if id_ not in here]
    if not missing:
        return here
    made = {str(one.id) for one in record.create_missing(asker, missing)}
    return here | made | set(record.read_many(asker, type_, wanted.keys() - here - made))  # which others have just made


def _search(type_: str, system: str, values: list[str]) -> Iterable[r4.Resource]:
    for start in range(0, len(values), SOUGHT):
        named = ",".join(token(system, value) for value in values[start : start + SOUGHT])
        page = None
        while True:
            found = record.search(SYSTEM, type_, f"identifier={named}&_count=500", page)
            yield from found.resources
            page = found.next
            if page is None:
                break


def token(system: str, value: str) -> str:
    """One identifier of a search."""
    escaped = re.sub(r"([\\,$|])", r"\\\1", value)
    return quote(f"{system}|{escaped}" if system else escaped, safe="")
