"""Attachments beyond 64 KiB leave the row of their resource, and no client notices."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuetinh.record import api, contents, r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
SCAN = b"\x89PNG" + bytes(range(256)) * 400
TEXT = base64.b64encode(SCAN).decode()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    """The folder of files of each test."""
    settings.DATA = tmp_path
    return tmp_path / "files"


def count(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def attachment(data: str = TEXT) -> dict[str, Any]:
    digest = base64.b64encode(hashlib.sha1(SCAN).digest()).decode()
    return {"contentType": "image/png", "data": data, "size": len(SCAN), "hash": digest, "title": "Đơn thuốc"}


RESOURCES = {
    "DocumentReference": {"status": "current", "content": [{"attachment": attachment()}, {"attachment": attachment()}]},
    "DiagnosticReport": {"status": "final", "code": {"text": "x"}, "presentedForm": [attachment()]},
    "Patient": {"photo": [attachment()]},
    "Media": {"status": "completed", "content": attachment()},
    "Communication": {"status": "completed", "payload": [{"contentAttachment": attachment()}]},
    "Basic": {"code": {"text": "x"}, "extension": [{"url": "http://a.example/e", "valueBase64Binary": TEXT}]},
    "Consent": {
        "status": "active",
        "scope": {"text": "x"},
        "category": [{"text": "x"}],
        "policyRule": {"text": "x"},
        "sourceAttachment": attachment(),
    },
}


@pytest.mark.parametrize("type_", sorted(RESOURCES))
def test_what_is_read_is_what_was_given(fhir: Any, folder: Path, ask: Callable[..., Any], type_: str) -> None:
    given = {"resourceType": type_, **RESOURCES[type_]}
    made = fhir.post(f"/{type_}", given)
    assert made.status_code == 201, made.text
    id_ = made.json()["id"]
    assert count(folder) == 1
    assert ask(f'SELECT length(body) < 2000 FROM record."{type_}" WHERE id = %s', id_) == [(True,)]
    for path in (f"/{type_}/{id_}", f"/{type_}/{id_}/_history/1"):
        read = fhir.get(path)
        assert read.content == made.content
        assert read.headers["content-length"] == str(len(read.content))
    read = made.json()
    meta = read.pop("meta")
    assert read == given | {"id": id_}
    for path in (f"/{type_}?_id={id_}", f"/{type_}/{id_}/_history"):
        (entry,) = fhir.get(path).json()["entry"]
        assert entry["resource"] == read | {"meta": meta}
    uses = ask("SELECT encode(digest, 'hex'), size, type, id FROM record.content WHERE type = %s", type_)
    assert (hashlib.sha256(SCAN).hexdigest(), len(SCAN), type_, id_) in uses


def test_base64_in_another_writing_stays_as_it_was(fhir: Any, folder: Path) -> None:
    lines = "\n".join(TEXT[start : start + 76] for start in range(0, len(TEXT), 76))
    padded = base64.b64encode(SCAN[:-1]).decode()
    assert padded.endswith("==")
    loose = f"{padded[:-3]}{chr(ord(padded[-3]) + 1)}=="  # the spare bits of the padding are not all zero
    assert base64.b64decode(loose) == SCAN[:-1]
    for data in (lines, loose, TEXT[:80_000]):
        given = {"resourceType": "Media", "status": "completed", "content": {"contentType": "a/b", "data": data}}
        made = fhir.post("/Media", given)
        assert made.status_code == 201, made.text
        assert fhir.get(f"/Media/{made.json()['id']}").json()["content"]["data"] == data
    assert count(folder) == 0


def test_a_patch_and_an_update_keep_what_they_do_not_touch(fhir: Any, folder: Path) -> None:
    made = fhir.post("/DocumentReference", {"resourceType": "DocumentReference", **RESOURCES["DocumentReference"]})
    path = f"/DocumentReference/{made.json()['id']}"
    patch = [
        {"op": "test", "path": "/content/0/attachment/data", "value": TEXT},
        {"op": "replace", "path": "/status", "value": "superseded"},
        {"op": "remove", "path": "/content/1"},
    ]
    media = {"content-type": "application/json-patch+json"}
    patched = fhir.send("PATCH", path, content=json.dumps(patch), headers=media)
    assert patched.status_code == 200, patched.text
    assert patched.json()["content"] == [{"attachment": attachment()}]
    fhir.post(f"{path}/$meta-add", parameters_with_tag())
    assert fhir.get(path).json()["content"] == [{"attachment": attachment()}]
    assert fhir.get(path).json()["meta"]["versionId"] == "3"
    assert len(fhir.get(f"{path}/_history/1").json()["content"]) == 2
    checked = fhir.get(f"{path}/$validate").json()["issue"]
    assert [issue for issue in checked if issue["severity"] == "error"] == []
    assert count(folder) == 1


def parameters_with_tag() -> dict[str, Any]:
    meta = {"tag": [{"system": "http://a.example", "code": "seen"}]}
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


def test_parts_and_queries_give_the_whole_value(fhir: Any) -> None:
    made = fhir.post("/Media", {"resourceType": "Media", **RESOURCES["Media"]})
    id_ = made.json()["id"]
    assert fhir.get(f"/Media/{id_}?_elements=content").json()["content"]["data"] == TEXT
    asked = {"query": "{ it: id content { file: data } }"}
    answer = fhir.get(f"/Media/{id_}/$graphql", params=asked)
    assert answer.json()["data"]["content"]["file"] == TEXT
    view = {
        "resourceType": "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition",
        "resource": "Media",
        "status": "active",
        "select": [{"column": [{"name": "id", "path": "id"}, {"name": "data", "path": "content.data"}]}],
        "where": [{"path": f"id = '{id_}'"}],
    }
    body = {"resourceType": "Parameters", "parameter": [{"name": "viewResource", "resource": view}]}
    rows = fhir.post("/$viewdefinition-run?_format=ndjson", body)
    assert json.loads(rows.text) == {"id": id_, "data": TEXT}


def test_pages_end_at_a_number_of_bytes(fhir: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuetinh.record.contents import giving

    monkeypatch.setattr(giving, "PAGE", 300_000)
    tag = [{"system": "http://a.example", "code": "budget"}]
    ids = []
    for _ in range(5):
        media = {"resourceType": "Media", "meta": {"tag": tag}, **RESOURCES["Media"]}
        ids.append(fhir.post("/Media", media).json()["id"])
    url, sizes, found = "/Media?_tag=budget&_count=10&_sort=_id", [], []
    while url:
        page = fhir.get(url).json()
        sizes.append(len(page["entry"]))
        found += [entry["resource"]["id"] for entry in page["entry"]]
        assert all(entry["resource"]["content"]["data"] == TEXT for entry in page["entry"])
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "").partition("/fhir")[2]
    assert sizes == [2, 2, 1]
    assert found == sorted(ids)
    for status in ("in-progress", "completed"):
        fhir.put(f"/Media/{ids[0]}", {"resourceType": "Media", "id": ids[0], **RESOURCES["Media"], "status": status})
    url, versions = f"/Media/{ids[0]}/_history?_count=3", []
    while url:
        page = fhir.get(url).json()
        versions.append([entry["resource"]["meta"]["versionId"] for entry in page["entry"]])
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "").partition("/fhir")[2]
    assert versions == [["3", "2"], ["1"]]


def test_modules_get_whole_resources_and_may_give_them_back(folder: Path) -> None:
    made = api.create(SYSTEM, r4.Media(status="completed", content=r4.Attachment(contentType="a/b", data=TEXT)))
    read = api.read(SYSTEM, "Media", str(made.id))
    assert isinstance(read, r4.Media)
    assert read.content.data == TEXT
    read.status = "stopped"
    api.update(SYSTEM, read)
    (found,) = api.search(SYSTEM, "Media", f"_id={made.id}").resources
    assert isinstance(found, r4.Media)
    assert (found.status, found.content.data) == ("stopped", TEXT)
    assert [type(one) for one in api.history(SYSTEM, "Media", str(made.id))] == [r4.Media, r4.Media]
    assert count(folder) == 1


def test_modules_stream_contents_of_any_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuetinh.record.contents import giving

    monkeypatch.setattr(giving, "MOST", 100_000)
    made = api.create_binary(SYSTEM, r4.Binary(contentType="video/mp4"), (SCAN for _ in range(20)))
    content = api.read_binary(SYSTEM, str(made.id))
    assert (content.media, content.size) == ("video/mp4", 20 * len(SCAN))
    assert b"".join(content.chunks()) == SCAN * 20
    read = api.read(SYSTEM, "Binary", str(made.id))  # too large to be held, so it comes with a stand-in
    assert isinstance(read, r4.Binary)
    read.contentType = "video/mpeg"
    api.update(SYSTEM, read)
    changed = api.read_binary(SYSTEM, str(made.id))
    assert (changed.media, changed.size) == ("video/mpeg", 20 * len(SCAN))
    small = api.create(SYSTEM, r4.Binary(contentType="text/plain", data=base64.b64encode(b"a").decode()))
    assert list(api.read_binary(SYSTEM, str(small.id)).chunks()) == [b"a"]
    assert count(folder) == 1


def test_the_stand_in_is_what_a_strict_reader_takes_for_base64(folder: Path) -> None:
    api.create(SYSTEM, r4.Media(status="completed", content=r4.Attachment(contentType="a/b", data=TEXT)))
    content = contents.Content(hashlib.sha256(SCAN).digest(), len(SCAN))
    text = contents.stand_in(content)
    assert (len(text), base64.b64encode(base64.b64decode(text, validate=True))) == (96, text)
    assert contents.content_of(text) == content
    assert contents.content_of(text[:-1] + (b"B" if text.endswith(b"A") else b"A")) is None


BIG = base64.b64encode(SCAN * 40).decode()


@pytest.mark.parametrize("zipped", [False, True])
def test_json_is_as_long_as_its_contents_make_it(
    fhir: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, *, zipped: bool
) -> None:
    monkeypatch.setattr(fhir.door, "body_limit", 1_200_000)

    def send(method: str, path: str, body: dict[str, Any]) -> Any:
        content = json.dumps(body).encode()
        more = {"content-encoding": "gzip"} if zipped else {}
        content = gzip.compress(content, 1) if zipped else content
        return fhir.send(method, path, content=content, headers={"content-type": "application/fhir+json"} | more)

    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": BIG}
    made = send("POST", "/Binary", binary)
    assert made.status_code == 201, made.text[:500]
    place = f"/Binary/{made.json()['id']}"
    read = fhir.get(place, headers={"accept": "application/fhir+json"}).json()
    assert read["data"] == BIG
    assert send("PUT", place, read | {"contentType": "application/dicom"}).status_code == 200
    assert fhir.get(place, headers={"accept": "application/fhir+json"}).json()["data"] == BIG
    documents = [
        {"attachment": {"contentType": "a/b", "data": BIG}},
        {"attachment": {"contentType": "a/b", "data": "AAAA"}},
    ]
    document = {"resourceType": "DocumentReference", "status": "current", "content": documents}
    for kind in ("transaction", "batch"):
        entries = [{"resource": document, "request": {"method": "POST", "url": "DocumentReference"}}] * 2
        answer = send("POST", "/", {"resourceType": "Bundle", "type": kind, "entry": entries})
        assert answer.status_code == 200, answer.text[:500]
        for entry in answer.json()["entry"]:
            path = entry["response"]["location"].removeprefix("http://record.test/fhir")
            assert fhir.get(path).json()["content"] == documents
    assert count(folder) == 1


def test_json_that_is_long_by_itself_is_refused(
    fhir: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, stored_count: Callable[[], int]
) -> None:
    monkeypatch.setattr(fhir.door, "body_limit", 1_200_000)
    before = stored_count()
    lines = "\n".join(BIG[start : start + 76] for start in range(0, len(BIG), 76))
    for body in (
        {"resourceType": "Basic", "code": {"text": "x" * 1_300_000}},
        {"resourceType": "Binary", "contentType": "a/b", "data": lines},
        {"resourceType": "Binary", "contentType": "a/b", "data": BIG + "?"},
    ):
        answer = fhir.post(f"/{body['resourceType']}", body)
        assert answer.status_code == 413, answer.text[:500]
    assert (count(folder), stored_count()) == (0, before)
