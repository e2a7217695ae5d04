"""People let apps in by consent, with PKCE; what attackers of OAuth try is refused and nothing is given."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from django.db import connection
from django.test import Client
from joserfc import jwt
from joserfc.jwk import KeySet
from psycopg_pool import AsyncConnectionPool

from tuetinh.commons.access.models import Account, Grant, Launch, Refresh, Token
from tuetinh.commons.access.models import Client as App
from tuetinh.commons.access.oauth import asking
from tuetinh.commons.access.oauth.words import digest
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden

pytestmark = pytest.mark.django_db(transaction=True)

BACK = "https://app.example/back"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BASE = "http://testserver"
SCOPES = (
    "launch launch/patient openid fhirUser offline_access online_access patient/Patient.rs patient/Observation.rs"
    " user/Practitioner.rs"
)
LABORATORY = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
ASK = {
    "response_type": "code",
    "client_id": "chart",
    "redirect_uri": BACK,
    "scope": "launch/patient patient/Observation.rs",
    "state": "s1",
    "aud": f"{BASE}/fhir",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
Browse = Callable[[str], Client]


@pytest.fixture(autouse=True)
def app(cast: dict[str, Account]) -> App:
    """A public app, another one, and a confidential one."""
    asking._answers.clear()
    App.objects.create(id="other", name="Khác", scopes=SCOPES, redirect_uris="https://other.example/back")
    App.objects.create(id="kept", name="Kín", scopes=SCOPES, redirect_uris=BACK, secret_digest=digest("secret"))
    return App.objects.create(
        id="chart", name="Biểu đồ", scopes=SCOPES, redirect_uris=f"{BACK}\nhttps://app.example/b?x=1"
    )


def url(**changes: Any) -> str:
    """The address of an authorization request; a change to None leaves the parameter out."""
    pairs = {name: value for name, value in (ASK | changes).items() if value is not None}
    return f"/oauth/authorize?{urlencode(pairs, doseq=True)}"


def sent(answer: Any) -> dict[str, str]:
    """What the person is sent back to the app with."""
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(("https://app.example/", "https://other.example/")), answer["Location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def code(browser: Client, patient: str = "", **changes: Any) -> str:
    """Consent, and the code that the app gets."""
    return sent(browser.post(url(**changes), {"decision": "allow", "patient": patient}))["code"]


def trade(code_: str, **changes: str) -> Any:
    """Trade a code for tokens, as the app does."""
    form = {"grant_type": "authorization_code", "client_id": "chart", "code": code_, "redirect_uri": BACK}
    return Client().post("/oauth/token", form | {"code_verifier": VERIFIER} | changes)


def who(token: str) -> Asker | None:
    """Who the door takes the bearer of a token for."""

    async def run() -> Asker | None:
        given: dict[str, Any] = connection.get_connection_params()
        keys = ("dbname", "user", "password", "host", "port")
        kwargs = {key: given[key] for key in keys if given.get(key)} | {"autocommit": True}
        async with AsyncConnectionPool(kwargs=kwargs, min_size=1, max_size=2, open=False) as pool:
            scope = {"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]}
            return await asking.authenticate(scope, pool)

    asking._answers.clear()
    return asyncio.run(run())


def test_citizen_lets_an_app_see_their_own_record(as_role: Browse) -> None:
    browser = as_role("citizen")
    page = browser.get(url())
    assert page.status_code == 200
    assert page["X-Frame-Options"] == "DENY"
    assert "Xem: kết quả xét nghiệm, sinh hiệu và số đo" in page.content.decode()
    answer = sent(browser.post(url(), {"decision": "allow"}))
    assert (answer["state"], answer["iss"]) == ("s1", BASE)
    tokens = trade(answer["code"]).json()
    assert (tokens["patient"], tokens["token_type"], tokens["expires_in"]) == ("cast-citizen", "Bearer", 3600)
    assert tokens["need_patient_banner"] is True
    assert tokens["scope"] == "launch/patient patient/Observation.rs"
    assert "refresh_token" not in tokens
    asker = who(tokens["access_token"])
    assert asker is not None
    assert (asker.patient, asker.role, asker.scopes) == ("cast-citizen", "citizen", {"patient/Observation.rs"})


def test_an_app_of_a_citizen_subscribes_for_them(app: App, as_role: Browse) -> None:
    App.objects.filter(id="chart").update(scopes=f"{SCOPES} patient/Subscription.cruds")
    browser = as_role("citizen")
    scope = "launch/patient patient/Observation.rs patient/Subscription.cruds"
    tokens = trade(sent(browser.post(url(scope=scope), {"decision": "allow"}))["code"]).json()
    assert tokens["scope"] == scope
    asker = who(tokens["access_token"])
    assert asker is not None
    channel = r4.SubscriptionChannel(
        type="rest-hook", endpoint="https://app.example/told", payload="application/fhir+json"
    )
    ask = r4.Subscription(status="requested", reason="x", criteria="Observation?status=final", channel=channel)
    made = record.create(asker, ask)
    assert [one.id for one in record.search(asker, "Subscription", "").resources] == [made.id]
    assert record.search(replace(asker, patient="somebody"), "Subscription", "").resources == []
    with pytest.raises(Forbidden):
        record.create(asker, msgspec.structs.replace(ask, id=None, criteria="Condition"))
    record.delete(asker, "Subscription", str(made.id))
    assert record.search(asker, "Subscription", "").resources == []


def test_doctor_picks_whom_the_app_is_about(as_role: Browse) -> None:
    browser = as_role("doctor")
    assert browser.post(url(), {"decision": "allow"}).status_code == 422
    assert browser.post(url(), {"decision": "allow", "patient": "nobody"}).status_code == 422
    assert Grant.objects.count() == 0
    tokens = trade(code(browser, "cast-citizen")).json()
    assert tokens["patient"] == "cast-citizen"
    asker = who(tokens["access_token"])
    assert asker is not None
    assert (asker.role, asker.patient) == ("doctor", "cast-citizen")


def test_without_consent_nothing(as_role: Browse) -> None:
    answer = sent(as_role("citizen").post(url(), {"decision": "deny"}))
    assert answer == {
        "error": "access_denied",
        "error_description": "the person said no",
        "state": "s1",
        "iss": BASE,
    }
    assert Grant.objects.count() == 0
    assert Client().get(url())["Location"].startswith("/login?next=")
    assert Client().post(url(), {"decision": "allow"})["Location"].startswith("/login")
    assert Grant.objects.count() == 0


def test_consent_by_a_foreign_form_is_refused(cast: dict[str, Account]) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast["citizen"], backend="django.contrib.auth.backends.ModelBackend")
    assert browser.post(url(), {"decision": "allow"}).status_code == 403
    assert Grant.objects.count() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{BACK}/"},
        {"redirect_uri": f"{BACK}?x=1"},
        {"redirect_uri": f"{BACK}/../evil"},
        {"redirect_uri": f"{BACK}#x"},
        {"redirect_uri": "https://app.example/BACK"},
        {"redirect_uri": "https://app.example@evil.example/back"},
        {"redirect_uri": "https://other.example/back"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": [BACK, "https://evil.example/"]},
        {"client_id": "other"},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(as_role: Browse, changes: dict[str, Any]) -> None:
    for answer in (as_role("citizen").get(url(**changes)), as_role("citizen").post(url(**changes))):
        assert answer.status_code == 400
        assert "Location" not in answer
    assert Grant.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge_method": "plain", "code_challenge": VERIFIER}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"state": "x" * 501}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://evil.example/fhir"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"scope": "launch/patient patient/Condition.rs"}, "invalid_scope"),
        ({"scope": "patient/Observation.cud launch/patient"}, "invalid_scope"),
        ({"scope": "patient/Observation.rs?date=gt2020"}, "invalid_scope"),
        ({"scope": "whatever"}, "invalid_scope"),
        ({"scope": ["patient/Patient.rs", "launch/patient"]}, "invalid_request"),
        ({"launch": "guessed", "scope": "launch patient/Patient.rs"}, "invalid_request"),
        ({"scope": "launch patient/Patient.rs"}, "invalid_request"),
        ({"launch": "guessed"}, "invalid_request"),
    ],
)
def test_faulty_requests_go_back_with_their_error(as_role: Browse, changes: dict[str, Any], error: str) -> None:
    for answer in (as_role("citizen").get(url(**changes)), as_role("citizen").post(url(**changes))):
        assert sent(answer)["error"] == error
    assert Grant.objects.count() == 0


def test_scopes_are_cut_to_registration_and_desk(as_role: Browse) -> None:
    wanted = f"launch/patient patient/*.cruds patient/Observation.rs?{LABORATORY}"
    tokens = trade(code(as_role("citizen"), scope=wanted)).json()
    assert tokens["scope"].split() == [
        "launch/patient",
        "patient/Patient.rs",
        "patient/Observation.rs",
        f"patient/Observation.rs?{LABORATORY}",
    ]
    only = trade(code(as_role("citizen"), scope=f"launch/patient patient/Observation.rs?{LABORATORY}")).json()
    asker = who(only["access_token"])
    assert asker is not None
    assert asker.scopes == {f"patient/Observation.rs?{LABORATORY}"}


def test_desk_without_health_data_gives_none(as_role: Browse) -> None:
    assert sent(as_role("official").get(url()))["error"] == "invalid_scope"
    assert sent(as_role("outsider").get(url()))["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code_verifier": "w" * 43}, 400, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, 400, "invalid_grant"),
        ({"code_verifier": "short"}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_request"),
        ({"redirect_uri": "https://app.example/b?x=1"}, 400, "invalid_grant"),
        ({"redirect_uri": ""}, 400, "invalid_request"),
        ({"client_id": "other"}, 400, "invalid_grant"),
        ({"client_id": "kept"}, 401, "invalid_client"),
        ({"client_id": "kept", "client_secret": "secret"}, 400, "invalid_grant"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"code": "guessed"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
    ],
)
def test_codes_are_for_their_app_only(as_role: Browse, changes: dict[str, str], status: int, error: str) -> None:
    answer = trade(code(as_role("citizen")), **changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "no-store" in answer["Cache-Control"]
    assert Token.objects.count() == Refresh.objects.count() == 0


def test_code_in_the_address_is_not_read(as_role: Browse) -> None:
    given = code(as_role("citizen"))
    answer = Client().post(f"/oauth/token?code={given}", {"grant_type": "authorization_code", "client_id": "chart"})
    assert answer.json()["error"] == "invalid_request"
    assert Token.objects.count() == 0


def test_code_used_twice_ends_what_it_gave(as_role: Browse) -> None:
    given = code(as_role("citizen"), scope="launch/patient offline_access patient/Patient.rs")
    tokens = trade(given).json()
    assert who(tokens["access_token"]) is not None
    again = trade(given)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert who(tokens["access_token"]) is None
    assert Token.objects.count() == Refresh.objects.count() == 0
    assert Grant.objects.get().ended


def test_code_is_short(as_role: Browse) -> None:
    given = code(as_role("citizen"))
    Grant.objects.update(code_expires=datetime(2026, 1, 1, tzinfo=UTC))
    assert trade(given).json()["error"] == "invalid_grant"


def test_a_public_app_renews_without_its_id_and_no_other_does(app: App, as_role: Browse) -> None:
    scope = "launch/patient offline_access patient/Observation.rs"
    browser = as_role("citizen")
    public = trade(code(browser, scope=scope)).json()
    form = {"grant_type": "refresh_token", "refresh_token": public["refresh_token"]}
    renewed = Client().post("/oauth/token", form)
    assert (renewed.status_code, renewed.json()["scope"]) == (200, scope)
    assert Client().post("/oauth/token", form).json()["error"] == "invalid_grant"  # used twice
    assert renew(renewed.json()["refresh_token"]).json()["error"] == "invalid_grant"

    given = code(browser, scope=scope, client_id="kept")
    private = trade(given, client_id="kept", client_secret="secret").json()
    form = {"grant_type": "refresh_token", "refresh_token": private["refresh_token"]}
    refused = Client().post("/oauth/token", form)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert Client().post("/oauth/token", form | {"client_id": "kept"}).status_code == 401
    good = Client().post("/oauth/token", form | {"client_id": "kept", "client_secret": "secret"})
    assert good.status_code == 200  # what was refused has not used the token up


def renew(token: str, **changes: str) -> Any:
    """Renew tokens, as the app does."""
    form = {"grant_type": "refresh_token", "client_id": "chart", "refresh_token": token}
    return Client().post("/oauth/token", form | changes)


def test_refresh_tokens_turn_over_and_a_stolen_one_ends_all(as_role: Browse) -> None:
    scope = "launch/patient offline_access patient/Patient.rs patient/Observation.rs"
    first = trade(code(as_role("citizen"), scope=scope)).json()
    second = renew(first["refresh_token"], scope="patient/Patient.r").json()
    assert second["scope"] == "patient/Patient.r"
    assert second["patient"] == "cast-citizen"
    assert renew(second["refresh_token"], client_id="other").json()["error"] == "invalid_grant"
    assert renew(second["refresh_token"], scope="patient/Patient.cruds").json()["error"] == "invalid_scope"
    third = renew(second["refresh_token"]).json()
    assert who(third["access_token"]) is not None
    assert renew(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert who(third["access_token"]) is None
    assert renew(third["refresh_token"]).json()["error"] == "invalid_grant"


def test_online_access_ends_with_the_session(as_role: Browse) -> None:
    browser = as_role("citizen")
    tokens = trade(code(browser, scope="launch/patient online_access patient/Patient.rs")).json()
    later = renew(tokens["refresh_token"]).json()
    browser.post("/logout")
    assert renew(later["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("change", [{"is_active": False}, {"must_change_password": True}])
def test_shut_out_person_or_app_ends_the_token(as_role: Browse, change: dict[str, bool]) -> None:
    tokens = trade(code(as_role("citizen"))).json()
    Account.objects.filter(role="citizen").update(**change)
    assert who(tokens["access_token"]) is None


def test_identity_token_is_signed_by_a_published_key(as_role: Browse) -> None:
    scope = "openid fhirUser launch/patient patient/Patient.rs"
    tokens = trade(code(as_role("doctor"), "cast-citizen", scope=scope, nonce="n1")).json()
    keys = KeySet.import_key_set(Client().get("/oauth/jwks").json())
    assert all("d" not in key for key in Client().get("/oauth/jwks").json()["keys"])
    claims = jwt.decode(tokens["id_token"], keys, algorithms=["ES384"]).claims
    user = f"{BASE}/fhir/Practitioner/cast-doctor"
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (BASE, "chart", "n1")
    assert claims["fhirUser"] == tokens["fhirUser"] == user
    assert claims["exp"] > time.time()


def test_confidential_app_proves_itself(as_role: Browse) -> None:
    given = code(as_role("citizen"), client_id="kept")
    tokens = trade(given, client_id="kept", client_secret="secret").json()
    form = {"client_id": "kept", "client_secret": "secret", "token": tokens["access_token"]}
    told = Client().post("/oauth/introspect", form).json()
    assert (told["active"], told["client_id"], told["patient"]) == (True, "kept", "cast-citizen")
    assert told["scope"] == "launch/patient patient/Observation.rs"
    assert Client().post("/oauth/introspect", form | {"client_secret": "x"}).status_code == 401
    assert Client().post("/oauth/introspect", form | {"client_id": "chart", "client_secret": ""}).status_code == 401
    assert Client().post("/oauth/introspect", form | {"token": "guessed"}).json() == {"active": False}
    App.objects.filter(pk="other").update(secret_digest=digest("o"))
    other = form | {"client_id": "other", "client_secret": "o"}
    assert Client().post("/oauth/introspect", other).json() == {"active": False}
    assert Client().post("/oauth/revoke", other).status_code == 200
    assert who(tokens["access_token"]) is not None
    assert Client().post("/oauth/revoke", form).status_code == 200
    assert who(tokens["access_token"]) is None


@pytest.fixture
def launched(as_role: Browse) -> tuple[Client, str]:
    """A doctor who has begun the app from the citizen's page during a visit, and the launch token."""
    App.objects.filter(pk="chart").update(launch_url="https://app.example/launch")
    visit = r4.Encounter(
        id="visit",
        status="in-progress",
        class_=r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB"),
        subject=r4.Reference(reference="Patient/cast-citizen"),
        serviceProvider=r4.Reference(reference="Organization/12104"),
    )
    record.create(SYSTEM, visit)
    browser = as_role("doctor")
    answer = browser.post("/apps/launch/chart", {"patient": "cast-citizen", "encounter": "visit"})
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert answer["Location"].startswith("https://app.example/launch?")
    assert query["iss"] == [f"{BASE}/fhir"]
    assert Launch.objects.get().digest != query["launch"][0].encode()
    return browser, query["launch"][0]


EHR = {"scope": "launch patient/Patient.rs"}


def test_app_launched_from_the_page_of_a_person(launched: tuple[Client, str]) -> None:
    browser, token = launched
    assert "Lò Thị Pâng" in browser.get(url(launch=token, **EHR)).content.decode()
    tokens = trade(code(browser, "somebody-else", launch=token, **EHR)).json()
    assert (tokens["patient"], tokens["encounter"]) == ("cast-citizen", "visit")
    again = browser.post(url(launch=token, **EHR), {"decision": "allow"})
    assert sent(again)["error"] == "invalid_request"


@pytest.mark.parametrize("role", ["nurse", "citizen", "station"])
def test_launch_of_another_person_is_not_known(launched: tuple[Client, str], as_role: Browse, role: str) -> None:
    answer = as_role(role).post(url(launch=launched[1], **EHR), {"decision": "allow"})
    assert sent(answer)["error"] == "invalid_request"
    assert Grant.objects.count() == 0


def test_launch_is_for_one_app_and_a_short_time(launched: tuple[Client, str]) -> None:
    browser, token = launched
    elsewhere = url(launch=token, client_id="other", redirect_uri="https://other.example/back", **EHR)
    assert sent(browser.post(elsewhere, {"decision": "allow"}))["error"] == "invalid_request"
    Launch.objects.update(expires=datetime(2026, 1, 1, tzinfo=UTC))
    assert sent(browser.post(url(launch=token, **EHR), {"decision": "allow"}))["error"] == "invalid_request"
    assert Grant.objects.count() == 0


def test_launch_needs_a_person_their_visit_and_an_app(launched: tuple[Client, str]) -> None:
    browser, _token = launched
    before = Launch.objects.count()
    record.create(SYSTEM, r4.Patient(id="somebody"))
    for path, form in (
        ("chart", {"patient": "nobody"}),
        ("chart", {}),
        ("chart", {"patient": "somebody", "encounter": "visit"}),
        ("chart", {"patient": "cast-citizen", "encounter": "none"}),
        ("other", {"patient": "cast-citizen"}),
        ("nothing", {"patient": "cast-citizen"}),
    ):
        assert browser.post(f"/apps/launch/{path}", form).status_code == 404
    assert Launch.objects.count() == before


def test_nothing_secret_is_kept_or_logged(as_role: Browse, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    scope = "launch/patient offline_access patient/Patient.rs"
    given = code(as_role("citizen"), scope=scope)
    tokens = trade(given).json()
    renew(tokens["refresh_token"])
    trade(given)
    secrets = (given, tokens["access_token"], tokens["refresh_token"], VERIFIER)
    assert not [secret for secret in secrets if secret in caplog.text]
    with connection.cursor() as cursor:
        for table in ("access_grant", "access_token", "access_refresh"):
            cursor.execute(f"SELECT t::text FROM {table} t")
            kept = str(cursor.fetchall())
            assert not [secret for secret in secrets if secret in kept]
