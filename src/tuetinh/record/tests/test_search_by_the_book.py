"""What each parameter, modifier and prefix of R4 finds among tricky resources, over HTTP, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.django_db

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
WORLD: list[dict[str, Any]] = [
    {
        "resourceType": "Organization",
        "id": "t-org",
        "name": "Bệnh viện Đa khoa Thử",
        "identifier": [{"system": "urn:o", "value": "O1"}],
    },
    {
        "resourceType": "Practitioner",
        "id": "t-dr",
        "name": [{"family": "Đỗ", "given": ["Thị Ánh"]}],
        "identifier": [
            {
                "system": "urn:dr",
                "value": "D1",
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MD"}]},
            }
        ],
    },
    {
        "resourceType": "Patient",
        "id": "t-p1",
        "active": True,
        "name": [{"family": "Nguyễn", "given": ["Văn", "Đức"]}],
        "gender": "male",
        "birthDate": "1980-02-29",
        "identifier": [
            {
                "system": "urn:p",
                "value": "P|1,x$y\\z",
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
            }
        ],
        "telecom": [{"system": "phone", "value": "+84 (912) 345-678", "use": "mobile"}],
        "generalPractitioner": [{"reference": "Practitioner/t-dr"}],
        "managingOrganization": {"reference": "Organization/t-org"},
        "address": [{"line": ["12 Phố Huế"], "city": "Hà Nội", "country": "VN"}],
        "meta": {
            "tag": [{"system": "urn:t", "code": "t1"}],
            "security": [{"system": "urn:s", "code": "R"}],
            "source": "http://src.example/a",
            "profile": ["http://hl7.org/fhir/StructureDefinition/x|1.0"],
        },
        "deceasedDateTime": "2020-01-01",
        "text": {
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml">Bệnh nhân <b>tiểu đường</b></div>',
        },
    },
    {
        "resourceType": "Patient",
        "id": "t-p2",
        "active": False,
        "name": [{"text": "Trần Thị B", "family": "Tran"}],
        "gender": "female",
        "birthDate": "1980",
        "deceasedBoolean": False,
        "link": [{"other": {"reference": "Patient/t-p1"}, "type": "seealso"}],
    },
    {
        "resourceType": "Patient",
        "id": "t-p3",
        "deceasedBoolean": True,
        "birthDate": "1980-02",
        "contained": [{"resourceType": "Organization", "id": "in", "name": "Bên trong"}],
        "managingOrganization": {"reference": "#in"},
    },
    {
        "resourceType": "Encounter",
        "id": "t-e1",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": "Patient/t-p1"},
        "period": {"start": "2024-01-31T23:30:00+07:00", "end": "2024-02-01T00:30:00+07:00"},
        "serviceProvider": {"reference": "Organization/t-org"},
        "participant": [{"individual": {"reference": "Practitioner/t-dr"}}],
    },
    {
        "resourceType": "Observation",
        "id": "t-o1",
        "status": "final",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "Huyết áp tâm thu"}],
            "text": "HA",
        },
        "subject": {"reference": "Patient/t-p1"},
        "encounter": {"reference": "Encounter/t-e1"},
        "effectiveDateTime": "2024-01-31T23:45:00+07:00",
        "valueQuantity": {"value": 5.4, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
        "performer": [{"reference": "Practitioner/t-dr"}],
    },
    {
        "resourceType": "Observation",
        "id": "t-o2",
        "status": "amended",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1234-5"}]},
        "subject": {"reference": "Patient/t-p2"},
        "effectivePeriod": {"start": "2024-02"},
        "valueQuantity": {"value": 0.0054, "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"},
        "hasMember": [{"reference": "Observation/t-o1"}],
    },
    {
        "resourceType": "Observation",
        "id": "t-o3",
        "status": "final",
        "code": {"text": "chữ"},
        "subject": {"identifier": {"system": "urn:p", "value": "logical"}},
        "valueString": "dương tính",
        "derivedFrom": [{"reference": "Observation/t-o2"}],
        "issued": "2024-02-01T10:00:00.000Z",
    },
    {
        "resourceType": "Observation",
        "id": "t-o4",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/t-p1"},
        "effectiveDateTime": "2024",
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "valueQuantity": {"value": 150, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
            },
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
                "valueQuantity": {"value": 90, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
            },
        ],
    },
    {
        "resourceType": "Location",
        "id": "t-l1",
        "name": "Trạm A",
        "position": {"longitude": 103.5, "latitude": 22.0},
        "status": "active",
    },
    {
        "resourceType": "Location",
        "id": "t-l2",
        "name": "Trạm B",
        "position": {"longitude": 103.6, "latitude": 22.0},
        "status": "active",
        "partOf": {"reference": "Location/t-l1"},
    },
    {
        "resourceType": "RiskAssessment",
        "id": "t-r1",
        "status": "final",
        "subject": {"reference": "Patient/t-p1"},
        "prediction": [{"probabilityDecimal": 100}],
    },
    {
        "resourceType": "ValueSet",
        "id": "t-vs",
        "url": "http://vs.example/a/b/c",
        "status": "active",
        "compose": {"include": [{"system": "http://loinc.org", "concept": [{"code": "8480-6"}]}]},
    },
    {
        "resourceType": "List",
        "id": "t-list",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Patient/t-p2"}}, {"item": {"reference": "Observation/t-o1"}}],
    },
    {
        "resourceType": "MedicationRequest",
        "id": "t-mr",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "#m"},
        "subject": {"reference": "Patient/t-p1"},
        "contained": [
            {"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": "urn:med", "code": "aspirin"}]}}
        ],
    },
    {
        "resourceType": "Condition",
        "id": "t-c1",
        "code": {"coding": [{"system": "urn:x", "code": "A"}]},
        "subject": {"reference": "Patient/t-p1"},
        "onsetAge": {"value": 44, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
    },
]

# By address: the query, and the ids that are found, or the status of the refusal.
FOUND = {
    "/Patient": [
        ("name=nguyen", "t-p1"),
        ("name=NGUYỄN", "t-p1"),
        ("name:exact=nguyễn", ""),
        ("name:exact=Nguyễn", "t-p1"),
        ("name:contains=UC", "t-p1"),
        ("given=van,xyz", "t-p1"),
        ("name=tran thi", "t-p2"),
        ("identifier=urn:p|P\\|1\\,x\\$y\\\\z", "t-p1"),
        ("identifier=P\\|1\\,x\\$y\\\\z", "t-p1"),
        ("identifier=urn:p|", "t-p1"),
        ("identifier=|P\\|1", ""),
        ("identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|P\\|1\\,x\\$y\\\\z", "t-p1"),
        ("phone=+84912345678", "t-p1"),
        ("phone=%2B84912345678", "t-p1"),
        ("telecom=phone|%2B84912345678", "t-p1"),
        ("email:missing=true", "t-p1 t-p2 t-p3"),
        ("gender:not=male", "t-p2 t-p3"),
        ("gender=male,female", "t-p1 t-p2"),
        ("gender:missing=true", "t-p3"),
        ("gender:missing=yes", "400"),
        ("gender:not=male&gender:not=female", "t-p3"),
        ("active=true", "t-p1"),
        ("active=http://terminology.hl7.org/CodeSystem/special-values|true", "t-p1"),
        ("deceased=true", "t-p1 t-p3"),
        ("deceased=false", "t-p2"),
        ("deceased:missing=true", ""),
        ("death-date=2020", "t-p1"),
        ("birthdate=1980", "t-p1 t-p2 t-p3"),
        ("birthdate=1980-02", "t-p1 t-p3"),
        ("birthdate=1980-02-29", "t-p1"),
        ("birthdate=eq1980-02-29", "t-p1"),
        ("birthdate=ne1980-02-29", "t-p2 t-p3"),
        ("birthdate=lt1980-02", "t-p2"),
        ("birthdate=gt1980-02", "t-p2"),
        ("birthdate=sa1979", "t-p1 t-p2 t-p3"),
        ("birthdate=eb1980-03", "t-p1 t-p3"),
        ("birthdate=1980-02-30", "400"),
        ("birthdate=xx1980", "400"),
        ("birthdate=1980-2", "400"),
        ("birthdate=", "400"),
        ("birthdate:missing=false", "t-p1 t-p2 t-p3"),
        ("_has:Observation:patient:code=8480-6", "t-p1"),
        ("_has:Observation:subject:status=amended", "t-p2"),
        ("_has:Encounter:subject:_has:Observation:encounter:code=8480-6", "t-p1"),
        ("_has:Observation:patient:bogus=1", "400"),
        ("_has:Observation:code:code=1", "400"),
        ("_tag=t1", "t-p1"),
        ("_tag=urn:t|t1", "t-p1"),
        ("_tag:not=t1", "t-p2 t-p3"),
        ("_security=urn:s|R", "t-p1"),
        ("_source=http://src.example/a", "t-p1"),
        ("_profile=http://hl7.org/fhir/StructureDefinition/x", "t-p1"),
        ("_profile=http://hl7.org/fhir/StructureDefinition/x|1.0", "t-p1"),
        ("_text=tieu", "t-p1"),
        ("_text=tiểu đường", "t-p1"),
        ("_content=nguyen", "t-p1"),
        ("_list=t-list", "t-p2"),
        ("_list=List/t-list", "t-p2"),
        ("_list=nope", ""),
        ("_type=Patient&_id=t-p1", "t-p1"),
        ("bogus=1", "400"),
        ("_lastUpdated=gt2020", "t-p1 t-p2 t-p3"),
        ("_lastUpdated=lt2020", ""),
        ("organization=t-org", "t-p1"),
        ("general-practitioner=Practitioner/t-dr", "t-p1"),
        ("link=Patient/t-p1", "t-p2"),
        ("address=ha noi", "t-p1"),
        ("address-city=hà nội", "t-p1"),
        ("address-country=vn", "t-p1"),
        ("family=nguyen", "t-p1"),
        ("_id:not=t-p1&_id=t-p1,t-p2", "t-p2"),
        ("_list=$current-allergies", "400"),
        ("_contained=true", "400"),
        ("_id=t-p1&_elements=nonsense", "400"),
        ("_id=t-p1&_elements=Patient.name", "t-p1"),
        ("_id=t-p2&_summary=text&_include=Patient:link", "400"),
        ("_id=t-p1&_elements=name.family", "400"),
    ],
    "/Encounter": [
        ("_id=t-e1&date=2024-01-31", ""),
        ("_id=t-e1&date=2024-02-01", ""),
        ("_id=t-e1&date=2024", "t-e1"),
        ("_id=t-e1&date=ge2024-02-01", ""),
        ("_id=t-e1&date=le2024-01-31", ""),
        ("_id=t-e1&date=2024-01-31T16:30:00Z", ""),
        ("_id=t-e1&date=ap2024-01-31", "t-e1"),
        ("_id=t-e1&date=gt2024-02-01T00:29%2B07:00", "t-e1"),
        ("_id=t-e1&date=sa2024-01-31T23:29%2B07:00", "t-e1"),
    ],
    "/Observation": [
        ("date=2024-01-31", "t-o1"),
        ("date=2024-01", "t-o1"),
        ("date=ge2024-02", "t-o2 t-o4"),
        ("date=2024-01-31T16:45Z", "t-o1"),
        ("date=2024-01-31T23:45:00+07:00", "t-o1"),
        ("date:missing=true", "t-o3"),
        ("value-quantity=5.4|http://unitsofmeasure.org|mg", "t-o1 t-o2"),
        ("value-quantity=5.40|http://unitsofmeasure.org|mg", "t-o1 t-o2"),
        ("value-quantity=0.005|http://unitsofmeasure.org|g", "t-o1 t-o2"),
        ("value-quantity=5400|http://unitsofmeasure.org|ug", "t-o1 t-o2"),
        ("value-quantity=5.4||mg", "t-o1"),
        ("value-quantity=5.4", "t-o1"),
        ("value-quantity=gt5|http://unitsofmeasure.org|mg", "t-o1 t-o2"),
        ("value-quantity=ne5.4", "t-o2"),
        ("value-quantity=ap5||mg", "t-o1"),
        ("value-quantity=5.4|mg", "400"),
        ("value-quantity=abc", "400"),
        ("value-quantity=lt6|http://unitsofmeasure.org|zzz", ""),
        ("combo-value-quantity=gt100", "t-o4"),
        ("component-code-value-quantity=8480-6$150", "t-o4"),
        ("component-code-value-quantity=8480-6$90", ""),
        ("code-value-quantity=http://loinc.org|8480-6$5.4|http://unitsofmeasure.org|mg", "t-o1"),
        ("combo-code-value-quantity=8480-6$gt1", "t-o1 t-o4"),
        ("code-value-quantity=8480-6", "400"),
        ("code-value-string=x$duong", ""),
        ("code:text=huyet", "t-o1"),
        ("code:text=HA", "t-o1"),
        ("code:in=http://vs.example/a/b/c", "t-o1"),
        ("code:not-in=http://vs.example/a/b/c", "t-o2 t-o3 t-o4"),
        ("code:in=ValueSet/t-vs", "t-o1"),
        ("code:in=http://nope", "400"),
        ("code=http://loinc.org|", "t-o1 t-o2 t-o4"),
        ("code=|8480-6", ""),
        ("status=http://hl7.org/fhir/observation-status|final", "t-o1 t-o3 t-o4"),
        ("status=zzz", ""),
        ("status:bogus=final", "400"),
        ("subject=Patient/t-p1", "t-o1 t-o4"),
        ("subject=t-p1", "t-o1 t-o4"),
        ("patient=t-p1", "t-o1 t-o4"),
        ("subject:Patient=t-p1", "t-o1 t-o4"),
        ("subject:identifier=urn:p|logical", "t-o3"),
        ("subject:missing=true", ""),
        ("subject:Group=t-p1", ""),
        ("subject:Patient.name=nguyen", "t-o1 t-o4"),
        ("patient.general-practitioner:Practitioner.name=do", "t-o1 t-o4"),
        ("patient.organization.name=benh", "t-o1 t-o4"),
        ("encounter.service-provider.identifier=urn:o|O1", "t-o1"),
        ("patient.birthdate=lt1981&patient.name=tran", "t-o2"),
        ("patient._has:Encounter:patient:status=finished", "t-o1 t-o4"),
    ],
    "/RiskAssessment": [
        ("_id=t-r1&probability=100", "t-r1"),
        ("_id=t-r1&probability=1e2", "t-r1"),
        ("_id=t-r1&probability=100.00", "t-r1"),
        ("_id=t-r1&probability=99", ""),
        ("_id=t-r1&probability=gt99.5", "t-r1"),
        ("_id=t-r1&probability=ap95", "t-r1"),
    ],
    "/Practitioner": [("_id=t-dr&_has:Patient:general-practitioner:_has:Observation:patient:code=8480-6", "t-dr")],
    "/ValueSet": [
        ("_id=t-vs&url=http://vs.example/a/b/c", "t-vs"),
        ("_id=t-vs&url:below=http://vs.example/a", "t-vs"),
        ("_id=t-vs&url:above=http://vs.example/a/b/c/d", "t-vs"),
        ("_id=t-vs&url:below=http://vs.example/a/b/c/", "t-vs"),
        ("_id=t-vs&url=HTTP://vs.example/a/b/c", ""),
    ],
    "/": [
        ("_type=Patient,Observation&_id=t-p1,t-o1", "t-o1 t-p1"),
        ("_id=t-p1,t-o1,t-l1", "t-l1 t-o1 t-p1"),
        ("_type=Patient,Observation&_list=t-list", "t-o1 t-p2"),
        ("_type=Bogus", "400"),
        ("name=x", "400"),
        ("_type=Patient&name=nguyen&_id=t-p1", "t-p1"),
        ("_type=Observation,Encounter&patient=t-p1&_id=t-o1,t-e1", "t-e1 t-o1"),
        ("_type=Observation,Encounter&patient.name=nguyen&_id=t-o1,t-o2,t-e1", "t-e1 t-o1"),
        ("patient=t-p1&_type=Observation,Encounter&_id=t-o1,t-e1&status=final,finished", "t-e1 t-o1"),
        ("_type=Observation,Encounter&date=ge2024&_id=t-o1,t-e1", "t-e1 t-o1"),
        ("_type=Observation,Patient&patient=x", "400"),
        ("_type=Patient,Practitioner&name=do&_id=t-dr,t-p1", "t-dr"),
    ],
    "/MedicationRequest": [("_id=t-mr&_contained=false", "t-mr")],
    "/Condition": [
        ("_id=t-c1&onset-age=44|http://unitsofmeasure.org|a", "t-c1"),
        ("_id=t-c1&onset-age=gt500|http://unitsofmeasure.org|mo", "t-c1"),
    ],
    "/Location": [
        ("near=22.0|103.5|11|km", "t-l1 t-l2"),
        ("near=22.0|103.5|10|km", "t-l1"),
        ("near=22.0|103.5|10000|m", "t-l1"),
        ("near=22.0|103.5|7|[mi_i]", "t-l1 t-l2"),
        ("near=91|0", "400"),
        ("near=1|2|3|kg", "400"),
        ("near=x", "400"),
        ("near=22|103.5|-1|km", "400"),
        ("near=22.0|103.5|1|km&name=tram&_id=t-l1,t-l2", "t-l1"),
        ("near:missing=true", "400"),
        ("near=1|2|3|km|x|y", "400"),
        ("near=0|0|1,22.0|103.5|1", "t-l1"),
    ],
}


@pytest.fixture(scope="module")
def world(fhir: Any) -> Any:
    for resource in WORLD:
        assert fhir.put(f"/{resource['resourceType']}/{resource['id']}", resource).status_code == 201
    return fhir


@pytest.mark.parametrize(("path", "query", "found"), [(path, *case) for path, cases in FOUND.items() for case in cases])
def test_finds_what_is_meant(world: Any, path: str, query: str, found: str) -> None:
    answer = world.get(f"{path}?{query}")
    if found == "400":
        assert answer.status_code == 400, answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
    else:
        assert answer.status_code == 200, answer.text
        assert {entry["resource"]["id"] for entry in answer.json().get("entry", ())} == set(found.split())


def test_absolute_references_to_the_node_are_relative_ones(world: Any, monkeypatch: Any) -> None:
    from tuetinh.record.search import entries

    monkeypatch.setattr(entries, "own_base", lambda: "https://province.example/fhir/")
    link = "https://province.example/fhir/Patient/t-p1"
    observation = {"resourceType": "Observation", "id": "abs", "status": "final", "code": {"text": "x"}}
    world.put("/Observation/abs", observation | {"subject": {"reference": link}})
    try:
        for query in (f"subject={link}", "subject=Patient/t-p1", "patient.name=nguyen", "patient=t-p1"):
            answer = world.get(f"/Observation?{query}&_id=abs,t-o1&_include=Observation:subject")
            assert {e["resource"]["id"] for e in answer.json()["entry"]} == {"abs", "t-o1", "t-p1"}, query
    finally:
        world.send("DELETE", "/Observation/abs")


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("_elements=valueQuantity", {"status", "code", "valueQuantity"}),
        ("_elements=value,subject", {"status", "code", "valueQuantity", "subject"}),
        ("_elements=Observation.subject,Patient.name", {"status", "code", "subject"}),
        ("_summary=text", {"status", "code"}),
        ("_summary=true", {"status", "code", "subject", "encounter", "effectiveDateTime", "valueQuantity"}),
        (
            "_summary=data",
            {"status", "code", "subject", "encounter", "effectiveDateTime", "valueQuantity", "performer"},
        ),
    ],
)
def test_parts_of_a_resource_are_marked_as_such(world: Any, query: str, keys: set[str]) -> None:
    one = world.get(f"/Observation?_id=t-o1&{query}").json()["entry"][0]["resource"]
    assert set(one) - {"resourceType", "id", "meta"} >= keys
    assert set(one) - {"resourceType", "id", "meta"} == keys or query == "_summary=true"
    assert one["meta"]["tag"][-1]["code"] == "SUBSETTED"


def test_elements_are_of_matches_alone(world: Any) -> None:
    entries = world.get("/Observation?_id=t-o1&_elements=status&_include=Observation:subject").json()["entry"]
    match, included = (entry["resource"] for entry in entries)
    assert set(match) == {"resourceType", "id", "meta", "status", "code"}
    assert "name" in included
    assert "SUBSETTED" not in str(included)
