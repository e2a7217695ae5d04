from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tuetinh.record.door.call import base_of

pytestmark = pytest.mark.django_db
FHIR = "application/fhir+json"
PATCH = "application/json-patch+json"
DEEP_BUNDLE = (
    b'{"resourceType":"Bundle","type":"transaction","entry":[{"resource":' * 30_000
    + b'{"resourceType":"Patient"}'
    + b"}]}" * 30_000
)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "", DEEP_BUNDLE, {}, 400),
        ("GET", "/Patient/_history?_since=9999-12-31T23:59:59-12:00", b"", {}, 400),
        ("GET", "/_history?_since=0001-01-01T00:00:00%2B14:00", b"", {}, 400),
        ("GET", "/Patient?" + urlencode([("name", "a")] * 31), b"", {}, 400),
        ("DELETE", "/Patient?_count=1", b"", {}, 400),
        ("DELETE", "/Patient?_sort=_id", b"", {}, 400),
        ("PUT", "/Patient?_total=none", b'{"resourceType":"Patient"}', {}, 400),
        ("POST", "/Patient", b'{"resourceType":"Patient"}', {"if-none-exist": ""}, 400),
        ("POST", "/Patient", b'{"resourceType":"Patient"}', {"if-none-exist": "_count=1"}, 400),
    ],
)
def test_an_odd_request_is_refused_and_changes_nothing(
    fhir: Any,
    stored_count: Callable[[], int],
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    fhir.put("/Patient/only", {"resourceType": "Patient", "id": "only"})
    before = stored_count()
    answer = fhir.send(method, path, content=body, headers={"content-type": FHIR} | headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert stored_count() == before
    fhir.send("DELETE", "/Patient/only")


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        (b'[{"op":"add","path":"/x","value":' + b"[" * 900 + b"]" * 900 + b"}]", 400),
        (
            json.dumps(
                [
                    {"op": "add", "path": "/contact", "value": [{"name": {"text": "x" * 1000}}]},
                    *[{"op": "copy", "from": "/contact", "path": "/contact/-"}] * 40,
                ]
            ).encode(),
            413,
        ),
    ],
)
def test_a_patch_that_grows_without_end_is_refused(
    fhir: Any, stored_count: Callable[[], int], patch: bytes, status: int
) -> None:
    fhir.put("/Patient/patched", {"resourceType": "Patient", "id": "patched"})
    before = stored_count()
    answer = fhir.send("PATCH", "/Patient/patched", content=patch, headers={"content-type": PATCH})
    assert answer.status_code == status, answer.text
    assert stored_count() == before


def test_a_patch_applies_its_operations_in_order(fhir: Any) -> None:
    fhir.put("/Patient/order", {"resourceType": "Patient", "id": "order", "name": [{"family": "A"}]})
    patch = [
        {"op": "copy", "from": "/name/0", "path": "/name/-"},
        {"op": "replace", "path": "/name/1/family", "value": "B"},
        {"op": "test", "path": "/name/0/family", "value": "A"},
    ]
    answer = fhir.send("PATCH", "/Patient/order", json=patch, headers={"content-type": PATCH})
    assert answer.status_code == 200
    assert [name["family"] for name in answer.json()["name"]] == ["A", "B"]


def test_a_body_that_breaks_off_is_refused_though_it_reads_as_whole(fhir: Any, stored_count: Callable[[], int]) -> None:
    before = stored_count()
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": b'{"resourceType":"Patient"}', "more_body": True}]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        **{"type": "http", "method": "POST", "path": "/fhir/Patient", "query_string": b""},
        "headers": [(b"authorization", b"Bearer system")],
    }
    fhir.run(fhir.door(scope, receive, send))
    assert sent[0]["status"] == 400
    assert stored_count() == before


def test_a_byte_order_mark_before_the_body_is_passed_over(fhir: Any) -> None:
    body = b'\xef\xbb\xbf{"resourceType":"Patient","gender":"male"}'
    answer = fhir.send("POST", "/Patient", content=body, headers={"content-type": FHIR})
    assert answer.status_code == 201
    assert answer.json()["gender"] == "male"


def test_transactions_that_lock_each_other_out_all_succeed(fhir: Any) -> None:
    """Deletions are done before updates, so these two take the same rows in opposite order."""
    rounds = 12
    for n in range(rounds):
        for name in (f"dead-{n}-a", f"dead-{n}-b"):
            fhir.put(f"/Basic/{name}", {"resourceType": "Basic", "id": name, "code": {"text": "0"}})

    def swap(n: int, deleted: str, kept: str) -> dict[str, Any]:
        resource = {"resourceType": "Basic", "id": f"dead-{n}-{kept}", "code": {"text": deleted}}
        entries = [
            {"request": {"method": "DELETE", "url": f"Basic/dead-{n}-{deleted}"}},
            {"request": {"method": "PUT", "url": f"Basic/dead-{n}-{kept}"}, "resource": resource},
        ]
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    calls = [fhir.asend("POST", "", json=swap(n, *order)) for n in range(rounds) for order in (("a", "b"), ("b", "a"))]
    assert [answer.status_code for answer in fhir.together(*calls)] == [200] * (2 * rounds)


def test_a_reference_is_kept_and_leads_somewhere_once_its_target_arrives(fhir: Any) -> None:
    observation = {
        **{"resourceType": "Observation", "id": "early", "status": "final", "code": {"text": "x"}},
        "subject": {"reference": "Patient/late"},
    }
    assert fhir.put("/Observation/early", observation).status_code == 201

    def found(query: str) -> list[tuple[str, str]]:
        bundle = fhir.get(query).json()
        return [(e["search"]["mode"], e["resource"]["id"]) for e in bundle.get("entry", [])]

    asked = "/Observation?subject=Patient/late&_include=Observation:subject"
    assert found(asked) == [("match", "early")]
    assert found("/Patient?_id=late&_revinclude=Observation:subject") == []
    assert fhir.put("/Patient/late", {"resourceType": "Patient", "id": "late"}).status_code == 201
    assert found(asked) == [("match", "early"), ("include", "late")]
    assert found("/Patient?_id=late&_revinclude=Observation:subject") == [("match", "late"), ("include", "early")]


def test_a_citizen_meets_own_resources_alone_whatever_is_asked(fhir: Any) -> None:
    own, other = "citizen-of-the-cast", "somebody-else"
    for patient in (own, other):
        fhir.put(f"/Patient/{patient}", {"resourceType": "Patient", "id": patient, "name": [{"family": "Lò"}]})
        observation = {
            **{"resourceType": "Observation", "id": f"of-{patient}", "status": "final", "code": {"text": "x"}},
            **{"subject": {"reference": f"Patient/{patient}"}, "effectiveDateTime": "2026-01-02"},
        }
        fhir.put(f"/Observation/of-{patient}", observation)
    for path in (
        "?_type=Patient,Observation",
        "/Patient?name=lo&_total=accurate",
        "/Patient?_sort=family&_revinclude=Observation:subject",
        "/Patient?gender:missing=true&_sort=-birthdate",
        f"/Patient?_id={own},{other}",
        "/Observation?_sort=-date&_include=Observation:subject",
        f"/Observation?subject=Patient/{own},Patient/{other}",
        "/Observation?date=ge2026&_sort=_lastUpdated",
        "/Observation/_history",
        "/_history",
    ):
        answer = fhir.get(path, "citizen")
        assert answer.status_code == 200, (path, answer.text)
        entries = answer.json().get("entry", [])
        assert {e["resource"]["id"] for e in entries} <= {own, f"of-{own}"}, path
        assert entries, path
        assert answer.json().get("total", 1) == (len(entries) if "_history" in path else 1)
    assert fhir.get("/Patient?_summary=count", "citizen").json()["total"] == 1


@pytest.mark.parametrize(
    ("request_", "id_", "status", "place"),
    [
        ({"method": "PUT", "url": "Patient/here"}, "elsewhere", 400, "Bundle.entry[1].resource.id"),
        ({"method": "PUT", "url": "Patient/here", "ifMatch": "x"}, "here", 412, "Bundle.entry[1].request.ifMatch"),
        ({"method": "DELETE", "url": "Patient?_count=1"}, "here", 400, "Bundle.entry[1]"),
    ],
)
def test_an_odd_entry_undoes_the_whole_transaction(
    fhir: Any, stored_count: Callable[[], int], request_: dict[str, str], id_: str, status: int, place: str
) -> None:
    before = stored_count()
    good = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}
    odd = {"request": request_, "resource": {"resourceType": "Patient", "id": id_}}
    answer = fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [good, odd]})
    assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["expression"] == [place]
    assert stored_count() == before


REPLACE = {
    "name": "operation",
    "part": [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Basic.code.text"},
        {"name": "value", "valueString": "y"},
    ],
}
PATCHES: dict[str, Callable[[int], str]] = {
    "application/json-patch+json": lambda n: json.dumps([{"op": "replace", "path": "/code/text", "value": "y"}] * n),
    "application/fhir+json": lambda n: json.dumps({"resourceType": "Parameters", "parameter": [REPLACE] * n}),
    "application/xml-patch+xml": lambda n: (
        '<diff xmlns:f="http://hl7.org/fhir">'
        + '<replace sel="f:Basic/f:code/f:text/@value">y</replace>' * n
        + "</diff>"
    ),
}


@pytest.mark.parametrize("setting", ["", "7"])
@pytest.mark.parametrize(("media", "most"), list(zip(PATCHES, (10_000, 1000, 500), strict=True)))
def test_a_patch_of_very_many_operations_is_refused(
    fhir: Any, media: str, most: int, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting:
        monkeypatch.setenv("TUETINH_PATCH_LIMIT", setting)
    limit = int(setting or most)
    made = fhir.post("/Basic", {"resourceType": "Basic", "code": {"text": "x"}}).json()
    for count in (limit + 1, 50_000):
        content = PATCHES[media](count)
        answer = fhir.send("PATCH", f"/Basic/{made['id']}", content=content, headers={"content-type": media})
        assert answer.status_code == 413
        assert f"{count} operations; {limit} at most" in answer.json()["issue"][0]["diagnostics"]
    assert fhir.get(f"/Basic/{made['id']}").json() == made
    content = PATCHES[media](limit)
    taken = fhir.send("PATCH", f"/Basic/{made['id']}", content=content, headers={"content-type": media})
    assert (taken.status_code, taken.json()["code"]["text"]) == (200, "y")


def test_a_patch_inside_of_a_transaction_has_the_same_limit(fhir: Any, stored_count: Callable[[], int]) -> None:
    made = fhir.post("/Basic", {"resourceType": "Basic", "code": {"text": "x"}}).json()
    before = stored_count()
    request = {"method": "PATCH", "url": f"Basic/{made['id']}"}
    entry = {"request": request, "resource": {"resourceType": "Parameters", "parameter": [REPLACE] * 1001}}
    answer = fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer.status_code == 413
    assert stored_count() == before


def test_a_transaction_that_names_very_many_ids_is_refused(fhir: Any, stored_count: Callable[[], int]) -> None:
    made = [{"resourceType": "Basic", "id": f"id-{n}", "code": {"text": "x"}} for n in range(4001)]
    entries = [{"request": {"method": "PUT", "url": f"Basic/{one['id']}"}, "resource": one} for one in made]
    before = stored_count()
    answer = fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 413
    assert "4001 resources of Basic" in answer.json()["issue"][0]["diagnostics"]
    assert stored_count() == before


@pytest.mark.parametrize(
    ("hosts", "host", "expected"),
    [
        (["*"], "elsewhere.example:8443", "elsewhere.example:8443"),
        (["his.example", ".his.example"], "his.example", "his.example"),
        (["his.example", ".his.example"], "node.his.example:8443", "node.his.example:8443"),
        (["his.example"], "evil.example", "10.0.0.1:8080"),
        (["his.example"], "his.example.evil.example", "10.0.0.1:8080"),
        (["*"], "evil.example/x?", "10.0.0.1:8080"),
        (["*"], "", "10.0.0.1:8080"),
    ],
)
def test_links_lead_to_our_hosts_alone(settings: Any, hosts: list[str], host: str, expected: str) -> None:
    settings.ALLOWED_HOSTS = hosts
    scope = {"scheme": "http", "server": ("10.0.0.1", 8080)}
    assert base_of(scope, {"host": host}) == f"http://{expected}/fhir"
