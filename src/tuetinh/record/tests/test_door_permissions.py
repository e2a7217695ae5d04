"""Who may do what: one table, made from the door's own routes, so that a new route is tried as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tuetinh.record.door.routes import OPEN, ROUTES, Route

pytestmark = pytest.mark.django_db

MINE = "citizen-of-the-cast"
GUARDED = [route for route in ROUTES if route.name not in OPEN]


def _request(route: Route, id_: str) -> tuple[str, str, dict[str, Any]]:
    path = route.shape.replace("{type}", "Patient").replace("{compartment}", "Patient").replace("{id}", id_)
    path = path.replace("{version}", "1").replace("{job}", id_).replace("{file}", "Patient-1.ndjson").rstrip("/")
    if route.name in ("update_by", "patch_by", "delete_by"):
        path += f"?_id={id_}"
    headers = {"content-type": "application/fhir+json"}
    body: Any = {"resourceType": "Patient", "id": id_, "gender": "other"}
    if route.name.startswith("patch"):
        headers = {"content-type": "application/json-patch+json"}
        body = [{"op": "add", "path": "/gender", "value": "other"}]
    if route.name == "bundle":
        request = {"method": "PUT", "url": f"Patient/{id_}"}
        body = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": body, "request": request}]}
    if route.name.startswith("search") and route.method == "POST":
        return path, route.method, {"data": {"_id": id_}}
    return path, route.method, {"json": body, "headers": headers} if route.method in ("POST", "PUT", "PATCH") else {}


def _refused(route: Route) -> int:
    """The jobs of others do not exist; all else is known, but forbidden."""
    return 404 if route.name.startswith("bulk_") else 403


@pytest.fixture
def someone(fhir: Any) -> dict[str, Any]:
    """A person who is not the citizen of the cast."""
    return fhir.post("/Patient", {"resourceType": "Patient", "gender": "female", "name": [{"family": "Kín"}]}).json()


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.shape}")
def test_an_outsider_gets_nothing_and_changes_nothing(
    fhir: Any, someone: dict[str, Any], stored_count: Callable[[], int], route: Route
) -> None:
    path, method, kwargs = _request(route, someone["id"])
    before = stored_count()
    answer = fhir.send(method, path, "outsider", **kwargs)
    if route.name == "history_all":  # everything that is within the scopes, which is nothing
        assert answer.status_code == 200
        assert "entry" not in answer.json()
    else:
        assert answer.status_code == _refused(route), answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert "Kín" not in answer.text
    assert stored_count() == before
    assert fhir.get(f"/Patient/{someone['id']}").json() == someone


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.shape}")
def test_nobody_is_asked_to_log_in(
    fhir: Any, someone: dict[str, Any], stored_count: Callable[[], int], route: Route
) -> None:
    path, method, kwargs = _request(route, someone["id"])
    before = stored_count()
    answer = fhir.send(method, path, "stranger", **kwargs)
    assert answer.status_code == 401
    assert "Kín" not in answer.text
    assert stored_count() == before


@pytest.mark.parametrize("route", [r for r in GUARDED if r.method != "GET"], ids=lambda r: f"{r.method} {r.shape}")
def test_who_may_only_read_changes_nothing(
    fhir: Any, someone: dict[str, Any], stored_count: Callable[[], int], route: Route
) -> None:
    path, method, kwargs = _request(route, someone["id"])
    before = stored_count()
    answer = fhir.send(method, path, "reader", **kwargs)
    assert answer.status_code == (200 if route.letter == "s" else _refused(route))
    assert stored_count() == before


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.shape}")
def test_for_a_citizen_other_people_do_not_exist(
    fhir: Any, someone: dict[str, Any], stored_count: Callable[[], int], route: Route
) -> None:
    path, method, kwargs = _request(route, someone["id"])
    before = stored_count()
    answer = fhir.send(method, path, "citizen", **kwargs)
    assert "Kín" not in answer.text
    told = answer.text.replace(f"_id={someone['id']}", "")
    told = told.replace(f"Patient/{someone['id']} is not known", "").replace(f"AuditEvent/{someone['id']} is not", "")
    for asked in ("Patient", "AuditEvent"):  # the address that was asked
        told = told.replace(f"/Patient/{someone['id']}/{asked}", "")
    assert someone["id"] not in told
    assert answer.status_code in (200, 204, 403, 404), answer.text
    assert stored_count() == before
    assert fhir.get(f"/Patient/{someone['id']}").json() == someone


def test_a_citizen_reads_the_own_record_in_every_way(fhir: Any) -> None:
    fhir.put(f"/Patient/{MINE}", {"resourceType": "Patient", "id": MINE, "gender": "male"})
    mine = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{MINE}"},
    }
    id_ = fhir.post("/Observation", mine).json()["id"]
    for path in (
        f"/Patient/{MINE}",
        f"/Observation/{id_}",
        f"/Observation/{id_}/_history/1",
        f"/Observation/{id_}/_history",
    ):
        assert fhir.get(path, "citizen").status_code == 200, path
    found = fhir.get("/Observation", "citizen").json()
    assert [e["resource"]["id"] for e in found["entry"]] == [id_]
    history = fhir.get("/Observation/_history", "citizen").json()
    assert [e["resource"]["id"] for e in history["entry"]] == [id_]


def test_a_citizen_cannot_write_into_another_record(
    fhir: Any, someone: dict[str, Any], stored_count: Callable[[], int]
) -> None:
    other = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    other["subject"] = {"reference": f"Patient/{someone['id']}"}
    entry = {"resource": other, "request": {"method": "POST", "url": "Observation"}}
    before = stored_count()
    assert fhir.post("/Observation", other, "citizen").status_code == 403
    assert (
        fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, "citizen").status_code == 403
    )
    assert stored_count() == before
    batch = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}, "citizen")
    assert [e["response"]["status"][:3] for e in batch.json()["entry"]] == ["403"]
    assert stored_count() == before


def test_pages_of_one_asker_are_closed_to_another(fhir: Any) -> None:
    for _ in range(3):
        fhir.post("/Patient", {"resourceType": "Patient", "gender": "female"})
    links = fhir.get("/Patient?gender=female&_count=1").json()["link"]
    following = next(link["url"] for link in links if link["relation"] == "next").removeprefix(
        "http://record.test/fhir"
    )
    assert fhir.get(following).status_code == 200
    assert fhir.get(following, "citizen").status_code == 400
