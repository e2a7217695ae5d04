"""The catalogues answer as code systems of the terminology service."""

from __future__ import annotations

from tuetinh.commons.catalogues import api as catalogues
from tuetinh.commons.catalogues.terminology import VALUE_SETS
from tuetinh.record.terminology import api as terminology
from tuetinh.record.terminology.operate import answer
from tuetinh.record.terminology.shelf import current

CONDITIONS = VALUE_SETS[catalogues.ICD10]
VN = "http://fhir.ehealth.gov.vn/core/ValueSet"


def _expand(**values: object) -> list[dict[str, object]]:
    rows = [{"name": name, "valueString": value} for name, value in values.items()]
    status, body = answer(current().library, "ValueSet", "expand", {"parameter": rows})
    assert status == 200, body
    return body["expansion"].get("contains", [])


def test_every_diagnosis_is_in_its_value_set() -> None:
    codes = terminology.expansion(CONDITIONS)
    assert codes is not None
    assert {(catalogues.ICD10, entry.code) for entry in catalogues.all_codes()} <= codes


def test_diagnoses_are_found_without_tones_in_both_languages() -> None:
    found = _expand(url=CONDITIONS, filter="sot xuat huyet dengue", count=20)
    assert "A97" in {str(row["code"])[:3] for row in found}
    (cholera, *_) = _expand(url=CONDITIONS, filter="A00 cholera", count=5, displayLanguage="en")
    assert cholera["display"] == "Cholera"


def test_a_code_stands_under_its_chapter_and_block() -> None:
    above = terminology.ancestors(catalogues.ICD10, "A00.0")
    assert {"A00", "I"} <= above
    assert "A00.0" in terminology.descendants(catalogues.ICD10, "I")


def test_the_other_catalogues_are_there() -> None:
    library = current().library
    drug, place = catalogues.drugs()[0], catalogues.provinces()[0]
    for system, code in ((catalogues.FORMULARY, drug.code), (catalogues.PLACES, place.code)):
        found = library.system(system)
        assert found is not None
        assert found.find(code) is not None
    services = library.system(catalogues.SERVICES)
    assert services is not None
    assert len(services.concepts) > 10_000
    for name in catalogues.code_lists():
        coding = catalogues.list_code(name, catalogues.code_list(name)[0].code).coding
        assert coding
        listed = library.system(coding[0].system or "")
        assert listed is not None
        assert listed.find(coding[0].code or "") is not None


def test_value_sets_of_vn_core_draw_from_the_catalogues() -> None:
    groups = terminology.expansion(f"{VN}/vn-core-race")
    places = terminology.expansion(f"{VN}/vn-core-administrative-address")
    assert groups is not None
    assert {(catalogues.ETHNIC_GROUPS, own.code) for own in catalogues.ethnic_groups()} <= groups
    assert places is not None
    assert {(catalogues.PLACES, own.code) for own in catalogues.provinces()} <= places
