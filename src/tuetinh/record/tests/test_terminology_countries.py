"""Countries, their parts, currencies and regions are known by their codes; language packs name them otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record.terminology.operate import answer
from tuetinh.record.terminology.standard import standard_library

COUNTRIES, PARTS = "urn:iso:std:iso:3166", "urn:iso:std:iso:3166:-2"
PACK = {
    "resourceType": "CodeSystem",
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/codesystem-supplement-type", "valueCode": "lang-pack"}
    ],
    "url": "http://example.org/CodeSystem/ten-nuoc",
    "version": "1",
    "status": "active",
    "language": "vi",
    "content": "supplement",
    "supplements": COUNTRIES,
    "concept": [{"code": "XK", "display": "Cô-xô-vô"}, {"code": "VN", "designation": [{"value": "Nước Việt Nam"}]}],
}


def asked(type_: str, operation: str, *more: dict[str, Any], **values: str) -> dict[str, Any]:
    """The parameters of an answer by name."""
    kinds = {"url": "valueUri", "system": "valueUri", "code": "valueCode"}
    rows = [{"name": name, kinds.get(name, "valueString"): value} for name, value in values.items()]
    rows += [{"name": "tx-resource", "resource": one} for one in more]
    status, made = answer(standard_library(), type_, operation, {"resourceType": "Parameters", "parameter": rows})
    assert status == 200, made
    return {p["name"]: next((v for k, v in p.items() if k.startswith("value")), p) for p in made["parameter"]}


@pytest.mark.parametrize(
    ("system", "code", "display", "vietnamese"),
    [
        (COUNTRIES, "VN", "Viet Nam", "Việt Nam"),
        (COUNTRIES, "VNM", "Viet Nam", "Việt Nam"),
        (COUNTRIES, "704", "Viet Nam", "Việt Nam"),
        (COUNTRIES, "XK", "User-assigned", None),
        (PARTS, "VN-22", "Nghệ An", None),
        ("urn:iso:std:iso:4217", "VND", "Dong", "Đồng Việt Nam"),
        ("http://unstats.un.org/unsd/methods/m49/m49.htm", "035", "Southeast Asia", "Đông Nam Á"),
    ],
)
def test_a_code_is_known_by_its_names(system: str, code: str, display: str, vietnamese: str | None) -> None:
    assert asked("CodeSystem", "lookup", system=system, code=code)["display"] == display
    assert asked("CodeSystem", "validate-code", url=system, code=code, display=display)["result"] is True
    if vietnamese:
        named = asked("CodeSystem", "validate-code", url=system, code=code, display=vietnamese, displayLanguage="vi")
        assert named["result"] is True
    wrong = asked("CodeSystem", "validate-code", url=system, code=code, display="Atlantis")
    assert wrong["result"] is False


@pytest.mark.parametrize(("system", "code"), [(COUNTRIES, "vn"), (COUNTRIES, "QL"), (PARTS, "VN-1"), (PARTS, "VN")])
def test_what_is_no_code_is_told(system: str, code: str) -> None:
    assert asked("CodeSystem", "validate-code", url=system, code=code)["result"] is False


def test_value_sets_of_the_standard_have_them() -> None:
    base = "http://hl7.org/fhir/ValueSet/"
    for value_set, system, code in (
        ("iso3166-1-2", COUNTRIES, "VN"),
        ("jurisdiction", PARTS, "VN-22"),
        ("jurisdiction", "http://unstats.un.org/unsd/methods/m49/m49.htm", "035"),
        ("currencies", "urn:iso:std:iso:4217", "VND"),
    ):
        assert asked("ValueSet", "validate-code", url=base + value_set, system=system, code=code)["result"] is True
    outside = asked(
        "ValueSet", "validate-code",
        url=f"{base}jurisdiction", system="http://unstats.un.org/unsd/methods/m49/m49.htm", code="704",
    )  # fmt: skip
    assert outside["result"] is False  # a country, no region


def test_a_language_pack_holds_without_being_asked_for() -> None:
    for code, display in (("XK", "Cô-xô-vô"), ("VN", "Nước Việt Nam"), ("VN", "Viet Nam")):
        assert asked("CodeSystem", "validate-code", PACK, url=COUNTRIES, code=code, display=display)["result"] is True
    plain = {name: value for name, value in PACK.items() if name != "extension"}
    unasked = asked("CodeSystem", "validate-code", plain, url=COUNTRIES, code="XK", display="Cô-xô-vô")
    assert unasked["result"] is False
    elsewhere = PACK | {"supplements": PARTS}
    assert (
        asked("CodeSystem", "validate-code", elsewhere, url=COUNTRIES, code="XK", display="Cô-xô-vô")["result"] is False
    )
