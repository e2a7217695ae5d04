from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from tuetinh.record.types import RESOURCE_TYPES
from tuetinh.record.versioning import new_id

pytestmark = pytest.mark.django_db
PATIENT = {"resourceType": "Patient", "gender": "male"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code", "place"),
    [
        ("POST", "/Patient", b'{"resourceType":"Patient",', {}, 400, "structure", None),
        ("POST", "/Patient", b"", {}, 400, "structure", None),
        ("POST", "/Patient", b"\xff\xfe", {}, 400, "structure", None),
        ("POST", "/Patient", b"[" * 100_000, {}, 400, "structure", None),
        ("POST", "/Patient", b'{"resourceType":"Patient","birthDate":7}', {}, 400, None, "Patient.birthDate"),
        ("POST", "/Patient", b'{"resourceType":"Patient","shoe":7}', {}, 400, "structure", "Patient"),
        ("POST", "/Patient", b'{"resourceType":"Patient","gender":"m"}', {}, None, None, "Patient.gender"),
        ("POST", "/Patient", b'{"resourceType":"Group"}', {}, 400, None, "Group"),
        ("POST", "/Patient", b'{"resourceType":"Basic","code":{"text":"x"}}', {}, 400, "invalid", "Basic.resourceType"),
        ("POST", "/Nonsense", b'{"resourceType":"Nonsense"}', {}, 404, "not-found", None),
        ("POST", "/Patient", b"<Patient/>", {"content-type": "application/fhir+yaml"}, 415, "not-supported", None),
        ("POST", "/Patient", b"no gzip", {"content-encoding": "gzip"}, 400, "invalid", None),
        ("POST", "/Patient", b"x", {"content-encoding": "br"}, 415, "not-supported", None),
        ("PUT", "/Patient/abc", b'{"resourceType":"Patient","id":"other"}', {}, 400, "invalid", "Patient.id"),
        ("PUT", "/Patient/abc", b'{"resourceType":"Patient"}', {}, 400, "invalid", "Patient.id"),
        ("PUT", "/Patient/a_b", b'{"resourceType":"Patient","id":"a_b"}', {}, 400, "invalid", "Patient.id"),
        ("PATCH", "/Patient/abc", b"{}", {"content-type": "text/plain"}, 415, "not-supported", None),
        ("DELETE", "/Patient/abc/_history/1", b"", {}, 405, "not-supported", None),
        ("POST", "/Patient/abc", b"{}", {}, 405, "not-supported", None),
        ("POST", "/Patient/$nothing", b"{}", {}, 404, "not-found", None),
        ("POST", "/Patient/abc/$nothing", b"{}", {}, 404, "not-found", None),
        ("GET", "/Patient/abc/xyz", b"", {}, 404, "not-found", None),
        ("GET", "/Patient/abc/_history/x", b"", {}, 404, "not-found", None),
        ("GET", "/Patient/abc/_history?_since=yesterday", b"", {}, 400, "invalid", "_since"),
        ("GET", "/Patient/abc/_history?_count=-1", b"", {}, 400, "invalid", "_count"),
        ("GET", "/_history?unknown=1", b"", {}, 400, "invalid", "unknown"),
        ("GET", "/Patient/nobody", b"", {}, 404, "not-found", None),
        ("GET", "/metadata", b"", {"accept": "application/fhir+turtle"}, 406, "not-supported", None),
        ("GET", "/metadata?_format=ttl", b"", {}, 406, "not-supported", None),
        ("GET", "/metadata", b"", {"accept": "application/fhir+json; fhirVersion=5.0"}, 406, "not-supported", None),
        ("GET", "/metadata", b"", {"accept": 'application/fhir+xml;FhirVersion="3.0"'}, 406, "not-supported", None),
        ("GET", "/metadata?_format=json;fhirVersion=4.3", b"", {}, 406, "not-supported", None),
        (
            "POST",
            "/Basic",
            b"{}",
            {"content-type": "application/fhir+json; fhirVersion=5.0"},
            415,
            "not-supported",
            None,
        ),
        ("POST", "", b'{"resourceType":"Bundle","type":"collection"}', {}, 400, "invalid", "Bundle.type"),
        ("POST", "", b'{"resourceType":"Patient"}', {}, 400, None, None),
        ("POST", "", b'{"resourceType":"Bundle","type":"transaction","entry":7}', {}, 400, None, "Bundle.entry"),
    ],
)
def test_a_bad_request_is_told_where_it_is_wrong_and_stores_nothing(
    fhir: Any,
    stored_count: Callable[[], int],
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int | None,
    code: str | None,
    place: str | None,
) -> None:
    before = stored_count()
    answer = fhir.send(method, path, content=body, headers={"content-type": "application/fhir+json"} | headers)
    outcome = answer.json()
    assert answer.status_code == status or (status is None and answer.status_code in (400, 422)), answer.text
    assert outcome["resourceType"] == "OperationOutcome"
    assert code is None or outcome["issue"][0]["code"] == code
    assert outcome["issue"][0]["diagnostics"]
    if place:
        assert any(e.startswith(place) for e in outcome["issue"][0]["expression"]), outcome
    assert stored_count() == before


def test_all_problems_are_named_at_once(fhir: Any) -> None:
    body = {"resourceType": "Patient", "gender": "m", "birthDate": "1980-13-01", "active": "yes"}
    places = {issue["expression"][0] for issue in fhir.post("/Patient", body).json()["issue"]}
    assert {"Patient.gender", "Patient.birthDate", "Patient.active"} <= places


def test_a_body_over_the_limit_is_not_read_to_its_end(fhir: Any, stored_count: Callable[[], int]) -> None:
    before = stored_count()
    read = 0

    async def chunks() -> Any:
        nonlocal read
        for _ in range(40):
            read += 1
            yield b" " * 1_000_000

    answer = fhir.send("POST", "/Patient", content=chunks())
    assert answer.status_code == 413
    assert answer.json()["issue"][0]["code"] == "too-long"
    assert stored_count() == before


def test_a_small_gzip_of_a_huge_body_is_refused(fhir: Any) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert fhir.send("POST", "/Patient", content=bomb, headers={"content-encoding": "gzip"}).status_code == 413


def test_nobody_and_a_bad_token_are_asked_to_say_who_they_are(fhir: Any) -> None:
    answer = fhir.get("/Patient/abc", who="stranger")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="fhir"'


def test_methods_that_an_address_takes_are_named(fhir: Any) -> None:
    assert fhir.send("DELETE", "/metadata").headers["allow"] == "GET, HEAD, OPTIONS"
    assert fhir.send("OPTIONS", "/Patient").status_code == 204


def test_a_value_that_the_index_cannot_hold_is_no_fault_of_the_server(fhir: Any) -> None:
    resource = {"resourceType": "Basic", "code": {"text": "a\u0000b"}, "created": "9999-12-31"}
    assert fhir.post("/Basic", resource).status_code in (201, 400, 422)
    long = {"resourceType": "Practitioner", "name": [{"family": "x" * 20_000}]}
    assert fhir.post("/Practitioner", long).status_code == 201


def test_one_refused_create_does_not_harm_those_beside_it(fhir: Any) -> None:
    good = [fhir.asend("POST", "/Patient", json=PATIENT) for _ in range(10)]
    bad = [fhir.asend("POST", "/Patient", json=PATIENT | {"gender": "x"}) for _ in range(3)]
    statuses = [answer.status_code for answer in fhir.together(*good, *bad)]
    assert statuses[:10] == [201] * 10
    assert all(400 <= status < 500 for status in statuses[10:])


def test_with_strict_references_a_link_to_nothing_is_refused(
    fhir: Any, stored_count: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    observation["subject"] = {"reference": f"Patient/{new_id()}"}
    assert fhir.post("/Observation", observation).status_code == 201
    monkeypatch.setenv("TUETINH_REFERENCES", "strict")
    before = stored_count()
    refused = fhir.post("/Observation", observation)
    assert refused.status_code == 422
    assert observation["subject"]["reference"] in refused.text
    assert stored_count() == before
    known = fhir.post("/Patient", PATIENT).json()["id"]
    assert fhir.post("/Observation", observation | {"subject": {"reference": f"Patient/{known}"}}).status_code == 201


def test_a_database_that_is_away_is_said_to_be(fhir: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    async def away(*_: Any, **__: Any) -> Any:
        raise psycopg.OperationalError

    monkeypatch.setattr(fhir.door.pool, "getconn", away)
    answer = fhir.get("/Patient/abc")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["issue"][0]["code"] == "transient"


def test_the_statement_of_capabilities_is_open_and_true(fhir: Any) -> None:
    answer = fhir.get("/metadata", who="stranger")
    statement = answer.json()
    assert answer.status_code == 200
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == "http://record.test/fhir"
    types = {r["type"]: r for r in statement["rest"][0]["resource"]}
    assert set(types) == set(RESOURCE_TYPES)
    codes = {p["name"]: p["type"] for p in types["Patient"]["searchParam"]}
    assert codes["birthdate"] == "date"
    assert codes["name"] == "string"
    assert codes["_lastUpdated"] == "date"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/fhir+json; fhirVersion=4.0", "json"),
        ("application/fhir+xml; q=0.9; fhirVersion=4.0.1", "xml"),
        ("application/fhir+json; fhirVersion=5.0, application/fhir+xml; fhirVersion=4.0; q=0.5", "xml"),
        ("application/fhir+xml; fhirVersion=5.0, */*; q=0.1", "json"),
    ],
)
def test_the_version_of_fhir_is_chosen_by_the_client(fhir: Any, accept: str, kind: str) -> None:
    answer = fhir.get("/metadata", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"application/fhir+{kind}; charset=utf-8")
