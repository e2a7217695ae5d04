"""Service accounts: narrow, seen when they are used, renewed, and with the sight of the facility that they are of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from joserfc.jwk import ECKey

from tuetinh.commons.access import actions
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Token
from tuetinh.commons.access.models import Client as System
from tuetinh.commons.access.oauth.asking import bearer_of
from tuetinh.commons.access.oauth.clients import create_client
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = ECKey.generate_key("P-384", {"kid": "one"})
FORM = {"name": "Kho", "client_id": "kho", "proof": "secret", "scopes": "system/Condition.rs", "redirect_uris": ""}


def registered(by: Account, **changes: Any) -> str:
    """A service account of the administrator's facility; returns its secret."""
    fields = {"client_id": "kho", "name": "Kho", "proof": "secret", "scopes": "system/Condition.rs system/Patient.rs"}
    return actions.register_client(by, **fields | changes)[1]


def token(secret: str, **more: str) -> Any:
    form = {"grant_type": "client_credentials", "client_id": "kho", "client_secret": secret, **more}
    return Client().post("/oauth/token", form)


def asks(secret: str) -> Asker:
    bearer = token(secret).json()["access_token"]
    found = bearer_of(RequestFactory().get("/", headers={"Authorization": f"Bearer {bearer}"}))
    assert found is not None
    return found


def test_last_use_is_seen(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    secret = registered(cast["admin"])
    browser = as_role("admin")
    page = browser.get("/accounts/apps/kho").content.decode()
    assert "chưa dùng" in page
    assert "<code>system/Condition.rs</code>" in page
    assert secret not in page
    token("wrong")
    assert System.objects.get().last_used is None
    token(secret)
    assert System.objects.get().last_used is not None
    assert "chưa dùng" not in browser.get("/accounts/apps/kho").content.decode()


def test_new_secret_ends_the_old_one_and_its_tokens(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    old = registered(cast["admin"])
    token(old)
    page = as_role("admin").post("/accounts/apps/kho/renew")
    new = page.content.decode().split('class="secret">')[1].split("<")[0]
    assert "no-store" in page["Cache-Control"]
    assert new != old
    assert Token.objects.count() == 0
    assert (token(old).status_code, token(new).status_code) == (401, 200)


def test_keys_are_replaced(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    registered(cast["admin"], proof="keys", jwks={"keys": [KEY.as_dict(private=False)]})
    new = ECKey.generate_key("P-384", {"kid": "two"})
    browser = as_role("admin")
    for wrong in ("", "{}", '{"keys": [{"kid": "x", "d": "secret"}]}'):
        assert browser.post("/accounts/apps/kho", {"jwks": wrong, "jwks_url": ""}).status_code == 422
    assert System.objects.get().jwks["keys"][0]["kid"] == "one"
    form = {"jwks": json.dumps({"keys": [new.as_dict(private=False)]}), "jwks_url": ""}
    assert browser.post("/accounts/apps/kho", form)["Location"] == "/accounts/apps/kho"
    assert [key["kid"] for key in System.objects.get().jwks["keys"]] == ["two"]
    assert browser.post("/accounts/apps/kho/renew").status_code == 403


@pytest.mark.parametrize("scopes", ["system/*.rs", "system/*.read", "system/*.cruds", "system/Patient.rs system/*.r"])
def test_no_service_account_gets_every_type(
    as_role: Callable[[str], Client], cast: dict[str, Account], scopes: str
) -> None:
    assert as_role("admin").post("/accounts/apps/new", FORM | {"scopes": scopes}).status_code == 422
    assert System.objects.count() == 0


@pytest.mark.parametrize("verb", ["", "/renew", "/disable", "/enable"])
def test_those_of_another_facility_are_out_of_reach(
    as_role: Callable[[str], Client], cast: dict[str, Account], verb: str
) -> None:
    cast["admin"].facility = "12001"
    registered(cast["admin"])
    before = System.objects.values().get()
    assert as_role("admin").post(f"/accounts/apps/kho{verb}", {"jwks": "{}"}).status_code == 403
    assert as_role("admin").get("/accounts/apps/kho").status_code == 403
    with pytest.raises(AccessError):
        actions.renew_secret(cast["doctor"], "kho")
    assert System.objects.values().get() == before


def test_a_facilitys_system_sees_what_concerns_the_facility(cast: dict[str, Account]) -> None:
    for id_, facility in (("ours", "12104"), ("theirs", "12001")):
        subject = r4.Reference(reference="Patient/cast-citizen")
        api.create(replace(SYSTEM, facility=facility), r4.Condition(id=id_, subject=subject))
    seen = api.search(asks(registered(cast["admin"])), "Condition", "").resources
    assert [one.id for one in seen] == ["ours"]
    of_province = create_client("kho", "Kho", scopes="system/Condition.rs")
    seen = api.search(asks(of_province), "Condition", "").resources
    assert sorted(str(one.id) for one in seen) == ["ours", "theirs"]


def browser_of(account: Account) -> Client:
    browser = Client()
    browser.force_login(account)
    return browser


def test_a_system_of_the_province_waits_for_a_second_administrator(
    cast: dict[str, Account],
) -> None:
    first = cast["province"]
    second = Account.objects.create(username="second", full_name="Vàng A Páo", role="admin")
    page = browser_of(first).post("/accounts/apps/new", FORM).content.decode()
    assert "khi một quản trị khác của tỉnh đã xác nhận" in page
    secret = page.split('class="secret">')[1].split("<")[0]
    assert token(secret).status_code == 401
    own = browser_of(first)
    assert "/accounts/apps/kho/confirm" not in own.get("/accounts/apps/kho").content.decode()
    assert "Chờ người thứ hai xác nhận" in own.get("/accounts/apps").content.decode()
    for who in (first, second):
        assert browser_of(who).post("/accounts/apps/kho/enable").status_code == 403
    for who in (first, cast["admin"], cast["doctor"]):
        assert browser_of(who).post("/accounts/apps/kho/confirm").status_code == 403
    assert token(secret).status_code == 401
    other = browser_of(second)
    assert "/accounts/apps/kho/confirm" in other.get("/accounts/apps/kho").content.decode()
    assert other.post("/accounts/apps/kho/confirm")["Location"] == "/accounts/apps/kho"
    assert token(secret).status_code == 200
    assert "Vàng A Páo" in own.get("/accounts/apps/kho").content.decode()
    assert other.post("/accounts/apps/kho/confirm").status_code == 403
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT account, reason FROM record.audit WHERE type = 'Client' ORDER BY position")
        assert cursor.fetchall() == [(str(first.pk), "system/Condition.rs"), (str(second.pk), "confirmed")]


def test_apps_that_people_use_and_systems_of_a_facility_wait_for_nobody(cast: dict[str, Account]) -> None:
    registered(cast["admin"])
    app = {"client_id": "chart", "proof": "none", "redirect_uris": "https://app.example/back"}
    registered(cast["province"], scopes="launch user/Patient.rs", **app)
    assert list(System.objects.values_list("is_active", "awaits")) == [(True, False)] * 2
