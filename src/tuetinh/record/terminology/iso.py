"""Countries, their parts, currencies (ISO, by `pycountry`) and regions (UN M49), with the names of CLDR (Babel)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from string import ascii_uppercase

import pycountry
from babel import Locale

from tuetinh.record.terminology.model import CodeSystem, Concept, Designation, Property

COUNTRIES, SUBDIVISIONS, CURRENCIES = "urn:iso:std:iso:3166", "urn:iso:std:iso:3166:-2", "urn:iso:std:iso:4217"
AREAS = "http://unstats.un.org/unsd/methods/m49/m49.htm"

# The number that HL7's terminology servers, and the guides made with them, give to the list; ISO numbers editions only.
_EDITION = "2018"
# ISO 3166-1, 8.1.3: the codes of two letters that are free for everybody's own use.
_USER_ASSIGNED = ("AA", *(f"Q{x}" for x in "MNOPQRSTUVWXYZ"), *(f"X{x}" for x in ascii_uppercase), "ZZ")


def countries() -> CodeSystem:
    """ISO 3166-1: each country by its codes of two and three letters and by its number."""
    concepts = {}
    for country in pycountry.countries:
        for code in (country.alpha_2, country.alpha_3, country.numeric):
            more = [getattr(country, name, None) for name in ("common_name", "official_name")]
            concepts[code] = Concept(
                code, country.name, designations=tuple(_names(more, _vietnamese().territories.get(country.alpha_2)))
            )
    for code in _USER_ASSIGNED:
        concepts[code] = Concept(code, "User-assigned")
    return CodeSystem(COUNTRIES, _EDITION, "ISO3166Part1", "ISO 3166-1 Codes for Countries", "en", concepts=concepts)


def subdivisions() -> CodeSystem:
    """ISO 3166-2: provinces, states and other parts of countries, each below the part that it is in."""
    concepts = {}
    for part in pycountry.subdivisions:
        about = (Property("country", "valueCode", part.country_code), Property("type", "valueString", part.type))
        parents = [part.parent_code] if part.parent_code else []
        concepts[part.code] = Concept(part.code, part.name, properties=about, parents=parents)
    for concept in concepts.values():
        for parent in concept.parents:
            concepts[parent].children.append(concept.code)
    return CodeSystem(
        SUBDIVISIONS, "", "ISO3166Part2", "ISO 3166-2 Codes for Parts of Countries", "en", concepts=concepts
    )


def currencies() -> CodeSystem:
    """ISO 4217: currencies by their three letters."""
    names = _vietnamese().currencies
    concepts = {
        one.alpha_3: Concept(one.alpha_3, one.name, designations=tuple(_names([], names.get(one.alpha_3))))
        for one in pycountry.currencies
    }
    return CodeSystem(CURRENCIES, "", "ISO4217", "ISO 4217 Codes for Currencies", "en", concepts=concepts)


def areas() -> CodeSystem:
    """UN M49: countries by their number, and the regions of the world."""
    english, vietnamese = Locale("en").territories, _vietnamese().territories
    concepts = {}
    for country in pycountry.countries:
        concepts[country.numeric] = _area(country.numeric, country.name, vietnamese.get(country.alpha_2), "country")
    for code, name in english.items():
        if code.isdigit() and code not in concepts:
            concepts[code] = _area(code, name, vietnamese.get(code), "region")
    return CodeSystem(AREAS, "", "M49", "Standard Country or Area Codes (UN M49)", "en", concepts=concepts)


def _area(code: str, name: str, vietnamese: str | None, kind: str) -> Concept:
    names = tuple(_names([], vietnamese))
    return Concept(code, name, designations=names, properties=(Property("class", "valueCode", kind),))


SYSTEMS = ((COUNTRIES, countries), (SUBDIVISIONS, subdivisions), (CURRENCIES, currencies), (AREAS, areas))


@cache
def _vietnamese() -> Locale:
    return Locale("vi")


def _names(english: list[str | None], vietnamese: str | None) -> Iterator[Designation]:
    for name in english:
        if name:
            yield Designation(name, "en")
    if vietnamese:
        yield Designation(vietnamese, "vi")
