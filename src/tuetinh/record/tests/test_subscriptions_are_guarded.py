"""Who may subscribe to what, what of it is shown, and what owners are told when their rights change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tuetinh.record.sight import Sight
from tuetinh.record.tests.conftest import CAST, LABORATORY, Client, Subscriptions
from tuetinh.record.tests.receivers import Receiver, plain, topical, wait_for
from tuetinh.record.tests.test_subscriptions_arrive import SECRET, observation, status_of, subscribe

pytestmark = pytest.mark.django_db
HTTPS = "https://receiver.example/hook"


@pytest.mark.parametrize(
    ("change", "status", "place"),
    [
        ({"criteria": "Observation?nonsense=1"}, 422, "Subscription.criteria"),
        ({"criteria": "Nonsense?code=1"}, 422, "Subscription.criteria"),
        ({"criteria": "https://example.org/no-such-topic"}, 422, "Subscription.criteria"),
        ({"criteria": "Observation?code:in=http://example.org/no-such-set"}, 400, "Subscription.criteria"),
        ({"end": "2020-01-01T00:00:00Z"}, 422, "Subscription.end"),
        ({"type": "sms"}, 422, "Subscription.channel.type"),
        ({"type": "email"}, 422, "Subscription.channel.endpoint"),
        ({"payload": "image/png"}, 422, "Subscription.channel.payload"),
        ({"endpoint": "http://receiver.example/hook"}, 422, "Subscription.channel.endpoint"),
        ({"endpoint": "https://10.1.2.3/hook"}, 422, "Subscription.channel.endpoint"),
        ({"endpoint": "https://[::ffff:127.0.0.1]/hook"}, 422, "Subscription.channel.endpoint"),
        ({"endpoint": "https://169.254.169.254/latest"}, 422, "Subscription.channel.endpoint"),
        ({"endpoint": "https://user:secret@receiver.example/"}, 422, "Subscription.channel.endpoint"),
        ({"endpoint": "file:///etc/passwd"}, 422, "Subscription.channel.endpoint"),
        ({"header": ["no header"]}, 422, "Subscription.channel.header[0]"),
        ({"header": ["Host: elsewhere.example"]}, 422, "Subscription.channel.header[0]"),
        ({"header": ["A: b", "X-Key: ********"]}, 422, "Subscription.channel.header[1]"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_place(
    fhir: Client, stored_count: Callable[[], int], ask: Any, change: dict[str, Any], status: int, place: str
) -> None:
    before = stored_count()
    resource = plain("Observation", HTTPS)
    for name, value in change.items():
        (resource if name in ("criteria", "end") else resource["channel"])[name] = value
    answer = fhir.post("/Subscription", resource, "subscriber")
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (status, [place]), answer.text
    assert stored_count() == before
    assert ask("SELECT count(*) FROM record.subscription")[0][0] == 0


@pytest.mark.parametrize(
    ("who", "criteria"),
    [
        ("outsider", "Patient"),
        ("reader", "Patient"),  # may not write subscriptions
        ("reader-of-patients", "Observation?code=1"),
        ("reader-of-patients", "Patient?_has:Observation:patient:code=1"),
        ("of-laboratory", "Observation?subject:Patient.name=x"),
        ("of-laboratory", "https://tuetinh.vn/fhir/SubscriptionTopic/patient-change"),
    ],
)
def test_one_subscribes_only_to_what_one_may_see(
    fhir: Client, stored_count: Callable[[], int], ask: Any, who: str, criteria: str
) -> None:
    before = stored_count()
    resource = topical(criteria, HTTPS) if "://" in criteria else plain(criteria, HTTPS)
    answer = fhir.post("/Subscription", resource, who)
    assert answer.status_code == 403, answer.text
    assert stored_count() == before
    assert ask("SELECT count(*) FROM record.subscription")[0][0] == 0


def test_another_account_may_neither_change_nor_delete_nor_ask(
    fhir: Client, subscriptions: Subscriptions, stored_count: Callable[[], int], receiver: Receiver
) -> None:
    made = fhir.post("/Subscription", plain("Patient?gender=male", receiver.url), "subscriber").json()
    assert wait_for(lambda: status_of(fhir, made["id"]) == "active")
    before = stored_count()
    other = made | {"channel": plain("Patient", "https://thief.example/")["channel"]}
    assert fhir.put(f"/Subscription/{made['id']}", other, "doctor").status_code == 403
    assert fhir.send("DELETE", f"/Subscription/{made['id']}", "doctor").status_code == 403
    for operation in ("$status", "$events"):
        assert fhir.get(f"/Subscription/{made['id']}/{operation}", "doctor").status_code == 403
        assert fhir.get(f"/Subscription/{made['id']}/{operation}", "outsider").status_code == 403
    assert stored_count() == before
    assert fhir.send("DELETE", f"/Subscription/{made['id']}", "subscriber").status_code == 204


def test_headers_are_shown_to_nobody_and_kept_when_they_are_sent_back(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    criteria = "Patient?gender=female"
    resource = plain(criteria, receiver.url, header=[f"Authorization: {SECRET}", "X-Station: 12104"])
    made = fhir.post("/Subscription", resource, "subscriber").json()
    assert made["channel"]["header"] == ["Authorization: ********", "X-Station: ********"]
    changed = fhir.put(f"/Subscription/{made['id']}", made | {"reason": "another"}, "subscriber").json()
    fhir.post("/Patient", {"resourceType": "Patient", "gender": "female"})
    (one,) = receiver.wait(1)
    assert (one.headers["authorization"], one.headers["x-station"]) == (SECRET, "12104")

    for who in ("subscriber", "doctor", "system"):
        for path in (f"/{made['id']}", f"/{made['id']}/_history", "?_count=100", f"/{made['id']}/$status"):
            assert "very-secret" not in fhir.get(f"/Subscription{path}", who).text
    assert changed["channel"] == made["channel"]
    for table in ('"Subscription"', '"Subscription_history"', "subscription", "audit"):
        for text in ("very-secret", b"very-secret".hex()):
            assert ask(f"SELECT count(*) FROM record.{table} t WHERE position(%s in t::text) > 0", text) == [(0,)]
    assert "very-secret" not in caplog.text


def test_a_scopes_query_holds_for_what_is_told(fhir: Client, subscriptions: Subscriptions, receiver: Receiver) -> None:
    subscribe(fhir, plain("Observation", receiver.url), "of-laboratory")
    vital = {"category": [{"coding": [{"code": "vital-signs"}]}]}
    fhir.post("/Observation", observation("hidden", **vital))
    fhir.post("/Observation", observation("shown"))
    receiver.wait(1)
    assert [one.json["subject"]["reference"] for one in receiver.requests] == ["Patient/shown"]


def test_what_an_owner_may_see_is_asked_at_the_moment_of_delivery(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, ask: Any
) -> None:
    id_ = subscribe(fhir, plain("Observation", receiver.url), "subscriber")
    assert wait_for(lambda: status_of(fhir, id_) == "active")
    owner = CAST["subscriber"]
    subscriptions.rights["subscriber"] = None  # shut out
    fhir.post("/Observation", observation("first"))
    assert wait_for(lambda: status_of(fhir, id_) == "error")
    assert receiver.requests == []
    error = fhir.get(f"/Subscription/{id_}", "subscriber").json()["error"]
    assert error == "the account of the subscription may see nothing any more"

    subscriptions.rights["subscriber"] = replace(owner, scopes=frozenset({f"user/Observation.r?{LABORATORY}"}))
    vital = {"category": [{"coding": [{"code": "vital-signs"}]}]}
    fhir.post("/Observation", observation("second", **vital))
    fhir.post("/Observation", observation("third"))
    receiver.wait(2)
    assert [one.json["subject"]["reference"] for one in receiver.requests] == ["Patient/first", "Patient/third"]
    assert wait_for(lambda: status_of(fhir, id_) == "active")
    told = "SELECT account, type, patient FROM record.audit WHERE action = 'notify' AND patient IN ('first', 'third')"
    assert wait_for(lambda: len(ask(told)) == 2)
    assert sorted(ask(told)) == [("subscriber", "Observation", "first"), ("subscriber", "Observation", "third")]


def test_receivers_inside_are_not_reached_whatever_their_name_says(
    fhir: Client, subscriptions: Subscriptions, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = subscribe(fhir, plain("Observation", receiver.url), "subscriber")
    monkeypatch.setenv("TUETINH_SUBSCRIPTION_HOSTS", "")
    fhir.post("/Observation", observation("x"))
    assert wait_for(lambda: status_of(fhir, id_) == "error")
    error = fhir.get(f"/Subscription/{id_}", "subscriber").json()["error"]
    assert error == "the receiver is inside of this network, or not reached by https"
    named = subscribe(fhir, plain("Patient?gender=male", f"https://localhost:{receiver.port}/"), "subscriber")
    fhir.post("/Patient", {"resourceType": "Patient", "gender": "male"})
    assert wait_for(lambda: status_of(fhir, named) == "error")
    assert receiver.requests == []


def test_a_redirect_is_not_followed(fhir: Client, subscriptions: Subscriptions, receiver: Receiver) -> None:
    receiver.answer = lambda _: 302
    id_ = subscribe(fhir, topical("patient-change", receiver.url), "subscriber")
    assert wait_for(lambda: status_of(fhir, id_) == "error")
    assert fhir.get(f"/Subscription/{id_}", "subscriber").json()["error"] == "the receiver answered 302"


def test_what_the_house_imports_sends_nothing(fhir: Client, subscriptions: Subscriptions, ask: Any) -> None:
    resource = plain("Patient", HTTPS, header=[f"Authorization: {SECRET}"]) | {"status": "active"}
    made = fhir.post("/Subscription", resource, "system").json()
    assert (made["status"], made["channel"]["header"]) == ("active", ["Authorization: ********"])
    assert ask("SELECT count(*) FROM record.subscription")[0][0] == 0


@pytest.mark.parametrize("criteria", ["Observation?code=2345-7", "Observation?subject:Patient.gender=male"])
def test_what_the_owner_does_not_see_is_not_counted(
    fhir: Client,
    subscriptions: Subscriptions,
    receiver: Receiver,
    askers: dict[str, Any],
    criteria: str,
) -> None:
    askers["sees-no-label"] = replace(CAST["subscriber"], account="sees-no-label", sight=Sight("*"))
    labelled = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}
    hidden = fhir.post("/Patient", {"resourceType": "Patient", "gender": "male", "meta": labelled}).json()["id"]
    shown = fhir.post("/Patient", {"resourceType": "Patient", "gender": "male"}).json()["id"]
    id_ = subscribe(fhir, plain(criteria, receiver.url), "sees-no-label")
    assert wait_for(lambda: status_of(fhir, id_, "sees-no-label") == "active")
    by_chain = "Patient" in criteria  # the patient alone is labelled, and who asks after the gender learns it
    fhir.post("/Observation", observation(hidden, **({} if by_chain else {"meta": labelled})))
    fhir.post("/Observation", observation(shown))
    receiver.wait(1)
    (one,) = fhir.get(f"/Subscription/{id_}/$status", "sees-no-label").json()["entry"]
    told = {part["name"]: part.get("valueString") for part in one["resource"]["parameter"]}
    assert told["events-since-subscription-start"] == "1"
