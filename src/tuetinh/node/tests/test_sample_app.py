"""A doctor launches the sample app from a person's page in a real browser; it sees the results, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tuetinh.node.demo.places import CAST

pytestmark = pytest.mark.browser
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def doctor(browser: Browser, province) -> Iterator[Page]:
    """A doctor on the page of a person with laboratory results."""
    client = province.demo["client"]
    form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    token = httpx.post(f"{province.url}/oauth/token", data=form).json()["access_token"]
    here = f"category=laboratory&performer=Organization/{CAST}&_count=1"  # which the doctor sees by relation
    found = httpx.get(f"{province.url}/fhir/Observation?{here}", headers={"authorization": f"Bearer {token}"}).json()
    patient = found["entry"][0]["resource"]["subject"]["reference"].split("/")[1]
    account = province.account("doctor")
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="vi-VN")
    page.goto(f"{province.url}/login")
    page.fill("[name=username]", account["username"])
    page.fill("[name=password]", account["password"])
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto(f"{province.url}/clinic/people/{patient}")
    page.click("form[action$='/apps/launch/sample'] button")
    page.wait_for_url(lambda url: "/oauth/authorize" in url)
    yield page
    page.close()


def test_doctor_allows_and_sees_the_chart(doctor: Page, axe, request: pytest.FixtureRequest) -> None:
    assert axe(doctor) == []
    assert "chỉ: xét nghiệm" in doctor.inner_text("main")
    if folder := request.config.getoption("--screenshots"):
        doctor.screenshot(path=f"{folder}/cho-phep-ung-dung.png")
    asked: list[str] = []
    doctor.on("response", lambda response: asked.append(f"{response.status} {response.url}"))
    doctor.click("button[value=allow]")
    doctor.wait_for_selector("#results tbody tr")
    doctor.wait_for_selector("#chart svg path", state="attached")
    assert "kết quả xét nghiệm gần nhất" in doctor.inner_text("#about")
    assert "code=" not in doctor.url
    assert not [one for one in asked if "access_token" in one]
    assert axe(doctor) == []
    if folder:
        doctor.screenshot(path=f"{folder}/ung-dung-mau.png")
    seen = doctor.evaluate(
        """async () => {
          const kept = Object.values(sessionStorage).filter((text) => text.startsWith("{"))
            .map((text) => JSON.parse(text)).find((one) => one.tokenResponse);
          const headers = { authorization: `Bearer ${kept.tokenResponse.access_token}` };
          const ask = async (path) => (await fetch(`/fhir/${path}`, { headers, credentials: 'omit' })).status;
          const vitals = await (await fetch('/fhir/Observation?category=vital-signs', { headers })).json();
          return [await ask('Condition'), await ask('Patient/nobody'), (vitals.entry || []).length];
        }"""
    )
    assert seen == [403, 404, 0]


def test_without_consent_nothing(doctor: Page) -> None:
    doctor.click("button[value=deny]")
    doctor.wait_for_url(lambda url: "/apps/sample/" in url)
    doctor.wait_for_function("document.getElementById('about').textContent.includes('không được phép')")
    assert doctor.locator("#results tbody tr").count() == 0
    assert doctor.evaluate("Object.values(sessionStorage).some((text) => text.includes('access_token'))") is False
