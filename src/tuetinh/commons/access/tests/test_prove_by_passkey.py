"""Passkeys in a real browser with a virtual authenticator: added, used to log in and to prove again, taken away."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect, sync_playwright

from tuetinh.commons.access.models import Account, Glass, Passkey, RecoveryCode, Session
from tuetinh.commons.access.proof import passkeys
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, CDPSession, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.long]
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}

# Asks for any passkey and returns what the page would send.
FORGED = """async (options) => {
  const bytes = (text) => Uint8Array.from(
    atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/[+]/g, "-").replace(/[/]/g, "_").replace(/=+$/, "");
  options.challenge = bytes(options.challenge);
  const found = await navigator.credentials.get({ publicKey: options }), told = found.response;
  return JSON.stringify({ id: found.id, rawId: text(found.rawId), type: found.type, response: {
    clientDataJSON: text(told.clientDataJSON),
    authenticatorData: text(told.authenticatorData), signature: text(told.signature) } });
}"""
PARTS = ("id", "rawId", "type", "response", "clientDataJSON", "authenticatorData", "signature", "attestationObject")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the module."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Device:
    """A telephone: a browser with an authenticator of its own, on a page of the node."""

    def __init__(self, chromium: Browser, url: str) -> None:
        self.url = url
        self.context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="vi-VN")
        self.page: Page = self.context.new_page()
        self.page.on("dialog", lambda dialog: dialog.accept())
        self.cdp: CDPSession = self.context.new_cdp_session(self.page)
        self.cdp.send("WebAuthn.enable")
        self.id = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def log_in(self, role: str) -> None:
        self.go("/login")
        self.page.fill("[name=username]", f"cast.{role}")
        self.page.fill("[name=password]", PASSWORD)
        self.page.press("[name=password]", "Enter")
        self.page.wait_for_url(lambda url: not url.endswith("/login"))

    def log_out(self) -> None:
        self.context.clear_cookies()

    def add_passkey(self, name: str) -> None:
        self.go("/account/security")
        self.page.click("text=Thêm khóa truy cập")
        self.page.fill("[name=name]", name)
        self.page.click("[data-passkey-button]")

    def touch(self) -> None:
        """Use the passkey that the page asks for."""
        with self.page.expect_navigation():
            self.page.click("[data-passkey-button]")

    def credentials(self) -> list[dict[str, Any]]:
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]
        return list(found)

    def verifies(self, *, is_the_person: bool) -> None:
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": is_the_person})


@pytest.fixture
def device(chromium: Browser, live_server: LiveServer) -> Iterator[Device]:
    found = Device(chromium, live_server.url)
    yield found
    found.context.close()


@pytest.fixture
def added(device: Device, cast: dict[str, Account]) -> Device:
    """A telephone with a passkey of the doctor's, who is logged in."""
    device.log_in("doctor")
    device.add_passkey("Điện thoại")
    expect(device.page.locator(".codes li")).to_have_count(10)
    return device


def test_login_by_passkey_alone(added: Device, cast: dict[str, Account]) -> None:
    kept = Passkey.objects.get()
    assert (kept.name, kept.account_id, RecoveryCode.objects.count()) == ("Điện thoại", cast["doctor"].pk, 10)
    added.log_out()
    added.go("/login?next=/account/sessions")
    added.page.click("text=Dùng khóa truy cập")
    added.touch()
    assert added.page.url == f"{added.url}/account/sessions"
    expect(added.page.locator(".own-list")).to_contain_text("bằng khóa truy cập")
    assert Passkey.objects.get().last_used is not None
    assert Passkey.objects.get().sign_count > kept.sign_count


def test_passkey_as_the_second_step(added: Device) -> None:
    added.log_out()
    added.log_in("doctor")
    assert added.page.url == f"{added.url}/login/second"
    added.touch()
    assert added.page.url == f"{added.url}/clinic"


def test_passkey_proves_again_and_what_was_sent_goes_on(added: Device) -> None:
    session = Session.objects.get(account__isnull=False)
    store = session.get_session_store_class()(session.session_key)
    store["proved"] = int(time.time()) - 3600
    store.save()
    added.go("/records/cast-citizen/open")
    added.page.fill("[name=reason]", "Cấp cứu, người bệnh hôn mê")
    added.page.click("text=Mở hồ sơ >> nth=-1")
    added.touch()
    assert added.page.url == f"{added.url}/people/cast-citizen"
    assert Glass.objects.get().reason == "Cấp cứu, người bệnh hôn mê"


def test_several_passkeys_with_names_and_one_taken_away(added: Device, chromium: Browser) -> None:
    second = Device(chromium, added.url)
    second.context.add_cookies(added.context.cookies())  # type: ignore[arg-type]
    second.add_passkey("Khóa USB")
    expect(second.page.locator(".own-list li")).to_have_count(2)
    assert sorted(Passkey.objects.values_list("name", flat=True)) == ["Khóa USB", "Điện thoại"]
    second.page.click("[aria-label='Bỏ Điện thoại']")
    expect(second.page.locator(".own-list li")).to_have_count(1)
    assert Account.objects.get(role="doctor").has_factor
    second.context.close()
    added.log_out()
    added.go("/login/passkey")
    added.touch()
    expect(added.page.locator("[role=alert]").first).to_contain_text("Khóa này chưa được thêm")
    assert "/login" in added.page.url


def test_one_authenticator_is_added_once(added: Device) -> None:
    added.add_passkey("Lần hai")
    expect(added.page.locator("[data-passkey-fault]")).to_be_visible()
    assert Passkey.objects.count() == 1
    assert len(added.credentials()) == 1


def test_whoever_only_holds_the_device_stays_out(added: Device) -> None:
    added.log_out()
    added.verifies(is_the_person=False)
    added.go("/login/passkey")
    added.page.click("[data-passkey-button]")
    expect(added.page.locator("[data-passkey-fault]")).to_be_visible()
    assert "/login/passkey" in added.page.url


def test_a_copied_authenticator_stays_out(added: Device) -> None:
    Passkey.objects.update(sign_count=1_000_000)
    added.log_out()
    added.go("/login/passkey")
    added.touch()
    expect(added.page.locator("[role=alert]").first).to_contain_text("chưa xác nhận được")
    assert Passkey.objects.get().sign_count == 1_000_000


def test_a_passkey_of_another_is_no_second_step(added: Device, cast: dict[str, Account]) -> None:
    Account.objects.filter(role="nurse").update(has_factor=True)
    Passkey.objects.create(account=cast["nurse"], name="x", credential_id=b"x" * 32, credential=_credential(b"x" * 32))
    added.log_out()
    added.log_in("nurse")
    # The page asks for the nurse's passkeys; a forged one asks for any, and the doctor's answers.
    html = added.page.content()
    options = json.loads(html.split('id="passkey-options" type="application/json">')[1].split("</script>")[0])
    assert len(options["publicKey"].pop("allowCredentials")) == 1
    forged = added.page.evaluate(FORGED, options["publicKey"])
    token = added.page.input_value("[name=csrfmiddlewaretoken] >> nth=0")
    answer = added.context.request.post(
        f"{added.url}/login/second", form={"passkey": forged, "csrfmiddlewaretoken": token}
    )
    assert answer.status == 422
    assert Session.objects.filter(account=cast["nurse"]).count() == 0
    assert Passkey.objects.get(account=cast["doctor"]).last_used is None


def _credential(id_: bytes) -> bytes:
    """An attested credential with the id, of whose key nobody knows the secret part."""
    kept = bytes(Passkey.objects.get(name="Điện thoại").credential)
    length = int.from_bytes(kept[16:18], "big")
    return kept[:16] + len(id_).to_bytes(2, "big") + id_ + kept[18 + length :]


def test_an_answer_is_good_for_one_question(added: Device, cast: dict[str, Account]) -> None:
    added.log_out()
    added.go("/login/passkey")
    sent: list[str] = []
    added.page.on("request", lambda one: sent.append(one.post_data or "") if one.method == "POST" else None)
    added.touch()
    body = next(one for one in sent if "passkey=" in one)
    added.log_out()
    added.go("/login/passkey")
    token = added.page.input_value("[name=csrfmiddlewaretoken] >> nth=0")
    form = {"passkey": parse_qs(body)["passkey"][0], "csrfmiddlewaretoken": token}
    assert json.loads(form["passkey"])["type"] == "public-key"
    answer = added.context.request.post(f"{added.url}/login/passkey", form=form)
    assert answer.status == 422
    assert Session.objects.filter(account=cast["doctor"]).count() == 2


def test_pages_are_accessible_on_a_phone_and_at_a_desk(
    added: Device, axe: Callable[[Page], list[str]], request: pytest.FixtureRequest
) -> None:
    page, faults = added.page, {}
    folder = request.config.getoption("--screenshots")

    def look(name: str) -> None:
        for width, height in ((390, 844), (1280, 800)):
            page.set_viewport_size({"width": width, "height": height})
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            faults[name, width] = axe(page) + ([f"{wider} px wider"] if wider > 0 else [])
            if folder:
                page.screenshot(path=f"{folder}/{name}-{width}.png", full_page=True)

    look("recovery-codes")
    added.go("/account/security")
    look("security")
    page.click("text=Bật mã 6 số")
    look("totp")
    page.fill("[name=code]", "1")
    page.press("[name=code]", "Enter")
    look("totp-wrong")
    added.go("/account/security")
    page.click("text=Thêm khóa truy cập")
    look("new-passkey")
    added.go("/account/sessions")
    look("sessions")
    session = Session.objects.get(account__isnull=False)
    store = session.get_session_store_class()(session.session_key)
    store["proved"] = 0
    store.save()
    added.go("/account/security")
    page.click("text=Lấy mã dự phòng mới")
    look("prove")
    added.log_out()
    added.go("/login")
    look("login")
    page.click("text=Dùng khóa truy cập")
    look("login-passkey")
    added.log_in("doctor")
    look("second")
    assert {where: found for where, found in faults.items() if found} == {}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: st.dictionaries(st.sampled_from(PARTS), one),
        max_leaves=12,
    )
)
def test_no_answer_of_a_browser_is_a_fault_of_ours(answer: object) -> None:
    request = RequestFactory().post("/", HTTP_HOST="localhost")
    for ask in (passkeys.prove, lambda r, a: passkeys.register(r, Account(pk=0), a, "x")):
        request.session = {passkeys.STATE: {"challenge": "AAAA", "user_verification": "required"}}  # type: ignore[assignment]
        assert ask(request, json.dumps(answer)) is None  # type: ignore[operator]
