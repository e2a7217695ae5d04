"""$validate: the base definition, profiles of the record and of VN Core, and what would be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuetinh.record.profiles import Library, Validation
from tuetinh.record.profiles.budget import TooCostly

PROFILE = {
    "resourceType": "StructureDefinition",
    "url": "http://x.test/StructureDefinition/citizen",
    "name": "Citizen",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "Patient", "path": "Patient", "constraint": [
                {"key": "x-1", "severity": "error", "human": "a citizen has a name", "expression": "name.exists()"}]},
            {"id": "Patient.identifier", "path": "Patient.identifier", "min": 1, "slicing": {
                "discriminator": [{"type": "value", "path": "system"}], "rules": "closed"}},
            {"id": "Patient.identifier:card", "path": "Patient.identifier", "sliceName": "card", "min": 1, "max": "1"},
            {"id": "Patient.identifier:card.system", "path": "Patient.identifier.system", "min": 1,
             "fixedUri": "http://x.test/card"},
            {"id": "Patient.gender", "path": "Patient.gender", "min": 1, "patternCode": "female"},
            {"id": "Patient.photo", "path": "Patient.photo", "max": "0"},
        ]
    },
}  # fmt: skip
URL = PROFILE["url"]
GOOD = {
    "resourceType": "Patient",
    "identifier": [{"system": "http://x.test/card", "value": "1"}],
    "name": [{"text": "Lê Thị A"}],
    "gender": "female",
}


def errors(resource: dict[str, Any], *profiles: str) -> set[str]:
    library = Library()
    library.add(PROFILE)
    found = Validation(library).problems(json.dumps(resource).encode(), profiles)
    return {p.path for p in found if p.severity == "error"}


def test_a_base_definition_is_met_by_its_type_alone() -> None:
    base = "http://hl7.org/fhir/StructureDefinition/"
    assert errors(GOOD, base + "Patient", base + "DomainResource", base + "Patient|4.0.1") == set()
    assert errors(GOOD, base + "Observation") == {"Patient"}


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({}, set()),
        ({"name": None}, {"Patient"}),
        ({"gender": "male"}, {"Patient.gender"}),
        ({"gender": None}, {"Patient.gender"}),
        ({"photo": [{"title": "x"}]}, {"Patient.photo"}),
        ({"identifier": [{"system": "http://other", "value": "1"}]}, {"Patient.identifier[0]", "Patient.identifier"}),
        ({"identifier": GOOD["identifier"] * 2}, {"Patient.identifier"}),
        ({"identifier": None}, {"Patient.identifier"}),
    ],
)
def test_what_a_profile_asks_for(change: dict[str, Any], places: set[str]) -> None:
    resource = {k: v for k, v in (GOOD | change).items() if v is not None}
    assert errors(resource, str(URL)) == places
    assert errors(resource | {"meta": {"profile": [URL]}}) == places
    assert errors(resource) == set()


@given(st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["resourceType", "meta", "profile", "identifier", "system", "extension", "url", "name"]),
        inner, max_size=4), max_leaves=12))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_any_json_is_validated_without_failing(value: Any) -> None:
    body = value if isinstance(value, dict) else {"x": value}
    for resource in (body, {"resourceType": "Patient", **body}, GOOD | body):
        Validation(Library()).problems(json.dumps(resource).encode(), [str(URL)])


def test_a_costly_profile_ends_by_a_limit() -> None:
    library = Library()
    expression = "repeat(children()).repeat(children()).repeat(children()).count() > 0"
    constraint = [{"key": "x-1", "severity": "error", "human": "x", "expression": expression}]
    elements = [
        {"id": f"Patient.{n}", "path": f"Patient.{n}", "constraint": constraint} for n in ("name", "identifier")
    ]
    library.add(PROFILE | {"differential": {"element": elements}})
    names = [{"given": [str(n) for n in range(200)], "text": "x"}] * 400
    body = json.dumps(GOOD | {"name": names}).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuetinh.record.profiles.budget.SECONDS", 0.2)
        with pytest.raises(TooCostly):
            Validation(library).problems(body, [str(URL)])


def outcome(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(i["severity"], (i.get("expression") or [""])[0]) for i in answer.json()["issue"]]


NOTHING = [("information", "")]


@pytest.mark.django_db
def test_a_resource_is_validated_in_every_way_that_it_can_be_sent(fhir: Any) -> None:
    assert fhir.post("/StructureDefinition", PROFILE).status_code == 201
    male = GOOD | {"gender": "male"}
    assert outcome(fhir.post("/Patient/$validate", GOOD)) == NOTHING
    assert outcome(fhir.post(f"/Patient/$validate?profile={URL}", GOOD)) == NOTHING
    assert outcome(fhir.post(f"/Patient/$validate?profile={URL}", male)) == [("error", "Patient.gender")]
    told = fhir.post(f"/Patient/$validate?profile={URL}", male).json()["issue"][0]["diagnostics"]
    assert told.endswith(f"(profile {URL})")
    parameters = {"resourceType": "Parameters", "parameter": [
        {"name": "resource", "resource": male}, {"name": "profile", "valueUri": URL}]}  # fmt: skip
    assert outcome(fhir.post("/Patient/$validate", parameters)) == [("error", "Patient.gender")]
    assert outcome(fhir.post("/$validate", parameters)) == [("error", "Patient.gender")]
    id_ = fhir.post("/Patient", male).json()["id"]
    assert outcome(fhir.get(f"/Patient/{id_}/$validate")) == NOTHING
    assert outcome(fhir.get(f"/Patient/{id_}/$validate?profile={URL}")) == [("error", "Patient.gender")]
    assert ("error", "Patient.gender") in outcome(fhir.post("/Patient/$validate", GOOD | {"gender": "purple"}))
    assert outcome(fhir.post("/Patient/$validate?profile=http://no.test", GOOD))[0][0] == "warning"


@pytest.mark.django_db
def test_profiles_of_the_country_are_known(fhir: Any) -> None:
    url = "http://fhir.ehealth.gov.vn/core/StructureDefinition/vn-core-patient"
    place = f"/Patient/$validate?profile={url}"
    assert outcome(fhir.post(place, GOOD)) == NOTHING
    assert outcome(fhir.post(place, GOOD | {"name": [{"family": "Lê"}]})) == [("error", "Patient.name[0].text")]
    card = {"system": "http://fhir.ehealth.gov.vn/core/sid/insurance_number", "value": "GD4010112345678"}
    assert outcome(fhir.post(place, GOOD | {"identifier": [card | {"use": "official"}]})) == NOTHING
    assert outcome(fhir.post(place, GOOD | {"identifier": [card | {"use": "temp"}]})) == [
        ("error", "Patient.identifier[0].use")
    ]


@pytest.mark.django_db
def test_modes_say_what_would_be_refused(fhir: Any, stored_count: Callable[[], int]) -> None:
    id_ = fhir.post("/Patient", GOOD).json()["id"]
    before = stored_count()
    assert outcome(fhir.post("/Patient/$validate?mode=create", GOOD)) == NOTHING
    assert outcome(fhir.post("/Patient/$validate?mode=create", GOOD, "reader")) == [("error", "")]
    assert outcome(fhir.post(f"/Patient/{id_}/$validate?mode=update", GOOD)) == [("error", "Patient.id")]
    assert outcome(fhir.post(f"/Patient/{id_}/$validate?mode=update", GOOD | {"id": id_})) == NOTHING
    assert outcome(fhir.get(f"/Patient/{id_}/$validate?mode=delete")) == NOTHING
    assert fhir.post("/Patient/$validate?mode=guess", GOOD).status_code == 400
    assert fhir.send("POST", "/Patient/$validate").status_code == 400
    assert stored_count() == before


@pytest.mark.django_db
def test_what_one_may_not_read_is_not_validated(fhir: Any) -> None:
    id_ = fhir.post("/Patient", GOOD).json()["id"]
    assert fhir.get(f"/Patient/{id_}/$validate", "outsider").status_code == 403
    assert fhir.get(f"/Patient/{id_}/$validate", "citizen").status_code == 404
    assert fhir.get(f"/Patient/{id_}/$validate?mode=delete", "citizen").status_code == 404
    assert fhir.post("/Patient/$validate", GOOD, "stranger").status_code == 401
    assert outcome(fhir.post("/Patient/$validate", GOOD, "outsider")) == NOTHING


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body", [b"", b"[", b"7", b'{"resourceType":7}', b'{"resourceType":"Parameters","parameter":7}']
)
def test_hostile_bodies_have_an_answer(fhir: Any, body: bytes) -> None:
    answer = fhir.send("POST", "/Patient/$validate", content=body, headers={"content-type": "application/fhir+json"})
    assert answer.status_code in (200, 400)
    assert answer.json()["resourceType"] == "OperationOutcome"
