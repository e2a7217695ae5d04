"""How entries of the catalogues look in FHIR: code systems of VN Core, and our own where it has none."""

from __future__ import annotations

from tuetinh.record import r4

from .drugs import Drug
from .icd10 import Icd10
from .lists import EthnicGroup, codes
from .places import Commune, Province, province
from .services import Service

_VN = "http://fhir.ehealth.gov.vn/core"
_OURS = "https://tuetinh.vn/fhir/CodeSystem"
ICD10 = "http://hl7.org/fhir/sid/icd-10"  # VN Core, ValueSet vn-core-condition-code
SERVICES = f"{_VN}/CodeSystem/vn-core-procedureCode"
SUBSTANCES = f"{_VN}/CodeSystem/vn-core-medicationCode"
PLACES = f"{_VN}/CodeSystem/vn-core-administrative-address"
ETHNIC_GROUPS = f"{_VN}/CodeSystem/vn-core-race"  # VN Core calls dân tộc "race" and tôn giáo "ethic"
INDICATORS = "http://fhir.hl7.org.vn/core/CodeSystem/vn-cls-cs"  # QĐ 1227/QĐ-BYT 2025, as HL7 Vietnam names it
FORMULARY = f"{_OURS}/formulary"
ADDRESS_EXTENSION = f"{_VN}/StructureDefinition/extension-administrative-address"
ETHNICITY_EXTENSION = f"{_VN}/StructureDefinition/extension-race"


def concept(system: str, code: str, display: str, text: str | None = None) -> r4.CodeableConcept:
    """One coding with its text."""
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code, display=display)], text=text or display)


def condition_code(entry: Icd10, text: str | None = None) -> r4.CodeableConcept:
    """Condition.code of an ICD-10 entry; `text` is the doctor's own wording."""
    return concept(ICD10, entry.code, entry.vi, text)


def service_code(entry: Service) -> r4.CodeableConcept:
    """ServiceRequest.code, Procedure.code, ChargeItem.code of a service."""
    return concept(SERVICES, entry.code, entry.name)


def drug_code(entry: Drug) -> r4.CodeableConcept:
    """MedicationRequest.medicationCodeableConcept: code of the formulary, and the national ingredient where known."""
    coding = [r4.Coding(system=FORMULARY, code=entry.code, display=entry.label)]
    if entry.substance_code:
        coding.append(r4.Coding(system=SUBSTANCES, code=entry.substance_code, display=entry.name))
    return r4.CodeableConcept(coding=coding, text=entry.label)


def list_code(name: str, code: str) -> r4.CodeableConcept:
    """A code of an insurance code list. Raises KeyError for an unknown list or code."""
    return concept(list_system(name), code, codes(name)[code])


def list_system(name: str) -> str:
    """The code system of an insurance code list."""
    return f"{_OURS}/{name.lower().replace('_', '-')}"


def ethnicity(group: EthnicGroup) -> r4.Extension:
    """The extension of Patient for the ethnic group."""
    return r4.Extension(url=ETHNICITY_EXTENSION, valueCodeableConcept=concept(ETHNIC_GROUPS, group.code, group.name))


def address(line: str, commune: Commune | None, of: Province | None = None) -> r4.Address:
    """An Address with the codes of its commune and province in VN Core's extension."""
    where = province(commune.province) if commune else of
    text = ", ".join(part for part in (line, commune and commune.full_name, where and where.full_name) if part)
    coded = [_level("state", where.code, where.full_name)] if where else []
    if commune:
        coded.append(_level("ward", commune.code, commune.full_name))
    return r4.Address(
        use="home",
        text=text or None,
        line=[line] if line else None,
        city=commune.full_name if commune else None,
        state=where.full_name if where else None,
        country="VN",
        extension=[r4.Extension(url=ADDRESS_EXTENSION, extension=coded)] if coded else None,
    )


def _level(name: str, code: str, display: str) -> r4.Extension:
    return r4.Extension(url=name, valueCodeableConcept=concept(PLACES, code, display))
