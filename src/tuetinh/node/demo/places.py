"""The facilities of the province after its plan, with departments and rooms: Organizations and Locations."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tuetinh.commons.catalogues import api as catalogues
from tuetinh.record import r4

DATA = Path(__file__).parent / "data"
PROVINCE = "12"
DEPARTMENT_OF_HEALTH = "12000"
GENERAL = "12001"
CAST = "12005"  # the district health centre where the fixed cast works
OUTSIDE = "11001"  # a hospital of the neighbouring province
FACILITY_CODE = "http://fhir.ehealth.gov.vn/core/sid/provider-medical-license-number"
MA_CSKCB = "https://tuetinh.vn/fhir/sid/ma-cskcb"
BASE = "https://tuetinh.vn/fhir/StructureDefinition"
# Level of care and former tier by kind of facility, for the benefit rules (Luật 51/2024).
LEVELS = {
    "department": ("", ""), "general": ("basic", "provincial"), "specialised": ("basic", "provincial"),
    "district": ("basic", "district"), "clinic": ("primary", "district"), "station": ("primary", ""),
    "outside": ("basic", "provincial"),
}  # fmt: skip
KINDS = "https://tuetinh.vn/fhir/CodeSystem/facility-kind"
ROOM_KINDS = "https://tuetinh.vn/fhir/CodeSystem/room-kind"
PLACES = "http://terminology.hl7.org/CodeSystem/location-physical-type"
DEPARTMENTS = "https://tuetinh.vn/fhir/CodeSystem/ma-khoa"  # QĐ 2010/QĐ-BYT 2025


@dataclass(frozen=True, slots=True)
class Facility:
    """kind: department, general, specialised, district, clinic or station. commune: code of today."""

    id: str
    name: str
    kind: str
    commune: str
    district: str = ""
    parent: str = DEPARTMENT_OF_HEALTH

    @property
    def treats(self) -> bool:
        """Whether people are treated there."""
        return self.kind != "department"


@dataclass(frozen=True, slots=True)
class Commune:
    """A commune before 01/07/2025, where a station stands, and the commune of today that it lies in."""

    code: str
    name: str
    district: str
    commune: str
    station: str


DISTRICTS = {
    "Thành phố Lai Châu": ("12004", "Trung tâm Y tế thành phố Lai Châu", "03408"),
    "Huyện Tam Đường": ("12005", "Trung tâm Y tế huyện Tam Đường", "03390"),
    "Huyện Mường Tè": ("12006", "Trung tâm Y tế huyện Mường Tè", "03433"),
    "Huyện Sìn Hồ": ("12007", "Trung tâm Y tế huyện Sìn Hồ", "03478"),
    "Huyện Phong Thổ": ("12008", "Trung tâm Y tế huyện Phong Thổ", "03549"),
    "Huyện Than Uyên": ("12009", "Trung tâm Y tế huyện Than Uyên", "03595"),
    "Huyện Tân Uyên": ("12010", "Trung tâm Y tế huyện Tân Uyên", "03598"),
    "Huyện Nậm Nhùn": ("12011", "Trung tâm Y tế huyện Nậm Nhùn", "03434"),
}
DISTRICT_CODES = {
    "Thành phố Lai Châu": "105", "Huyện Tam Đường": "106", "Huyện Mường Tè": "107", "Huyện Sìn Hồ": "108",
    "Huyện Phong Thổ": "109", "Huyện Than Uyên": "110", "Huyện Tân Uyên": "111", "Huyện Nậm Nhùn": "112",
}  # fmt: skip
_CLINICS = (
    ("12012", "Phòng khám đa khoa khu vực Dào San", "03571", "Huyện Phong Thổ"),
    ("12013", "Phòng khám đa khoa khu vực Nậm Tăm", "03517", "Huyện Sìn Hồ"),
    ("12014", "Phòng khám đa khoa khu vực Pa Ủ", "03442", "Huyện Mường Tè"),
    ("12015", "Phòng khám đa khoa khu vực Mường Kim", "03637", "Huyện Than Uyên"),
)
# Rooms of a hospital: key, name, kind, code of the department (QĐ 2010).
_HOSPITAL_ROOMS = (
    ("tiep-don", "Quầy tiếp đón", "reception", "K01"),
    ("noi-1", "Phòng khám Nội 1", "exam", "K01"),
    ("noi-2", "Phòng khám Nội 2", "exam", "K01"),
    ("ngoai", "Phòng khám Ngoại", "exam", "K01"),
    ("nhi", "Phòng khám Nhi", "exam", "K01"),
    ("san", "Phòng khám Sản phụ khoa", "exam", "K01"),
    ("cap-cuu", "Phòng Cấp cứu", "exam", "K02"),
    ("xet-nghiem", "Phòng Xét nghiệm", "lab", "K36"),
    ("cdha", "Phòng Chẩn đoán hình ảnh", "imaging", "K39"),
    ("duoc", "Quầy cấp thuốc", "pharmacy", ""),
    ("thu-ngan", "Quầy thu ngân", "cashier", ""),
    ("luu-tru", "Kho lưu trữ hồ sơ", "archive", ""),
)
# Departments with beds, of hospitals with inpatients: key, name, code (QĐ 2010), how many beds.
_WARDS = (
    ("khoa-noi", "Khoa Nội", "K03", 6),
    ("khoa-ngoai", "Khoa Ngoại", "K19", 4),
    ("khoa-nhi", "Khoa Nhi", "K18", 4),
)
_WITH_BEDS = ("general", "specialised", "district")
_STATION_ROOMS = (("kham", "Phòng khám", "exam", "K01"), ("tiem", "Phòng tiêm chủng", "vaccination", "K01"))


@cache
def communes() -> tuple[Commune, ...]:
    """The communes with a station."""
    with (DATA / "stations.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return tuple(
        Commune(r["code"], r["name"], r["district"], r["commune"], f"12{100 + n}") for n, r in enumerate(rows, start=1)
    )


@cache
def facilities() -> tuple[Facility, ...]:
    """Every facility of the plan, and the one outside that the outsider of the cast comes from."""
    out = [
        Facility(DEPARTMENT_OF_HEALTH, "Sở Y tế tỉnh Lai Châu", "department", "03408", parent=""),
        Facility(GENERAL, "Bệnh viện Đa khoa tỉnh Lai Châu", "general", "03408"),
        Facility("12002", "Bệnh viện Phổi tỉnh Lai Châu", "specialised", "03388"),
        Facility("12003", "Bệnh viện Y học cổ truyền tỉnh Lai Châu", "specialised", "03388"),
    ]
    out += [Facility(id_, name, "district", commune, district) for district, (id_, name, commune) in DISTRICTS.items()]
    out += [Facility(id_, name, "clinic", commune, d, DISTRICTS[d][0]) for id_, name, commune, d in _CLINICS]
    out += [
        Facility(
            c.station,
            f"Trạm Y tế {c.name[0].lower()}{c.name[1:]}",
            "station",
            c.commune,
            c.district,
            DISTRICTS[c.district][0],
        )
        for c in communes()
    ]
    return (*out, Facility(OUTSIDE, "Bệnh viện Đa khoa tỉnh Điện Biên", "outside", "03127", parent=""))


@cache
def by_id() -> dict[str, Facility]:
    """Facilities by their code."""
    return {facility.id: facility for facility in facilities()}


def rooms(facility: Facility) -> list[tuple[str, str, str, str]]:
    """Id, name, kind and department code of each room."""
    if facility.kind in ("department", "outside"):
        return []
    table = _STATION_ROOMS if facility.kind == "station" else _HOSPITAL_ROOMS
    return [(f"{facility.id}-{key}", name, kind, department) for key, name, kind, department in table]


def resources() -> Iterator[r4.Resource]:
    """All Organizations and Locations."""
    for facility in facilities():
        yield _organization(facility)
        yield from (_room(facility, *room) for room in rooms(facility))
        if facility.kind in _WITH_BEDS:
            yield from _wards(facility)


def _wards(facility: Facility) -> Iterator[r4.Location]:
    """The departments of a hospital with their beds, numbered through (MA_GIUONG)."""
    number = 0
    for key, name, code, beds in _WARDS:
        department = _room(facility, f"{facility.id}-{key}", name, "department", code)
        yield department
        for _ in range(beds):
            number += 1
            bed = _room(facility, f"{facility.id}-h{number:03}", f"H{number:03}", "bed", "")
            bed.physicalType = r4.CodeableConcept(coding=[r4.Coding(system=PLACES, code="bd", display="Bed")])
            bed.partOf = r4.Reference(reference=f"Location/{department.id}", display=name)
            yield bed


def _organization(facility: Facility) -> r4.Organization:
    level, former = LEVELS[facility.kind]
    extensions = [r4.Extension(url=f"{BASE}/facility-level", valueCode=level)] if level else []
    if former:
        extensions.append(r4.Extension(url=f"{BASE}/facility-former-tier", valueCode=former))
    if former or facility.kind == "station":
        extensions.append(r4.Extension(url=f"{BASE}/facility-head-licence", valueString=f"0{facility.id}/LC"))
    if facility.kind == "station":
        extensions.append(r4.Extension(url=f"{BASE}/facility-station", valueBoolean=True))
    return r4.Organization(
        id=facility.id,
        extension=extensions or None,
        identifier=[
            r4.Identifier(system=FACILITY_CODE, value=facility.id),
            r4.Identifier(system=MA_CSKCB, value=facility.id),
        ],
        active=True,
        type=[r4.CodeableConcept(coding=[r4.Coding(system=KINDS, code=facility.kind)])],
        name=facility.name,
        address=[_address(facility)],
        partOf=r4.Reference(reference=f"Organization/{facility.parent}") if facility.parent else None,
    )


def _address(facility: Facility) -> r4.Address:
    address = catalogues.address("", catalogues.commune(facility.commune))
    address.use = "work"
    return address


def _room(facility: Facility, id_: str, name: str, kind: str, department: str) -> r4.Location:
    types = [r4.CodeableConcept(coding=[r4.Coding(system=ROOM_KINDS, code=kind)])]
    if department:
        types.append(r4.CodeableConcept(coding=[r4.Coding(system=DEPARTMENTS, code=department)]))
    physical = r4.Coding(system=PLACES, code="ro", display="Room")
    return r4.Location(
        id=id_,
        status="active",
        name=name,
        mode="instance",
        type=types,
        physicalType=r4.CodeableConcept(coding=[physical]),
        managingOrganization=r4.Reference(reference=f"Organization/{facility.id}", display=facility.name),
    )
