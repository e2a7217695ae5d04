"""The people of the province in households, with numbers that are valid by rule and clearly invented.

Personal numbers have a serial from 900000 on, telephone numbers begin with 0399, insurance numbers with 129.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from random import Random

from tuetinh.commons.catalogues import api as catalogues
from tuetinh.commons.identity import api as identity
from tuetinh.node.demo import names, places
from tuetinh.record import r4

# Ethnic groups by district in percent, after the census of 2019: code of the group and share.
MIX = {
    "Thành phố Lai Châu": {"01": 58, "25": 14, "03": 12, "08": 11, "09": 3, "42": 2},
    "Huyện Tam Đường": {"08": 38, "09": 20, "03": 18, "01": 14, "42": 7, "37": 3},
    "Huyện Mường Tè": {"35": 30, "41": 26, "03": 22, "01": 10, "08": 5, "45": 2, "48": 3, "50": 2},
    "Huyện Sìn Hồ": {"03": 30, "08": 36, "09": 26, "01": 5, "42": 3},
    "Huyện Phong Thổ": {"09": 38, "08": 24, "03": 22, "01": 9, "35": 4, "25": 3},
    "Huyện Than Uyên": {"03": 68, "01": 16, "08": 13, "29": 3},
    "Huyện Tân Uyên": {"03": 46, "08": 26, "01": 16, "29": 6, "37": 3, "25": 3},
    "Huyện Nậm Nhùn": {"03": 38, "08": 26, "45": 16, "01": 10, "48": 5, "29": 5},
}
WEIGHT = {  # people of a district, in thousands
    "Thành phố Lai Châu": 44,
    "Huyện Tam Đường": 55,
    "Huyện Mường Tè": 46,
    "Huyện Sìn Hồ": 82,
    "Huyện Phong Thổ": 80,
    "Huyện Than Uyên": 68,
    "Huyện Tân Uyên": 58,
    "Huyện Nậm Nhùn": 28,
}
_VILLAGE = (
    [
        "Nà",
        "Huổi",
        "Pá",
        "Nậm",
        "Phiêng",
        "Lao",
        "Sín",
        "Tả",
        "Hua",
        "Noong",
        "Can",
        "Phìn",
        "Sì",
        "Mường",
        "Pa",
        "Lùng",
        "Ma",
        "Hồng",
    ],
    [
        "Cha",
        "Luông",
        "Pắc",
        "Sáng",
        "Khăm",
        "Hồ",
        "Chải",
        "Thàng",
        "Ngài",
        "Củng",
        "Đông",
        "Tàn",
        "Mon",
        "Kha",
        "Lướt",
        "Phủ",
        "Dao",
        "Lèng",
        "Và",
        "Cuổi",
    ],
)
CITIZEN = "p-0000001"


@dataclass(slots=True)
class Resident:
    """One person. insured: group, benefit digit and validity of the card; chronic: ICD-10 codes."""

    id: str
    name: str
    female: bool
    birth: date
    people: str
    commune: places.Commune
    village: str
    cccd: str
    bhxh: str
    card: str = ""
    valid_from: str = ""
    valid_to: str = ""
    phone: str = ""
    mother: str = ""
    occupation: str = ""
    chronic: list[str] = field(default_factory=list)
    allergy: str = ""
    detailed: bool = True

    def age(self, on: date) -> int:
        """Age in full years."""
        return on.year - self.birth.year - ((on.month, on.day) < (self.birth.month, self.birth.day))

    @property
    def station(self) -> str:
        """The station that looks after this person."""
        return self.commune.station

    @property
    def hospital(self) -> str:
        """The health centre of the district, where the card is registered."""
        return places.DISTRICTS[self.commune.district][0]

    @property
    def address(self) -> str:
        """The address of today, as it is written."""
        unit = catalogues.commune(self.commune.commune)
        return f"{self.village}, {unit.full_name if unit else self.commune.name}, Tỉnh Lai Châu"


class Registry:
    """Gives out numbers, none twice. The same calls give the same numbers."""

    def __init__(self) -> None:
        """Begin with none given."""
        self._serials: Counter[str] = Counter()
        self._people = 0

    def next(self, birth: date, *, female: bool) -> tuple[str, str, str]:
        """Return id, personal number and insurance number of the next person."""
        self._people += 1
        head = f"012{2 * (birth.year // 100 - 19) + female}{birth.year % 100:02}"
        self._serials[head] += 1
        return f"p-{self._people:07}", f"{head}{899_999 + self._serials[head]}", f"129{self._people:07}"


def residents(population: int, seed: int, today: date) -> Iterator[Resident]:
    """Everyone, household by household, with flat memory. The first is the citizen of the cast."""
    registry, made = Registry(), 0
    detail = min(1.0, 5000 / max(population, 1))
    number = 0
    while made < population:
        rng = Random(f"household-{seed}-{number}")  # noqa: S311
        household = _cast_household(rng, registry, today) if number == 0 else _household(rng, registry, today)
        detailed = number == 0 or rng.random() < detail
        for resident in household[: population - made]:
            resident.detailed = detailed
            made += 1
            yield resident
        number += 1


@cache
def _communes_by_district() -> dict[str, list[places.Commune]]:
    return {district: [c for c in places.communes() if c.district == district] for district in MIX}


def _home(rng: Random) -> tuple[places.Commune, str, str]:
    district = rng.choices(list(WEIGHT), list(WEIGHT.values()))[0]
    commune = rng.choice(_communes_by_district()[district])
    people = rng.choices(list(MIX[district]), list(MIX[district].values()))[0]
    if commune.name.startswith(("Phường", "Thị trấn")):
        return commune, f"Số {rng.randrange(1, 300)}, Tổ {rng.randrange(1, 25)}", people
    village = Random(f"{commune.code}-{rng.randrange(9)}")  # noqa: S311
    return commune, f"Bản {village.choice(_VILLAGE[0])} {village.choice(_VILLAGE[1])}", people


def _household(rng: Random, registry: Registry, today: date) -> list[Resident]:
    commune, village, people = _home(rng)
    age = int(min(85, max(20, rng.gauss(42, 14))))
    wife_age = max(18, age - rng.randrange(0, 6))
    names_ = [names.surname(rng, people), names.surname(rng, people)]
    head = _person(rng, registry, today, names_[0], people, commune, village, age, female=rng.random() < 0.12)
    out, mother = [head], ""
    if rng.random() < 0.82:
        wife = _person(rng, registry, today, names_[1], people, commune, village, wife_age, female=True)
        out.append(wife)
        mother = wife.name
    youngest = max(0, wife_age - 40)
    for _ in range(rng.choices(range(5), (12, 22, 34, 22, 10))[0]):
        child_age = rng.randrange(youngest, max(youngest + 1, min(30, wife_age - 18)))
        child = _person(
            rng,
            registry,
            today,
            names_[0],
            people,
            commune,
            village,
            child_age,
            female=rng.random() < 0.48,
            mother=mother,
        )
        out.append(child)
    if age < 55 and rng.random() < 0.3:
        elder_age = min(95, age + rng.randrange(20, 32))
        out.append(
            _person(rng, registry, today, names_[0], people, commune, village, elder_age, female=rng.random() < 0.6)
        )
    return out


def _cast_household(rng: Random, registry: Registry, today: date) -> list[Resident]:
    """The household of the citizen of the cast, whose history of two illnesses is rich."""
    commune = next(c for c in places.communes() if c.name == "Xã Tả Lèng")
    village = "Bản Nà Cha"
    citizen = _person(rng, registry, today, "Lò", "03", commune, village, 58, female=True)
    citizen.name, citizen.chronic, citizen.allergy = "Lò Thị Pâng", ["E11.9", "I10"], "penicillin"
    _insure(citizen, "DT", 2, today)
    citizen.phone = "0399000001"
    husband = _person(rng, registry, today, "Lường", "03", commune, village, 61, female=False)
    daughter = _person(rng, registry, today, "Lường", "03", commune, village, 32, female=True, mother=citizen.name)
    child = _person(rng, registry, today, "Lường", "03", commune, village, 2, female=False, mother=daughter.name)
    return [citizen, husband, daughter, child]


def _person(  # noqa: PLR0917
    rng: Random,
    registry: Registry,
    today: date,
    surname: str,
    people: str,
    commune: places.Commune,
    village: str,
    age: int,
    *,
    female: bool,
    mother: str = "",
) -> Resident:
    birth = today - timedelta(days=int(age * 365.25) + rng.randrange(1, 365))
    id_, cccd, bhxh = registry.next(birth, female=female)
    name = f"{surname} {names.given(rng, people, female=female)}"
    person = Resident(id_, name, female, birth, people, commune, village, cccd, bhxh, mother=mother)
    if age >= 15:
        person.phone = f"0399{int(id_[2:]):06}"[:10] if rng.random() < 0.8 else ""
    _cover(rng, person, age, today)
    _illness(rng, person, age)
    return person


def _cover(rng: Random, person: Resident, age: int, today: date) -> None:
    """The insurance card, by the groups of NĐ 188/2025; one in twenty has none, one in thirty an expired one."""
    rural = not person.commune.name.startswith(("Phường", "Thị trấn"))
    if age < 6:
        group, digit = "TE", 1
    elif rng.random() < 0.05:
        return
    elif rural and person.people != names.KINH:
        group, digit = rng.choices((("DT", 2), ("DK", 2), ("HN", 2), ("CN", 3)), (50, 25, 18, 7))[0]
    elif age < 22:
        group, digit = "HS", 4
    elif age >= 60:
        group, digit = rng.choice((("HT", 3), ("GD", 4)))
    else:
        group, digit = rng.choices((("GD", 4), ("DN", 4), ("HC", 4)), (50, 30, 20))[0]
    _insure(person, group, digit, today, expired=rng.random() < 1 / 30)


def _insure(person: Resident, group: str, digit: int, today: date, *, expired: bool = False) -> None:
    person.card = f"{group}{digit}12{person.bhxh}"
    year = today.year - expired
    person.valid_from, person.valid_to = f"{year}-01-01", f"{year}-12-31"


def _illness(rng: Random, person: Resident, age: int) -> None:
    risks = (
        ("I10", 40, 0.24),
        ("E11.9", 40, 0.08),
        ("E78.5", 45, 0.08),
        ("J44.9", 50, 0.05),
        ("M17.9", 55, 0.12),
        ("J45.9", 5, 0.015),
    )
    person.chronic = [code for code, since, share in risks if age >= since and rng.random() < share]
    if rng.random() < 0.04:
        person.allergy = rng.choice(("penicillin", "cefuroxim", "hải sản", "ibuprofen"))
    if age < 6:
        person.occupation = ""
    elif age < 22:
        person.occupation = "Học sinh, sinh viên"
    elif person.commune.name.startswith("Phường"):
        person.occupation = rng.choice(("Công chức, viên chức", "Buôn bán", "Công nhân", "Lao động tự do"))
    else:
        person.occupation = "Làm ruộng, nương"


def patient(person: Resident) -> r4.Patient:
    """The Patient of a resident; the record number is the district's."""
    unit = catalogues.commune(person.commune.commune)
    group = catalogues.ethnic_group(person.people)
    draft = identity.PersonDraft(
        name=person.name,
        birth=person.birth.isoformat(),
        gender="female" if person.female else "male",
        cccd=person.cccd,
        bhxh=person.bhxh if person.card else "",
        card=person.card,
        phone=person.phone,
        address=person.address,
        commune=unit.code if unit else "",
        province=places.PROVINCE,
        ethnic=person.people,
        ethnic_name=group.name if group else "",
        occupation_name=person.occupation,
        mother=person.mother,
    )
    built = identity.patient(draft, facility=person.station, mrn=f"BN{int(person.id[2:]):08}")
    built.id = person.id
    for address in built.address or []:
        address.district = places.DISTRICT_CODES.get(person.commune.district)  # of before 01/07/2025
    return built
