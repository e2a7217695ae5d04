"""Sensitivity labels of a resource: what of it only some may see, whatever else they may.

A resource is labelled by a security label in its `meta` (HL7 v3 ActCode, information sensitivity), by a code that it
holds, as modules register closed lists of them, or by what it names (`inherited`). A label is a bit of the column
`labels`, which the row policies read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
BITS: Final = {"HIV": 1, "PSY": 2, "ETH": 4, "STD": 8, "SDV": 16, "SEX": 32, "GDIS": 64, "R": 128, "V": 256}
"""Labels and their bits. ETH is substance abuse, methadone among it; SDV sexual and domestic violence; R and V are the
confidentiality codes "restricted" and "very restricted"."""
ELSEWHERE: Final = 16
"""By so many bits to the left a label counts only for others than the facility that answers for the row (lets.sql)."""
_SAID: Final = BITS | {"MH": BITS["PSY"], "SUD": BITS["ETH"]}
_SYSTEMS: Final = {
    ACT_CODE,
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "urn:oid:2.16.840.1.113883.5.4",
    "urn:oid:2.16.840.1.113883.5.25",
}
"""Code systems of security labels: v3 ActCode and Confidentiality, by either name."""
_VISIT: Final = (
    "Encounter ChargeItem Account Invoice PaymentNotice PaymentReconciliation Claim ClaimResponse "
    "CoverageEligibilityRequest CoverageEligibilityResponse"
)
AT_HOME: Final = frozenset(_VISIT.split())
"""What the desks of a facility must see of whoever comes: the visit and the bill, whatever they were for. A code in
them hides them elsewhere alone."""
_LISTS: Final = (
    "ActivityDefinition ChargeItemDefinition CodeSystem ConceptMap Device HealthcareService Library Location Measure "
    "Medication MedicationKnowledge NamingSystem Organization PlanDefinition Practitioner PractitionerRole "
    "Questionnaire SearchParameter Schedule Slot StructureDefinition Substance ValueSet"
)
OF_NOBODY: Final = frozenset(_LISTS.split())
"""Lists of what there is: their codes say nothing of anybody, but of whoever is given what they name."""
_ICD: Final = re.compile(r"icd-?10|2\.16\.840\.1\.113883\.6\.(?:3|90|260)$", re.IGNORECASE)
_SAME: Final = {
    "urn:oid:2.16.840.1.113883.6.1": "http://loinc.org",
    "urn:oid:2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "urn:oid:2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "http://www.whocc.no/ATC": "http://www.whocc.no/atc",
}
_CODE: Final = re.compile(rb'"code":"\s*([^"]*)"')
_ICD10: Final = "http://hl7.org/fhir/sid/icd-10"


@dataclass(frozen=True, slots=True)
class Rule:
    """Every coding of the system whose code begins with one of these has the label; with `$` at the end it is whole."""

    label: str
    system: str
    prefixes: tuple[str, ...]


_rules: list[Rule] = []


def register(rules: Iterable[Rule]) -> None:
    """Label by these codes from now on; resources that are stored keep what they have. Registering twice is once."""
    _rules.extend(rule for rule in rules if rule not in _rules)
    _begins.cache_clear()


def of(body: bytes) -> int:
    """The labels of a resource, given as JSON, for whom they count anywhere."""
    return everywhere(row(body))


def row(body: bytes) -> int:
    """The labels of a resource as the column `labels` has them, those that count elsewhere alone further left."""
    return _bits(json.loads(body)) if _may_have(body) else 0


def everywhere(bits: int) -> int:
    """The labels of a row for others than the facility that answers for it."""
    return (bits | bits >> ELSEWHERE) & sum(BITS.values())


def _may_have(body: bytes) -> bool:
    """Whether something in JSON may be a label; quick, for it looks at everything that is written."""
    begins = _begins()
    return b'"security":[' in body or any(
        (code.rstrip() + b"$").startswith(begins[code[:2]]) for code in _CODE.findall(body) if code[:2] in begins
    )


@cache
def _begins() -> dict[bytes, tuple[bytes, ...]]:
    """How codes of the lists begin, in any letter case, by their first two letters."""
    found: dict[bytes, tuple[bytes, ...]] = {}
    for prefix in sorted({way for rule in _rules for one in rule.prefixes for way in (one, one.lower())}):
        found[prefix[:2].encode()] = (*found.get(prefix[:2].encode(), ()), prefix.encode())
    return found


def _bits(resource: Any) -> int:
    said = by_code = 0
    for coding in _security(resource):
        if isinstance(coding, dict) and coding.get("system") in _SYSTEMS:
            said |= _SAID.get(str(coding.get("code")), 0)
    for system, code in _codings(resource):
        for rule in _rules:
            if system == rule.system and f"{code}$".startswith(rule.prefixes):
                by_code |= BITS[rule.label]
    return said | by_code << (ELSEWHERE if resource["resourceType"] in AT_HOME | OF_NOBODY else 0)


def _security(resource: Any) -> Iterator[Any]:
    """The security labels of a resource, and of those that it contains or, as a Bundle, holds."""
    yield from (resource.get("meta") or {}).get("security") or ()
    entries = (entry.get("resource") for entry in resource.get("entry") or () if resource["resourceType"] == "Bundle")
    for one in (*(resource.get("contained") or ()), *filter(None, entries)):
        yield from _security(one)


def _codings(value: Any) -> Iterator[tuple[str, str]]:
    """System and code of every coding in a resource."""
    if isinstance(value, list):
        for one in value:
            yield from _codings(one)
    elif isinstance(value, dict):
        if isinstance(value.get("code"), str) and isinstance(value.get("system"), str):
            system, code = str(value["system"]), str(value["code"]).strip()
            if _ICD.search(system):
                system, code = _ICD10, code.upper()
            yield _SAME.get(system, system), code
        for one in value.values():
            if isinstance(one, (dict, list)):
                yield from _codings(one)
