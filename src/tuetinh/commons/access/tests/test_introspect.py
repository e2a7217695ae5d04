"""Resource servers ask what the tokens of others are good for; who may not, learns nothing (RFC 7662)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client

from tuetinh.commons.access.api import create_client
from tuetinh.commons.access.models import Account, Grant, Token
from tuetinh.commons.access.models import Client as System
from tuetinh.commons.access.oauth.words import LIFETIME, digest

pytestmark = pytest.mark.django_db

SCOPES = "openid fhirUser launch/patient patient/Patient.rs patient/Observation.cruds"
Form = dict[str, str]


@pytest.fixture
def server(db: None) -> Form:
    """How a resource server proves itself: one that has no scope on data."""
    secret = create_client("warehouse", "Kho ảnh", scopes="introspection")
    return {"client_id": "warehouse", "client_secret": secret}


@pytest.fixture
def token(cast: dict[str, Account]) -> str:
    """A token that the citizen let an app have."""
    app = System.objects.create(id="chart", name="Biểu đồ", scopes=SCOPES, redirect_uris="https://app.example/back")
    grant = Grant.objects.create(
        client=app,
        account=cast["citizen"],
        scopes=SCOPES,
        patient="cast-citizen",
        encounter="visit",
        redirect_uri="https://app.example/back",
        challenge="x",
        code_digest=digest("code"),
        code_expires=datetime.now(UTC),
    )
    return keep("of-the-app", app, SCOPES, grant)


def keep(token: str, client: System, scopes: str, grant: Grant | None = None) -> str:
    """A token as the node keeps it."""
    Token.objects.create(
        digest=digest(token), client=client, grant=grant, scopes=scopes, expires=datetime.now(UTC) + LIFETIME
    )
    return token


def ask(client: Client, form: Form, token: str) -> dict[str, object]:
    """What the node tells of a token."""
    answer = client.post("/oauth/introspect", form | {"token": token})
    assert answer.status_code == 200, answer.content
    assert "no-store" in answer["Cache-Control"]
    return answer.json()


def test_tells_all_of_the_token_of_a_person(client: Client, server: Form, token: str, cast: dict[str, Account]) -> None:
    told = ask(client, server, token)
    expires = Token.objects.get(digest=digest(token)).expires
    assert told == {
        "active": True,
        # a citizen writes no results, so neither does the app
        "scope": "openid fhirUser launch/patient patient/Observation.rs patient/Patient.rs",
        "client_id": "chart",
        "token_type": "Bearer",
        "exp": int(expires.timestamp()),
        "iss": "http://testserver",
        "sub": str(cast["citizen"].pk),
        "patient": "cast-citizen",
        "need_patient_banner": True,
        "encounter": "visit",
        "fhirUser": "http://testserver/fhir/Patient/cast-citizen",
    }


def test_tells_of_the_token_of_a_system(client: Client, server: Form) -> None:
    create_client("lis", "Máy xét nghiệm", scopes="system/Observation.cruds")
    told = ask(client, server, keep("of-a-system", System.objects.get(pk="lis"), "system/Observation.c"))
    assert (told["active"], told["client_id"], told["sub"]) == (True, "lis", "lis")
    assert told["scope"] == "system/Observation.c"
    assert "patient" not in told


def test_a_token_is_active_as_long_as_the_door_takes_it(
    client: Client, server: Form, token: str, cast: dict[str, Account]
) -> None:
    citizen = Account.objects.filter(pk=cast["citizen"].pk)
    citizen.update(must_change_password=True)
    assert ask(client, server, token) == {"active": False}
    citizen.update(must_change_password=False)
    assert ask(client, server, token)["active"] is True
    Token.objects.update(expires=datetime(2020, 1, 1, tzinfo=UTC))
    assert ask(client, server, token) == {"active": False}
    assert ask(client, server, "guessed") == {"active": False}


def test_a_client_without_the_scope_is_told_of_its_own_tokens_only(client: Client, token: str) -> None:
    secret = create_client("lis", "Máy xét nghiệm", scopes="system/Observation.cruds")
    form = {"client_id": "lis", "client_secret": secret}
    assert ask(client, form, token) == {"active": False}
    assert ask(client, form, keep("own", System.objects.get(pk="lis"), "system/Observation.c"))["active"] is True


def test_asks_with_a_token_that_carries_the_scope(client: Client, server: Form, token: str) -> None:
    given = client.post("/oauth/token", {"grant_type": "client_credentials"} | server).json()
    assert given["scope"] == "introspection"
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    answer = client.post("/oauth/introspect", {"token": token}, headers=bearer)
    assert (answer.status_code, answer.json()["client_id"]) == (200, "chart")


@pytest.mark.parametrize(("bearer", "error"), [("of-the-app", "insufficient_scope"), ("guessed", "invalid_token")])
def test_a_token_that_may_not_is_refused(client: Client, token: str, bearer: str, error: str) -> None:
    answer = client.post("/oauth/introspect", {"token": token}, headers={"Authorization": f"Bearer {bearer}"})
    assert (answer.status_code, answer.json()["error"]) == (401, error)  # RFC 7662, 2.3
    assert answer["WWW-Authenticate"] == f'Bearer realm="tuetinh", error="{error}"'


def test_the_token_must_be_given(client: Client, server: Form) -> None:
    answer = client.post("/oauth/introspect", server)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_the_scope_opens_no_data_and_is_not_for_apps_of_people(client: Client, server: Form) -> None:
    wanted = {"grant_type": "client_credentials", "scope": "introspection system/Patient.rs"} | server
    assert client.post("/oauth/token", wanted).json()["scope"] == "introspection"
    secret = create_client("lis", "Máy xét nghiệm", scopes="system/Observation.cruds")
    asked = {"grant_type": "client_credentials", "scope": "introspection", "client_id": "lis", "client_secret": secret}
    assert client.post("/oauth/token", asked).json()["error"] == "invalid_scope"
