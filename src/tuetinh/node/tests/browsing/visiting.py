"""A browser that goes from page to page of a node, each role in its own tab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tuetinh.commons.access.roles import ROLES
from tuetinh.node.journey.peers import results, send_hl7
from tuetinh.node.tests.browsing.lived_in import EVERYTHING
from tuetinh.node.tests.browsing.rows import DOCUMENTS, NO_PAGES, NOBODY, ROWS, VISIT, Row
from tuetinh.node.tests.conftest import Province, run
from tuetinh.node.tests.test_every_url_refuses import Door, doors

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
DESK, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)


@dataclass
class Visit:
    """The pages of one node, opened one after the other, each role in its own tab."""

    browser: Browser
    node: Province
    axe: Callable[..., list[str]]
    tabs: dict[str, Page] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def tab(self, role: str) -> Page:
        """A page on which somebody of the role is logged in."""
        if role not in self.tabs:
            page = self.browser.new_page(locale="vi-VN", reduced_motion="reduce")
            page.on("console", lambda line: self.told.append(line.text) if line.type == "error" else None)
            page.on("pageerror", lambda error: self.told.append(str(error)))
            page.on("dialog", lambda dialog: dialog.accept())
            if role:
                account = self.node.account(role)
                page.goto(f"{self.node.url}/login")
                page.fill("[name=username]", account["username"])
                page.fill("[name=password]", account["password"])
                page.press("[name=password]", "Enter")
                page.wait_for_url(lambda url: "/login" not in url)
            self.tabs[role] = page
        return self.tabs[role]

    def status(self, role: str, path: str) -> int:
        """What the server answers, without opening a page."""
        return self.tab(role).context.request.get(self.node.url + path, max_redirects=0).status

    def look(self, role: str, path: str, expected: int = 200) -> None:
        """Open a page at a desk, then make it as narrow as a phone, and note what is wrong with it."""
        page, where = self.tab(role), f"{role or 'nobody'} {path}"
        self.told.clear()
        page.set_viewport_size(DESK)
        answer = page.goto(self.node.url + path)
        if answer is None or answer.status != expected:
            self.faults.append(f"{where}: answered {answer and answer.status}")
            return
        for size in (DESK, PHONE):
            page.set_viewport_size(size)
            page.wait_for_timeout(60)  # what follows the size of the window
            self.faults += [f"{where} {size['width']} px: {fault}" for fault in self.axe(page, colours=size is DESK)]
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wider > 0:
                self.faults.append(f"{where}: {wider} px wider than {size['width']}")
        self.faults += [f"{where}: {line}" for line in self.told if expected == 200 or "status of" not in line]

    def address(self, route: str, row: Row) -> str:
        """The address of a page with parameters, from a link to it."""
        if row.at:
            return row.at
        page = self.tab(row.role)
        page.goto(self.node.url + (self.address(row.on, ROWS[row.on]) if row.on in ROWS else row.on))
        links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
        sought = VISIT if row.about else route
        found = [path for path in (urlsplit(link).path for link in links) if route_of(path) == sought]
        assert found, f"no link to {sought} on {row.on}"
        return row.about.format(found[0].rpartition("/")[2]) if row.about else found[0]


def route_of(path: str) -> str:
    try:
        return resolve(path).route
    except Resolver404:
        return ""


def role_of(door: Door) -> str:
    """Whoever may: the role whose desk it is, by the order of roles; nobody where everyone may."""
    return next((role for role in (*ROLES, "province") if role in door.roles), NOBODY) if door.roles else NOBODY


def go_through(visit: Visit, wanted: Callable[[str], bool]) -> None:
    """Look at every page whose route is wanted, as found by the URL resolver; fail on what is wrong with any."""
    lost = []
    for door in doors():
        route = route_of(door.url)
        if not wanted(route) or route in NO_PAGES or route.endswith(DOCUMENTS):
            continue
        row = ROWS.get(route, Row(role_of(door)))
        if visit.status(row.role, door.url) == 405:  # what a form sends to
            continue
        if "<" in route and route not in ROWS:
            lost.append(f"{route} says nowhere how it is reached: give it a line in ROWS")
            continue
        path = visit.address(route, row) if "<" in route else f"/{route}"
        if route in ("", "oauth/authorize"):  # leads on; has a test of its own
            continue
        for state in ("", *row.states):
            visit.look(row.role, path + state)
    wrong = lost + visit.faults
    assert wrong == [], "\n".join(wrong)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def lived_in(province: Province) -> Province:
    """A node on which somebody went the whole way, and an analyser sent what nobody ordered."""
    gone = run(province.data, "journey")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    made = run(province.data, "manage", "shell", "--verbosity", "0", "--command", EVERYTHING)
    assert made.returncode == 0, made.stdout + made.stderr
    send_hl7(province.demo["ports"]["mllp"], results("2609999999", {"GLU": ("7.8", "mmol/L", "3.9-6.4")}))
    return province


@pytest.fixture(scope="module")
def tabs() -> dict[str, Page]:
    """Who is logged in already."""
    return {}


@pytest.fixture
def visit(browser: Browser, lived_in: Province, tabs: dict[str, Page], axe: Callable[..., list[str]]) -> Visit:
    """The pages of that node."""
    return Visit(browser, lived_in, axe, tabs)
