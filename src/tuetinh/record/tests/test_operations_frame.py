"""Operations at the door: found or not, by which method, with which parameters, by whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tuetinh.record import operations

pytestmark = pytest.mark.django_db
TAG = {"system": "http://x.test/tags", "code": "a"}
OTHER = {"system": "http://x.test/tags", "code": "b"}


@pytest.fixture
def person(fhir: Any) -> dict[str, Any]:
    return fhir.post("/Patient", {"resourceType": "Patient", "meta": {"tag": [TAG]}, "gender": "male"}).json()


def parameters(**values: Any) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": n, "valueMeta": v} for n, v in values.items()]}


def issue(answer: Any) -> dict[str, Any]:
    assert answer.json()["resourceType"] == "OperationOutcome", answer.text
    return answer.json()["issue"][0]


NOWHERE = (
    "/$nothing",
    "/Patient/$nothing",
    "/Patient/1/$nothing",
    "/Patient/$meta-add",
    "/$meta-delete",
    "/$",
    "/Patient/a/b/$meta",
    "/Nothing/1/$meta",
    "/Patient/1/_history/1/$meta",
    "/Patient/$meta/1",
)


@pytest.mark.parametrize("path", NOWHERE)
def test_an_operation_that_is_not_there(fhir: Any, path: str) -> None:
    answer = fhir.get(path)
    assert answer.status_code in (400, 404)
    assert issue(answer)["code"] in ("not-found", "invalid")


def test_meta_tells_what_is_in_use(fhir: Any, person: dict[str, Any]) -> None:
    label = {"system": "http://x.test/s", "code": "R"}
    labelled = {"tag": [OTHER], "profile": ["http://x.test/p"], "security": [label]}
    fhir.post("/Patient", {"resourceType": "Patient", "meta": labelled})
    fhir.post("/Patient", {"resourceType": "Patient", "meta": labelled | {"tag": [OTHER, TAG]}})
    fhir.post("/Patient", {"resourceType": "Patient"})
    basic = {"resourceType": "Basic", "code": {"text": "b"}, "meta": {"tag": [{"code": "of-basic"}]}}
    fhir.post("/Basic", basic)

    def told(path: str, who: str = "system") -> Any:
        return fhir.get(path, who).json()["parameter"][0]["valueMeta"]

    assert told("/Patient/$meta") == labelled | {"tag": [TAG, OTHER]}
    assert told("/Basic/$meta") == {"tag": [{"code": "of-basic"}]}
    assert sorted(tag["code"] for tag in told("/$meta")["tag"]) == ["a", "b", "of-basic"]
    assert told("/$meta", "system-with-less") == {}
    assert told("/Patient/$meta", "citizen") == {}
    assert fhir.get("/Patient/$meta", "outsider").status_code == 403
    assert fhir.get("/$meta", "outsider").status_code == 403
    assert fhir.get("/Observation/$meta", "lab-app").status_code == 403
    assert fhir.get(f"/Patient/{person['id']}/$meta").status_code == 200


def test_meta_is_read_added_and_deleted(fhir: Any, person: dict[str, Any]) -> None:
    place = f"/Patient/{person['id']}"
    assert fhir.get(f"{place}/$meta").json()["parameter"][0]["valueMeta"]["tag"] == [TAG]
    added = fhir.post(f"{place}/$meta-add", parameters(meta={"tag": [TAG, OTHER], "profile": ["http://x.test/p"]}))
    assert added.status_code == 200
    meta = added.json()["parameter"][0]["valueMeta"]
    assert (meta["tag"], meta["profile"], meta["versionId"]) == ([TAG, OTHER], ["http://x.test/p"], "2")
    assert fhir.get(place).json()["meta"] == meta
    fhir.post(f"{place}/$meta-delete", parameters(meta={"tag": [TAG]}))
    assert fhir.get(place).json()["meta"]["tag"] == [OTHER]
    again = fhir.post(f"{place}/$meta-delete", parameters(meta={"tag": [TAG]}))
    assert again.json()["parameter"][0]["valueMeta"]["versionId"] == "3"


def test_what_changes_is_not_called_by_get(fhir: Any, person: dict[str, Any], stored_count: Callable[[], int]) -> None:
    before = stored_count()
    answer = fhir.get(f"/Patient/{person['id']}/$meta-add")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, OPTIONS"
    assert fhir.send("DELETE", f"/Patient/{person['id']}/$meta").status_code == 405
    assert stored_count() == before


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (None, "meta"),
        ({"resourceType": "Parameters", "id": "empty"}, "meta"),
        (parameters(other={"tag": [TAG]}), "other"),
        ({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueString": "x"}]}, "meta"),
        ({"resourceType": "Parameters", "parameter": [parameters(meta={"tag": [TAG]})["parameter"][0]] * 2}, "meta"),
    ],
)
def test_parameters_that_do_not_fit_are_named(
    fhir: Any, person: dict[str, Any], stored_count: Callable[[], int], body: Any, name: str
) -> None:
    before = stored_count()
    answer = fhir.post(f"/Patient/{person['id']}/$meta-add", body) if body else fhir.send(
        "POST", f"/Patient/{person['id']}/$meta-add"
    )  # fmt: skip
    assert answer.status_code == 400, answer.text
    assert issue(answer)["expression"][0].startswith(name)
    assert stored_count() == before


def test_an_unknown_parameter_of_the_address_is_refused_unless_lenient(fhir: Any, person: dict[str, Any]) -> None:
    place = f"/Patient/{person['id']}/$meta"
    assert issue(fhir.get(f"{place}?wrong=1"))["expression"] == ["wrong"]
    assert fhir.get(f"{place}?wrong=1", headers={"prefer": "handling=lenient"}).status_code == 200


def test_who_may_not_write_adds_no_tag(fhir: Any, person: dict[str, Any], stored_count: Callable[[], int]) -> None:
    before = stored_count()
    given = parameters(meta={"tag": [OTHER]})
    place = f"/Patient/{person['id']}"
    assert fhir.post(f"{place}/$meta-add", given, "reader").status_code == 403
    assert fhir.post(f"{place}/$meta-add", given, "outsider").status_code == 403
    assert fhir.post(f"{place}/$meta-add", given, "citizen").status_code == 404
    assert fhir.get(f"{place}/$meta", "outsider").status_code == 403
    assert fhir.get(f"{place}/$meta", "citizen").status_code == 404
    assert fhir.get(f"{place}/$meta", "stranger").status_code == 401
    assert stored_count() == before


def test_operations_are_in_the_capability_statement(fhir: Any) -> None:
    rest = fhir.get("/metadata").json()["rest"][0]
    patient = next(r for r in rest["resource"] if r["type"] == "Patient")
    listed = {(o["name"], o["definition"]) for o in patient["operation"]}
    assert ("meta-add", "http://hl7.org/fhir/OperationDefinition/Resource-meta-add") in listed
    everywhere = {o["name"] for r in [rest, *rest["resource"]] for o in r.get("operation", [])}
    assert everywhere == operations.names()


def test_an_operation_in_a_batch(fhir: Any, person: dict[str, Any]) -> None:
    entry = {"request": {"method": "GET", "url": f"Patient/{person['id']}/$meta"}}
    answer = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
    assert answer["entry"][0]["resource"]["parameter"][0]["valueMeta"]["tag"] == [TAG]


def test_what_an_operation_showed_is_in_the_access_log(fhir: Any, person: dict[str, Any], ask: Any) -> None:
    import time

    fhir.get(f"/Patient/{person['id']}/$meta", "doctor")
    for _ in range(50):
        found = ask("SELECT account FROM record.audit WHERE action = '$meta' AND patient = %s", person["id"])
        if found:
            break
        time.sleep(0.05)
    assert found == [("doctor",)]
