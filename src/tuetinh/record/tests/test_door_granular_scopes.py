"""Scopes with a query let an app see, find and change what the query finds, and nothing else, by no interaction."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record import granular
from tuetinh.record.asker import Asker
from tuetinh.record.sight import EVERYTHING

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
pytestmark = pytest.mark.django_db


def observation(id_: str, category: str, patient: str = "one", status: str = "final") -> dict[str, Any]:
    """An observation of a category."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": status,
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
    }


@pytest.fixture(scope="module")
def there(fhir: Any) -> Any:
    """Two people, each with a laboratory result and vital signs."""
    for patient in ("one", "two"):
        assert fhir.put(f"/Patient/{patient}", {"resourceType": "Patient", "id": patient}).status_code == 201
        for category in ("laboratory", "vital-signs"):
            id_ = f"{patient}-{category}"
            assert fhir.put(f"/Observation/{id_}", observation(id_, category, patient)).status_code == 201
    fhir.put("/Observation/one-early", observation("one-early", "vital-signs", status="preliminary"))
    return fhir


def ids(fhir: Any, path: str, who: str) -> set[str]:
    """Which resources a Bundle brings."""
    answer = fhir.get(path, who)
    assert answer.status_code == 200, answer.text
    return {entry["resource"]["id"] for entry in answer.json().get("entry", []) if "resource" in entry}


def test_read_sees_only_what_the_query_finds(there: Any) -> None:
    assert there.get("/Observation/one-laboratory", "lab-app").status_code == 200
    assert there.get("/Observation/one-vital-signs", "lab-app").status_code == 404
    assert there.get("/Observation/one-vital-signs/_history/1", "lab-app").status_code == 404
    assert there.get("/Observation/one-vital-signs/_history", "lab-app").status_code == 404
    assert there.get("/Observation/one-laboratory/_history", "lab-app").status_code == 200


def test_search_has_the_query_added(there: Any) -> None:
    assert ids(there, "/Observation", "lab-app") == {"one-laboratory", "two-laboratory"}
    assert ids(there, "/Observation?category=vital-signs", "lab-app") == set()
    assert there.get("/Observation?_summary=count", "lab-app").json()["total"] == 2
    assert there.get("/Observation?_total=accurate&_count=1", "lab-app").json()["total"] == 2
    told = ids(there, "/Observation/_history", "lab-app")
    assert told >= {"one-laboratory", "two-laboratory"}
    assert not any("vital-signs" in id_ for id_ in told)


def test_scopes_on_one_type_add_up(there: Any) -> None:
    everything = {f"{p}-{c}" for p in ("one", "two") for c in ("laboratory", "vital-signs")}
    assert ids(there, "/Observation", "two-apps") == everything
    assert there.get("/Observation/one-early", "two-apps").status_code == 404


def test_patient_and_query_bind_together(there: Any) -> None:
    assert ids(there, "/Observation", "patient-app") == {"one-laboratory"}
    assert there.get("/Observation/two-laboratory", "patient-app").status_code == 404
    assert ids(there, "/Patient", "patient-app") == {"one"}


def test_what_comes_along_is_within_too(there: Any) -> None:
    found = ids(there, "/Patient?_id=one&_revinclude=Observation:subject", "lab-app")
    assert found == {"one", "one-laboratory"}
    assert ids(there, "/Patient?_id=one&_revinclude=Observation:subject", "reading-app") == {"one", "one-laboratory"}


def test_reading_is_not_searching(there: Any) -> None:
    assert there.get("/Observation/one-laboratory", "reading-app").status_code == 200
    assert there.get("/Observation", "reading-app").status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/?_type=Observation,Patient",
        "/?_type=Observation",
        "/Patient?_has:Observation:subject:category=vital-signs",
        "/Observation?_filter=subject:Patient.gender eq female",
        "/Observation?_filter=status eq final and not (subject:Patient.gender eq female)",
        "/Observation?subject.gender=female",
    ],
)
def test_no_way_around_by_other_searches(there: Any, path: str) -> None:
    assert there.get(path, "lab-app").status_code in (400, 403)


def test_history_of_everything_and_everything_leave_it_out(there: Any) -> None:
    assert "one-vital-signs" not in ids(there, "/_history", "lab-app")
    assert "one-vital-signs" not in there.get("/Patient/one/$everything", "lab-app").text


def test_writes_stay_within(there: Any, stored_count: Any) -> None:
    before = stored_count()
    assert there.post("/Observation", observation("x", "vital-signs"), "lab-app").status_code == 403
    assert there.put("/Observation/new", observation("new", "vital-signs"), "lab-app").status_code == 403
    same = "one-vital-signs"
    assert there.put(f"/Observation/{same}", observation(same, "laboratory"), "lab-app").status_code == 404
    out = observation("one-laboratory", "vital-signs")
    assert there.put("/Observation/one-laboratory", out, "lab-app").status_code == 403
    assert there.send("DELETE", f"/Observation/{same}", "lab-app").status_code == 204
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    headers = {"content-type": "application/json-patch+json"}
    assert there.send("PATCH", f"/Observation/{same}", "lab-app", json=patch, headers=headers).status_code in (404, 415)
    entry = {"resource": observation(same, "laboratory"), "request": {"method": "PUT", "url": f"Observation/{same}"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert there.post("/", bundle, "lab-app").status_code == 404
    assert stored_count() == before
    assert there.get(f"/Observation/{same}").status_code == 200
    created = there.post("/Observation", observation("x", "laboratory"), "lab-app")
    assert created.status_code == 201
    there.send("DELETE", f"/Observation/{created.json()['id']}")


def test_views_need_the_whole_type(there: Any) -> None:
    view = {"resource": "Observation", "status": "active", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "viewResource", "resource": {"resourceType": "ViewDefinition", **view}}],
    }
    answer = there.post("/ViewDefinition/$run?_format=json", asked, "lab-app")
    assert answer.status_code >= 400
    assert "one-vital-signs" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "",
        "category",
        "category=",
        "date=gt2020",
        "code:in=http://x",
        "_id=1",
        "category=a|b|c",
        "subject=a b",
        "subject:identifier=a|b",
        "code:not=x",
        "code:in=",
        "subject:in=http://x",
    ],
)
def test_only_tokens_and_references_narrow(query: str) -> None:
    with pytest.raises(granular.NotGranular):
        granular.query_clauses("Observation", query)


def test_a_query_that_is_not_understood_shows_nothing() -> None:
    assert granular.clauses(frozenset({"user/Observation.rs?date=gt2020"}), "r", "Observation") == granular.NOTHING
    assert granular.clauses(frozenset({"user/Observation.rs"}), "r", "Observation") == ()
    assert granular.clauses(frozenset({"user/Observation.rs"}), "c", "Observation") == granular.NOTHING


def test_a_reference_narrows(there: Any, askers: dict[str, Asker]) -> None:
    askers["of-two"] = app("user/Observation.cruds?subject=Patient/two")
    assert ids(there, "/Observation", "of-two") == {"two-laboratory", "two-vital-signs"}
    assert there.get("/Observation/one-laboratory", "of-two").status_code == 404
    assert there.post("/Observation", observation("x", "laboratory", "one"), "of-two").status_code == 403


VALUES = {
    "resourceType": "ValueSet",
    "id": "shown",
    "url": "http://test/ValueSet/shown",
    "status": "active",
    "compose": {"include": [{"system": CATEGORY, "concept": [{"code": "laboratory"}]}]},
}


def test_a_value_set_narrows_to_the_codes_that_it_has_now(there: Any, askers: dict[str, Asker]) -> None:
    askers["of-set"] = app(f"user/Observation.rs?category:in={VALUES['url']}")
    assert ids(there, "/Observation", "of-set") == set()  # of a value set that is not known, nothing is shown
    for code, others in (("laboratory", "vital-signs"), ("vital-signs", "laboratory")):
        include = [{"system": CATEGORY, "concept": [{"code": code}]}]
        there.put("/ValueSet/shown", VALUES | {"compose": {"include": include}})
        found = ids(there, "/Observation", "of-set")
        assert found >= {f"one-{code}", f"two-{code}"}
        assert not any(others in id_ for id_ in found)
        assert there.get(f"/Observation/one-{others}", "of-set").status_code == 404
        assert there.get(f"/Observation/one-{code}", "of-set").status_code == 200
    there.send("DELETE", "/ValueSet/shown")
    assert there.get("/Observation/one-vital-signs", "of-set").status_code == 404


def test_a_scope_that_cannot_be_answered_takes_nothing_from_others(there: Any, askers: dict[str, Asker]) -> None:
    askers["of-both"] = app(
        f"user/Observation.rs?category:in={VALUES['url']}", "user/Observation.rs?subject=Patient/two"
    )
    assert ids(there, "/Observation", "of-both") == {"two-laboratory", "two-vital-signs"}


def app(*scopes: str) -> Asker:
    """An app with these scopes, which the cast gets for the module."""
    return Asker(scopes[0], "doctor", "", "TREAT", frozenset(scopes), sight=EVERYTHING)
