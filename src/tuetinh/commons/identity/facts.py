"""How a person looks as a FHIR Patient (VN Core profile): the one place that knows. Builders and readers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import msgspec

from tuetinh.record import r4

CORE: Final = "http://fhir.ehealth.gov.vn/core"
PROFILE: Final = f"{CORE}/StructureDefinition/vn-core-patient"
# Naming systems of the VN Core guide; what it lacks is ours.
CCCD: Final = f"{CORE}/sid/national_id"
CMND: Final = f"{CORE}/sid/citizen_id"
PASSPORT: Final = f"{CORE}/sid/passport_number"
BHYT_CARD: Final = f"{CORE}/sid/insurance_number"
MRN: Final = f"{CORE}/sid/patient-internal-id"
BHXH: Final = "https://tuetinh.vn/fhir/sid/social-insurance-number"
TEMPORARY: Final = "https://tuetinh.vn/fhir/sid/temporary-number"  # until there are papers
SYSTEMS: Final = {
    "cccd": CCCD,
    "cmnd": CMND,
    "passport": PASSPORT,
    "card": BHYT_CARD,
    "mrn": MRN,
    "bhxh": BHXH,
    "temporary": TEMPORARY,
}
KINDS: Final = {system: kind for kind, system in SYSTEMS.items()}

ETHNICITY: Final = f"{CORE}/StructureDefinition/extension-race"  # dân tộc; `extension-ethic` of the guide is religion
OCCUPATION: Final = f"{CORE}/StructureDefinition/extension-occupation"
UNITS: Final = f"{CORE}/StructureDefinition/extension-administrative-address"
ETHNIC_CODES: Final = f"{CORE}/CodeSystem/vn-core-race"
OCCUPATION_CODES: Final = f"{CORE}/CodeSystem/vn-core-occupation-4069"  # of the medical record, QĐ 4069/2001/QĐ-BYT
JOB_CODES: Final = f"{CORE}/CodeSystem/vn-core-occupation"  # of the General Statistics Office, QĐ 34/2020/QĐ-TTg
UNIT_CODES: Final = f"{CORE}/CodeSystem/vn-core-administrative-address"
IDENTIFIER_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_TYPES: Final = {
    "cccd": "NI",
    "cmnd": "NI",
    "passport": "PPN",
    "card": "SB",
    "bhxh": "SB",
    "mrn": "PI",
    "temporary": "MRT",
}

CARD_PATTERN: Final = re.compile(r"[A-Z]{2}[1-5]\d{12}")


@dataclass(frozen=True, slots=True)
class PersonDraft:
    """What the desk knows of a person before a Patient exists. `birth` as in FHIR; "" is unknown."""

    name: str
    birth: str = ""
    gender: str = "unknown"
    cccd: str = ""
    cmnd: str = ""
    bhxh: str = ""
    card: str = ""
    phone: str = ""
    address: str = ""
    commune: str = ""  # five-digit code of the commune since 01/07/2025
    province: str = ""
    ethnic: str = ""  # two-digit code of the General Statistics Office
    ethnic_name: str = ""
    occupation: str = ""
    occupation_name: str = ""
    mother: str = ""


def human_name(text: str) -> r4.HumanName:
    """Build a name in Vietnamese order: the first word is the family name, the rest is given, as spoken."""
    words = text.split()
    return r4.HumanName(
        use="official", text=" ".join(words), family=words[0] if words else None, given=[*words[1:]] or None
    )


def number(kind: str, value: str, *, facility: str = "") -> r4.Identifier:
    """Build an identifier of one of the kinds of `SYSTEMS`; facility: who gave an MRN."""
    return r4.Identifier(
        use={"mrn": "secondary", "temporary": "temp"}.get(kind, "official"),
        type=r4.CodeableConcept(coding=[r4.Coding(system=IDENTIFIER_TYPES, code=_TYPES[kind])]),
        system=SYSTEMS[kind],
        value=value,
        assigner=r4.Reference(reference=f"Organization/{facility}") if facility else None,
    )


def address(text: str, *, commune: str = "", province: str = "") -> r4.Address:
    """Build a home address with the codes of its commune and province (two tiers since 01/07/2025)."""
    units = [
        r4.Extension(url=url, valueCodeableConcept=r4.CodeableConcept(coding=[r4.Coding(system=UNIT_CODES, code=code)]))
        for url, code in (("state", province), ("ward", commune))
        if code
    ]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return r4.Address(
        use="home",
        type="physical",
        text=text,
        line=[*parts[:-2]] or None,
        city=parts[-2] if len(parts) > 1 else None,
        state=parts[-1] if parts else None,
        country="VN",
        extension=[r4.Extension(url=UNITS, extension=units)] if units else None,
    )


def patient(draft: PersonDraft, *, facility: str = "", mrn: str = "") -> r4.Patient:
    """Build the Patient of a draft."""
    kinds = (("cccd", draft.cccd), ("cmnd", draft.cmnd), ("bhxh", draft.bhxh), ("card", draft.card))
    identifiers = [number(kind, value) for kind, value in kinds if value]
    if mrn:
        identifiers.append(number("mrn", mrn, facility=facility))
    return r4.Patient(
        meta=r4.Meta(profile=[PROFILE]),
        extension=_extensions(draft) or None,
        identifier=identifiers or None,
        active=True,
        name=[human_name(draft.name)],
        telecom=[r4.ContactPoint(system="phone", use="mobile", value=draft.phone)] if draft.phone else None,
        gender=draft.gender,
        birthDate=draft.birth or None,
        address=[address(draft.address, commune=draft.commune, province=draft.province)] if draft.address else None,
        contact=[_mother(draft.mother)] if draft.mother else None,
        managingOrganization=r4.Reference(reference=f"Organization/{facility}") if facility else None,
    )


def _extensions(draft: PersonDraft) -> list[r4.Extension]:
    coded = (
        (ETHNICITY, ETHNIC_CODES, draft.ethnic, draft.ethnic_name),
        (OCCUPATION, OCCUPATION_CODES, draft.occupation, draft.occupation_name),
    )
    return [
        r4.Extension(
            url=url,
            valueCodeableConcept=r4.CodeableConcept(
                coding=[r4.Coding(system=system, code=code, display=display or None)] if code else None,
                text=display or None,
            ),
        )
        for url, system, code, display in coded
        if code or display
    ]


def _mother(name: str) -> r4.PatientContact:
    role = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-RoleCode", code="MTH")
    return r4.PatientContact(relationship=[r4.CodeableConcept(coding=[role])], name=human_name(name))


def mother(patient: r4.Patient) -> str:
    """Return the name of the mother, or ""."""
    for contact in patient.contact or []:
        codes = {c.code for concept in contact.relationship or [] for c in concept.coding or []}
        if "MTH" in codes and contact.name:
            return display_name(r4.Patient(name=[contact.name]))
    return ""


def display_name(patient: r4.Patient) -> str:
    """Return the official name as it is spoken; other countries' order for people who came with theirs."""
    names = patient.name or []
    name = next((n for n in names if n.use == "official"), names[0] if names else None)
    if name is None:
        return ""
    return name.text or " ".join(part for part in (*(name.given or []), name.family) if part)


def identifier(patient: r4.Patient, kind: str) -> str:
    """Return the number of the kind (`cccd`, `cmnd`, `bhxh`, `card`, `mrn`, `passport`) in force, or ""."""
    system = SYSTEMS[kind]
    return next((i.value or "" for i in patient.identifier or [] if i.system == system and i.use != "old"), "")


def phone(patient: r4.Patient) -> str:
    """Return the first telephone number, or ""."""
    return next((t.value or "" for t in patient.telecom or [] if t.system == "phone"), "")


def home(patient: r4.Patient) -> tuple[str, str]:
    """Return the address as one line and the code of its commune ("" when it has none)."""
    if not patient.address:
        return "", ""
    home = next((a for a in patient.address if a.use == "home"), patient.address[0])
    text = home.text or ", ".join(part for part in (*(home.line or []), home.city, home.state) if part)
    return text, _unit(home, "ward")


def administrative_units(address: dict[str, Any]) -> tuple[str, str]:
    """Codes of commune and province of an address as JSON, "" for what it does not tell by a code."""
    found = msgspec.convert(address, r4.Address)
    return _unit(found, "ward"), _unit(found, "state")


def _unit(home: r4.Address, level: str) -> str:
    for units in (e for e in home.extension or [] if e.url == UNITS):
        for part in units.extension or []:
            if part.url == level and part.valueCodeableConcept and part.valueCodeableConcept.coding:
                return part.valueCodeableConcept.coding[0].code or ""
    return ""


def ethnic_group(patient: r4.Patient) -> str:
    """Return the code of the ethnic group, or ""."""
    return next((coding.code or "" for coding in _codings(patient, ETHNICITY)), "")


def occupation(patient: r4.Patient) -> str:
    """Return the code of the occupation in the list of QĐ 34/2020, which claims ask for, or ""."""
    return next((c.code or "" for c in _codings(patient, OCCUPATION) if c.system == JOB_CODES), "")


def _codings(patient: r4.Patient, url: str) -> list[r4.Coding]:
    concepts = (e.valueCodeableConcept for e in patient.extension or [] if e.url == url)
    return [coding for concept in concepts if concept for coding in concept.coding or []]


def reference_id(reference: r4.Reference | None) -> str:
    """Return the id that a literal reference ends in, or ""."""
    return (reference.reference or "").rpartition("/")[2] if reference else ""


def age(birth: str, on: date) -> int | None:
    """Return the age in full years on a day; a birth year or month alone counts from its first day."""
    try:
        born = date.fromisoformat((birth + "-01-01")[:10] if len(birth) == 4 else (birth + "-01")[:10])
    except ValueError:
        return None
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day)) if born <= on else None


def age_days(birth: str, on: date) -> int | None:
    """Return the age in days on a day, or None when the birth date is unknown or in the future."""
    try:
        born = date.fromisoformat((birth + "-01-01")[:10] if len(birth) == 4 else (birth + "-01")[:10])
    except ValueError:
        return None
    return (on - born).days if born <= on else None
