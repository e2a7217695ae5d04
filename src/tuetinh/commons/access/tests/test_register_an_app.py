"""Administrators register apps narrowly; browsers may call from the origins of registered apps only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from psycopg_pool import AsyncConnectionPool

from tuetinh.commons.access.models import Client as App
from tuetinh.commons.access.oauth.cors import AppOrigins
from tuetinh.commons.access.oauth.words import digest

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {
    "name": "Kho dữ liệu",
    "client_id": "kho",
    "proof": "secret",
    "scopes": "system/Patient.rs",
    "redirect_uris": "",
}
APP = FORM | {
    "proof": "none",
    "scopes": "launch/patient patient/Patient.rs",
    "redirect_uris": "https://app.example/back",
}


def test_registered_with_a_secret_that_is_told_once(as_role: Callable[[str], Client]) -> None:
    browser = as_role("admin")
    page = browser.post("/accounts/apps/new", FORM)
    secret = page.content.decode().split('class="secret">')[1].split("<")[0]
    kept = App.objects.get(pk="kho")
    assert bytes(kept.secret_digest) == digest(secret)
    assert (kept.facility, kept.scopes) == ("12104", "system/Patient.rs")
    assert secret not in browser.get("/accounts/apps").content.decode()
    assert browser.post("/accounts/apps/new", FORM).status_code == 422
    assert browser.post("/accounts/apps/kho/disable").status_code == 302
    assert not App.objects.get(pk="kho").is_active


@pytest.mark.parametrize(
    "form",
    [
        FORM | {"scopes": "system/*.cruds"},
        FORM | {"scopes": "nonsense"},
        FORM | {"proof": "keys"},
        FORM | {"proof": "keys", "jwks_url": "http://keys.example/jwks"},
        FORM | {"proof": "none"},
        FORM | {"proof": "none", "scopes": "introspection"},
        APP | {"scopes": "introspection patient/Patient.rs"},
        FORM | {"redirect_uris": "https://app.example/back"},
        APP | {"redirect_uris": ""},
        APP | {"redirect_uris": "http://app.example/back"},
        APP | {"redirect_uris": "https://app.example/back#x"},
        APP | {"redirect_uris": "javascript:alert(1)"},
        APP | {"redirect_uris": "https://app.example/back", "launch_url": "/elsewhere"},
        APP | {"client_id": "A B"},
    ],
)
def test_what_is_not_registered(as_role: Callable[[str], Client], form: dict[str, str]) -> None:
    assert as_role("admin").post("/accounts/apps/new", form).status_code == 422
    assert App.objects.count() == 0


def test_resource_servers_need_no_scope_on_data(as_role: Callable[[str], Client]) -> None:
    assert as_role("admin").post("/accounts/apps/new", FORM | {"scopes": "introspection"}).status_code == 200
    assert App.objects.get(pk="kho").scopes == "introspection"


def test_apps_of_another_facility_are_not_this_administrators(as_role: Callable[[str], Client]) -> None:
    App.objects.create(id="far", name="Xa", facility="12001")
    assert as_role("admin").post("/accounts/apps/far/disable").status_code == 403
    assert App.objects.get(pk="far").is_active


def call(method: str, path: str, origin: str) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers that a browser's page of an origin gets."""

    async def run() -> tuple[int, dict[bytes, bytes]]:
        sent: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def send(message: Any) -> None:
            sent.append(message)

        given: dict[str, Any] = connection.get_connection_params()
        kwargs = {k: given[k] for k in ("dbname", "user", "password", "host", "port") if given.get(k)}
        async with AsyncConnectionPool(kwargs=kwargs, min_size=1, max_size=1, open=False) as pool:
            scope = {"type": "http", "method": method, "path": path, "headers": [(b"origin", origin.encode())]}
            await AppOrigins(app, pool)(scope, None, send)
        return sent[0]["status"], dict(sent[0]["headers"])

    return asyncio.run(run())


def test_browsers_may_call_from_registered_origins_only(cast: object) -> None:
    App.objects.create(id="chart", name="x", redirect_uris="https://app.example/back\n/apps/sample/")
    App.objects.create(id="shut", name="x", redirect_uris="https://shut.example/back", is_active=False)
    allow = b"access-control-allow-origin"
    for path in ("/fhir/Patient", "/oauth/token"):
        assert call("OPTIONS", path, "https://app.example")[0] == 204
        headers = call("GET", path, "https://app.example")[1]
        assert headers[allow] == b"https://app.example"
        assert b"access-control-allow-credentials" not in headers
        for origin in ("https://evil.example", "https://app.example.evil", "http://app.example", "null", "://"):
            status, headers = call("OPTIONS", path, origin)
            assert (status, headers) == (200, {})
        assert call("GET", path, "https://shut.example")[1] == {}
    assert call("GET", "/accounts", "https://app.example")[1] == {}


def test_what_leads_to_us_may_be_read_from_anywhere(cast: object) -> None:
    for path in ("/fhir/metadata", "/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"):
        assert call("OPTIONS", path, "https://anybody.example")[0] == 204
        headers = call("GET", path, "https://anybody.example")[1]
        assert headers[b"access-control-allow-origin"] == b"*"
        assert b"access-control-allow-credentials" not in headers
