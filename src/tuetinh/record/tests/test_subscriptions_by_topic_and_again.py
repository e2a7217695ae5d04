"""Topics that are stored in the record, and subscriptions that are set back in the feed."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import NotFound
from tuetinh.record.subscriptions import desk
from tuetinh.record.tests.conftest import Client, Subscriptions
from tuetinh.record.tests.receivers import Receiver, plain, topical, wait_for
from tuetinh.record.tests.test_subscriptions_arrive import observation, subscribe

pytestmark = pytest.mark.django_db
URL = "https://hospital.example/SubscriptionTopic/weight-rises"
EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."


def topic(**trigger: str) -> dict[str, Any]:
    parts = [
        {"url": "resource", "valueUri": "http://hl7.org/fhir/StructureDefinition/Observation"},
        {"url": "supportedInteraction", "valueCode": "update"},
        *({"url": name, "valueString": text} for name, text in trigger.items()),
    ]
    return {
        "resourceType": "Basic",
        "code": {"coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]},
        "extension": [
            {"url": f"{EXTENSION}url", "valueUri": URL},
            {"url": EXTENSION.replace("5.0", "4.3") + "resourceTrigger", "extension": parts},
        ],
    }


def test_a_stored_topic_compares_a_version_with_the_one_before(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver
) -> None:
    refused = fhir.post("/Subscription", topical(URL, receiver.url), "doctor")
    assert refused.status_code == 422
    rises = "%current.value.ofType(Quantity).value > %previous.value.ofType(Quantity).value"
    assert fhir.post("/Basic", topic(fhirPathCriteria=rises)).status_code == 201
    subscribe(fhir, topical(URL, receiver.url))
    receiver.wait(1, "handshake")
    made = fhir.post("/Observation", observation("p", 5)).json()
    for value in (4, 6, 6, 7):
        made["valueQuantity"]["value"] = value
        made = fhir.put(f"/Observation/{made['id']}", made).json()
    told = wait_for(lambda: len(bodies(receiver)) >= 2 and bodies(receiver))
    assert [one["valueQuantity"]["value"] for one in told] == [6, 7]


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [e["resource"] for one in receiver.of("event-notification") for e in one.json["entry"][1:]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"fhirPathCriteria": "%current.("},
        {"resource": "http://hl7.org/fhir/StructureDefinition/Nonsense"},
        {"supportedInteraction": "explode"},
    ],
)
def test_a_topic_that_cannot_be_read_is_refused(fhir: Client, stored_count: Any, wrong: dict[str, str]) -> None:
    before = stored_count()
    answer = fhir.post("/Basic", topic(**wrong), "doctor")
    assert answer.status_code == 422
    assert "resourceTrigger" in answer.json()["issue"][0]["expression"][0]
    assert stored_count() == before


def test_set_back_it_is_told_everything_again_before_what_is_new(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, ask: Any
) -> None:
    (start,) = ask("SELECT coalesce(max(position), 0) FROM record.feed")[0]
    for value in range(3):
        fhir.post("/Observation", observation("before", value))
    id_ = subscribe(fhir, plain("Observation", receiver.url))
    fhir.post("/Observation", observation("p", 3))
    receiver.wait(1)

    with pytest.raises(NotFound):
        fhir.run(fhir.door.transact(SYSTEM, lambda: desk.set_back(SYSTEM, "another", id_, start)))
    fhir.run(fhir.door.transact(SYSTEM, lambda: desk.set_back(SYSTEM, "hospital", id_, start)))
    for value in range(4, 8):
        fhir.post("/Observation", observation("p", value))
    receiver.wait(9)
    assert [one.json["valueQuantity"]["value"] for one in receiver.requests] == [3, 0, 1, 2, 3, 4, 5, 6, 7]
    assert ask("SELECT position, events, delivered FROM record.subscription WHERE id = %s", id_) == [(None, 9, 9)]
