"""What a topic says beside its triggers: by what it may be narrowed, what comes along; and who may put one to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tuetinh.record.asker import SYSTEM
from tuetinh.record.feed import Change
from tuetinh.record.steps import aenter, arun
from tuetinh.record.subscriptions.matcher import CHUNK, Matcher
from tuetinh.record.tests.conftest import Client, Subscriptions
from tuetinh.record.tests.receivers import Receiver, topical, wait_for
from tuetinh.record.tests.test_subscriptions_arrive import observation, status_of, subscribe

pytestmark = pytest.mark.django_db
URL = "https://hospital.example/SubscriptionTopic/results"
EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."
HTTPS = "https://receiver.example/hook"
TYPE = "http://hl7.org/fhir/StructureDefinition/"


def parts(name: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    uris = ("resource", "filterDefinition")
    made = [{"url": key, "valueUri" if key in uris else "valueString": value} for key, value in pairs]
    return {"url": EXTENSION + name, "extension": made}


def topic(*more: dict[str, Any], status: str | None = "active") -> dict[str, Any]:
    said = [{"url": f"{EXTENSION}status", "valueCode": status}] if status else []
    return {
        "resourceType": "Basic",
        "code": {"coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]},
        "extension": [
            {"url": f"{EXTENSION}url", "valueUri": URL},
            *said,
            parts("resourceTrigger", ("resource", TYPE + "Observation"), ("supportedInteraction", "create")),
            *more,
        ],
    }


FILTERS = (
    parts("canFilterBy", ("resource", "Observation"), ("filterParameter", "code"), ("modifier", "in")),
    parts("canFilterBy", ("filterParameter", "value-quantity"), ("comparator", "gt"), ("comparator", "le")),
    parts("canFilterBy", ("filterDefinition", "http://hl7.org/fhir/SearchParameter/Observation-subject")),
    parts("canFilterBy", ("filterParameter", "patient.gender")),
)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("code=2345-7", ""),
        ("code=2345-7&value-quantity=gt6", ""),
        ("value-quantity=5", ""),
        ("value-quantity=eq5,le7", ""),
        ("subject=Patient/p", ""),
        ("patient.gender=male", ""),
        ("status=final", "not filtered by 'status'"),
        ("code:not=2345-7", "does not allow 'not' with 'code'"),
        ("value-quantity=lt5", "does not allow 'lt' with 'value-quantity'"),
        ("patient.name=x", "not filtered by 'patient.name'"),
        ("_has:DiagnosticReport:result:status=final", "not filtered by '_has:DiagnosticReport:result:status'"),
    ],
)
def test_a_topic_is_narrowed_by_what_it_names_alone(
    fhir: Client, stored_count: Callable[[], int], query: str, why: str
) -> None:
    made = fhir.post("/Basic", topic(*FILTERS)).json()
    before = stored_count()
    answer = fhir.post("/Subscription", topical(URL, HTTPS, filters=[f"Observation?{query}"]), "doctor")
    if why:
        issue = answer.json()["issue"][0]
        assert (answer.status_code, issue["expression"]) == (422, ["Subscription.criteria.extension"])
        assert why in issue["diagnostics"]
        assert stored_count() == before
    else:
        assert answer.status_code == 201, answer.text
        fhir.send("DELETE", f"/Subscription/{answer.json()['id']}", "doctor")
    fhir.send("DELETE", f"/Basic/{made['id']}")


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (parts("canFilterBy", ("resource", "Patient"), ("filterParameter", "name")), "canFilterBy.resource"),
        (parts("canFilterBy", ("filterDefinition", "http://x.test/nothing")), "canFilterBy.filterParameter"),
        (
            parts("notificationShape", ("resource", "Patient"), ("include", "Patient:link")),
            "notificationShape.resource",
        ),
        (parts("notificationShape", ("resource", "Observation"), ("include", "Observation:x")), "notificationShape"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused(
    fhir: Client, stored_count: Callable[[], int], wrong: dict[str, Any], place: str
) -> None:
    before = stored_count()
    answer = fhir.post("/Basic", topic(wrong))
    assert answer.status_code == 422
    assert place in answer.json()["issue"][0]["expression"][0]
    assert stored_count() == before


SHAPE = parts(
    "notificationShape",
    ("resource", TYPE + "Observation"),
    ("include", "Observation:patient"),
    ("revInclude", "Provenance:target"),
)


@pytest.mark.parametrize("content", ["full-resource", "id-only", "empty"])
def test_what_the_shape_names_comes_along(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, content: str, ask: Any
) -> None:
    made = fhir.post("/Basic", topic(SHAPE)).json()
    fhir.put("/Patient/shaped", {"resourceType": "Patient", "id": "shaped", "gender": "male"})
    id_ = subscribe(fhir, topical(URL, receiver.url, content), "doctor")
    receiver.wait(1, "handshake")
    focus = fhir.post("/Observation", observation("shaped")).json()
    (one,) = receiver.wait(1, "event-notification")
    base = "http://127.0.0.1:8000/fhir"
    context = [
        part["valueReference"]["reference"]
        for event in one.json["entry"][0]["resource"]["parameter"]
        for part in event.get("part", [])
        if part["name"] == "additional-context"
    ]
    entries = one.json["entry"][1:]
    assert context == ([] if content == "empty" else [f"{base}/Patient/shaped"])
    expected = [f"{base}/Observation/{focus['id']}", f"{base}/Patient/shaped"]
    assert [entry["fullUrl"] for entry in entries] == ([] if content == "empty" else expected)
    assert [entry.get("resource", {}).get("gender") for entry in entries[1:]] == (
        {"full-resource": ["male"], "id-only": [None]}.get(content, [])
    )
    events = fhir.get(f"/Subscription/{id_}/$events?content=full-resource", "doctor").json()["entry"][1:]
    assert [entry["request"]["method"] for entry in events] == ["POST", "GET"]
    fhir.send("DELETE", f"/Subscription/{id_}", "doctor")
    fhir.send("DELETE", f"/Basic/{made['id']}")


def test_a_topic_its_subscription_and_an_event_may_come_at_once(fhir: Client, ask: Any) -> None:
    async def begin() -> Matcher:
        await aenter(SYSTEM, conn)
        matcher = await arun(Matcher.load(), conn)
        while await arun(matcher.reader.read(CHUNK), conn):
            pass
        return matcher

    async def follow() -> None:
        changes: list[Change] = []
        own = {made["id"], id_, focus["id"]}
        while len(changes) < 3:  # what is under way beside it may hold the feed up for a moment, and come late itself
            found = await arun(matcher.reader.read(CHUNK), conn)
            changes += [change for change in found if change.id in own]
        assert [change.type for change in changes] == ["Basic", "Subscription", "Observation"]
        await arun(matcher.follow(changes), conn)
        await conn.close()  # with the bell that its reader may hold
        await fhir.door.pool.putconn(conn)

    conn = fhir.run(fhir.door.pool.getconn())
    matcher = fhir.run(begin())
    made = fhir.post("/Basic", topic()).json()
    id_ = subscribe(fhir, topical(URL, HTTPS, "id-only"), "doctor")
    focus = fhir.post("/Observation", observation("at-once")).json()
    fhir.run(follow())
    assert ask("SELECT id FROM record.subscription_event WHERE subscription = %s", id_) == [(focus["id"],)]
    fhir.send("DELETE", f"/Subscription/{id_}", "doctor")
    fhir.send("DELETE", f"/Basic/{made['id']}")


def test_what_the_owner_may_not_see_does_not_come_along(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    made = fhir.post("/Basic", topic(parts("notificationShape", ("resource", "Observation"), ("include", "*")))).json()
    fhir.put("/Patient/shaped", {"resourceType": "Patient", "id": "shaped", "gender": "male"})
    id_ = subscribe(fhir, topical(URL, receiver.url), "of-results")
    receiver.wait(1, "handshake")
    focus = fhir.post("/Observation", observation("shaped")).json()
    (one,) = receiver.wait(1, "event-notification")
    assert [entry["resource"]["id"] for entry in one.json["entry"][1:]] == [focus["id"]]
    fhir.send("DELETE", f"/Subscription/{id_}", "of-results")
    fhir.send("DELETE", f"/Basic/{made['id']}")


def test_only_administrators_put_a_topic_to_use(fhir: Client, stored_count: Callable[[], int]) -> None:
    made = fhir.post("/Basic", topic()).json()
    before = stored_count()
    for refused in (
        fhir.post("/Basic", topic(), "doctor"),
        fhir.post("/Basic", topic(status=None), "doctor"),
        fhir.put(f"/Basic/{made['id']}", topic(status="draft") | {"id": made["id"]}, "doctor"),
        fhir.put(f"/Basic/{made['id']}", {"resourceType": "Basic", "id": made["id"], "code": {"text": "x"}}, "doctor"),
        fhir.send("DELETE", f"/Basic/{made['id']}", "doctor"),
    ):
        assert refused.status_code == 403
        assert "status" in refused.json()["issue"][0]["expression"][0]
    assert stored_count() == before
    fhir.send("DELETE", f"/Basic/{made['id']}")
    draft = fhir.post("/Basic", topic(status="draft"), "doctor")
    assert draft.status_code == 201
    assert fhir.post("/Subscription", topical(URL, HTTPS), "doctor").status_code == 422  # nobody may use it yet
    assert fhir.send("DELETE", f"/Basic/{draft.json()['id']}", "doctor").status_code == 204


def test_an_app_of_one_patient_is_told_of_that_patient_alone(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    id_ = subscribe(fhir, topical("lab-result", receiver.url), "a-patient")
    assert wait_for(lambda: status_of(fhir, id_, "a-patient") == "active")
    fhir.post("/Observation", observation("other"))
    mine = fhir.post("/Observation", observation("mine")).json()
    receiver.wait(1, "event-notification")
    told = [entry["resource"]["id"] for one in receiver.of("event-notification") for entry in one.json["entry"][1:]]
    assert told == [mine["id"]]

    for path in (f"/Subscription/{id_}", f"/Subscription/{id_}/$status", f"/Subscription/{id_}/$events"):
        assert fhir.get(path, "a-patient").status_code == 200
        assert fhir.get(path, "of-another-patient").status_code in (403, 404)
    assert [
        e["resource"]["parameter"]
        for e in fhir.get("/Subscription/$status", "of-another-patient").json().get("entry", [])
    ] == []
    changed = fhir.get(f"/Subscription/{id_}", "a-patient").json() | {"reason": "another"}
    assert fhir.put(f"/Subscription/{id_}", changed, "of-another-patient").status_code == 404
    assert fhir.put(f"/Subscription/{id_}", changed, "a-patient").status_code == 200
    fhir.send("DELETE", f"/Subscription/{id_}", "of-another-patient")  # of what is not there for it
    assert fhir.get(f"/Subscription/{id_}", "a-patient").status_code == 200
    assert fhir.send("DELETE", f"/Subscription/{id_}", "a-patient").status_code == 204
