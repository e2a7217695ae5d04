"""The access log at the door as AuditEvent: what it tells, who is told, how it is searched; nobody changes it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.sight import Sight
from tuetinh.record.tests.bulk_world import ASYNC, export
from tuetinh.record.validate import check

pytestmark = pytest.mark.django_db

ALL = frozenset({"user/*.cruds"})
NURSE = Asker("41", "nurse", "h1", "TREAT", ALL, None, "nurse-1", sight=Sight("*"))
WORLD = {
    "nurse": NURSE,
    "app-of-nurse": replace(NURSE, client="growth-app"),
    "nurse-of-h2": replace(NURSE, account="42", facility="h2", practitioner="nurse-2"),
    "keeper": Asker("50", "admin", "h1", "HOPERAT", frozenset({"user/AuditEvent.rs"}), sight=Sight("AuditEvent")),
    "keeper-of-all": Asker("51", "admin", "", "HOPERAT", frozenset({"user/AuditEvent.rs"}), sight=Sight("AuditEvent")),
    "blind": Asker("52", "admin", "h1", "HOPERAT", frozenset({"user/Patient.rs"}), sight=Sight("AuditEvent Patient")),
    "pang": Asker("60", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), "pang", sight=Sight("*", labels=-1)),
    "tam": Asker("61", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), "tam", sight=Sight("*", labels=-1)),
}


@pytest.fixture(scope="module")
def world(fhir: Any, askers: dict[str, Asker]) -> Any:
    """Two people; what was done with them, in this order, and nothing else."""
    askers.update(WORLD)
    for id_, name in (("pang", "Lò Thị Pâng"), ("tam", "Vàng Văn Tam")):
        fhir.put(f"/Patient/{id_}", {"resourceType": "Patient", "id": id_, "name": [{"text": name}]})
    audit.writer.close()
    fhir.run(_cleared(fhir))
    fhir.get("/Patient/pang", "nurse")
    settle()
    fhir.get("/Patient?_id=pang,tam", "app-of-nurse")
    settle()
    fhir.get("/Patient/pang/$everything", "nurse-of-h2")
    settle()
    fhir.post("/Flag", {**FLAG, "subject": {"reference": "Patient/tam"}}, "nurse-of-h2")
    fhir.put("/AuditEvent/x", {"resourceType": "AuditEvent", "id": "x"}, "nurse")
    settle()
    return fhir


FLAG = {"resourceType": "Flag", "status": "active", "code": {"text": "x"}}


async def _cleared(fhir: Any) -> None:
    async with fhir.door.pool.connection() as conn:
        await conn.execute("RESET ALL")
        await conn.execute("SET ROLE NONE")
        await conn.execute("DELETE FROM record.audit")
        await conn.execute("RESET ROLE")
        await conn.close()


def settle() -> None:
    """Store what the log still holds, so that entries come in the order of what was done."""
    audit.writer.close()


def events(fhir: Any, query: str = "", who: str = "system") -> list[dict[str, Any]]:
    """What a search finds, oldest first, without that the log itself was looked at."""
    settle()
    answer = fhir.get(f"/AuditEvent?_sort=date&_count=200&{query}".rstrip("&"), who)
    assert answer.status_code == 200, answer.text
    found = [entry["resource"] for entry in answer.json().get("entry", [])]
    return [one for one in found if "AuditEvent" not in [e.get("what", {}).get("type") for e in one.get("entity", [])]]


def told(fhir: Any, query: str = "", who: str = "system") -> list[tuple[str, str, str]]:
    """Of each event: who by account, which subtype, whose record."""
    return [
        (
            one["agent"][0].get("altId", ""),
            one["subtype"][0]["code"],
            next((e["what"]["reference"] for e in one.get("entity", []) if e["role"]["code"] == "1"), ""),
        )
        for one in events(fhir, query, who)
    ]


READ = ("41", "read", "Patient/pang")
SEARCH = [("41", "search-type", "Patient/tam"), ("41", "search-type", "Patient/pang")]  # as they were found
EVERYTHING = ("42", "operation", "Patient/pang")
CREATE = ("42", "create", "Patient/tam")


def test_one_entry_for_each_person_patient_purpose_and_request(world: Any) -> None:
    assert told(world, "agent-role=nurse&outcome=0") == [READ, *SEARCH, EVERYTHING, CREATE]


def test_an_event_says_who_when_what_for_and_from_where(world: Any) -> None:
    event = events(world, "agent:identifier=https://tuetinh.vn/fhir/sid/account|41&subtype=search-type")[1]
    assert event["type"]["code"] == "rest"
    assert (event["action"], event["outcome"]) == ("E", "0")
    person, facility, app, node = event["agent"]
    assert person["who"]["reference"] == "Practitioner/nurse-1"
    assert person["who"]["identifier"] == {"system": "https://tuetinh.vn/fhir/sid/account", "value": "41"}
    assert person["requestor"] is True
    assert person["network"] == {"address": "127.0.0.1", "type": "2"}
    assert person["role"][0]["coding"][0]["code"] == "nurse"
    assert person["purposeOfUse"][0]["coding"][0] == {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "code": "TREAT",
    }
    assert facility["who"]["reference"] == "Organization/h1"
    assert app["who"]["identifier"]["value"] == "growth-app"
    assert node["who"]["display"] == "Tuệ Tĩnh"
    patient, data, question = event["entity"]
    assert patient["what"]["reference"] == "Patient/pang"
    assert data["what"] == {"type": "Patient"}
    assert b64decode(question["query"]).decode() == "/Patient?_id=pang,tam"


def test_every_event_is_valid(world: Any) -> None:
    for event in [*events(world), *events(world, who="pang")]:
        _, problems = check(json.dumps(event).encode())
        assert [p for p in problems if p.severity in ("error", "fatal")] == []


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("system", [READ, *SEARCH, EVERYTHING, CREATE]),
        ("keeper-of-all", [READ, *SEARCH, EVERYTHING, CREATE]),
        ("keeper", [READ, *SEARCH]),
        (
            "pang",
            [("", "read", "Patient/pang"), ("", "search-type", "Patient/pang"), ("", "operation", "Patient/pang")],
        ),
        ("tam", [("", "search-type", "Patient/tam"), ("", "create", "Patient/tam")]),
    ],
)
def test_who_sees_what(world: Any, who: str, expected: list[tuple[str, str, str]]) -> None:
    everyone = "agent-role=nurse&outcome=0"
    assert told(world, everyone, who) == expected
    hidden = {event["id"] for event in events(world, everyone)} - {
        event["id"] for event in events(world, everyone, who)
    }
    for id_ in hidden:
        assert world.get(f"/AuditEvent/{id_}", who).status_code == 404


@pytest.mark.parametrize("who", ["nurse", "blind", "outsider"])
def test_others_see_nothing(world: Any, who: str) -> None:
    id_ = events(world)[0]["id"]
    for path in ("/AuditEvent", f"/AuditEvent/{id_}", "/Patient/pang/AuditEvent", "/AuditEvent?_summary=count"):
        answer = world.get(path, who)
        assert answer.status_code == 403, path
        assert "41" not in answer.text
    assert world.get("/$export?_type=AuditEvent", who, headers=ASYNC).status_code == 403


def test_the_person_is_told_of_facilities_but_not_who_of_them(world: Any) -> None:
    for event in events(world, who="pang"):
        assert "Practitioner/" not in json.dumps(event)
        assert "127.0.0.1" not in json.dumps(event)
    assert told(world, "agent=Organization/h2", "pang") == [("", "operation", "Patient/pang")]
    for query in ("altid=41", "agent:identifier=41", "address=127"):
        assert world.get(f"/AuditEvent?{query}", "pang").status_code == 400
    assert told(world, "agent=Practitioner/nurse-1", "pang") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("patient=Patient/tam", [SEARCH[0], CREATE]),
        ("patient=tam,nobody", [SEARCH[0], CREATE]),
        ("patient=http://record.test/fhir/Patient/tam", [SEARCH[0], CREATE]),
        ("agent=Practitioner/nurse-2", [EVERYTHING, CREATE]),
        ("agent=Organization/h1", [READ, *SEARCH]),
        ("altid=42", [EVERYTHING, CREATE]),
        ("agent-role=https://tuetinh.vn/fhir/CodeSystem/desk|doctor", []),
        ("action=C", [CREATE]),
        ("action=R", [READ]),
        ("action=E", [*SEARCH, EVERYTHING]),
        ("action:not=E", [READ, CREATE]),
        ("subtype=everything", [EVERYTHING]),
        ("subtype=http://hl7.org/fhir/restful-interaction|operation", [EVERYTHING]),
        ("entity=Patient/pang&action=R", [READ]),
        ("entity=Patient/pang", [READ, SEARCH[1], EVERYTHING]),
        ("entity=Flag/nothing", []),
        ("address=127", [READ, *SEARCH, EVERYTHING, CREATE]),
        ("address:exact=127", []),
        ("site=h2", [EVERYTHING, CREATE]),
        ("type=rest&date=ge2020", [READ, *SEARCH, EVERYTHING, CREATE]),
        ("type=http://dicom.nema.org/resources/ontology/DCM|110100", []),
        ("date=lt2020-01-01", []),
        ("date=ge2020&date=lt2100", [READ, *SEARCH, EVERYTHING, CREATE]),
        ("patient:missing=true&outcome=0", []),
    ],
)
def test_search_by(world: Any, query: str, expected: list[tuple[str, str, str]]) -> None:
    assert told(world, f"{query}&agent-role=nurse&outcome=0") == expected


def test_what_was_refused_is_logged_as_such(world: Any) -> None:
    refused = "outcome=4&altid=41&entity=Patient/of-nobody"
    assert events(world, refused) == []
    world.get("/Patient/of-nobody", "nurse")
    world.get("/Patient/pang", "outsider")
    (only,) = events(world, refused)
    assert (only["action"], only["entity"][0]["what"]["reference"]) == ("R", "Patient/of-nobody")
    assert only["outcomeDesc"] == "not-found"
    outside = events(world, "outcome=4&altid=outsider&entity=Patient/pang")
    assert [one["action"] for one in outside] == ["R"]
    assert told(world, "outcome=4", "pang") == []


def test_pages_hold_every_event_once(world: Any) -> None:
    everyone = "agent-role=nurse&outcome=0"
    wanted = [event["id"] for event in events(world, everyone)][::-1]
    found, path = [], f"/AuditEvent?{everyone}&_count=2"
    while path:
        answer = world.get(path).json()
        found += [entry["resource"]["id"] for entry in answer.get("entry", [])]
        following = [link["url"] for link in answer["link"] if link["relation"] == "next"]
        path = following[0].removeprefix("http://record.test/fhir") if following else ""
    assert found == wanted
    counted = world.get(f"/AuditEvent?{everyone}&_summary=count").json()
    assert (counted["total"], "entry" in counted) == (5, False)
    assert world.get(f"/AuditEvent?{everyone}&_count=1&_total=accurate").json()["total"] == 5


def test_by_post_in_a_compartment_and_in_part(world: Any) -> None:
    form = world.send("POST", "/AuditEvent/_search", data={"patient": "tam", "action": "C"}).json()
    assert len(form["entry"]) == 1
    own = world.get("/Patient/tam/AuditEvent?action=C").json()
    assert [e["fullUrl"] for e in own["entry"]] == [e["fullUrl"] for e in form["entry"]]
    event = world.get("/AuditEvent?action=C&patient=tam&_elements=recorded").json()["entry"][0]["resource"]
    assert "entity" not in event
    assert event["meta"]["tag"][0]["code"] == "SUBSETTED"
    id_ = event["id"]
    assert world.get(f"/AuditEvent/{id_}").headers["etag"] == 'W/"1"'
    for tags in ('W/"1"', '"1"', '"7", "1"', "*"):
        assert world.get(f"/AuditEvent/{id_}", headers={"if-none-match": tags}).status_code == 304
    assert world.get(f"/AuditEvent/{id_}", headers={"if-none-match": 'W/"2"'}).status_code == 200
    since = {"if-modified-since": world.get(f"/AuditEvent/{id_}").headers["last-modified"]}
    assert world.get(f"/AuditEvent/{id_}", headers=since).status_code == 304
    assert "entity" not in world.get(f"/AuditEvent/{id_}?_elements=recorded").json()
    assert world.get(f"/AuditEvent/{id_}?_summary=count").status_code == 400
    assert world.get("/AuditEvent/0").status_code == 404
    assert world.get("/AuditEvent/01").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["date=x", "date=zz2020", "_sort=agent", "_count=-1", "_page=x", "_page=9-1", "policy=x", "patient=",
     "agent:missing=x", "action:below=R", "_include=AuditEvent:patient", "_elements=x", "_summary=all", "entity=a/b/c"],
)  # fmt: skip
def test_what_is_not_understood_is_refused(world: Any, query: str) -> None:
    answer = world.get(f"/AuditEvent?{query}")
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_nobody_changes_it(world: Any, stored_count: Callable[[], int]) -> None:
    event = events(world)[0]
    before = stored_count()
    for method, path in (
        ("PUT", f"/{event['id']}"),
        ("PATCH", f"/{event['id']}"),
        ("DELETE", f"/{event['id']}"),
    ):
        answer = world.send(method, f"/AuditEvent{path}", json=event)
        assert (answer.status_code, answer.headers["allow"].startswith("GET")) == (405, True), method
    for method, url in (
        ("POST", "AuditEvent"),
        ("PUT", f"AuditEvent/{event['id']}"),
        ("DELETE", f"AuditEvent/{event['id']}"),
    ):
        entry = {"request": {"method": method, "url": url}} | ({"resource": event} if method != "DELETE" else {})
        whole = world.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert whole.status_code in (403, 404), (method, whole.text)
        if method != "POST":
            batch = world.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
            assert batch["entry"][0]["response"]["status"][:3] == "405"
    refused = world.post("/AuditEvent", event, "nurse")
    assert refused.status_code == 403
    assert stored_count() == before
    assert world.get(f"/AuditEvent/{event['id']}").json() == event


@pytest.mark.parametrize(
    "path",
    ["/Patient?_has:AuditEvent:patient:action=R", "/Patient?_revinclude=AuditEvent:patient", "/?_type=AuditEvent",
     "/Device/x/AuditEvent"],
)  # fmt: skip
def test_it_is_not_searched_from_elsewhere(world: Any, path: str) -> None:
    answer = world.get(path)
    assert answer.status_code == 400
    assert "entry" not in answer.json()


def test_it_has_no_history(world: Any) -> None:
    for path in ("/AuditEvent/_history", "/AuditEvent/1/_history", "/AuditEvent/1/_history/1"):
        assert world.get(path).status_code == 404


def test_the_capability_statement_says_so(world: Any) -> None:
    rest = world.get("/metadata").json()["rest"][0]["resource"]
    (own,) = [one for one in rest if one["type"] == "AuditEvent"]
    assert [one["code"] for one in own["interaction"]] == ["read", "create", "search-type"]
    assert {"patient", "date", "agent", "action", "entity"} <= {one["name"] for one in own["searchParam"]}
    assert [one["type"] for one in rest if any("AuditEvent:" in i for i in one.get("searchRevInclude", []))] == []


def test_it_is_exported_where_it_is_asked_for(world: Any) -> None:
    own = [event["id"] for event in events(world)]
    made = export(world, "/$export?_type=AuditEvent")
    exported = [line["id"] for line in made.lines()]
    assert set(own) <= set(exported)
    assert exported == sorted(exported, key=int)
    assert {line["resourceType"] for line in made.lines()} == {"AuditEvent"}
    facility = export(world, "/$export?_type=AuditEvent", "keeper")
    assert {line["source"]["site"] for line in facility.lines()} == {"h1"}
    assert "AuditEvent" not in {file["type"] for file in export(world).manifest["output"]}
