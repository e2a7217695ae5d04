"""Who may have a Binary: scopes, and the patient of its security context."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tuetinh.record.versioning import new_id

pytestmark = pytest.mark.django_db
PDF = {"content-type": "application/pdf"}
SCAN = b"%PDF-1.7\n" + bytes(range(256)) * 500
CITIZEN = "Patient/citizen-of-the-cast"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    """The folder of files of each test."""
    settings.DATA = tmp_path
    return tmp_path / "files"


def upload(fhir: Any, context: str | None = None) -> str:
    headers = PDF | ({"x-security-context": context} if context else {})
    answer = fhir.send("POST", "/Binary", content=SCAN, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].split("/Binary/")[1].split("/")[0]


def document(fhir: Any, subject: str, id_: str) -> None:
    attachment = {"contentType": "application/pdf", "title": "x"}
    resource = {"resourceType": "DocumentReference", "id": id_, "status": "current"}
    resource |= {"subject": {"reference": subject}, "content": [{"attachment": attachment}]}
    resource |= {"custodian": {"reference": "Organization/12104"}}
    assert fhir.put(f"/DocumentReference/{id_}", resource).status_code in (200, 201)


def statuses(fhir: Any, id_: str, who: str) -> list[int]:
    paths = (f"/Binary/{id_}", f"/Binary/{id_}/_history/1", f"/Binary/{id_}/_history")
    return [fhir.get(path, who).status_code for path in paths]


@pytest.mark.parametrize("form", ["{}", "http://record.test/fhir/{}", "{}/_history/1"])
def test_a_citizen_has_what_is_of_the_own_patient(fhir: Any, form: str) -> None:
    id_ = upload(fhir, form.format(CITIZEN))
    assert fhir.get(f"/Binary/{id_}", "citizen").content == SCAN
    assert statuses(fhir, id_, "citizen") == [200, 200, 200]
    shown = fhir.get(f"/Binary/{id_}", headers={"accept": "application/fhir+json"}).json()
    assert shown["securityContext"] == {"reference": CITIZEN}


def test_what_is_of_others_or_of_nobody_does_not_exist_for_a_citizen(fhir: Any) -> None:
    for context in (None, "Patient/somebody-else", "DocumentReference/never-seen", "Organization/12104"):
        id_ = upload(fhir, context)
        assert statuses(fhir, id_, "citizen") == [404, 404, 404], context
        assert statuses(fhir, id_, "doctor") == [200, 200, 200]


def test_without_a_scope_nothing_is_taken_or_given(fhir: Any, folder: Path, stored_count: Callable[[], int]) -> None:
    id_ = upload(fhir)
    before = stored_count()
    assert statuses(fhir, id_, "outsider") == [403, 403, 403]
    for who, status in (("outsider", 403), ("reader", 403), ("nobody", 401)):
        for method, path in (("POST", "/Binary"), ("PUT", f"/Binary/{id_}"), ("PUT", f"/Binary/{new_id()}")):
            assert fhir.send(method, path, who, content=SCAN[::-1], headers=PDF).status_code == status
    foreign = PDF | {"x-security-context": "Patient/somebody-else"}
    assert fhir.send("POST", "/Binary", "citizen", content=SCAN, headers=foreign).status_code == 403
    assert fhir.send("POST", "/Binary", "citizen", content=SCAN, headers=PDF).status_code == 403
    assert fhir.send("PUT", f"/Binary/{id_}", "citizen", content=SCAN, headers=PDF).status_code == 404
    assert stored_count() == before
    own = PDF | {"x-security-context": CITIZEN}
    assert fhir.send("POST", "/Binary", "citizen", content=SCAN, headers=own).status_code == 201


def test_a_binary_belongs_to_the_patient_of_its_document(fhir: Any, ask: Callable[..., Any]) -> None:
    name = new_id()
    document(fhir, CITIZEN, name)
    id_ = upload(fhir, f"DocumentReference/{name}")
    assert fhir.get(f"/Binary/{id_}", "citizen").content == SCAN
    sql = "SELECT patient, custodian FROM record.content WHERE id = %s"
    assert ask(sql, id_) == [("citizen-of-the-cast", "12104")]
    document(fhir, "Patient/somebody-else", name)  # it was filed under the wrong person
    assert statuses(fhir, id_, "citizen") == [404, 404, 404]
    assert ask(sql, id_) == [("somebody-else", "12104")]
    document(fhir, CITIZEN, name)
    assert statuses(fhir, id_, "citizen") == [200, 200, 200]


def test_a_version_with_another_context_stays_with_its_patient(fhir: Any) -> None:
    name, other = new_id(), PDF | {"x-security-context": "Patient/somebody-else"}
    id_ = upload(fhir, "Patient/somebody-else")
    assert fhir.send("PUT", f"/Binary/{id_}", content=SCAN[::-1], headers=PDF).status_code == 200
    late = PDF | {"x-security-context": f"DocumentReference/{name}"}
    for headers in (late, other, late):
        assert fhir.send("PUT", f"/Binary/{id_}", content=SCAN, headers=headers).status_code == 200
    document(fhir, CITIZEN, name)
    seen = [fhir.get(f"/Binary/{id_}/_history/{version}", "citizen").status_code for version in range(1, 6)]
    assert seen == [404, 404, 200, 404, 200]


def test_the_document_may_come_after_its_binary(fhir: Any) -> None:
    name = new_id()
    id_ = upload(fhir, f"DocumentReference/{name}")
    assert statuses(fhir, id_, "citizen") == [404, 404, 404]
    document(fhir, CITIZEN, name)
    assert statuses(fhir, id_, "citizen") == [200, 200, 200]


def shows(fhir: Any, subject: str, id_: str, *binaries: str) -> None:
    """Store a document that shows Binaries."""
    resource = {"resourceType": "DocumentReference", "id": id_, "status": "current", "subject": {"reference": subject}}
    resource |= {
        "content": [{"attachment": {"contentType": "application/pdf", "url": f"Binary/{b}"}} for b in binaries]
    }
    assert fhir.put(f"/DocumentReference/{id_}", resource).status_code in (200, 201)


def test_a_binary_without_a_context_belongs_to_whom_a_document_shows_it_of(fhir: Any, ask: Callable[..., Any]) -> None:
    name, id_ = new_id(), upload(fhir)
    shows(fhir, CITIZEN, name, id_)
    assert statuses(fhir, id_, "citizen") == [200, 200, 200]
    assert ask("SELECT patient FROM record.content WHERE id = %s", id_) == [("citizen-of-the-cast",)]
    assert fhir.send("PUT", f"/Binary/{id_}", content=SCAN[::-1], headers=PDF).status_code == 200
    assert fhir.get(f"/Binary/{id_}", "citizen").content == SCAN[::-1]
    shows(fhir, "Patient/somebody-else", name, id_)  # it was filed under the wrong person
    assert statuses(fhir, id_, "citizen") == [404, 404, 404]
    shows(fhir, CITIZEN, new_id(), id_)  # what is somebody's is not taken by showing it
    assert statuses(fhir, id_, "citizen") == [404, 404, 404]


def test_a_binary_may_come_after_the_document_that_shows_it(fhir: Any) -> None:
    id_ = new_id()
    shows(fhir, CITIZEN, new_id(), id_)
    assert fhir.send("PUT", f"/Binary/{id_}", content=SCAN, headers=PDF).status_code == 201
    assert statuses(fhir, id_, "citizen")[0] == 200


def test_what_was_stored_before_is_given_to_its_patient(fhir: Any, ask: Callable[..., Any]) -> None:
    id_, device = upload(fhir), new_id()
    shows(fhir, CITIZEN, new_id(), id_)
    fhir.put(f"/Device/{device}", {"resourceType": "Device", "id": device, "patient": {"reference": CITIZEN}})
    for type_, one in (("Binary", id_), ("Device", device)):
        ask(f'UPDATE record."{type_}" SET patient = NULL WHERE id = %s RETURNING 1', one)
    import_module("tuetinh.record.migrations.0038_post_of_patients").fill(None, None)
    with connection.cursor() as cursor:  # in the transaction of this test
        cursor.execute("SELECT type, patient FROM record.resource WHERE id = ANY(%s) ORDER BY type", [[id_, device]])
        assert cursor.fetchall() == [("Binary", "citizen-of-the-cast"), ("Device", "citizen-of-the-cast")]


@pytest.mark.parametrize("first", ["Binary", "DocumentReference"])
def test_both_may_come_in_one_bundle(fhir: Any, first: str) -> None:
    url = "urn:uuid:0b1f6f5e-3c4a-4c55-9d3e-52d7e7f0b002"
    binary = {"resourceType": "Binary", "contentType": "a/b", "data": "AAAA"}
    report = {"resourceType": "DocumentReference", "status": "current", "subject": {"reference": CITIZEN}}
    report |= {"content": [{"attachment": {"url": url}}]}
    entries = [
        {"fullUrl": url, "resource": binary, "request": {"method": "POST", "url": "Binary"}},
        {"resource": report, "request": {"method": "POST", "url": "DocumentReference"}},
    ]
    entries.sort(key=lambda entry: entry["resource"]["resourceType"] != first)
    answer = fhir.post("/", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    places = [entry["response"]["location"].split("/fhir")[1] for entry in answer.json()["entry"]]
    path = next(place for place in places if "/Binary/" in place).partition("/_history")[0]
    assert fhir.get(path, "citizen").content == b"\0\0\0"


def test_the_document_may_come_in_the_same_bundle(fhir: Any) -> None:
    url = "urn:uuid:0b1f6f5e-3c4a-4c55-9d3e-52d7e7f0b001"
    binary = {"resourceType": "Binary", "contentType": "a/b", "data": "AAAA", "securityContext": {"reference": url}}
    attachment = {"contentType": "a/b", "title": "x"}
    report = {"resourceType": "DocumentReference", "status": "current", "subject": {"reference": CITIZEN}}
    report |= {"content": [{"attachment": attachment}]}
    entries = [
        {"resource": binary, "request": {"method": "POST", "url": "Binary"}},
        {"fullUrl": url, "resource": report, "request": {"method": "POST", "url": "DocumentReference"}},
    ]
    answer = fhir.post("/", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    path = answer.json()["entry"][0]["response"]["location"].split("/fhir")[1].partition("/_history")[0]
    assert fhir.get(path, "citizen").content == b"\0\0\0"


@pytest.mark.parametrize("context", ["", "Patient", "Nonsense/1", "Patient/1 2", "javascript:alert(1)", "#here"])
def test_a_context_that_is_no_reference_is_refused(
    fhir: Any, folder: Path, stored_count: Callable[[], int], context: str
) -> None:
    before = stored_count()
    refused = fhir.send("POST", "/Binary", content=SCAN, headers=PDF | {"x-security-context": context})
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["expression"] == ["Binary.securityContext"]
    assert (stored_count(), list(folder.rglob("*/*"))) == (before, [])


def test_reads_of_a_content_are_in_the_access_log(fhir: Any, ask: Callable[..., Any]) -> None:
    from tuetinh.record import audit

    id_ = upload(fhir, CITIZEN)
    fhir.get(f"/Binary/{id_}", "citizen", headers={"range": "bytes=0-9"})
    audit.writer.close()
    noted = ask("SELECT account, action, patient FROM record.audit WHERE id = %s ORDER BY position", id_)
    assert noted == [("system", "create", "citizen-of-the-cast"), ("citizen", "read", "citizen-of-the-cast")]
