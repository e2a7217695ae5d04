"""What the server itself defines is read at its addresses and found by its canonical; users' own goes before."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record import built_in, r4
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
    fhir.send("DELETE", "/StructureDefinition/mine")


def following(fhir: Any, path: str) -> str:
    links = {link["relation"]: link["url"].removeprefix(BASE) for link in fhir.get(path).json()["link"]}
    return links["next"]


@pytest.mark.parametrize("sort", ["", "&_sort=-date,type"])
def test_a_page_begins_after_the_definition_that_the_last_one_ended_with(fhir: Any, sort: str) -> None:
    """Also where that one, or one before it, is stored by users meanwhile."""
    path = f"/StructureDefinition?type=Timing,Range,Period,Quantity&derivation=specialization&_count=2{sort}"
    first, rest = [one["id"] for one in found(fhir, path)], following(fhir, path)
    others = [one["id"] for one in found(fhir, rest)]
    assert sorted([*first, *others]) == ["Period", "Quantity", "Range", "Timing"]
    for id_ in first:
        mine = fhir.get(f"/StructureDefinition/{id_}").json() | {"id": f"my-{id_}"}
        assert fhir.put(f"/StructureDefinition/my-{id_}", mine).status_code in (200, 201)
        assert [one["id"] for one in found(fhir, rest)] == others
    for id_ in first:
        fhir.send("DELETE", f"/StructureDefinition/my-{id_}")


def test_a_page_of_definitions_is_of_one_search_by_one_asker(fhir: Any) -> None:
    path = "/StructureDefinition?derivation=specialization&_count=2"
    rest = following(fhir, path)
    token = rest.partition("_page=")[2]
    assert len(found(fhir, rest)) == 2
    for wrong in (f"{path}&kind=resource&_page={token}", f"{path}&_page={token[:-4]}AAAA", f"{path}&_page=own-2"):
        assert fhir.get(wrong).status_code == 400
    assert fhir.get(rest, "reader").status_code == 400


def test_full_pages_of_what_is_stored_lead_to_the_first_definition(fhir: Any) -> None:
    mine = fhir.get("/CompartmentDefinition/practitioner").json() | {"id": "mine", "url": "http://example.org/mine"}
    assert fhir.put("/CompartmentDefinition/mine", mine).status_code == 201
    path = "/CompartmentDefinition?status=active&_count=1&_total=accurate"
    assert [one["id"] for one in found(fhir, path)] == ["mine"]
    assert [one["id"] for one in found(fhir, following(fhir, path))] == ["device"]
    assert fhir.get(following(fhir, path)).json()["total"] == 6
    fhir.send("DELETE", "/CompartmentDefinition/mine")


def test_what_looks_beyond_a_resource_leaves_them_out(fhir: Any) -> None:
    """A chain, `_has` and `_list` alike, though what these lead to is named by the id or URL of one."""
    url = f"{HL7}Patient"
    guide = {"resourceType": "List", "id": "profiles", "status": "current", "mode": "working",
             "entry": [{"item": {"reference": "StructureDefinition/Patient"}}]}  # fmt: skip
    profile = fhir.get("/StructureDefinition/Patient").json() | {"id": "narrow", "url": "http://example.org/narrow"}
    profile |= {"derivation": "constraint", "baseDefinition": url}
    assert fhir.put("/List/profiles", guide).status_code == 201
    assert fhir.put("/StructureDefinition/narrow", profile).status_code == 201
    for query in ("_list=profiles", "_has:StructureDefinition:base:_id=narrow", "base.name=DomainResource"):
        assert [one["id"] for one in found(fhir, f"/StructureDefinition?{query}")] == []
    assert [one["id"] for one in found(fhir, f"/StructureDefinition?url={url}")] == ["Patient"]
    fhir.send("DELETE", "/StructureDefinition/narrow")
    fhir.send("DELETE", "/List/profiles")


def test_no_definition_is_decoded_to_be_sorted(fhir: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they are found and sorted by is taken out once, also where many ask for it at the same time."""
    taken: list[str] = []
    extracted = built_in._extracted
    monkeypatch.setattr(built_in, "_extracted", lambda one, known: taken.append(one.id) or extracted(one, known))
    built_in._known.cache_clear()
    asked = [fhir.asend("GET", f"/OperationDefinition?_sort={by}&_count=1") for by in ("_id", "name", "-code,type")]
    assert [answer.status_code for answer in fhir.together(*asked)] == [200, 200, 200]
    assert sorted(taken) == sorted(built_in._of_type("OperationDefinition"))
    decoded: list[bytes] = []
    monkeypatch.setattr(r4, "decode", decoded.append)
    answer = fhir.get("/OperationDefinition?_sort=-code&_count=200&system=true").json()
    codes = [entry["resource"]["code"] for entry in answer["entry"]]
    assert codes == sorted(codes, reverse=True)
    assert (len(codes) > 5, decoded) == (True, [])


def test_a_count_of_none_is_one_page(fhir: Any) -> None:
    for asked in ("_count: 0", '_summary: "count"'):
        query = f'{{StructureDefinitionConnection(type: "Timing", {asked}) {{count next edges {{resource {{id}}}}}}}}'
        told = fhir.post("/$graphql", {"query": query}).json()["data"]["StructureDefinitionConnection"]
        assert (told["count"], told.get("next"), told.get("edges")) == (1, None, None), asked


def test_operations_and_graphql_know_them(fhir: Any) -> None:
    expanded = fhir.get("/ValueSet/administrative-gender/$expand").json()["expansion"]["contains"]
    assert {one["code"] for one in expanded} == {"male", "female", "other", "unknown"}
    query = '{StructureDefinitionList(name: "Patient", derivation: "specialization") {id snapshot {element {path}}}}'
    (patient,) = fhir.post("/$graphql", {"query": query}).json()["data"]["StructureDefinitionList"]
    assert (patient["id"], patient["snapshot"]["element"][0]) == ("Patient", {"path": "Patient"})


def test_operations_on_one_resource_know_them(fhir: Any) -> None:
    place = "/StructureDefinition/Patient"
    query = {"query": '{StructureDefinition(id: "Patient") {id kind}}'}
    assert fhir.post("/$graphql", query).json()["data"]["StructureDefinition"] == {"id": "Patient", "kind": "resource"}
    assert fhir.post(f"{place}/$graphql", {"query": "{id}"}).json()["data"] == {"id": "Patient"}
    issues = fhir.get(f"{place}/$validate").json()["issue"]
    assert [one for one in issues if one["severity"] in ("error", "fatal")] == []
    meta = fhir.get(f"{place}/$meta").json()["parameter"][0]["valueMeta"]
    assert meta == fhir.get(place).json().get("meta", {})
    for path in ("$graphql?query={id}", "$validate", "$meta"):
        assert fhir.get(f"/StructureDefinition/Patients/{path}").status_code == 404
        assert fhir.get(f"{place}/{path}", "outsider").status_code == 403


def test_a_reference_of_graphql_leads_to_them(fhir: Any) -> None:
    extension = {"url": "http://example.org/defined", "valueReference": {"reference": "StructureDefinition/Ratio"}}
    body = {"resourceType": "Patient", "extension": [extension]}
    id_ = fhir.post("/Patient", body).json()["id"]
    query = "{extension {valueReference {resource {id}}}}"
    (one,) = fhir.post(f"/Patient/{id_}/$graphql", {"query": query}).json()["data"]["extension"]
    assert one == {"valueReference": {"resource": {"id": "Ratio"}}}
    mine = fhir.get("/StructureDefinition/Ratio").json()
    assert fhir.put("/StructureDefinition/Ratio", mine).status_code == 201
    fhir.send("DELETE", "/StructureDefinition/Ratio")
    assert fhir.post(f"/Patient/{id_}/$graphql", {"query": query}).status_code == 422


def test_who_sees_some_of_a_type_alone_finds_none(fhir: Any, askers: Any) -> None:
    scopes = frozenset({"system/StructureDefinition.rs?status=active"})
    askers["some"] = Asker("72", "system", scopes=scopes, sight=askers["system"].sight)
    assert found(fhir, "/StructureDefinition?type=Patient", "some") == []
