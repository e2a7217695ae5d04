"""Who may not export, what is not understood, and that nobody gets what another one asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record.bulk import ledger
from tuetinh.record.tests.bulk_world import ASYNC, export, path_of

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def there(fhir: Any) -> Any:
    fhir.put("/Patient/one", {"resourceType": "Patient", "id": "one"})
    fhir.put("/Group/g", {"resourceType": "Group", "id": "g", "type": "person", "actual": True})
    return fhir


@pytest.fixture
def job_count(ask: Any) -> Any:
    return lambda: ask("SELECT count(*) FROM record.bulk_job")[0][0]


@pytest.mark.parametrize("path", ["/$export", "/Patient/$export", "/Group/g/$export"])
def test_nobody_and_the_outsider_export_nothing(there: Any, path: str, job_count: Any) -> None:
    before = job_count()
    assert there.get(path, "a-stranger", headers=ASYNC).status_code == 401
    refused = there.get(path, "outsider", headers=ASYNC)
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (403, "forbidden")
    assert job_count() == before


def test_types_beyond_the_scopes_are_refused_by_name(there: Any, job_count: Any) -> None:
    before = job_count()
    refused = there.get("/$export?_type=Patient,Encounter,Condition", "lab-app", headers=ASYNC)
    assert refused.status_code == 403
    assert refused.json()["issue"][0]["diagnostics"] == (
        "export of Encounter, Condition is not within the scopes of this account"
    )
    unread = there.get("/$export?_type=Observation", "reading-app", headers=ASYNC)  # it may read, but not list
    assert unread.status_code == 403
    assert job_count() == before


def test_nobody_gets_at_anothers_job(there: Any) -> None:
    made = export(there, "/$export?_type=Patient")
    file = made.manifest["output"][0]["url"].removeprefix("http://record.test/fhir")
    for who in ("reader", "doctor", "outsider", "citizen", "app-of-system"):
        for method, path in (("GET", made.path), ("GET", file), ("HEAD", file), ("DELETE", made.path)):
            assert there.send(method, path, who).status_code == 404
    for method, path in (("GET", made.path), ("GET", file), ("DELETE", made.path)):
        assert there.send(method, path, "a-stranger").status_code == 401
    assert made.ids() == ["Patient/one"]


def test_a_token_with_less_gets_less(there: Any) -> None:
    made = export(there, "/$export?_type=Patient")
    file = made.manifest["output"][0]["url"].removeprefix("http://record.test/fhir")
    refused = there.get(file, "system-with-less")
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "name", ["../../keys/django.key", "%2e%2e%2fkeys", "Patient-1.ndjson.part", "Patient-2.ndjson", "x/y"]
)
def test_only_files_of_the_manifest_are_served(there: Any, name: str) -> None:
    made = export(there, "/$export?_type=Patient")
    assert there.get(f"{made.path}/{name}").status_code == 404


def test_an_export_is_asynchronous(there: Any, job_count: Any) -> None:
    before = job_count()
    refused = there.get("/$export")
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["diagnostics"] == "an export is asynchronous: send Prefer: respond-async"
    assert job_count() == before


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/$export?_outputFormat=text/csv", "_outputFormat"),
        ("/$export?_since=yesterday", "_since"),
        ("/$export?_since=2026-01-31", "_since"),
        ("/$export?_since=2999-01-31T00:00:00Z", "_since"),
        ("/$export?_type=Nothing", "_type"),
        ("/$export?_type=Patient&_elements=Nothing.name", "_elements"),
        ("/$export?_elements=name%27%20or", "_elements"),
        ("/$export?patient=Patient/one", "patient"),
        ("/Patient/$export?patient=Group/one", "patient"),
        ("/Patient/$export?_type=Organization", "_type"),
        ("/$export?flavour=sweet", "flavour"),
        ("/$export?includeAssociatedData=LatestProvenanceResources,_everything", "includeAssociatedData"),
        ("/$export?organizeOutputBy=Encounter", "organizeOutputBy"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(there: Any, path: str, name: str, job_count: Any) -> None:
    before = job_count()
    refused = there.get(path, headers=ASYNC)
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["expression"] == [name]
    assert job_count() == before


@pytest.mark.parametrize(
    "query",
    [
        "flavour=sweet",
        "includeAssociatedData=_everything",
        "organizeOutputBy=Encounter",
        "_type=Device,Slot",
    ],
)
def test_a_lenient_client_has_it_passed_over(there: Any, query: str) -> None:
    answer = there.get(f"/Patient/$export?{query}", headers={"prefer": "respond-async, handling=lenient"})
    there.send("DELETE", path_of(answer))


def test_an_account_has_a_few_jobs_at_once(there: Any, job_count: Any) -> None:
    paths = [path_of(there.get("/$export", "reader", headers=ASYNC)) for _ in range(ledger.MOST_AT_ONCE)]
    before = job_count()
    refused = there.get("/$export", "reader", headers=ASYNC)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert job_count() == before
    assert there.send("DELETE", paths[0], "reader").status_code == 202
    again = path_of(there.get("/$export", "reader", headers=ASYNC))
    for path in (*paths[1:], again):
        there.send("DELETE", path, "reader")


def test_a_batch_begins_and_fetches_nothing(there: Any) -> None:
    made = export(there, "/$export?_type=Patient")
    entries = [{"request": {"method": "GET", "url": made.path[1:]}}]
    answer = there.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert answer.json()["entry"][0]["response"]["status"] == "400 Bad Request"


def test_other_methods_are_refused(there: Any) -> None:
    refused = there.post("/_bulk/x", {})
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")
