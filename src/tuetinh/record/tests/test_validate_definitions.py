"""Definitions against what they stand on, narratives against profiles, codes by their form, Bundles by their kind."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tuetinh.record.profiles import Library, Validation
from tuetinh.record.terminology.api import code_forms

CORE = "http://hl7.org/fhir/StructureDefinition/"
PROFILE = {
    "resourceType": "StructureDefinition", "url": "http://x.test/p", "name": "P", "status": "draft", "kind": "resource",
    "abstract": False, "type": "Patient", "baseDefinition": f"{CORE}Patient", "derivation": "constraint",
}  # fmt: skip
CODES = {
    "resourceType": "CodeSystem", "url": "http://x.test/cs", "status": "draft", "content": "complete",
    "property": [{"code": "kin", "type": "Coding"}], "concept": [{"code": "a"}, {"code": "b"}],
}  # fmt: skip
VALUES = {"resourceType": "ValueSet", "url": "http://x.test/vs", "status": "draft"}
LETTER_A = VALUES | {"compose": {"include": [{"system": CODES["url"], "concept": [{"code": "a"}]}]}}


def found(
    resource: dict[str, Any], *known: dict[str, Any], strict: bool = False, **asked: Any
) -> list[tuple[str, str]]:
    """Severity and place of the errors and warnings."""
    library = Library()
    for one in known:
        library.add(one)
    problems = Validation(library, strict=strict).problems(json.dumps(resource).encode(), **asked)
    return [(p.severity, p.path) for p in problems if p.severity in ("error", "warning")]


def profile(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return PROFILE | {"differential": {"element": [{"id": "Patient", "path": "Patient"}, *elements]}} | more


@pytest.mark.parametrize(
    ("element", "place"),
    [
        ({"fixedCode": "female"}, ("error", "StructureDefinition.differential.element[1]")),
        ({"fixedCode": "male"}, None),
        ({"type": [{"code": "code", "profile": [f"{CORE}Age"]}]},
         ("error", "StructureDefinition.differential.element[1].type")),
    ],
)  # fmt: skip
def test_a_profile_keeps_what_its_base_says(element: dict[str, Any], place: tuple[str, str] | None) -> None:
    base = profile({"id": "Patient.gender", "path": "Patient.gender", "fixedCode": "male"}, url="http://x.test/base")
    narrower = profile(
        {"id": "Patient.gender", "path": "Patient.gender"} | element, baseDefinition="http://x.test/base"
    )
    assert found(narrower, base) == ([place] if place else [])


@pytest.mark.parametrize(
    ("path", "good"), [("system", True), ("colour", False), ("type.coding", True), ("$this", True)]
)
def test_discriminators_name_elements(path: str, good: bool) -> None:
    slicing = {"rules": "open", "discriminator": [{"type": "value", "path": path}]}
    sliced = profile({"id": "Patient.identifier", "path": "Patient.identifier", "slicing": slicing})
    assert found(sliced) == ([] if good else [("error", "StructureDefinition.differential.element[1].slicing")])


@pytest.mark.parametrize(
    ("include", "place"),
    [
        ({"concept": [{"code": "a"}, {"code": "z"}]}, ".concept[1]"),
        ({"filter": [{"property": "kin", "op": "=", "value": "http://x.test/cs#a"}]}, ""),
        ({"filter": [{"property": "kin", "op": "=", "value": "http://x.test/cs#z"}]}, ".filter[0]"),
        ({"filter": [{"property": "kin", "op": "=", "value": "a"}]}, ".filter[0]"),
        ({"filter": [{"property": "concept", "op": "is-a", "value": "z"}]}, ".filter[0]"),
    ],
)
def test_value_sets_name_codes_that_there_are(include: dict[str, Any], place: str) -> None:
    given = VALUES | {"compose": {"include": [{"system": CODES["url"]} | include]}}
    assert found(given, CODES) == ([("error", f"ValueSet.compose.include[0]{place}")] if place else [])


def test_maps_lead_from_one_value_set_to_another() -> None:
    rows = [{"code": code, "target": [{"code": code, "equivalence": "equal"}]} for code in ("a", "b")]
    group = {"source": CODES["url"], "target": CODES["url"], "element": rows}
    given = {"resourceType": "ConceptMap", "status": "draft", "group": [group]}
    given |= {"sourceCanonical": VALUES["url"], "targetCanonical": VALUES["url"]}
    place = "ConceptMap.group[0].element[1]"
    assert found(given, CODES, LETTER_A) == [("error", f"{place}.code"), ("warning", f"{place}.target[0].code")]


def test_criteria_name_definitions_of_the_library() -> None:
    cql = base64.b64encode(b'library L\ndefine "Old": true\ndefine Young: false').decode()
    content = [{"contentType": "text/cql", "data": cql}]
    type_ = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "logic-library"}]}
    library = {"resourceType": "Library", "url": "http://x.test/l", "name": "L", "status": "draft", "type": type_}

    def measure(text: str) -> list[tuple[str, str]]:
        stratifier = [{"criteria": {"language": "text/cql", "expression": text}}]
        given = {"resourceType": "Measure", "status": "draft", "library": ["http://x.test/l"]}
        return found(given | {"group": [{"stratifier": stratifier}]}, library | {"content": content})

    assert [measure(text) for text in ('L."Old"', "Young", "Other.New", "Old and Young")] == [[]] * 4
    assert measure("L.New") == [("error", "Measure.group[0].stratifier[0].criteria")]


@pytest.mark.parametrize(
    ("extension", "language", "sections", "good"),
    [
        ("_yes", "vi", [], False), ("_yes", "vi", ["vi"], True), ("_no", "vi", ["vi"], False), ("_no", "vi", [], True),
        ("_resource", "vi", ["en"], False), ("_resource", "vi", ["en", "vi"], True), ("en", "vi", ["vi"], False),
    ],
)  # fmt: skip
def test_narratives_have_the_languages_that_a_profile_asks_for(
    extension: str, language: str, sections: list[str], good: bool
) -> None:
    asked = {"url": f"{CORE}narrative-language-control", "valueCode": extension}
    own = profile({"id": "Patient.text", "path": "Patient.text", "extension": [asked]})
    inner = "".join(f'<div lang="{one}">x</div>' for one in sections) or "x"
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'}
    given = {"resourceType": "Patient", "language": language, "text": text}
    assert found(given, own, profiles=["http://x.test/p"]) == ([] if good else [("error", "Patient.text")])


@pytest.mark.parametrize(("inner", "good"), [('<p class="generated">x</p>', True), ("<p>x</p>", False)])
def test_narratives_tell_whose_words_they_are(inner: str, good: bool) -> None:
    asked = {"url": f"{CORE}narrative-source-control", "valueCode": "warning"}
    own = profile({"id": "Patient.text", "path": "Patient.text", "extension": [asked]})
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'}
    answer = found({"resourceType": "Patient", "text": text}, own, profiles=["http://x.test/p"])
    assert answer == ([] if good else [("error", "Patient.text")])


def test_an_element_of_two_slices_is_refused() -> None:
    slicing = {"rules": "open", "discriminator": [{"type": "value", "path": "use"}]}
    elements = [{"id": "Patient.name", "path": "Patient.name", "slicing": slicing}]
    for name in ("one", "two"):
        elements += [
            {"id": f"Patient.name:{name}", "path": "Patient.name", "sliceName": name},
            {"id": f"Patient.name:{name}.use", "path": "Patient.name.use", "min": 1, "patternCode": "official"},
        ]
    own = profile(*elements)
    given = {"resourceType": "Patient", "name": [{"use": "usual", "text": "x"}, {"use": "official", "text": "x"}]}
    assert found(given, own, profiles=["http://x.test/p"]) == [("error", "Patient.name[1]")]


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def test_what_a_search_finds_has_an_id_and_outcomes_are_outcomes() -> None:
    issue = [{"severity": "information", "code": "informational"}]
    outcome = {"fullUrl": "http://x.test/1", "resource": {"resourceType": "OperationOutcome", "issue": issue}}
    person = {"fullUrl": "http://x.test/2", "resource": {"resourceType": "Patient"}}
    answer = found(
        bundle("searchset", outcome | {"search": {"mode": "match"}}, person | {"search": {"mode": "outcome"}})
    )
    assert answer == [
        ("error", "Bundle.entry[0].search.mode"),
        ("error", "Bundle.entry[1].resource"),
        ("error", "Bundle.entry[1].search.mode"),
    ]
    assert found(bundle("searchset", outcome | {"search": {"mode": "outcome"}})) == []


def test_a_reference_does_not_have_the_id_of_another_type() -> None:
    uuid = "5d9588d8-3cd6-4b32-8fb7-ad13694e069d"
    clinic = {"fullUrl": f"urn:uuid:{uuid}", "resource": {"resourceType": "Organization", "name": "x"}}
    person = {"resourceType": "Patient", "generalPractitioner": [{"reference": f"Practitioner/{uuid}"}]}
    other = {"fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "resource": person}
    assert found(bundle("collection", other, clinic)) == [("error", "Bundle.entry[0].resource.generalPractitioner[0]")]


@pytest.mark.parametrize(("reference", "good"), [("/_history/2", True), ("/_history/3", False), ("", False)])
def test_a_document_names_the_version_that_it_means(reference: str, good: bool) -> None:
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
    composition = {
        "resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "x"}, "date": "2026-01-01",
        "title": "x", "author": [{"display": "x"}],
        "section": [{"title": "x", "entry": [{"reference": f"Observation/o{reference}"}]}],
    }  # fmt: skip
    given = bundle("document", {"fullUrl": "http://x.test/fhir/Composition/c", "resource": composition})
    given |= {"timestamp": "2026-01-01T00:00:00Z", "identifier": {"system": "http://x.test", "value": "1"}}
    given["entry"] += [
        {"fullUrl": "http://x.test/fhir/Observation/o", "resource": observation | {"meta": {"versionId": version}}}
        for version in ("1", "2")
    ]
    place = ("error", "Bundle.entry[0].resource.section[0].entry")
    assert found(given) == ([] if good else [place])


def test_profiles_are_asked_of_resources_within_by_their_place() -> None:
    own = profile({"id": "Patient.name", "path": "Patient.name", "min": 1})
    person = {"resourceType": "Patient", "active": True}
    given = bundle("collection", {"fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "resource": person})
    assert found(given, own) == []
    within = {"Bundle.entry[0].resource": ["http://x.test/p"]}
    assert found(given, own, within=within) == [("error", "Bundle.entry[0].resource.name")]


@pytest.mark.parametrize(
    ("system", "code", "good"),
    [
        (code_forms.SNOMED, "73211009", True),
        (code_forms.SNOMED, "73211008", False),
        (code_forms.SNOMED, "73211009x", False),
        (code_forms.SNOMED, "46866001 |Fracture of lower limb|: 363698007 = 12611008", True),
        (code_forms.SNOMED, "5", False),
        (code_forms.LOINC, "8310-5", True),
        (code_forms.LOINC, "8310-6", False),
        (code_forms.LOINC, "LA6576-8", True),
        ("http://x.test/unknown", "anything", True),
    ],
)
def test_codes_of_code_systems_that_are_not_here_have_their_form(system: str, code: str, good: bool) -> None:
    given = {"resourceType": "Basic", "code": {"coding": [{"system": system, "code": code}]}}
    assert found(given) == ([] if good else [("error", "Basic.code.coding[0]")])


@pytest.mark.parametrize(("text", "good"), [("<< 73211009 |Diabetes mellitus|", True), ("<< 234234", False)])
def test_constraints_of_snomed_ct_name_concepts(text: str, good: bool) -> None:
    include = {"system": code_forms.SNOMED, "filter": [{"property": "constraint", "op": "=", "value": text}]}
    given = VALUES | {"compose": {"include": [include]}}
    assert found(given) == ([] if good else [("error", "ValueSet.compose.include[0].filter[0]")])


def test_a_vital_sign_by_snomed_ct_needs_the_code_of_loinc_too() -> None:
    given: dict[str, Any] = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/a"},
        "category": [{"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
        "effectiveDateTime": "2026-01-01",
        "valueQuantity": {"value": 37, "unit": "°C", "system": "http://unitsofmeasure.org", "code": "Cel"},
    }  # fmt: skip
    coding = [{"system": code_forms.SNOMED, "code": "386725007"}]
    assert ("error", "Observation.code.coding") in found(given | {"code": {"coding": coding}})
    coding += [{"system": code_forms.LOINC, "code": "8310-5"}]
    assert found(given | {"code": {"coding": coding}}) == []


def test_a_period_whose_order_cannot_be_told_is_named() -> None:
    given = {"resourceType": "Patient", "name": [{"text": "x", "period": {"start": "2026-01-01", "end": "2026-01"}}]}
    assert found(given) == [("warning", "Patient.name[0].period")]
    assert found(given, strict=True) == [("error", "Patient.name[0].period")]


ROLES = "http://terminology.hl7.org/CodeSystem/diagnosis-role"


def visit(*roles: tuple[str, str]) -> dict[str, Any]:
    """An Encounter by VN Core with diagnoses of these roles."""
    return {
        "resourceType": "Encounter", "status": "finished", "subject": {"reference": "Patient/a"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "diagnosis": [
            {"condition": {"reference": "Condition/a"},
             "use": {"coding": [{"system": ROLES, "code": code, "display": display}], "text": display}}
            for code, display in roles],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("roles", "good"),
    [
        ([("CC", "Chief complaint"), ("CM", "Comorbidity diagnosis")], True),
        ([("AD", "Admission diagnosis")], False),
        ([("CC", "Chief complaint"), ("CC", "Chief complaint")], False),
    ],
)
def test_slices_are_told_apart_by_the_pattern_of_an_element_above(roles: list[tuple[str, str]], good: bool) -> None:
    url = "http://fhir.ehealth.gov.vn/core/StructureDefinition/vn-core-encounter"
    assert found(visit(*roles), profiles=[url]) == ([] if good else [("error", "Encounter.diagnosis")])


def test_a_slice_without_discriminator_has_what_fits_its_pattern() -> None:
    pattern = {"system": "http://x.test/cs", "code": "a"}
    path = "Observation.code.coding"
    element = {"id": f"{path}:own", "path": path, "sliceName": "own", "min": 1, "patternCoding": pattern}
    own = PROFILE | {"type": "Observation", "baseDefinition": f"{CORE}Observation"}
    own |= {"differential": {"element": [{"id": "Observation", "path": "Observation"}, element]}}
    other = {"system": "http://x.test/other", "code": "z"}
    given = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/a"}}

    def coded(*codings: dict[str, str]) -> list[tuple[str, str]]:
        return found(given | {"code": {"coding": list(codings)}}, own, profiles=["http://x.test/p"])

    assert coded(other, pattern) == []
    assert coded(other) == [("error", "Observation.code.coding")]


@pytest.mark.parametrize(("code", "good"), [("c", True), ("a", True), ("z", False), ("unknown", True)])
def test_invariants_may_ask_what_a_code_subsumes(code: str, good: bool) -> None:
    tree = CODES | {"concept": [{"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}]}, {"code": "z"}]}
    expression = "maritalStatus.subsumedBy(extension('http://x.test/e').value)"
    constraint = {"key": "x-1", "severity": "error", "human": "below a", "expression": expression}
    own = PROFILE | {"differential": {"element": [{"id": "Patient", "path": "Patient", "constraint": [constraint]}]}}
    given = {
        "resourceType": "Patient",
        "extension": [{"url": "http://x.test/e", "valueCoding": {"system": CODES["url"], "code": "a"}}],
        "maritalStatus": {"coding": [{"system": CODES["url"], "code": code}]},
    }
    answer = [one for one in found(given, tree, own, profiles=["http://x.test/p"]) if one == ("error", "Patient")]
    assert answer == ([] if good else [("error", "Patient")])
