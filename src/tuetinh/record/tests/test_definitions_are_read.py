"""What the server itself defines is read at its addresses and found by its canonical; users' own goes before."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record import built_in
from tuetinh.record.asker import Asker
from tuetinh.record.validate import check

pytestmark = pytest.mark.django_db
BASE = "http://record.test/fhir"
HL7 = "http://hl7.org/fhir/StructureDefinition/"


def found(fhir: Any, path: str, who: str = "system") -> list[dict[str, Any]]:
    answer = fhir.get(path, who)
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert [p for p in check(answer.content)[1] if p.severity == "error"] == []
    return [entry["resource"] for entry in bundle.get("entry", [])]


def test_every_operation_of_the_statement_resolves(fhir: Any) -> None:
    rest = fhir.get("/metadata").json()["rest"][0]
    places = [("", rest), *((one["type"], one) for one in rest["resource"])]
    named = {(type_, o["name"], o["definition"]) for type_, one in places for o in one.get("operation", [])}
    assert len(named) > 300
    for url in {url for _, _, url in named}:
        (own,) = found(fhir, f"/OperationDefinition?url={url}")
        assert own["url"] == url
        assert fhir.get(f"/OperationDefinition/{own['id']}").json() == own
        for type_, name, definition in named:
            if definition == url:
                assert own["code"] == name
                assert own["system"] if not type_ else {type_, "Resource"} & set(own["resource"])


def test_an_operation_tells_its_parameters(fhir: Any) -> None:
    own = fhir.get("/OperationDefinition/viewdefinition-export").json()
    view, *others = own["parameter"]
    assert (own["affectsState"], own["system"], own["type"], own["instance"]) == (True, True, False, False)
    assert (view["name"], view["use"], view["min"], view["max"]) == ("view", "in", 1, "*")
    assert [part["name"] for part in view["part"]] == ["name", "viewReference", "viewResource"]
    assert {"name": "exportId", "use": "out", "min": 1, "max": "1", "type": "string"} in others
    everything = fhir.get("/OperationDefinition/Patient-everything").json()
    assert (everything["type"], everything["instance"], everything["resource"]) == (True, True, ["Patient"])


@pytest.mark.parametrize("type_", built_in.TYPES)
def test_each_is_valid_and_has_its_own_id(type_: str) -> None:
    every = built_in._of_type(type_)
    assert len(every) > 4
    assert len({one.url for one in every.values()}) == len(every)
    published = type_ in (*built_in.TERMINOLOGY, "StructureDefinition")  # by HL7, which answers for it
    for one in every.values():
        if published and "hl7.org/" in one.url:
            continue
        assert [p for p in check(one.stored.body or b"")[1] if p.severity == "error"] == []


def test_parameters_compartments_and_profiles(fhir: Any) -> None:
    name = fhir.get("/SearchParameter/Patient-name").json()
    assert (name["base"], name["code"], name["type"]) == (["Patient"], "name", "string")
    shared = fhir.get("/SearchParameter/clinical-code").json()
    assert {"Observation", "Condition"} <= set(shared["base"])
    for parameter in fhir.get("/metadata").json()["rest"][0]["resource"][0]["searchParam"]:
        if definition := parameter.get("definition"):
            assert [one["url"] for one in found(fhir, f"/SearchParameter?url={definition}")] == [definition]
    patient = fhir.get("/CompartmentDefinition/patient").json()
    assert {"code": "Encounter", "param": ["subject"]} in patient["resource"]
    assert patient["url"] == "http://hl7.org/fhir/CompartmentDefinition/patient"
    profile = found(
        fhir, "/StructureDefinition?url=http://fhir.ehealth.gov.vn/core/StructureDefinition/vn-core-patient"
    )
    assert fhir.get(f"/StructureDefinition/{profile[0]['id']}").json() == profile[0]


def test_they_are_read_as_others_are(fhir: Any) -> None:
    path = "/OperationDefinition/Patient-everything"
    answer = fhir.get(path)
    assert answer.headers["etag"] == 'W/"1"'
    assert fhir.get(path, headers={"if-none-match": 'W/"1"'}).status_code == 304
    assert set(fhir.get(f"{path}?_elements=code").json()) >= {"resourceType", "id", "code"}
    assert "parameter" not in fhir.get(f"{path}?_elements=code").json()
    xml = fhir.get(path, headers={"accept": "application/fhir+xml"})
    assert "<OperationDefinition " in xml.text
    entry = {"request": {"method": "GET", "url": path[1:]}}
    batch = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
    assert batch["entry"][0]["resource"]["id"] == "Patient-everything"


def test_who_may_not_read_the_type_reads_none(fhir: Any) -> None:
    for path in ("/OperationDefinition/Patient-everything", "/SearchParameter?_id=Patient-name"):
        assert fhir.get(path, "outsider").status_code == 403


def test_what_users_store_goes_before(fhir: Any) -> None:
    url = "http://hl7.org/fhir/CompartmentDefinition/device"
    mine = fhir.get("/CompartmentDefinition/device").json() | {"name": "Mine"}
    assert fhir.put("/CompartmentDefinition/device", mine).status_code == 201
    assert fhir.get("/CompartmentDefinition/device").json()["name"] == "Mine"
    assert [one["name"] for one in found(fhir, f"/CompartmentDefinition?url={url}")] == ["Mine"]
    fhir.send("DELETE", "/CompartmentDefinition/device")
    assert fhir.get("/CompartmentDefinition/device").status_code == 410
    assert [one["name"] for one in found(fhir, f"/CompartmentDefinition?url={url}")] == ["CompartmentOfDevice"]


@pytest.mark.parametrize(
    "path", ["/OperationDefinition/nothing", "/Patient/Patient-everything", "/StructureDefinition/Patients"]
)
def test_others_are_not_there(fhir: Any, path: str) -> None:
    assert fhir.get(path).status_code == 404


def test_the_base_definitions_are_read(fhir: Any) -> None:
    """With their snapshots, as HL7 publishes them; so are its code systems and value sets."""
    patient = fhir.get("/StructureDefinition/Patient").json()
    assert (patient["url"], patient["kind"], patient["derivation"]) == (f"{HL7}Patient", "resource", "specialization")
    paths = [element["path"] for element in patient["snapshot"]["element"]]
    assert (paths[0], "Patient.contact.gender" in paths) == ("Patient", True)
    assert fhir.get("/StructureDefinition/patient-birthPlace").json()["type"] == "Extension"
    assert fhir.get("/ValueSet/administrative-gender").json()["name"] == "AdministrativeGender"
    codes = fhir.get("/CodeSystem/administrative-gender").json()["concept"]
    assert [one["code"] for one in codes] == ["male", "female", "other", "unknown"]
    assert "<StructureDefinition " in fhir.get("/StructureDefinition/string", headers={"accept": "text/xml"}).text


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("StructureDefinition?url=http://hl7.org/fhir/StructureDefinition/Patient", ["Patient"]),
        ("StructureDefinition?name=Patient&kind=resource&derivation=specialization", ["Patient"]),
        ("StructureDefinition?type=Timing", ["Timing"]),
        ("StructureDefinition?_id=Age,Count&_sort=-name", ["Count", "Age"]),
        ("StructureDefinition?_id=Age,Count&_sort=name&_count=1", ["Age"]),
        ("StructureDefinition?base=http://hl7.org/fhir/StructureDefinition/Quantity&kind=complex-type&url:below=http://hl7.org/fhir"
         "&derivation=specialization", ["Age", "Count", "Distance", "Duration"]),
        ("StructureDefinition?valueset=http://hl7.org/fhir/ValueSet/link-type", ["Patient"]),
        ("StructureDefinition?url=http://nowhere", []),
        ("ValueSet?name:exact=AdministrativeGender", ["administrative-gender"]),
        ("CodeSystem?url=http://hl7.org/fhir/administrative-gender&status=active", ["administrative-gender"]),
        ("CodeSystem?system=http://hl7.org/fhir/administrative-gender&code=female", ["administrative-gender"]),
        ("SearchParameter?base=Patient&code=birthdate", ["individual-birthdate"]),
        ("CompartmentDefinition?resource=Encounter&code=Patient", ["patient"]),
    ],
)  # fmt: skip
def test_they_are_found_by_what_they_say(fhir: Any, query: str, ids: list[str]) -> None:
    assert [one["id"] for one in found(fhir, f"/{query}")] == ids


def test_pages_lead_from_what_is_stored_to_what_the_server_has(fhir: Any) -> None:
    """Each comes once, stored ones first; the total tells of both."""
    patient = fhir.get("/StructureDefinition/Patient").json() | {"id": "mine", "name": "Mine"}
    assert fhir.put("/StructureDefinition/mine", patient).status_code == 201
    path, ids, total = "/StructureDefinition?kind=resource&derivation=specialization&_count=40&_total=accurate", [], 0
    while path:
        bundle = fhir.get(path).json()
        assert len(bundle["entry"]) <= 40
        ids += [entry["resource"]["id"] for entry in bundle["entry"]]
        links = {link["relation"]: link["url"].removeprefix(BASE) for link in bundle["link"]}
        path, total = links.get("next"), bundle["total"]
    assert (ids[0], len(ids), len(set(ids)), "Patient" in ids) == ("mine", total, total, False)
    count = fhir.get("/StructureDefinition?kind=resource&derivation=specialization&_summary=count").json()
    assert (count["total"], total) == (147, 147)
    assert fhir.get("/StructureDefinition?_page=own-x").status_code == 400
    fhir.send("DELETE", "/StructureDefinition/mine")


def test_operations_and_graphql_know_them(fhir: Any) -> None:
    expanded = fhir.get("/ValueSet/administrative-gender/$expand").json()["expansion"]["contains"]
    assert {one["code"] for one in expanded} == {"male", "female", "other", "unknown"}
    query = '{StructureDefinitionList(name: "Patient", derivation: "specialization") {id snapshot {element {path}}}}'
    (patient,) = fhir.post("/$graphql", {"query": query}).json()["data"]["StructureDefinitionList"]
    assert (patient["id"], patient["snapshot"]["element"][0]) == ("Patient", {"path": "Patient"})


def test_who_sees_some_of_a_type_alone_finds_none(fhir: Any, askers: Any) -> None:
    scopes = frozenset({"system/StructureDefinition.rs?status=active"})
    askers["some"] = Asker("72", "system", scopes=scopes, sight=askers["system"].sight)
    assert found(fhir, "/StructureDefinition?type=Patient", "some") == []
