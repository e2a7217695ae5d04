"""Notifications arrive at receivers: R4's own form and topics, with what was asked for in them."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record.tests.conftest import Client, Subscriptions
from tuetinh.record.tests.receivers import TOPICS, Receiver, plain, topical, wait_for

pytestmark = pytest.mark.django_db
SECRET = "Bearer very-secret-4711"
LAB = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}


def observation(patient: str, value: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [LAB]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "valueQuantity": {"value": value, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
    } | more


def status_of(fhir: Client, id_: str, who: str = "doctor") -> str:
    return str(fhir.get(f"/Subscription/{id_}", who).json()["status"])


def subscribe(fhir: Client, resource: dict[str, Any], who: str = "doctor") -> str:
    made = fhir.post("/Subscription", resource, who)
    assert made.status_code == 201, made.text
    assert made.json()["status"] == "requested"
    return str(made.json()["id"])


def test_a_resource_that_matches_is_put_at_the_receiver(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    id_ = subscribe(fhir, plain("Observation?code=http://loinc.org|2345-7&value-quantity=gt6", receiver.url))
    fhir.post("/Observation", observation("p", 5))
    stored = fhir.post("/Observation", observation("p", 7)).json()
    (one,) = receiver.wait(1)
    assert (one.method, one.path) == ("PUT", f"/hook/Observation/{stored['id']}")
    assert one.json == stored
    assert one.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert wait_for(lambda: status_of(fhir, id_) == "active")


def test_without_payload_the_receiver_is_called_with_nothing(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    subscribe(fhir, plain("Patient", receiver.url, None, header=[f"Authorization: {SECRET}"]))
    fhir.post("/Patient", {"resourceType": "Patient", "gender": "male"})
    (one,) = receiver.wait(1)
    assert (one.method, one.path, one.body) == ("POST", "/hook", b"")
    assert one.headers["authorization"] == SECRET


def test_a_topic_begins_with_a_handshake_and_numbers_its_events(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    id_ = subscribe(fhir, topical("encounter-start", receiver.url, filters=["Encounter?patient=Patient/mine"]))
    (hand,) = receiver.wait(1, "handshake")
    assert hand.method == "POST"
    assert (hand.json["type"], len(hand.json["entry"])) == ("history", 1)
    assert hand.status["subscription"] == {"reference": f"http://127.0.0.1:8000/fhir/Subscription/{id_}"}
    assert (hand.status["status"], hand.status["events-since-subscription-start"]) == ("requested", "0")
    assert wait_for(lambda: status_of(fhir, id_) == "active")

    visit = {"resourceType": "Encounter", "class": {"code": "AMB"}, "subject": {"reference": "Patient/mine"}}
    other = visit | {"subject": {"reference": "Patient/other"}, "status": "in-progress"}
    fhir.post("/Encounter", other)
    planned = fhir.post("/Encounter", visit | {"status": "planned"}).json()
    begun = fhir.put(f"/Encounter/{planned['id']}", planned | {"status": "in-progress"}).json()
    fhir.put(f"/Encounter/{planned['id']}", begun | {"priority": {"text": "x"}})  # it had started already
    fhir.post("/Encounter", visit | {"status": "in-progress"})
    told = receiver.wait(1, "event-notification")
    events = [event for one in told for event in one.status["events"]]
    while len(events) < 2:
        told = receiver.wait(len(told) + 1, "event-notification")
        events = [event for one in told for event in one.status["events"]]
    assert [event["event-number"] for event in events] == ["1", "2"]
    assert events[0]["focus"] == {"reference": f"http://127.0.0.1:8000/fhir/Encounter/{planned['id']}"}
    assert told[0].status["topic"] == TOPICS + "encounter-start"
    assert told[0].json["entry"][1]["resource"] == begun


def test_content_is_as_much_as_was_asked_for(fhir: Client, subscriptions: Subscriptions) -> None:
    receivers = {content: Receiver() for content in ("empty", "id-only", "full-resource")}
    for content, receiver in receivers.items():
        subscribe(fhir, topical("patient-change", receiver.url, content))
    stored = fhir.post("/Patient", {"resourceType": "Patient", "gender": "male"}).json()
    for content, receiver in receivers.items():
        (told,) = receiver.wait(1, "event-notification")
        (event,) = told.status["events"]
        assert ("focus" in event, "topic" in told.status) == ((content != "empty"),) * 2
        assert [e.get("resource") for e in told.json["entry"][1:]] == {
            "empty": [],
            "id-only": [None],
            "full-resource": [stored],
        }[content]
        assert (stored["id"].encode() in told.body) is (content != "empty")
        receiver.close()


def test_deletions_are_told_to_topics_alone(fhir: Client, subscriptions: Subscriptions, receiver: Receiver) -> None:
    subscribe(fhir, topical("patient-change", receiver.url, filters=["Patient?gender=other"]))
    subscribe(fhir, plain("Patient?gender=other", receiver.url + "/plain"))
    stored = fhir.post("/Patient", {"resourceType": "Patient", "gender": "other"}).json()
    assert wait_for(lambda: len([r for r in receiver.requests if r.method == "PUT"]) == 1)
    assert wait_for(lambda: len([r for r in receiver.requests if b"event-notification" in r.body]) == 1)
    fhir.send("DELETE", f"/Patient/{stored['id']}")
    told = wait_for(lambda: [r for r in receiver.requests if b"event-notification" in r.body][1:])
    assert told[0].json["entry"][1]["request"] == {"method": "DELETE", "url": f"Patient/{stored['id']}"}
    assert "resource" not in told[0].json["entry"][1]
    assert len([r for r in receiver.requests if r.method == "PUT"]) == 1


def test_several_events_go_together_up_to_the_asked_number(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    subscriptions.stop()
    subscribe(fhir, topical("patient-change", receiver.url, "id-only", count=4))
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}
    fhir.post("/", {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 10})
    subscriptions.start()
    told = receiver.wait(3, "event-notification")
    assert [len(one.status["events"]) for one in told] == [4, 4, 2]
    numbers = [event["event-number"] for one in told for event in one.status["events"]]
    assert numbers == [str(n) for n in range(1, 11)]


def test_heartbeats_come_when_nothing_happens(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, monkeypatch: Any
) -> None:
    from tuetinh.record.subscriptions import wanted

    monkeypatch.setattr(wanted, "SHORTEST_BEAT", 1)
    subscribe(fhir, topical("patient-change", receiver.url, heartbeat=1))
    beats = receiver.wait(2, "heartbeat")
    assert [one.status["events-since-subscription-start"] for one in beats[:2]] == ["0", "0"]
    assert beats[0].status["status"] == "active"


def test_a_service_that_begins_attends_to_what_waits(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    subscriptions.stop()
    subscribe(fhir, topical("patient-change", receiver.url))
    subscriptions.start()
    assert len(receiver.wait(1, "handshake", seconds=10)) == 1


def test_xml_is_sent_where_it_is_asked_for(fhir: Client, subscriptions: Subscriptions, receiver: Receiver) -> None:
    subscribe(fhir, plain("Patient?gender=unknown", receiver.url, "application/fhir+xml"))
    stored = fhir.post("/Patient", {"resourceType": "Patient", "gender": "unknown"}).json()
    (one,) = receiver.wait(1)
    assert one.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert one.body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="'
    )
    assert stored["id"].encode() in one.body


def test_criteria_may_lead_beyond_the_resource(fhir: Client, subscriptions: Subscriptions, receiver: Receiver) -> None:
    id_ = fhir.post("/Patient", {"resourceType": "Patient", "name": [{"family": "Pâng"}]}).json()["id"]
    subscribe(fhir, plain("Observation?subject:Patient.family=pang", receiver.url))
    fhir.post("/Observation", observation("nobody"))
    stored = fhir.post("/Observation", observation(id_)).json()
    (one,) = receiver.wait(1)
    assert one.path == f"/hook/Observation/{stored['id']}"
