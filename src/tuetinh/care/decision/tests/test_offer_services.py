"""Services are discovered, called and told of what became of their cards, as CDS Hooks 2.0 has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tuetinh.care.decision import api
from tuetinh.care.decision.api import Call, Card, Service
from tuetinh.commons.access.api import create_client

pytestmark = pytest.mark.django_db
PREFETCH = {"patient": "Patient/{{context.patientId}}"}
BODY: dict[str, Any] = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {"userId": "Practitioner/1", "patientId": "p"},
    "prefetch": {"patient": {"resourceType": "Patient", "id": "p", "gender": "female"}},
}


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """A service that is offered during the test; what it was told."""
    told: list[Any] = []

    def answer(call: Call) -> list[Card]:
        told.append(("called", call.asker.account, call.context["patientId"]))
        suggestion = {"label": "Hẹn khám", "uuid": "s"}
        return [
            Card(f"Giới: {call.prefetch['patient']['gender']}", ("Tuệ Tĩnh", "https://tuetinh.vn"), "warning"),
            Card("Hẹn", ("Tuệ Tĩnh", None), suggestions=[suggestion], selection="any"),
        ]

    api.register(
        Service(
            "greet",
            "patient-view",
            "Chào",
            "Nói giới tính",
            answer,
            PREFETCH,
            heard=lambda _, told_: told.append(told_),
        )
    )
    yield told
    api._services.clear()


@pytest.fixture
def headers() -> dict[str, str]:
    """Of a connected system."""
    secret = create_client("cds-client", "Another system")
    form = {"grant_type": "client_credentials", "client_id": "cds-client", "client_secret": secret}
    token = Client().post("/oauth/token", form).json()["access_token"]
    return {"authorization": f"Bearer {token}"}


def post(path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    return Client(enforce_csrf_checks=True).post(
        path, body if isinstance(body, str) else json.dumps(body), "application/json", headers=headers or {}
    )


def test_without_services_the_list_is_empty() -> None:
    answer = Client().get("/cds-services", headers={"origin": "https://sandbox.cds-hooks.org"})
    assert (answer.status_code, answer.json()) == (200, {"services": []})
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer


def test_services_are_discovered_from_anywhere(heard: list[Any]) -> None:
    assert Client().get("/cds-services").json() == {
        "services": [
            {
                "hook": "patient-view",
                "title": "Chào",
                "description": "Nói giới tính",
                "id": "greet",
                "prefetch": PREFETCH,
            }
        ]
    }
    preflight = Client().options("/cds-services", headers={"access-control-request-headers": "authorization"})
    assert (preflight.status_code, preflight["Access-Control-Allow-Headers"]) == (204, "authorization")
    assert Client().post("/cds-services").status_code == 405
    assert heard == []


def test_cards_answer_a_call(heard: list[Any], headers: dict[str, str]) -> None:
    answer = post("/cds-services/greet", BODY, headers)
    assert answer.status_code == 200
    first, second = answer.json()["cards"]
    assert first.pop("uuid") != second.pop("uuid")
    assert first == {
        "summary": "Giới: female",
        "indicator": "warning",
        "source": {"label": "Tuệ Tĩnh", "url": "https://tuetinh.vn"},
    }
    assert second == {
        "summary": "Hẹn",
        "indicator": "info",
        "source": {"label": "Tuệ Tĩnh"},
        "suggestions": [{"label": "Hẹn khám", "uuid": "s"}],
        "selectionBehavior": "any",
    }
    assert heard == [("called", "client:cds-client", "p")]


def test_what_is_unknown_is_not_found(heard: list[Any], headers: dict[str, str]) -> None:
    for path in ("/cds-services/other", "/cds-services/other/feedback"):
        assert post(path, BODY, headers).status_code == 404
        assert post(path, BODY).status_code == 404
    assert heard == []


@pytest.mark.parametrize("path", ["/cds-services/greet", "/cds-services/greet/feedback"])
def test_nobody_is_told_nothing(heard: list[Any], path: str) -> None:
    for authorization in ("", "Bearer wrong", "Basic eDp5"):
        answer = post(path, BODY, {"authorization": authorization} if authorization else {})
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert heard == []


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("{", 400, "the body is no JSON object"),
        ([], 400, "the body is no JSON object"),
        ({**BODY, "hook": "order-sign"}, 400, "hook: this service is for patient-view"),
        ({**BODY, "hookInstance": "x"}, 400, "hookInstance: is no UUID"),
        ({**BODY, "context": None}, 400, "context: is no object"),
        ({**BODY, "prefetch": []}, 412, "prefetch: patient did not come along"),
        ({**BODY, "prefetch": "x"}, 400, "prefetch: is no object"),
        ({**BODY, "prefetch": {}}, 412, "prefetch: patient did not come along"),
    ],
)
def test_a_malformed_call_is_refused_by_its_place(
    heard: list[Any], headers: dict[str, str], body: Any, status: int, said: str
) -> None:
    answer = post("/cds-services/greet", body, headers)
    assert (answer.status_code, answer.json()) == (status, {"error": said})
    assert heard == []


def test_feedback_reaches_the_service(heard: list[Any], headers: dict[str, str]) -> None:
    told = [{"card": "c", "outcome": "accepted", "outcomeTimestamp": "2026-11-28T08:00:00Z"}]
    assert post("/cds-services/greet/feedback", {"feedback": told}, headers).status_code == 200
    assert heard == [told]
    wrong = {"feedback": [{"card": "c", "outcome": "ignored"}]}
    assert post("/cds-services/greet/feedback", wrong, headers).status_code == 400
    assert heard == [told]


def test_ids_are_taken_once(heard: list[Any]) -> None:
    del heard
    other = Service("greet", "order-sign", "Khác", "", lambda _: [])
    with pytest.raises(ValueError, match="another decision support service"):
        api.register(other)
    with pytest.raises(ValueError, match="part of an address"):
        api.register(Service("a/b", "order-sign", "", "", lambda _: []))
    with pytest.raises(ValueError, match="140 characters"):
        Card("x" * 140, ("Tuệ Tĩnh", None))
