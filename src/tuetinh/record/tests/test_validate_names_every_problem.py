from __future__ import annotations

import json
from typing import Any

import pytest

from tuetinh.record.validate import Problem, check

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">%s</div>'


def found(resource: Any) -> list[tuple[str, str]]:
    data = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    accepted, problems = check(data)
    assert (accepted is None) == any(problem.severity == "error" for problem in problems)
    return [(problem.code, problem.path) for problem in problems]


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **elements}


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


def test_a_valid_patient_is_returned() -> None:
    resource, problems = check(b'{"resourceType":"Patient","gender":"female","birthDate":"1950-02-28"}')
    assert problems == []
    assert resource is not None
    assert resource.resourceType == "Patient"


def test_plain_values_are_taken_too() -> None:
    resource, problems = check({"resourceType": "Patient", "active": True})
    assert problems == []
    assert resource is not None


def test_every_problem_is_named_with_its_place() -> None:
    bad = patient(
        nome="x",
        gender="f",
        birthDate="1950-02-30",
        name=[{"family": "Lò"}, {"given": ["", 5]}],
        deceasedBoolean=False,
        deceasedDateTime="2020",
        contact=[{}],
    )
    assert found(bad) == [
        ("structure", "Patient.nome"),
        ("code-invalid", "Patient.gender"),
        ("value", "Patient.birthDate"),
        ("value", "Patient.name[1].given[0]"),
        ("structure", "Patient.name[1].given[1]"),
        ("structure", "Patient.deceasedDateTime"),
        ("invariant", "Patient.contact[0]"),
    ]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"active": "true"}, ("structure", "Patient.active")),
        ({"multipleBirthInteger": True}, ("structure", "Patient.multipleBirthInteger")),
        ({"birthDate": 1950}, ("structure", "Patient.birthDate")),
        ({"multipleBirthInteger": "2"}, ("structure", "Patient.multipleBirthInteger")),
        ({"multipleBirthInteger": 2.0}, ("value", "Patient.multipleBirthInteger")),
        ({"multipleBirthInteger": 2**31}, ("value", "Patient.multipleBirthInteger")),
        ({"name": {"text": "x"}}, ("structure", "Patient.name")),
        ({"name": []}, ("structure", "Patient.name")),
        ({"name": ["x"]}, ("structure", "Patient.name[0]")),
        ({"name": [None]}, ("structure", "Patient.name[0]")),
        ({"maritalStatus": [{"text": "x"}]}, ("structure", "Patient.maritalStatus")),
        ({"birthDate": None}, ("structure", "Patient.birthDate")),
        ({"birthDate": "1950-2-3"}, ("value", "Patient.birthDate")),
        ({"birthDate": "2023-02-29"}, ("value", "Patient.birthDate")),
        ({"deceasedDateTime": "2020-01-01T10:00"}, ("value", "Patient.deceasedDateTime")),
        ({"meta": {"lastUpdated": "2020-01-01"}}, ("value", "Patient.meta.lastUpdated")),
        ({"id": "a" * 65}, ("value", "Patient.id")),
        ({"id": "a_b"}, ("value", "Patient.id")),
        ({"implicitRules": "a b"}, ("value", "Patient.implicitRules")),
        ({"identifier": [{"system": "urn:oid:1.2.x"}]}, ("value", "Patient.identifier[0].system")),
        ({"identifier": [{"value": "  "}]}, ("value", "Patient.identifier[0].value")),
        ({"identifier": [{"value": "a\0b"}]}, ("value", "Patient.identifier[0].value")),
        ({"identifier": [{"value": "x" * 1048577}]}, ("value", "Patient.identifier[0].value")),
        ({"photo": [{"contentType": "image/png", "data": "abc"}]}, ("value", "Patient.photo[0].data")),
        ({"photo": [{"data": "QUJD"}]}, ("invariant", "Patient.photo[0]")),
        ({"telecom": [{"value": "0912"}]}, ("invariant", "Patient.telecom[0]")),
        ({"name": [{"given": [None]}]}, ("structure", "Patient.name[0].given[0]")),
        ({"_birthDate": {"id": "x"}}, ("invariant", "Patient._birthDate")),
        ({"_birthDate": "x"}, ("structure", "Patient._birthDate")),
        ({"link": [{"type": "seealso"}]}, ("required", "Patient.link[0].other")),
        ({"extension": [{"valueString": "x"}]}, ("required", "Patient.extension[0].url")),
        ({"extension": [{"url": "http://x"}]}, ("invariant", "Patient.extension[0]")),
        (
            {"extension": [{"url": "http://x", "valueCode": "a", "valueString": "b"}]},
            ("structure", "Patient.extension[0].valueString"),
        ),
        (
            {"extension": [{"url": "http://x", "valueCode": "a", "extension": [{"url": "y", "valueCode": "b"}]}]},
            ("invariant", "Patient.extension[0]"),
        ),
    ],
)
def test_one_fault_in_a_patient(elements: dict[str, Any], expected: tuple[str, str]) -> None:
    assert found(patient(**elements)) == [expected]


@pytest.mark.parametrize(
    "reference",
    ["Organization/1", "Organization/1/_history/2", "https://x.vn/fhir/Organization/1", "urn:oid:1.2.3", "#o",
     "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "Organization?identifier=a|b"],
)  # fmt: skip
def test_good_references(reference: str) -> None:
    inner = [{"resourceType": "Organization", "id": "o", "name": "x"}] if reference == "#o" else []
    elements = {"contained": inner} if inner else {}
    assert found(patient(managingOrganization={"reference": reference}, **elements)) == []


@pytest.mark.parametrize(
    ("reference", "code", "words"),
    [
        ("Nothing/1", "value", "no resource type"),
        ("1", "value", "is not a reference"),
        ("Organization", "value", "is not a reference"),
        ("Organization/a_b", "value", "is not a reference"),
        ("urn:uuid:1", "value", "not a valid UUID"),
        ("#nobody", "not-found", "not contained"),
        ("Practitioner/1", "value", "must refer to Organization, not to Practitioner"),
        ("https://x.vn/fhir/Practitioner/1", "value", "must refer to Organization, not to Practitioner"),
    ],
)
def test_bad_references(reference: str, code: str, words: str) -> None:
    _, problems = check({"resourceType": "Patient", "managingOrganization": {"reference": reference}})
    assert [(p.code, p.path) for p in problems] == [(code, "Patient.managingOrganization")]
    assert words in problems[0].message


def test_a_reference_inside_a_bundle_is_checked_against_its_entry() -> None:
    url = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": url, "resource": {"resourceType": "Practitioner"}},
            {"resource": observation(subject={"reference": url})},
        ],
    }
    assert found(bundle) == [("value", "Bundle.entry[1].resource.subject")]


def test_contained_resources() -> None:
    inner: dict[str, Any] = {"resourceType": "Organization", "name": "x"}
    assert found(patient(contained=[{**inner, "id": "o"}])) == [("invariant", "Patient.contained[0]")]
    assert found(patient(contained=[inner])) == [("required", "Patient.contained[0]")]
    used = {"managingOrganization": {"reference": "#o"}}
    marked = {**inner, "id": "o", "meta": {"versionId": "1"}}
    assert found(patient(contained=[marked], **used)) == [("invariant", "Patient.contained[0].meta.versionId")]
    nested = {**inner, "id": "o", "contained": [{"resourceType": "Basic", "id": "b", "code": {"text": "x"}}]}
    assert ("invariant", "Patient.contained[0].contained") in found(patient(contained=[nested], **used))


@pytest.mark.parametrize(
    "inner",
    ["xin chào", "<p>x</p>", '<a href="http://x">x</a>', '<img src="x.png"/>', "<table><tr><td>x</td></tr></table>"],
)
def test_good_narratives(inner: str) -> None:
    assert found(patient(text={"status": "generated", "div": DIV % inner})) == []


@pytest.mark.parametrize(
    "div",
    [
        DIV % "<script>alert(1)</script>",
        DIV % '<p onclick="x()">x</p>',
        DIV % '<a href="javascript:x()">x</a>',
        DIV % "<iframe/>",
        DIV % " ",
        DIV % "<p>x",
        DIV % "&nbsp;",
        "<div>x</div>",
        "x",
        '<!DOCTYPE div [<!ENTITY a "aaaa">]>' + DIV % "&a;",
    ],
)
def test_bad_narratives(div: str) -> None:
    assert found(patient(text={"status": "generated", "div": div})) == [("value", "Patient.text.div")]
    assert found(patient(text={"div": DIV % "x"})) == [("required", "Patient.text.status")]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"valueQuantity": {"value": "72.5"}}, ("structure", "Observation.valueQuantity.value")),
        ({"valueQuantity": {"value": 1, "code": "kg"}}, ("invariant", "Observation.valueQuantity")),
        ({"effectivePeriod": {"start": "2021", "end": "2020"}}, ("invariant", "Observation.effectivePeriod")),
        ({"referenceRange": [{"age": {"low": {"value": 1}}}]}, ("invariant", "Observation.referenceRange[0]")),
        (
            {"referenceRange": [{"low": {"value": 1, "comparator": "<"}}]},
            ("invariant", "Observation.referenceRange[0].low"),
        ),
        ({"valueString": "x", "dataAbsentReason": {"text": "y"}}, ("invariant", "Observation")),
    ],
)
def test_one_fault_in_an_observation(elements: dict[str, Any], expected: tuple[str, str]) -> None:
    assert found(observation(**elements)) == [expected]


def test_required_elements_and_choices() -> None:
    assert found({"resourceType": "Observation"}) == [
        ("required", "Observation.status"),
        ("required", "Observation.code"),
    ]
    request = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"display": "x"}}
    assert found(request) == [("required", "MedicationRequest.medication[x]")]


def test_required_binding_of_a_concept() -> None:
    condition = {
        "resourceType": "Condition",
        "subject": {"display": "x"},
        "clinicalStatus": {"coding": [{"system": "http://x", "code": "active"}]},
    }
    assert found(condition) == [("code-invalid", "Condition.clinicalStatus")]


def test_a_warning_does_not_refuse() -> None:
    condition = {
        "resourceType": "Condition",
        "subject": {"display": "x"},
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}
                ]
            }
        ],
    }
    resource, problems = check(condition)
    assert resource is not None
    assert [(p.severity, p.code, p.path) for p in problems] == [("warning", "invariant", "Condition")]


def test_bundle_entries() -> None:
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": patient(gender="x")}, {}]}
    assert found(bundle) == [("code-invalid", "Bundle.entry[0].resource.gender"), ("invariant", "Bundle.entry[1]"),
                             ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": patient()}]}
    assert found(bundle) == [("invariant", "Bundle")]


def test_names_that_stand_twice() -> None:
    body = b'{"resourceType":"Patient","name":[{"text":"a","text":"b"}],"active":true,"active":true}'
    assert found(body) == [("structure", "Patient.name[0].text"), ("structure", "Patient.active")]


def test_text_that_looks_like_json_is_no_repeated_name() -> None:
    text = 'a "quoted", "name": \\ back\\" slash \\\\" and "text": "b"'
    assert found(patient(name=[{"text": text}])) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"resourceType":"Patient",\n "active": tru}', "line 2, column 12"),
        (b'{"resourceType":"Patient"', "line 1, column 26"),
        (b"", "line 1, column 1"),
        (b'{"resourceType":"Patient","id":"\xff"}', "not valid UTF-8 (byte 32)"),
        (b'\xef\xbb\xbf{"resourceType":"Patient"}', "byte order mark"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"{}", "resourceType is required"),
        (b'{"resourceType":"Nothing"}', "no resource type 'Nothing'"),
        (b'{"resourceType":"DomainResource"}', "no resource type 'DomainResource'"),
        (b'{"resourceType":5}', "must be a string, not a number"),
        (
            b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":NaN}',
            "must be an integer",
        ),
        (b'{"resourceType":"Patient","id":"\\ud800"}', "not a valid id"),
    ],
)
def test_bodies_that_are_no_resource(body: bytes, message: str) -> None:
    resource, problems = check(body)
    assert resource is None
    assert len(problems) == 1
    assert message in problems[0].message


def test_problems_are_values() -> None:
    assert check(b"[]")[1] == [Problem("error", "structure", "", "a resource must be a JSON object")]
