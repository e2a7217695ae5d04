"""Searches over HTTP: compartments, forms at every level, what is told of limits."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tuetinh.record.door.app import translate

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def there(fhir: Any) -> Any:
    for id_ in ("one", "two"):
        fhir.put(f"/Patient/{id_}", {"resourceType": "Patient", "id": id_, "gender": "female"})
        body = {"resourceType": "Observation", "id": f"o-{id_}", "status": "final", "code": {"text": "x"}}
        fhir.put(f"/Observation/o-{id_}", body | {"subject": {"reference": f"Patient/{id_}"}})
    return fhir


def ids(response: Any) -> set[str]:
    assert response.status_code == 200, response.text
    return {entry["resource"]["id"] for entry in response.json().get("entry", ())}


def test_a_compartment_is_searched(there: Any) -> None:
    response = there.get("/Patient/one/Observation?status=final")
    assert ids(response) == {"o-one"}
    assert response.json()["link"][0]["url"].endswith("/fhir/Patient/one/Observation?status=final")
    assert ids(there.get("/Patient/one/*")) == {"one", "o-one"}
    assert ids(there.get("/Patient/one/*?_type=Observation")) == {"o-one"}
    assert ids(there.get("/Patient/nobody/Observation")) == set()
    assert there.get("/Basic/one/Observation").status_code == 404
    assert there.get("/Patient/one/Nothing").status_code == 404
    assert there.get("/Patient/one/Observation", "outsider").status_code == 403


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        ("/_search", {"_type": "Patient", "_id": "one"}, {"one"}),
        ("/Observation/_search", {"patient.gender": "female", "patient": "two"}, {"o-two"}),
        ("/Patient/one/Observation/_search", {"status": "final"}, {"o-one"}),
        ("/Patient/one/*/_search?_type=Patient", {}, {"one"}),
    ],
)
def test_forms_are_searches_at_every_level(there: Any, path: str, form: dict[str, str], expected: set[str]) -> None:
    assert ids(there.send("POST", path, data=form)) == expected


def test_a_form_says_in_which_format_the_answer_is_wanted(there: Any) -> None:
    wanted = {"_id": "one", "_format": "xml", "_pretty": "true"}
    answer = there.send("POST", "/Patient/_search", data=wanted)
    assert answer.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert '\n  <type value="searchset"/>' in answer.text
    assert "\n" in there.send("POST", "/Patient/_search", data=wanted | {"_format": "json"}).text
    refused = there.send("POST", "/Patient/_search", data=wanted | {"_format": "nonsense"})
    assert (refused.status_code, refused.json()["resourceType"]) == (406, "OperationOutcome")


def test_a_page_of_a_compartment_is_followed(there: Any) -> None:
    first = there.get("/Patient/one/*?_count=1").json()
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    second = there.get(following.partition("/fhir")[2])
    assert ids(second) | {first["entry"][0]["resource"]["id"]} == {"one", "o-one"}


@pytest.mark.parametrize("kind", [psycopg.errors.QueryCanceled, psycopg.errors.IdleInTransactionSessionTimeout])
def test_what_takes_too_long_is_too_costly(kind: type[psycopg.Error]) -> None:
    error = translate(kind())
    assert (error.status, [issue.code for issue in error.issues]) == (503, ["too-costly"])


def test_the_statement_says_what_is_answered(there: Any) -> None:
    rest = there.get("/metadata").json()["rest"][0]["resource"]
    observation = next(r for r in rest if r["type"] == "Observation")
    told = {p["name"]: p["type"] for p in observation["searchParam"]}
    assert told["component-code-value-quantity"] == "composite"
    assert {"_has", "_list", "_text", "_content", "_id", "_lastUpdated"} <= told.keys()
    assert "_query" not in told
