"""One visit while its facts are built: its ids, what it refers to, and what of the directory it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from tuetinh.care.insurance.intake.rows import Told
from tuetinh.care.insurance.situations import CLAIM_LINE, CODE
from tuetinh.commons.catalogues.api import codes
from tuetinh.record import r4

LICENCES: Final = "http://fhir.ehealth.gov.vn/core/sid/provider-license-number"
DEPARTMENTS: Final = "https://tuetinh.vn/fhir/CodeSystem/ma-khoa"
ROOM_KINDS: Final = "https://tuetinh.vn/fhir/CodeSystem/room-kind"
PLACES: Final = "http://terminology.hl7.org/CodeSystem/location-physical-type"
MOST: Final = 64  # characters of an id


@dataclass
class Stay:
    """A claim, the Organization that sent it, the Patient that it is of. source: URI of the file.

    licences: ids of known practitioners by their licence. needed: of the directory, by type and id. rows: the fact of
    each row of the tables, in their order.
    """

    told: Told
    organization: str
    patient: str
    source: str
    licences: Mapping[str, str]
    needed: dict[tuple[str, str], r4.Resource] = field(default_factory=dict)
    made: list[r4.Resource] = field(default_factory=list)
    rows: dict[str, list[r4.DomainResource]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Id of the Encounter, with which those of all its facts begin."""
        return visit_id(self.told.facility, self.told.ma_lk)

    @property
    def meta(self) -> r4.Meta:
        """Where a fact came from."""
        return r4.Meta(source=self.source)

    @property
    def subject(self) -> r4.Reference:
        """Whose it is."""
        return r4.Reference(reference=f"Patient/{self.patient}")

    @property
    def encounter(self) -> r4.Reference:
        """The visit."""
        return r4.Reference(reference=f"Encounter/{self.id}")

    @property
    def provider(self) -> r4.Reference:
        """Who sent it."""
        return r4.Reference(reference=f"Organization/{self.organization}")

    def add(self, resource: r4.Resource, table: str = "", number: str = "") -> None:
        """Keep a fact. table, number: the line that it is of."""
        resource.meta = self.meta
        if table:
            value = f"{self.told.facility}/{self.told.ma_lk}/{table}/{number}"
            line = r4.Identifier(system=CLAIM_LINE, value=value)
            resource.identifier = [*(resource.identifier or []), line]  # type: ignore[attr-defined]
        self.made.append(resource)

    def add_row(self, table: str, fact: r4.DomainResource) -> None:
        """Keep which fact is the next row of a table: what it does not say of the row is kept with it."""
        self.rows.setdefault(table, []).append(fact)

    def who(self, licence: str, name: str = "") -> r4.Reference | None:
        """The practitioner of a licence (`;` separates several, the first counts)."""
        number = licence.split(";", maxsplit=1)[0].strip()
        if not number:
            return None
        id_ = self.licences.get(number) or practitioner_id(number)
        if number not in self.licences:
            self.needed["Practitioner", id_] = r4.Practitioner(
                id=id_,
                active=True,
                name=[r4.HumanName(text=name)] if name else None,
                identifier=[r4.Identifier(system=LICENCES, value=number)],
                qualification=[
                    r4.PractitionerQualification(
                        identifier=[r4.Identifier(system=LICENCES, value=number)],
                        code=r4.CodeableConcept(text="Giấy phép hành nghề"),
                    )
                ],
            )
        return r4.Reference(reference=f"Practitioner/{id_}", display=name or number)

    def everyone(self, licences: str) -> list[r4.Reference] | None:
        """The practitioners of a list of licences."""
        return [who for one in licences.split(";") if (who := self.who(one))] or None

    def department(self, code: str) -> r4.Reference:
        """The place of a department of the hospital."""
        id_ = f"{self.organization}-{_plain(code)}"[:MOST]
        name = codes("MA_KHOA").get(code, code)
        self.needed["Location", id_] = r4.Location(
            id=id_,
            status="active",
            mode="instance",
            name=name,
            type=[
                r4.CodeableConcept(coding=[r4.Coding(system=ROOM_KINDS, code="department")]),
                r4.CodeableConcept(coding=[r4.Coding(system=DEPARTMENTS, code=code)]),
            ],
            managingOrganization=self.provider,
        )
        return r4.Reference(reference=f"Location/{id_}", display=name)

    def bed(self, department: str, code: str) -> r4.Reference:
        """The place of a bed (MA_GIUONG) of a department."""
        id_ = f"{self.organization}-{_plain(department)}-{_plain(code)}"[:MOST]
        self.needed["Location", id_] = r4.Location(
            id=id_,
            status="active",
            mode="instance",
            name=code,
            physicalType=r4.CodeableConcept(coding=[r4.Coding(system=PLACES, code="bd", display="Bed")]),
            managingOrganization=self.provider,
        )
        return r4.Reference(reference=f"Location/{id_}", display=code)


def _plain(code: str) -> str:
    return re.sub("[^A-Za-z0-9]", "-", code)[:20].lower()


def visit_id(facility: str, ma_lk: str) -> str:
    """The same id each time that the claim comes."""
    return f"hs-{_digest(f'{facility}|{ma_lk}')}"


def practitioner_id(licence: str) -> str:
    """The id of somebody of whom only the licence is known."""
    return f"cchn-{_digest(licence)}"


def organization_of(code: str) -> r4.Organization:
    """A hospital of which only the code is known."""
    return r4.Organization(
        id=code, active=True, identifier=[r4.Identifier(system=CODE, value=code)], name=f"Cơ sở khám chữa bệnh {code}"
    )


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()
