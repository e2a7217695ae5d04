"""Binaries as they are: in and out of the door, in ranges, in versions, once for the same content."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuetinh.record.contents import files

pytestmark = pytest.mark.django_db
PDF = {"content-type": "application/pdf"}
SCAN = b"%PDF-1.7\n" + bytes(range(256)) * 2000
FHIR_JSON = {"accept": "application/fhir+json"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    """The folder of files of each test."""
    settings.DATA = tmp_path
    return tmp_path / "files"


def kept(folder: Path) -> list[str]:
    """The names of all files below the folder, whole ones and others."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def upload(fhir: Any, content: Any, who: str = "system", **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = fhir.send("POST", "/Binary", who, content=content, headers=PDF | named)
    assert answer.status_code == 201, answer.text
    assert answer.content == b""
    return answer.headers["location"].split("/Binary/")[1].split("/")[0]


def test_what_is_uploaded_comes_back_byte_by_byte(fhir: Any, folder: Path) -> None:
    id_ = upload(fhir, SCAN)
    digest = hashlib.sha256(SCAN).hexdigest()
    assert kept(folder) == [digest]
    assert (folder / digest[:2] / digest).read_bytes() == SCAN
    assert (folder / digest[:2] / digest).stat().st_mode & 0o777 == 0o600
    answer = fhir.get(f"/Binary/{id_}")
    assert answer.status_code == 200
    assert answer.content == SCAN
    expected = {
        "content-type": "application/pdf",
        "content-length": str(len(SCAN)),
        "etag": '"1"',
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-disposition": f'inline; filename="{id_}.pdf"',
    }
    assert {name: answer.headers[name] for name in expected} == expected
    head = fhir.send("HEAD", f"/Binary/{id_}")
    assert head.content == b""
    assert {name: head.headers[name] for name in expected} == expected


def test_fhir_json_and_xml_are_given_when_asked_for(fhir: Any) -> None:
    id_ = upload(fhir, SCAN)
    text = base64.b64encode(SCAN).decode()
    resource = fhir.get(f"/Binary/{id_}", headers=FHIR_JSON)
    assert resource.json()["data"] == text
    assert resource.json()["contentType"] == "application/pdf"
    assert resource.headers["content-length"] == str(len(resource.content))
    assert fhir.get(f"/Binary/{id_}?_format=json").content == resource.content
    assert fhir.get(f"/Binary/{id_}", headers={"accept": "application/json"}).content == resource.content
    xml = fhir.get(f"/Binary/{id_}", headers={"accept": "application/fhir+xml"})
    assert xml.headers["content-type"].startswith("application/fhir+xml")
    assert f'<data value="{text}"/>'.encode() in xml.content
    pretty = fhir.get(f"/Binary/{id_}?_format=json&_pretty=true")
    assert pretty.json() == resource.json()
    assert fhir.get(f"/Binary/{id_}?_format=yaml").status_code == 406
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    for accept in (browser, "application/pdf", "application/*", "image/png"):
        assert fhir.get(f"/Binary/{id_}", headers={"accept": accept}).content == SCAN, accept


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), ("bytes=512000-", 512000, None), ("bytes=-9", -9, None)],
)
def test_a_range_is_a_part(fhir: Any, asked: str, start: int, stop: int | None) -> None:
    for content in (SCAN, SCAN[:60_000] * 1):
        id_ = upload(fhir, content)
        part = content[start:stop]
        answer = fhir.get(f"/Binary/{id_}", headers={"range": asked})
        if not part:
            assert answer.status_code == 416
            continue
        assert answer.status_code == 206
        assert answer.content == part
        begin = start % len(content)
        assert answer.headers["content-range"] == f"bytes {begin}-{begin + len(part) - 1}/{len(content)}"
        assert answer.headers["content-length"] == str(len(part))


def test_a_range_of_another_version_or_form_is_the_whole(fhir: Any) -> None:
    id_ = upload(fhir, SCAN)
    tail = {"range": "bytes=-10"}
    assert fhir.get(f"/Binary/{id_}", headers=tail | {"if-range": '"1"'}).content == SCAN[-10:]
    for headers in ({"if-range": '"2"'}, {"if-range": 'W/"1"'}, {"range": "bytes=1-2,5-6"}, {"range": "lines=1-2"}):
        whole = fhir.get(f"/Binary/{id_}", headers=tail | headers)
        assert (whole.status_code, whole.content) == (200, SCAN), headers
    beyond = fhir.get(f"/Binary/{id_}", headers={"range": f"bytes={len(SCAN)}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(SCAN)}"
    assert beyond.json()["resourceType"] == "OperationOutcome"


def test_what_the_client_has_is_not_sent_again(fhir: Any) -> None:
    id_ = upload(fhir, SCAN)
    first = fhir.get(f"/Binary/{id_}")
    for headers in ({"if-none-match": '"1"'}, {"if-none-match": 'W/"1"'}):
        again = fhir.get(f"/Binary/{id_}", headers=headers)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"1"')
    since = {"if-modified-since": first.headers["last-modified"]}
    assert fhir.get(f"/Binary/{id_}", headers=since).status_code == 304
    assert fhir.get(f"/Binary/{id_}", headers={"if-none-match": '"7"'}).content == SCAN


def test_versions_keep_their_contents_and_the_same_is_stored_once(fhir: Any, folder: Path) -> None:
    id_ = upload(fhir, SCAN)
    other = SCAN[::-1]
    second = fhir.send("PUT", f"/Binary/{id_}", content=other, headers=PDF | {"if-match": 'W/"1"'})
    assert (second.status_code, second.headers["etag"]) == (200, 'W/"2"')
    stale = fhir.send("PUT", f"/Binary/{id_}", content=SCAN, headers=PDF | {"if-match": 'W/"1"'})
    assert stale.status_code == 412
    assert fhir.send("DELETE", f"/Binary/{id_}").status_code == 204
    assert fhir.get(f"/Binary/{id_}").status_code == 410
    assert fhir.get(f"/Binary/{id_}/_history/1").content == SCAN
    assert fhir.get(f"/Binary/{id_}/_history/2").content == other
    history = fhir.get(f"/Binary/{id_}/_history").json()["entry"]
    shown = [base64.b64decode(entry["resource"]["data"]) if "resource" in entry else None for entry in history]
    assert shown == [None, other, SCAN]
    upload(fhir, SCAN)
    made = fhir.send("PUT", "/Binary/by-its-own-name", content=SCAN, headers=PDF)
    assert made.status_code == 201
    assert len(kept(folder)) == 2


def test_two_uploads_of_the_same_content_at_once(fhir: Any, folder: Path) -> None:
    calls = [fhir.asend("POST", "/Binary", content=SCAN, headers=PDF) for _ in range(6)]
    answers = fhir.together(*calls)
    assert [answer.status_code for answer in answers] == [201] * 6
    assert kept(folder) == [hashlib.sha256(SCAN).hexdigest()]
    for answer in answers:
        assert fhir.get(answer.headers["location"].split("/fhir")[1]).content == SCAN


def test_small_and_empty_contents_stay_in_their_rows(fhir: Any, folder: Path) -> None:
    for content in (b"", b"x", SCAN[:65536]):
        id_ = upload(fhir, content)
        assert fhir.get(f"/Binary/{id_}").content == content
        assert (
            fhir.get(f"/Binary/{id_}", headers=FHIR_JSON).json().get("data", "") == base64.b64encode(content).decode()
        )
    assert kept(folder) == []


def test_gzip_is_taken_out(fhir: Any, folder: Path) -> None:
    id_ = upload(fhir, gzip.compress(SCAN), content_encoding="gzip")
    assert fhir.get(f"/Binary/{id_}").content == SCAN
    cut = fhir.send("POST", "/Binary", content=gzip.compress(SCAN)[:-20], headers=PDF | {"content-encoding": "gzip"})
    assert cut.status_code == 400
    assert len(kept(folder)) == 1


def test_fhir_forms_of_a_binary_are_kept_as_files_too(fhir: Any, folder: Path, ask: Callable[..., Any]) -> None:
    text = base64.b64encode(SCAN).decode()
    made = fhir.post("/Binary", {"resourceType": "Binary", "contentType": "application/pdf", "data": text})
    assert made.status_code == 201
    assert made.json()["data"] == text
    id_ = made.json()["id"]
    assert fhir.get(f"/Binary/{id_}").content == SCAN
    assert ask('SELECT length(body) < 400 FROM record."Binary" WHERE id = %s', id_) == [(True,)]
    xml = f'<Binary xmlns="http://hl7.org/fhir"><contentType value="application/pdf"/><data value="{text}"/></Binary>'
    made = fhir.send("POST", "/Binary", content=xml, headers={"content-type": "application/fhir+xml"})
    assert made.status_code == 201
    assert fhir.get(f"/Binary/{made.json()['id']}").content == SCAN
    assert len(kept(folder)) == 1


def test_conditional_create_and_preferences(fhir: Any) -> None:
    fhir.send("PUT", "/Binary/asked-for", content=SCAN, headers=PDF)
    condition = {"if-none-exist": "_id=asked-for"}
    same = fhir.send("POST", "/Binary", content=SCAN[::-1], headers=PDF | condition)
    assert same.status_code == 200
    assert same.headers["location"].endswith("/Binary/asked-for/_history/1")
    full = fhir.send("PUT", "/Binary/asked-for", content=SCAN, headers=PDF | {"prefer": "return=representation"})
    assert base64.b64decode(full.json()["data"]) == SCAN


def test_a_transaction_with_a_binary_and_its_document(fhir: Any, folder: Path) -> None:
    text = base64.b64encode(SCAN).decode()
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": text}
    attachment = {"contentType": "application/pdf", "url": "urn:uuid:0b1f6f5e-3c4a-4c55-9d3e-52d7e7f0a001"}
    document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}
    entries = [
        {
            "fullUrl": attachment["url"],
            "resource": binary,
            "request": {"method": "POST", "url": "Binary"},
        },
        {"resource": document, "request": {"method": "POST", "url": "DocumentReference"}},
    ]
    answer = fhir.post("/", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200
    location = answer.json()["entry"][1]["response"]["location"].split("/fhir")[1]
    url = fhir.get(location).json()["content"][0]["attachment"]["url"]
    assert fhir.get(f"/{url}").content == SCAN
    assert len(kept(folder)) == 1
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]}
    (got,) = fhir.post("/", batch).json()["entry"]
    assert got["resource"]["data"] == text


@pytest.mark.parametrize(
    ("media", "disposition"),
    [
        ("text/html", "attachment"),
        ("image/svg+xml", "attachment"),
        ("application/xhtml+xml", "attachment"),
        ("text/javascript", "attachment"),
        ("application/octet-stream", "attachment"),
        ("TEXT/HTML; charset=utf-8", "attachment"),
        ("image/png", "inline"),
        ("video/mp4", "inline"),
        ("text/plain; charset=utf-8", "inline"),
    ],
)
def test_nothing_that_is_stored_runs_in_a_browser(fhir: Any, media: str, disposition: str) -> None:
    page = b"<script>alert(1)</script>"
    made = fhir.send("POST", "/Binary", content=page, headers={"content-type": media})
    assert made.status_code == 201, made.text
    answer = fhir.get(made.headers["location"].split("/fhir")[1], headers={"accept": "*/*"})
    assert answer.content == page
    assert answer.headers["content-type"] == media
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith(f"{disposition}; filename=")
    guarded = answer.headers.get("content-security-policy") == "sandbox; default-src 'none'"
    assert guarded == (disposition == "attachment")


@pytest.mark.parametrize("media", ["pdf", "application/", "text/html\tx y", "a b/c", "é/é", "x" * 300])
def test_what_is_no_media_type_is_refused(fhir: Any, media: str, folder: Path, stored_count: Any) -> None:
    before = stored_count()
    refused = fhir.send("POST", "/Binary", content=SCAN, headers={"content-type": media.encode("utf-8")})
    assert refused.status_code in (400, 415)
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert (kept(folder), stored_count()) == ([], before)


def test_a_body_beyond_the_limit_is_refused_and_the_limit_named(
    fhir: Any, folder: Path, stored_count: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir.door, "binary_limit", 300_000)
    before = stored_count()

    async def parts() -> Any:  # of a length that nobody tells
        for start in range(0, len(SCAN), 100_000):
            yield SCAN[start : start + 100_000]

    zipped = gzip.compress(bytes(10_000_000))
    for content, headers in ((SCAN, {}), (parts(), {}), (zipped, {"content-encoding": "gzip"})):
        refused = fhir.send("POST", "/Binary", content=content, headers=PDF | headers)
        assert refused.status_code == 413
        assert "TUETINH_BINARY_LIMIT" in refused.json()["issue"][0]["diagnostics"]
    assert (kept(folder), stored_count()) == ([], before)


def test_a_wrong_length_and_a_client_that_leaves_store_nothing(fhir: Any, folder: Path, stored_count: Any) -> None:
    before = stored_count()
    wrong = fhir.send("POST", "/Binary", content=SCAN, headers=PDF | {"content-length": str(len(SCAN) + 5)})
    assert wrong.status_code == 400
    assert "Content-Length" in wrong.json()["issue"][0]["diagnostics"]

    async def broken_off() -> int:
        big = SCAN * 4
        messages = [{"type": "http.request", "body": big, "more_body": True}, {"type": "http.disconnect"}]
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/fhir/Binary", "query_string": b"", "scheme": "http"}
        scope["headers"] = [(b"authorization", b"Bearer system"), (b"content-type", b"application/pdf")]
        await fhir.door(scope, receive, send)
        return sent[0]["status"]

    assert fhir.run(broken_off()) == 400
    assert (kept(folder), stored_count()) == ([], before)


def test_a_slow_client_is_given_up(fhir: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuetinh.record.door import uploading

    monkeypatch.setattr(uploading, "SLOW_SECONDS", 0.2)

    async def drops() -> Any:
        import asyncio

        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    assert fhir.send("POST", "/Binary", content=drops(), headers=PDF).status_code == 408
    assert kept(folder) == []


def test_a_full_disk_is_told_and_nothing_is_stored(fhir: Any, folder: Path, stored_count: Any) -> None:
    import resource

    before = stored_count()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        refused = fhir.send("POST", "/Binary", content=SCAN, headers=PDF)
        inline = {"resourceType": "Binary", "contentType": "a/b", "data": base64.b64encode(SCAN).decode()}
        refused_inline = fhir.post("/Binary", inline)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for answer in (refused, refused_inline):
        assert answer.status_code == 507
        assert answer.json()["issue"][0]["code"] == "no-store"
        assert str(folder) not in answer.text
    assert (kept(folder), stored_count()) == ([], before)
    assert fhir.send("POST", "/Binary", content=SCAN, headers=PDF).status_code == 201


def test_a_content_that_is_lost_is_told_before_anything_is_sent(fhir: Any, folder: Path) -> None:
    id_ = upload(fhir, SCAN)
    path = files.path_of(hashlib.sha256(SCAN).digest())
    path.write_bytes(SCAN[:1000])
    for headers in ({}, FHIR_JSON):
        lost = fhir.get(f"/Binary/{id_}", headers=headers)
        assert lost.status_code == 500
        assert lost.json()["issue"][0]["code"] == "incomplete"
        assert str(folder) not in lost.text
    upload(fhir, SCAN)  # and who brings it again heals it
    assert fhir.get(f"/Binary/{id_}").content == SCAN


def test_a_stand_in_is_never_taken_from_outside(fhir: Any, ask: Callable[..., Any]) -> None:
    id_ = upload(fhir, SCAN)
    ((body,),) = ask('SELECT body FROM record."Binary" WHERE id = %s', id_)
    stored = json.loads(bytes(body))["data"]
    assert len(stored) == 96
    forged = stored[:-4] + ("AAAA" if stored[-4:] != "AAAA" else "BBBB")
    text = json.dumps({"resourceType": "Binary", "contentType": "a/b", "data": forged})
    made = fhir.send("POST", "/Binary", content=text, headers={"content-type": "application/fhir+json"})
    assert made.json()["data"] == forged
    assert fhir.get(f"/Binary/{made.json()['id']}").content == base64.b64decode(forged)
