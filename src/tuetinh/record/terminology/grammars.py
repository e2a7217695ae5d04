"""Code systems whose codes follow a grammar, so that they are judged and not listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError

from tuetinh.record.terminology import ucum
from tuetinh.record.terminology.model import CodeSystem, Concept, Designation, Resource

_SYNONYM = {"system": "http://snomed.info/sct", "code": "900000000000013009"}


@dataclass
class UcumSystem(CodeSystem):
    """Units of measure (UCUM)."""

    url: str = ucum.SYSTEM
    version: str = ucum.VERSION
    name: str = "UCUM"
    title: str = "Unified Code for Units of Measure"
    language: str = "en"
    value_set: str = "http://hl7.org/fhir/ValueSet/ucum-units"
    property_uris: Mapping[str, str] = field(default_factory=dict)

    enumerable = False
    common = "http://hl7.org/fhir/ValueSet/ucum-common"

    def reason(self, code: str) -> str:
        """What is wrong with a unit."""
        wrong = ucum.valid(code)
        return f"Error processing unit '{code}': {wrong}" if wrong else ""

    def filter(self, name: str, op: str, value: str) -> Callable[[Concept], bool] | None:
        """`canonical = g`: the units that come to grams (R4 ucum.html)."""
        if name != "canonical" or op != "=":
            return None
        return lambda concept: (ucum.canonical(Decimal(1), concept.code) or (0, ""))[1] == value

    def find(self, code: str) -> Concept | None:
        """The unit, shown as its code; its words are a further name, its common name another."""
        found = self.concepts.get(code)
        if found is None and ucum.valid(code) is None:
            found = Concept(code, display=code, designations=(Designation(ucum.display(code), "en"),))
        return found


def units(common: Resource) -> UcumSystem:
    """UCUM with the names that a value set gives to common units."""
    named = {
        row["code"]: row.get("display", "")
        for include in common.get("compose", {}).get("include", ())
        for row in include.get("concept", ())
        if ucum.valid(row["code"]) is None
    }
    concepts = {}
    for code, name in named.items():
        names = [Designation(ucum.display(code), "en")]
        if name and name != code:
            names.append(Designation(name, "en", _SYNONYM))
        concepts[code] = Concept(code, code, designations=tuple(names))
    return UcumSystem(concepts=concepts)


@dataclass
class LanguageSystem(CodeSystem):
    """Language tags (BCP 47), judged by their form (RFC 5646, 2.1)."""

    url: str = "urn:ietf:bcp:47"
    name: str = "BCP47"
    language: str = "en"
    title: str = "Tags for the Identification of Languages"
    value_set: str = "http://hl7.org/fhir/ValueSet/all-languages"

    enumerable = False
    common = "http://hl7.org/fhir/ValueSet/languages"
    _tag = re.compile(
        r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?"
        r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    )

    def find(self, code: str) -> Concept | None:
        """The tag, when it is well-formed and written as RFC 5646, 2.1.1 recommends, named as CLDR names it."""
        return _language(code) if self._tag.fullmatch(code) else None


@lru_cache(maxsize=1024)
def _language(tag: str) -> Concept:
    try:
        locale = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return Concept(tag)
    names = (Designation(locale.get_display_name("vi") or tag, "vi"),)
    return Concept(tag, locale.get_display_name("en") or tag, designations=names)


@dataclass
class MediaTypeSystem(CodeSystem):
    """Media types (BCP 13), judged by their form (RFC 6838, 4.2)."""

    url: str = "urn:ietf:bcp:13"
    name: str = "BCP13"
    title: str = "Media Types"
    value_set: str = "http://hl7.org/fhir/ValueSet/mimetypes"

    enumerable = False
    _type = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}(?:\s*;\s*[\w.+-]+=\S+)*")

    def find(self, code: str) -> Concept | None:
        """The media type, when it is well-formed."""
        return Concept(code) if self._type.fullmatch(code) else None


@dataclass
class UriSystem(CodeSystem):
    """Any URI (urn:ietf:rfc:3986)."""

    url: str = "urn:ietf:rfc:3986"
    name: str = "URI"
    title: str = "Uniform Resource Identifier"

    enumerable = False

    def find(self, code: str) -> Concept | None:
        """The URI, when it has a scheme and no space."""
        return Concept(code) if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", code) else None


SYSTEMS: tuple[CodeSystem, ...] = (LanguageSystem(), MediaTypeSystem(), UriSystem())
