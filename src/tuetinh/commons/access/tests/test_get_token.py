"""Connected systems get tokens with their own secret, for what they may do (RFC 6749, SMART scopes)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.commons.access.api import create_client
from tuetinh.commons.access.models import Client as System
from tuetinh.commons.access.models import Token
from tuetinh.commons.access.oauth.scopes import grant, read
from tuetinh.commons.access.oauth.words import OAuthError, digest

if TYPE_CHECKING:
    from django.test import Client

FORM = {"grant_type": "client_credentials"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    """Authorization header of client_secret_basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.fixture
def secret(db: None) -> str:
    """The secret of the client `lis`."""
    return create_client("lis", "Máy xét nghiệm", scopes="system/Observation.cruds system/Patient.rs")


def test_secret_in_the_header(client: Client, secret: str) -> None:
    answer = client.post("/oauth/token", FORM, headers=basic("lis", secret))
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert body["scope"] == "system/Observation.cruds system/Patient.rs"
    assert "no-store" in answer["Cache-Control"]
    assert list(Token.objects.values_list("client_id", flat=True)) == ["lis"]
    assert bytes(Token.objects.get().digest) == digest(body["access_token"])


def test_secret_in_the_form(client: Client, secret: str) -> None:
    form = FORM | {"client_id": "lis", "client_secret": secret, "scope": "system/Observation.read"}
    assert client.post("/oauth/token", form).json()["scope"] == "system/Observation.rs"


@pytest.mark.parametrize(("client_id", "wrong"), [("lis", "x"), ("none", None), ("", ""), ("lis", ""), ("lis", "é")])
def test_wrong_secret_or_client_is_invalid_client(
    client: Client, secret: str, client_id: str, wrong: str | None
) -> None:
    for form, headers in (
        (FORM | {"client_id": client_id, "client_secret": secret if wrong is None else wrong}, {}),
        (FORM, basic(client_id, secret if wrong is None else wrong)),
    ):
        answer = client.post("/oauth/token", form, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
        assert answer["WWW-Authenticate"].startswith("Basic")
    assert Token.objects.count() == 0


def test_disabled_client_gets_nothing(client: Client, secret: str) -> None:
    System.objects.update(is_active=False)
    assert client.post("/oauth/token", FORM, headers=basic("lis", secret)).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "header", ["Basic !!!", "Basic", "Bearer abc", "Basic " + base64.b64encode(b"\xff\xfe").decode()]
)
def test_broken_header_is_invalid_client(client: Client, secret: str, header: str) -> None:
    answer = client.post("/oauth/token", FORM, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        (FORM | {"scope": "system/Condition.rs"}, "invalid_scope"),
        (FORM | {"scope": "user/Observation.rs"}, "invalid_scope"),
        (FORM | {"scope": "system/Nothing.rs"}, "invalid_scope"),
        (FORM | {"scope": "system/Patient.cud"}, "invalid_scope"),
        (FORM | {"scope": "openid"}, "invalid_scope"),
        (FORM | {"client_secret": "also here"}, "invalid_request"),
    ],
)
def test_other_mistakes_have_their_own_codes(client: Client, secret: str, form: dict[str, str], error: str) -> None:
    answer = client.post("/oauth/token", form, headers=basic("lis", secret))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert Token.objects.count() == 0


def test_token_is_asked_for_by_post(client: Client, db: None) -> None:
    assert client.get("/oauth/token").status_code == 405


def test_new_secret_ends_old_tokens(client: Client, secret: str) -> None:
    client.post("/oauth/token", FORM, headers=basic("lis", secret))
    create_client("lis", "Máy xét nghiệm")
    assert Token.objects.count() == 0
    assert client.post("/oauth/token", FORM, headers=basic("lis", secret)).status_code == 401


def test_client_ends_its_token(client: Client, secret: str) -> None:
    token = client.post("/oauth/token", FORM, headers=basic("lis", secret)).json()["access_token"]
    assert client.post("/oauth/revoke", {"token": token}, headers=basic("lis", "x")).status_code == 401
    assert Token.objects.count() == 1
    assert client.post("/oauth/revoke", {"token": token}, headers=basic("lis", secret)).status_code == 200
    assert Token.objects.count() == 0


def test_smart_configuration_names_the_endpoint(client: Client, db: None) -> None:
    body = client.get("/.well-known/smart-configuration").json()
    assert body["token_endpoint"] == "http://testserver/oauth/token"
    assert body["grant_types_supported"] == ["authorization_code", "client_credentials", "refresh_token"]
    assert body["code_challenge_methods_supported"] == ["S256"]
    assert client.get("/.well-known/openid-configuration").json()["issuer"] == body["issuer"] == "http://testserver"


@pytest.mark.parametrize(
    ("scope", "meaning"),
    [
        ("system/*.*", ("*", "cruds")),
        ("system/*.read", ("*", "rs")),
        ("system/Patient.write", ("Patient", "cud")),
        ("system/Observation.cruds", ("Observation", "cruds")),
    ],
)
def test_smart_v1_scopes_are_read_as_v2(scope: str, meaning: tuple[str, str]) -> None:
    assert read(scope)[1:3] == meaning


@pytest.mark.parametrize(
    "scope", ["system/Patient.", "system/Patient.sr", "system/Patient.rs?code=1", "system/patient.rs"]
)
def test_other_forms_are_refused(scope: str) -> None:
    with pytest.raises(OAuthError):
        read(scope)


LETTERS = st.sets(st.sampled_from("cruds"), min_size=1).map(lambda s: "".join(x for x in "cruds" if x in s))
SCOPES = st.lists(
    st.tuples(st.sampled_from(["*", "Patient", "Observation"]), LETTERS).map(lambda s: f"system/{s[0]}.{s[1]}"),
    min_size=1,
)


def allowed_pairs(scopes: list[str]) -> set[tuple[str, str]]:
    """Every single right that scopes give."""
    rights = set()
    for scope in scopes:
        _level, name, letters, _query = read(scope)
        types = ("Patient", "Observation", "Condition") if name == "*" else (name,)
        rights |= {(type_, letter) for type_ in types for letter in letters}
    return rights


@given(SCOPES, SCOPES)
def test_grant_is_exactly_what_is_wanted_and_allowed(wanted: list[str], allowed: list[str]) -> None:
    both = allowed_pairs(wanted) & allowed_pairs(allowed)
    try:
        granted = grant(" ".join(wanted), " ".join(allowed))
    except OAuthError:
        granted = []
    assert allowed_pairs(granted) == both
