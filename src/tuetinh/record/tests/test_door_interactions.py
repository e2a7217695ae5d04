from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from tuetinh.record.versioning import new_id

pytestmark = pytest.mark.django_db

HEIGHT = (
    '{"resourceType":"Observation","status":"final","code":{"text":"cao"},"subject":{"reference":"Patient/%s"},'
    '"valueQuantity":{"value":72.50,"unit":"cm"},"_effectiveDateTime":{"extension":[{"url":"http://example.org/when",'
    '"valueDecimal":1.10}]}}'
)


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": "Lò", "given": ["Thị", "Pâng"]}], **more}


def test_create_gives_id_version_and_place(fhir: Any) -> None:
    made = fhir.post("/Patient", patient(id="ignored"))
    assert made.status_code == 201
    body = made.json()
    assert body["id"] != "ignored"
    assert body["meta"]["versionId"] == "1"
    assert made.headers["etag"] == 'W/"1"'
    assert made.headers["location"] == f"http://record.test/fhir/Patient/{body['id']}/_history/1"
    read = fhir.get(f"/Patient/{body['id']}")
    assert read.status_code == 200
    assert read.json() == body
    assert read.headers["last-modified"] == made.headers["last-modified"]


def test_decimals_and_extensions_of_primitives_keep_every_character(fhir: Any) -> None:
    made = fhir.send(
        "POST", "/Observation", content=HEIGHT % new_id(), headers={"content-type": "application/fhir+json"}
    )
    assert made.status_code == 201
    text = fhir.get(f"/Observation/{made.json()['id']}").text
    assert '"value":72.50' in text
    assert '"valueDecimal":1.10' in text


def test_update_counts_versions_and_keeps_the_old_ones(fhir: Any) -> None:
    one = fhir.post("/Patient", patient()).json()
    path = f"/Patient/{one['id']}"
    changed = fhir.put(path, one | {"gender": "female"}, headers={"if-match": 'W/"1"'})
    assert changed.status_code == 200
    assert changed.headers["etag"] == 'W/"2"'
    assert fhir.get(path).json()["gender"] == "female"
    assert fhir.get(f"{path}/_history/1").json() == one
    assert fhir.get(f"{path}/_history/2").json()["meta"]["versionId"] == "2"
    assert fhir.get(f"{path}/_history/3").status_code == 404
    assert changed.json()["meta"]["lastUpdated"] > one["meta"]["lastUpdated"]


def test_update_of_an_unknown_id_creates_it(fhir: Any) -> None:
    id_ = new_id()
    assert fhir.put(f"/Patient/{id_}", patient(id=id_)).status_code == 201
    assert fhir.put(f"/Patient/{id_}", patient(id=id_)).status_code == 200


def test_delete_leaves_a_tombstone_and_recreating_counts_on(fhir: Any) -> None:
    one = fhir.post("/Patient", patient()).json()
    path = f"/Patient/{one['id']}"
    assert fhir.send("DELETE", path).status_code == 204
    gone = fhir.get(path)
    assert gone.status_code == 410
    assert gone.json()["issue"][0]["code"] == "deleted"
    assert fhir.send("DELETE", path).headers["etag"] == 'W/"2"'
    assert fhir.get(f"{path}/_history/2").status_code == 410
    assert fhir.put(path, one).status_code == 201
    assert fhir.get(path).json()["meta"]["versionId"] == "3"
    entries = fhir.get(f"{path}/_history").json()["entry"]
    assert [e["request"]["method"] for e in entries] == ["PUT", "DELETE", "POST"]
    assert [e["response"]["etag"] for e in entries] == ['W/"3"', 'W/"2"', 'W/"1"']


def test_history_is_paged_without_gaps(fhir: Any) -> None:
    one = fhir.post("/Patient", patient()).json()
    for number in range(6):
        one["multipleBirthInteger"] = number + 1
        fhir.put(f"/Patient/{one['id']}", one)
    url = f"/Patient/{one['id']}/_history?_count=3"
    seen = []
    while url:
        page = fhir.get(url).json()
        seen += [int(e["resource"]["meta"]["versionId"]) for e in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        url = following[0].removeprefix("http://record.test/fhir") if following else ""
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_history_at_a_time_has_what_was_current_then(fhir: Any) -> None:
    one = fhir.post("/Basic", {"resourceType": "Basic", "code": {"text": "1"}}).json()
    for text in ("2", "3"):
        time.sleep(0.02)
        fhir.put(f"/Basic/{one['id']}", {"resourceType": "Basic", "id": one["id"], "code": {"text": text}})
    place = f"/Basic/{one['id']}/_history"
    whole = fhir.get(place).json()
    assert whole["total"] == 3
    moments = [entry["response"]["lastModified"] for entry in whole["entry"]][::-1]
    cases = [
        (moments[1], ["2"]),
        (f"ge{moments[1]}", ["3", "2"]),
        (f"gt{moments[1]}", ["3", "2"]),
        (f"lt{moments[1]}", ["1"]),
        (f"le{moments[1]}", ["2", "1"]),
        ("lt2001", []),
        (f"gt{moments[2]}", ["3"]),
    ]
    for path in (place, "/Basic/_history"):
        for at, texts in cases:
            page = fhir.get(path, params={"_at": at, "_count": 1000}).json()
            mine = [e["resource"] for e in page.get("entry", ()) if e["resource"]["id"] == one["id"]]
            assert [each["code"]["text"] for each in mine] == texts, (path, at)
            assert page["total"] == len(page.get("entry", ()))
    assert fhir.get(f"{place}?_count=1&_at=gt{moments[1]}").json()["total"] == 2
    assert fhir.get(f"{place}?_at=yesterday").status_code == 400


def test_history_of_a_type_and_of_all_names_each_change_once(fhir: Any) -> None:
    before = fhir.post("/Basic", {"resourceType": "Basic", "code": {"text": "a"}}).json()
    after = fhir.post("/Basic", {"resourceType": "Basic", "code": {"text": "b"}}).json()
    fhir.post("/Patient", patient())
    since = before["meta"]["lastUpdated"]
    page = fhir.get("/Basic/_history", params={"_since": since}).json()
    assert [e["resource"]["id"] for e in page["entry"]] == [after["id"], before["id"]]
    everything = fhir.get("/_history", params={"_since": since, "_count": 2}).json()
    assert [e["resource"]["resourceType"] for e in everything["entry"]] == ["Patient", "Basic"]


def test_patch_changes_only_what_it_names(fhir: Any) -> None:
    made = fhir.send("POST", "/Observation", content=HEIGHT % new_id()).json()
    path = f"/Observation/{made['id']}"
    operations = [
        {"op": "test", "path": "/status", "value": "final"},
        {"op": "replace", "path": "/status", "value": "amended"},
    ]
    kind = {"content-type": "application/json-patch+json"}
    done = fhir.send("PATCH", path, content=json.dumps(operations), headers=kind | {"if-match": 'W/"1"'})
    assert done.status_code == 200
    assert '"value":72.50' in done.text
    assert done.json()["status"] == "amended"
    stale = fhir.send("PATCH", path, content=json.dumps(operations[1:]), headers=kind | {"if-match": 'W/"1"'})
    assert stale.status_code == 412
    assert fhir.get(path).headers["etag"] == 'W/"2"'


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ('[{"op":"test","path":"/status","value":"x"}]', 422),
        ('[{"op":"replace","path":"/nothing/here","value":1}]', 422),
        ('[{"op":"replace","path":"/id","value":"other"}]', 422),
        ('[{"op":"remove","path":"/status"}]', 400),
        ('[{"op":"jump","path":"/status"}]', 400),
        ('{"op":"remove"}', 400),
        ("[", 400),
        ('[{"op":"replace","path":"","value":[]}]', 422),
    ],
)
def test_patch_that_does_not_fit_changes_nothing(fhir: Any, operations: str, status: int) -> None:
    made = fhir.send("POST", "/Observation", content=HEIGHT % new_id()).json()
    path = f"/Observation/{made['id']}"
    refused = fhir.send("PATCH", path, content=operations, headers={"content-type": "application/json-patch+json"})
    assert refused.status_code == status
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert fhir.get(path).headers["etag"] == 'W/"1"'


def test_a_put_that_must_be_the_first_is_refused_where_there_is_one(fhir: Any) -> None:
    path, first = f"/Patient/{new_id()}", {"if-none-match": "*"}
    body = patient(id=path.rpartition("/")[2])
    assert fhir.put(path, body, headers=first).status_code == 201
    assert fhir.put(path, body, headers=first).status_code == 412
    assert fhir.get(path).headers["etag"] == 'W/"1"'
    fhir.send("DELETE", path)
    assert fhir.put(path, body, headers=first).status_code == 201
    assert fhir.get(path).headers["etag"] == 'W/"3"'


def test_a_conditional_put_that_must_be_the_first_is_refused_where_there_is_one(
    fhir: Any, stored_count: Callable[[], int]
) -> None:
    text = new_id()
    body, path = patient(identifier=[{"system": "urn:first", "value": text}]), f"/Patient?identifier=urn:first|{text}"
    assert fhir.put(path, body, headers={"if-none-match": "*"}).status_code == 201
    before = stored_count()
    assert fhir.put(path, body, headers={"if-none-match": "*"}).status_code == 412
    request = {"method": "PUT", "url": path[1:], "ifNoneMatch": "*"}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": body, "request": request}]}
    assert fhir.post("", batch).json()["entry"][0]["response"]["status"] == "412 Precondition Failed"
    assert stored_count() == before
    assert fhir.put(path, body).status_code == 200


def test_a_client_that_has_the_version_gets_304(fhir: Any) -> None:
    made = fhir.post("/Patient", patient())
    path = f"/Patient/{made.json()['id']}"
    same = fhir.get(path, headers={"if-none-match": 'W/"1"'})
    assert (same.status_code, same.content) == (304, b"")
    assert fhir.get(path, headers={"if-none-match": '"7", "1"'}).status_code == 304
    assert fhir.get(path, headers={"if-none-match": 'W/"2"'}).status_code == 200
    assert fhir.get(path, headers={"if-modified-since": made.headers["last-modified"]}).status_code == 304
    assert fhir.get(path, headers={"if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"}).status_code == 200


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [("return=minimal", None), ("return=representation", "Patient"), ("return=OperationOutcome", "OperationOutcome")],
)
def test_prefer_decides_what_a_write_returns(fhir: Any, prefer: str, kind: str | None) -> None:
    made = fhir.post("/Patient", patient(), headers={"prefer": prefer})
    assert made.status_code == 201
    assert (made.json()["resourceType"] if made.content else None) == kind


def test_parts_of_a_resource_are_marked(fhir: Any) -> None:
    made = fhir.post("/Patient", patient(gender="male", birthDate="1980-02-03")).json()
    cut = fhir.get(f"/Patient/{made['id']}?_elements=gender").json()
    assert set(cut) == {"resourceType", "id", "meta", "gender"}
    assert cut["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "birthDate" in fhir.get(f"/Patient/{made['id']}?_summary=true").json()


def test_parts_of_versions_are_marked_in_a_history(fhir: Any) -> None:
    path = f"/Patient/{fhir.post('/Patient', patient(gender='male', birthDate='2000')).json()['id']}"
    for query, names in (("_elements=gender", {"gender"}), ("_summary=true", {"gender", "birthDate", "name"})):
        for place in (f"{path}/_history", "/Patient/_history"):
            (one,) = fhir.get(f"{place}?{query}&_count=1").json()["entry"]
            assert set(one["resource"]) == {"resourceType", "id", "meta", *names}
            assert one["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    for wrong in (f"{path}?_summary=count", f"{path}/_history?_summary=count", f"{path}/_history?_elements=no"):
        assert fhir.get(wrong).status_code == 400


def test_head_gives_the_headers_only(fhir: Any) -> None:
    made = fhir.post("/Patient", patient()).json()
    head = fhir.send("HEAD", f"/Patient/{made['id']}")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", 'W/"1"')


def test_gzip_bodies_pretty_answers_and_request_ids(fhir: Any) -> None:
    body = gzip.compress(json.dumps(patient()).encode())
    made = fhir.send(
        "POST", "/Patient?_pretty=true", content=body, headers={"content-encoding": "gzip", "x-request-id": "abc-1"}
    )
    assert made.status_code == 201
    assert made.text.startswith('{\n  "resourceType": "Patient"')
    assert made.headers["x-request-id"] == "abc-1"


def test_every_access_is_logged_with_who_and_whom(fhir: Any, ask: Callable[..., list[Any]]) -> None:
    made = fhir.post("/Patient", patient(), who="doctor").json()
    fhir.get(f"/Patient/{made['id']}", who="doctor")
    fhir.run(fhir.door.shutdown())
    entries = ask(
        "SELECT account, role, facility, action, patient FROM record.audit WHERE id = %s ORDER BY position", made["id"]
    )
    assert entries == [
        ("doctor", "doctor", "hospital", "create", made["id"]),
        ("doctor", "doctor", "hospital", "read", made["id"]),
    ]


@pytest.mark.parametrize(
    ("proxies", "address"), [([], "127.0.0.1"), (["127.0.0.1/32"], "203.0.113.7"), (["10.9.0.0/24"], "127.0.0.1")]
)
def test_the_log_says_from_where_and_with_what(
    fhir: Any, ask: Callable[..., list[Any]], settings: Any, proxies: list[str], address: str
) -> None:
    settings.PROXIES = [ip_network(one) for one in proxies]
    headers = {"x-forwarded-for": "1.2.3.4, 203.0.113.7", "user-agent": "máy/1.0\x01".encode()}
    made = fhir.post("/Patient", patient(), headers=headers).json()
    fhir.put(f"/Patient/{made['id']}", made | {"gender": "male"}, headers=headers)
    fhir.get(f"/Patient/{made['id']}", headers=headers)
    fhir.run(fhir.door.shutdown())
    entries = ask("SELECT DISTINCT address, agent FROM record.audit WHERE id = %s", made["id"])
    assert entries == [(address, "máy/1.0\x01".encode().decode("latin-1"))]


def test_a_refusal_of_the_whole_system_is_logged_with_its_reason(fhir: Any, ask: Callable[..., list[Any]]) -> None:
    refused = fhir.send("POST", "/$reindex", who="doctor", content=b"{")
    assert refused.status_code == 403
    fhir.run(fhir.door.shutdown())
    wanted = "SELECT account, type, outcome, reason FROM record.audit WHERE action = '$reindex'"
    assert ask(wanted) == [("doctor", "", "4", "forbidden")]


def test_of_many_updates_of_one_version_exactly_one_wins(fhir: Any) -> None:
    one = fhir.post("/Patient", patient()).json()
    path = f"/Patient/{one['id']}"
    calls = [
        fhir.asend("PUT", path, json=one | {"gender": g}, headers={"if-match": 'W/"1"'}) for g in ("male", "female") * 6
    ]
    statuses = sorted(answer.status_code for answer in fhir.together(*calls))
    assert statuses == [200] + [412] * 11
    assert fhir.get(path).headers["etag"] == 'W/"2"'


def test_simultaneous_writes_leave_a_history_without_gaps(fhir: Any) -> None:
    id_ = new_id()
    calls = [fhir.asend("PUT", f"/Patient/{id_}", json=patient(id=id_, multipleBirthInteger=n + 1)) for n in range(25)]
    answers = fhir.together(*calls)
    assert sorted(a.status_code for a in answers) == [200] * 24 + [201]
    entries = fhir.get(f"/Patient/{id_}/_history?_count=100").json()["entry"]
    assert [int(e["resource"]["meta"]["versionId"]) for e in entries] == list(range(25, 0, -1))
    assert len({e["resource"]["multipleBirthInteger"] for e in entries}) == 25


def test_simultaneous_creates_all_arrive_once(fhir: Any) -> None:
    calls = [fhir.asend("POST", "/Basic", json={"resourceType": "Basic", "code": {"text": str(n)}}) for n in range(60)]
    made = [answer.json() for answer in fhir.together(*calls)]
    assert len({m["id"] for m in made}) == 60
    assert [m["code"]["text"] for m in made] == [str(n) for n in range(60)]
    assert all(fhir.get(f"/Basic/{m['id']}").json() == m for m in made[::10])


def test_the_text_of_a_resource_comes_with_what_is_mandatory_alone(fhir: Any) -> None:
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
    made = fhir.post("/Patient", {"resourceType": "Patient", "active": True, "text": text}).json()
    shown = fhir.get(f"/Patient/{made['id']}?_summary=text").json()
    assert set(shown) == {"resourceType", "id", "meta", "text"}


def test_an_empty_transaction_answers_an_empty_bundle(fhir: Any) -> None:
    answer = fhir.post("", {"resourceType": "Bundle", "type": "transaction"}).json()
    assert set(answer) == {"resourceType", "id", "type"}


def test_how_a_result_is_wanted_stands_once(fhir: Any) -> None:
    assert fhir.get("/Patient?_sort=_id&_sort=_lastUpdated").status_code == 400
    assert fhir.get("/Patient?_total=none&_total=accurate").status_code == 400
    assert fhir.get("/Patient?_count=5&_count=5").status_code == 200


def test_each_operation_is_told_once(fhir: Any) -> None:
    rest = fhir.get("/metadata").json()["rest"][0]
    for several in [rest["operation"], *(one.get("operation", []) for one in rest["resource"])]:
        told = [(one["name"], one["definition"]) for one in several]
        assert len(told) == len(set(told))
