"""Who works in the province: Practitioners with their roles, accounts of the cast and of colleagues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tuetinh.commons.identity.api import human_name
from tuetinh.node.demo import names, places
from tuetinh.record import r4

LICENCE = "http://fhir.ehealth.gov.vn/core/sid/provider-license-number"
ROLE_CODES = "https://tuetinh.vn/fhir/CodeSystem/desk"
STAFF = {
    "general": "doctor doctor doctor doctor nurse nurse nurse lab imaging pharmacist cashier reception",
    "specialised": "doctor doctor nurse nurse lab imaging pharmacist cashier reception",
    "district": "doctor doctor doctor nurse nurse lab imaging pharmacist cashier reception archivist",
    "clinic": "doctor nurse lab pharmacist",
    "station": "station station",
    "outside": "doctor",
}
LICENSED = {"doctor", "nurse", "lab", "imaging", "pharmacist", "station"}
ROOMS = {
    "reception": "tiep-don", "doctor": "noi-1", "nurse": "noi-1", "lab": "xet-nghiem", "imaging": "cdha",
    "pharmacist": "duoc", "cashier": "thu-ngan", "archivist": "luu-tru",
}  # fmt: skip
CAST_STATION = "Xã Tả Lèng"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who works at a facility. id: of the Practitioner."""

    id: str
    name: str
    female: bool
    desk: str
    facility: str


@dataclass(frozen=True, slots=True)
class Login:
    """An account to make. role: of the contract's cast, or "" for further staff."""

    username: str
    full_name: str
    desk: str
    facility: str
    room: str = ""
    practitioner: str = ""
    patient: str = ""
    role: str = ""


def people(seed: int) -> list[Person]:
    """Everyone who works in the province; the same for the same seed."""
    rng, out = Random(f"staff-{seed}"), []  # noqa: S311 - the same seed must build the same province
    for facility in places.facilities():
        for n, desk in enumerate(STAFF.get(facility.kind, "").split(), start=1):
            people_ = rng.choices((names.KINH, "03", "08", "09"), (55, 27, 10, 8))[0]
            female = rng.random() < (0.75 if desk in ("nurse", "reception", "cashier") else 0.45)
            name = f"{names.surname(rng, people_)} {names.given(rng, people_, female=female)}"
            out.append(Person(f"nv-{facility.id}-{n}", name, female, desk, facility.id))
    return out


def resources(staff: list[Person]) -> Iterator[r4.Resource]:
    """Practitioner and PractitionerRole of each."""
    for number, person in enumerate(staff, start=1):
        licence = r4.Identifier(system=LICENCE, value=f"{number:06}/LCH-GPHN") if person.desk in LICENSED else None
        where = places.by_id()[person.facility]
        yield r4.Practitioner(
            id=person.id,
            identifier=[licence] if licence else None,
            active=True,
            name=[human_name(person.name)],
            gender="female" if person.female else "male",
        )
        yield r4.PractitionerRole(
            id=f"{person.id}-vt",
            active=True,
            practitioner=r4.Reference(reference=f"Practitioner/{person.id}", display=person.name),
            organization=r4.Reference(reference=f"Organization/{person.facility}", display=where.name),
            code=[r4.CodeableConcept(coding=[r4.Coding(system=ROLE_CODES, code=person.desk)])],
            location=[r4.Reference(reference=f"Location/{room}")] if (room := room_of(person)) else None,
        )


def room_of(person: Person) -> str:
    """Id of the room where someone sits, or ""."""
    kind = places.by_id()[person.facility].kind
    if kind == "station":
        return f"{person.facility}-kham"
    key = ROOMS.get(person.desk, "")
    return f"{person.facility}-{key}" if key and kind != "outside" else ""


def logins(staff: list[Person], citizen: str, citizen_name: str) -> list[Login]:
    """The cast, one for each role of the contract, and colleagues at the same place and the provincial hospital.

    Administrators are two: the cast's of the place, and a colleague of the province.
    """
    station = next(c.station for c in places.communes() if c.name == CAST_STATION)
    at = {("station", station), *((desk, places.CAST) for desk in ROOMS)}
    out, seen = [], set()
    for person in staff:
        key = (person.desk, person.facility)
        if key in at and key not in seen:
            out.append(_login(person.desk, person, role=person.desk))
        elif (
            key in seen
            and person.facility == places.CAST
            and f"{person.desk}2" not in {login.username for login in out}
        ):
            out.append(_login(f"{person.desk}2", person))
        elif person.facility == places.GENERAL and key not in seen:
            out.append(_login(f"{person.desk}.tinh", person))
        elif person.facility == places.OUTSIDE:
            out.append(_login("outsider", person, role="outsider", desk="outsider"))
        seen.add(key)
    district = places.by_id()[places.CAST]
    out += [
        Login("citizen", citizen_name, "citizen", "", patient=citizen, role="citizen"),
        Login("official", "Trần Minh Đức", "official", places.DEPARTMENT_OF_HEALTH, role="official"),
        Login("admin", f"Quản trị {district.name}", "admin", places.CAST, role="admin"),
        Login("admin.tinh", "Quản trị Sở Y tế", "admin", ""),
    ]
    return out


def _login(username: str, person: Person, *, role: str = "", desk: str = "") -> Login:
    return Login(username, person.name, desk or person.desk, person.facility, room_of(person), person.id, role=role)
