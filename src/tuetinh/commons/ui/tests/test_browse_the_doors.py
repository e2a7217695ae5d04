"""Login and refusal pages in a real browser: keyboard, axe, zoom, both languages, light and dark."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

    from tuetinh.commons.access.models import Account

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.long]
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the module."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of its own, that fails the test on a script error."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def log_in(page: Page, server: LiveServer, role: str) -> None:
    """Log in by keyboard alone."""
    page.goto(server.url)
    expect(page.locator("[name=username]")).to_be_focused()
    page.keyboard.type(f"cast.{role}")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


def test_keyboard_alone_logs_in_and_finds_the_shortcuts(
    page: Page, live_server: LiveServer, cast: dict[str, Account]
) -> None:
    log_in(page, live_server, "doctor")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#shortcuts").is_visible()
    assert page.locator("#shortcuts [data-found] kbd").first.inner_text() == "/"
    page.keyboard.press("Escape")
    assert not page.locator("#shortcuts").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_axe_finds_nothing_serious(
    page: Page,
    live_server: LiveServer,
    cast: dict[str, Account],
    axe: Callable[[Page], list[str]],
    scheme: str,
    language: str,
) -> None:
    cookies = [{"name": "django_language", "value": language, "url": live_server.url}]
    page.context.add_cookies([*cookies, {"name": "theme", "value": scheme, "url": live_server.url}])  # type: ignore[list-item]
    found = {}
    page.goto(f"{live_server.url}/login")
    found["/login"] = axe(page)
    log_in(page, live_server, "admin")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    for path in ("/accounts", "/accounts/new", "/account/password", f"/accounts/{cast['doctor'].pk}", "/khong-co"):
        page.goto(live_server.url + path)
        found[path] = axe(page)
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize("width", [390, 720])  # a phone; 200 % zoom of 1440
def test_nothing_hangs_over_the_edge(page: Page, live_server: LiveServer, cast: dict[str, Account], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    log_in(page, live_server, "admin")
    for path in ("/accounts", "/accounts/new", "/account/password", f"/accounts/{cast['doctor'].pk}"):
        page.goto(live_server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_search_of_accounts_swaps_the_list(page: Page, live_server: LiveServer, cast: dict[str, Account]) -> None:
    log_in(page, live_server, "admin")
    page.goto(f"{live_server.url}/accounts")
    assert page.locator("#list tbody tr").count() == 11
    page.fill("#q", "doctor")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    assert page.locator("#list tbody tr").inner_text().startswith("Lò Văn Doctor")


def test_unsaved_work_asks(page: Page, live_server: LiveServer, cast: dict[str, Account]) -> None:
    log_in(page, live_server, "admin")
    page.goto(f"{live_server.url}/accounts/new")
    page.fill("[name=full_name]", "Trần")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(f"{live_server.url}/accounts")
    assert asked == ["beforeunload"]


def test_theme_and_language_are_switched_from_the_menu(
    page: Page, live_server: LiveServer, cast: dict[str, Account]
) -> None:
    log_in(page, live_server, "admin")
    page.click("details[data-menu] summary")
    page.click("[data-theme-switch]")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    page.click("details[data-menu] button[lang=en]")
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    assert page.locator(".rail").inner_text().strip().splitlines()[1:3] == ["To my desk", "Accounts"]


def test_the_end_of_a_page_does_not_stay_under_the_bar_of_a_phone(
    chromium: Browser, live_server: LiveServer, cast: dict[str, Account]
) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    log_in(page, live_server, "doctor")
    end, bar = page.evaluate("""() => {
        const last = document.querySelector("main").appendChild(document.createElement("div"));
        last.style.height = "2000px";
        window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
        return [last, document.querySelector(".rail")].map(one => one.getBoundingClientRect());
    }""")
    context.close()
    assert end["bottom"] <= bar["top"]
