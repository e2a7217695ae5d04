"""Which resources an export brings: levels, Groups, filters, elements, times, deletions."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tuetinh.record.tests.bulk_world import ASYNC, export

pytestmark = pytest.mark.django_db


def test_what_names_a_person_second_comes_with_the_person(fhir: Any) -> None:
    link = [{"other": {"reference": "Patient/second"}, "type": "seealso"}]  # of another person, who is not asked for
    for id_ in ("second", "third", "first"):
        fhir.put(f"/Patient/{id_}", {"resourceType": "Patient", "id": id_} | ({"link": link} if id_ == "first" else {}))
    first, second, third = ({"reference": f"Patient/{id_}"} for id_ in ("first", "second", "third"))
    common = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": first}
    fhir.put("/Observation/beside", common | {"id": "beside", "performer": [second]})
    fhir.put("/Observation/alone", common | {"id": "alone"})
    members = [{"entity": second}, {"entity": third}]
    group = {"resourceType": "Group", "id": "both", "type": "person", "actual": True, "member": members}
    fhir.put("/Group/both", group)
    query = "_type=Patient,Observation,Group"
    made = export(fhir, f"/Patient/$export?{query}&patient=Patient/second")
    assert made.ids() == ["Group/both", "Observation/beside", "Patient/second"]
    made = export(fhir, f"/Patient/$export?{query}&patient=Patient/second&patient=Patient/first")
    assert made.ids() == ["Group/both", "Observation/alone", "Observation/beside", "Patient/first", "Patient/second"]
    made = export(fhir, f"/Group/both/$export?{query}")
    assert made.ids() == ["Group/both", "Observation/beside", "Patient/second", "Patient/third"]
    for name in ("Group/both", "Observation/beside", "Observation/alone"):
        fhir.send("DELETE", f"/{name}")
    for name in ("first", "second", "third"):
        fhir.send("DELETE", f"/Patient/{name}")


CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def observation(id_: str, patient: str, category: str = "laboratory", status: str = "final") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": status,
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
        "note": [{"text": "ghi chú"}],
    }


def group(id_: str, *members: dict[str, Any], actual: bool = True) -> dict[str, Any]:
    found = {"resourceType": "Group", "id": id_, "type": "person", "actual": actual, "code": {"text": "x"}}
    return found | ({"member": list(members)} if members else {})


def member(reference: str, **more: Any) -> dict[str, Any]:
    return {"entity": {"reference": reference}} | more


@pytest.fixture(scope="module")
def there(fhir: Any) -> Any:
    """Three people with results, what belongs to nobody, and Groups of them."""
    for id_ in ("one", "two", "three"):
        assert fhir.put(f"/Patient/{id_}", {"resourceType": "Patient", "id": id_, "gender": "male"}).status_code == 201
        assert fhir.put(f"/Observation/{id_}-lab", observation(f"{id_}-lab", id_)).status_code == 201
    fhir.put("/Observation/one-vital", observation("one-vital", "one", "vital-signs", "preliminary"))
    fhir.put("/Organization/o", {"resourceType": "Organization", "id": "o", "name": "Trạm"})
    fhir.put("/Observation/nobody", {k: v for k, v in observation("nobody", "").items() if k != "subject"})
    fhir.put(
        "/Group/few",
        group(
            "few",
            member("Patient/one"),
            member("Patient/two", inactive=True),
            member("Patient/three", period={"end": "2020"}),
            member("Group/inner"),
            member("Group/there-is-none"),
            member("Practitioner/p"),
        ),
    )
    fhir.put("/Group/inner", group("inner", member("Patient/three", period={"end": "2999-01"}), member("Group/few")))
    fhir.put("/Group/idea", group("idea", actual=False))
    return fhir


def test_patients_bring_their_compartments_alone(there: Any) -> None:
    everything = export(there, "/Patient/$export").ids()
    assert everything == [
        *("Group/few", "Group/inner", "Observation/one-lab", "Observation/one-vital", "Observation/three-lab"),
        *("Observation/two-lab", "Patient/one", "Patient/three", "Patient/two"),
    ]
    assert set(export(there).ids()) - set(everything) == {"Group/idea", "Observation/nobody", "Organization/o"}


def test_a_group_brings_its_members_compartments_alone(there: Any) -> None:
    assert export(there, "/Group/inner/$export?_type=Patient").ids() == ["Patient/one", "Patient/three"]
    made = export(there, "/Group/few/$export?_type=Patient,Observation")
    assert made.ids() == [
        *("Observation/one-lab", "Observation/one-vital", "Observation/three-lab"),
        *("Patient/one", "Patient/three"),
    ]


def test_a_group_is_there_and_has_members(there: Any) -> None:
    unknown = there.get("/Group/nope/$export", headers=ASYNC)
    assert unknown.status_code == 404
    idea = there.get("/Group/idea/$export", headers=ASYNC)
    assert (idea.status_code, idea.json()["issue"][0].get("expression")) == (422, ["Group.actual"])


def test_patients_are_named(there: Any) -> None:
    path = "/Patient/$export?_type=Patient&patient=Patient/two&patient=http://record.test/fhir/Patient/one"
    assert export(there, path).ids() == ["Patient/one", "Patient/two"]
    assert export(there, "/Group/few/$export?_type=Patient&patient=Patient/one").ids() == ["Patient/one"]
    stranger = there.get("/Group/few/$export?patient=Patient/two", headers=ASYNC)
    assert (stranger.status_code, stranger.json()["issue"][0]["diagnostics"]) == (
        422,
        "Patient/two is no member of the Group",
    )
    unknown = there.get("/Patient/$export?patient=Patient/nope", headers=ASYNC)
    assert (unknown.status_code, unknown.json()["issue"][0]["diagnostics"]) == (422, "Patient/nope is not known")


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["Observation?category=laboratory&subject=Patient/one"], {"one-lab"}),
        (["Observation?status=preliminary", "Observation?subject=Patient/two"], {"one-vital", "two-lab"}),
        (["Observation?status=preliminary,amended,Observation?subject=Patient/two"], {"one-vital", "two-lab"}),
        ([f"Observation?category={quote(CATEGORY, safe='')}%7Cvital-signs"], {"one-vital"}),
        (["Observation?subject:Patient.gender=female"], set()),
    ],
)
def test_filters_are_searches_of_which_one_must_match(there: Any, filters: list[str], found: set[str]) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_type", "valueString": "Observation,Organization"},
            *({"name": "_typeFilter", "valueString": each} for each in filters),
        ],
    }
    assert export(there, body=body).ids() == sorted([*(f"Observation/{id_}" for id_ in found), "Organization/o"])
    query = "&".join(f"_typeFilter={quote(each, safe='')}" for each in filters)
    assert len(export(there, f"/$export?_type=Observation&{query}").lines()) == len(found)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("Observation", "'Observation' is not of the form Type?search"),
        ("Nothing?a=b", "'Nothing?a=b' is not of the form Type?search"),
        ("Patient?gender=male", "Patient is filtered, but not exported"),
        ("Observation?_sort=date", "_sort has no meaning in a filter"),
        ("Observation?flavour=sweet", "flavour: 'flavour' is not a search parameter of Observation"),
    ],
)
def test_a_filter_that_is_none_is_refused(there: Any, given: str, told: str, ask: Any) -> None:
    before = ask("SELECT count(*) FROM record.bulk_job")
    answer = there.get("/$export", headers=ASYNC, params={"_type": "Observation", "_typeFilter": given})
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["diagnostics"] == told
    assert answer.json()["issue"][0]["expression"] == ["_typeFilter"]
    assert ask("SELECT count(*) FROM record.bulk_job") == before


def test_elements_are_those_asked_for_and_the_mandatory(there: Any) -> None:
    made = export(there, "/$export?_type=Observation,Patient&_elements=gender,Observation.subject")
    [first] = [each for each in made.lines(type_="Observation") if each["id"] == "one-lab"]
    assert set(first) == {"resourceType", "id", "meta", "status", "code", "subject"}
    assert first["meta"]["tag"][0]["code"] == "SUBSETTED"
    [patient] = [each for each in made.lines(type_="Patient") if each["id"] == "one"]
    assert set(patient) == {"resourceType", "id", "meta", "gender"}


def test_since_brings_what_changed_and_what_was_deleted(there: Any) -> None:
    for id_ in ("early", "late", "kept"):
        there.put(f"/Observation/{id_}", observation(id_, "one"))
    first = export(there, "/$export?_type=Observation,Patient")
    assert "Observation/late" in first.ids()
    moment = quote(first.manifest["transactionTime"])
    assert first.manifest["deleted"] == []
    again = export(there, f"/$export?_since={moment}")
    assert (again.manifest["output"], again.manifest["deleted"]) == ([], [])
    there.put("/Observation/kept", observation("kept", "one", status="amended"))
    there.put("/Observation/new", observation("new", "two"))
    for id_ in ("early", "late"):
        assert there.send("DELETE", f"/Observation/{id_}").status_code == 204
    made = export(there, f"/$export?_type=Observation,Patient&_since={moment}")
    assert made.ids() == ["Observation/kept", "Observation/new"]
    [file] = made.manifest["deleted"]
    assert file["type"] == "Bundle"
    entries = [{"request": {"method": "DELETE", "url": f"Observation/{id_}"}} for id_ in ("early", "late")]
    assert made.lines("deleted") == [{"resourceType": "Bundle", "type": "transaction", "entry": entries}]
    of_two = export(there, f"/Patient/$export?patient=Patient/two&_since={moment}")
    assert (of_two.ids(), of_two.manifest["deleted"]) == (["Observation/new"], [])
    until = quote(made.manifest["transactionTime"])
    there.put("/Observation/later", observation("later", "two"))
    bounded = export(there, f"/$export?_type=Observation&_since={moment}&_until={until}")
    assert bounded.ids() == ["Observation/kept", "Observation/new"]
    for id_ in ("kept", "new", "later"):
        there.send("DELETE", f"/Observation/{id_}")


def test_scopes_with_a_query_bring_what_they_find(there: Any) -> None:
    made = export(there, who="lab-app")
    assert made.ids() == [
        *("Observation/nobody", "Observation/one-lab", "Observation/three-lab", "Observation/two-lab"),
        *("Patient/one", "Patient/three", "Patient/two"),
    ]
    moment = quote(made.manifest["transactionTime"])
    for category in ("laboratory", "vital-signs"):
        there.put(f"/Observation/gone-{category}", observation(f"gone-{category}", "one", category))
        there.send("DELETE", f"/Observation/gone-{category}")
    bundles = export(there, f"/$export?_since={moment}", who="lab-app").lines("deleted")
    entries = [{"request": {"method": "DELETE", "url": "Observation/gone-laboratory"}}]
    assert bundles == [{"resourceType": "Bundle", "type": "transaction", "entry": entries}]


def test_an_app_of_one_person_brings_that_person(there: Any) -> None:
    assert export(there, who="patient-app").ids() == ["Observation/one-lab", "Patient/one"]
    assert export(there, "/Patient/$export?_type=Patient", who="patient-app").ids() == ["Patient/one"]
    other = there.get("/Patient/$export?patient=Patient/two", "patient-app", headers=ASYNC)
    assert other.status_code == 422
