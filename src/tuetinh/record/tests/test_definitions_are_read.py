"""What the server itself defines is read at its addresses and found by its canonical; users' own goes before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tuetinh.record import built_in
from tuetinh.record.validate import check

pytestmark = pytest.mark.django_db
BASE = "http://record.test/fhir"


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
    for one in every.values():
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
    "path", ["/OperationDefinition/nothing", "/Patient/Patient-everything", "/StructureDefinition/Patient"]
)
def test_others_are_not_there(fhir: Any, path: str) -> None:
    assert fhir.get(path).status_code == 404


def test_other_searches_find_what_is_stored_alone(fhir: Any) -> None:
    assert found(fhir, "/SearchParameter?code=name") == []
    assert json.loads(fhir.get("/SearchParameter?url=http://nowhere").content).get("entry") is None
