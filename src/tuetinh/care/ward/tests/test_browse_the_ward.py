"""A ward in a real browser, at a desk and on a phone: a bed, a day, what the insurance stops and why one goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.clinic.api import diagnose
from tuetinh.care.ward import actions, queries
from tuetinh.care.ward.tests.test_lie_in import approve, today
from tuetinh.node.testing import PASSWORD
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}


def test_a_day_of_a_ward(
    page: Page, live_server: LiveServer, doctor: Asker, visit: str, axe: Callable[[Any], list[str]],
    pytestconfig: pytest.Config,
) -> None:  # fmt: skip
    diagnose(doctor, visit, "J18.9")
    actions.admit(doctor, visit, "h1", "Viêm phổi")
    page.goto(live_server.url)
    page.fill("[name=username]", "cast.doctor")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/clinic**")
    page.goto(f"{live_server.url}/ward")
    assert axe(page) == []
    shot(page, pytestconfig, "ward-list")
    page.locator(f"[data-stay='{visit}'] a").click()
    expect(page.locator("#where")).to_contain_text("H001 · Khoa Nội")
    page.get_by_role("button", name="Tính ngày giường").click()
    expect(page.locator("[data-line=bed]")).to_contain_text("Ngày giường Nội khoa loại 1")
    approve("N01.01.010")
    page.locator("#supply-text").press_sequentially("chi khau")
    expect(page.locator("[role=option]").first).to_contain_text("Chỉ khâu liền kim")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.fill("#quantity", "2")
    page.get_by_role("button", name="Ghi vật tư").click()
    stopped = page.locator("[data-stopped]")
    expect(stopped.locator("[data-rule=APPROVED-SERVICE]")).to_be_visible()
    assert axe(page) == []
    shot(page, pytestconfig, "ward-stopped")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shot(page, pytestconfig, "ward-stopped-phone")
    stopped.locator("input").fill("Cần gấp, đã hội chẩn")
    page.get_by_role("button", name="Ghi vật tư").click()
    expect(page.locator("[data-line=supply]")).to_contain_text("Chỉ khâu liền kim")
    assert sorted(one.kind for one in queries.lines(doctor, visit, today())) == ["bed", "service", "supply"]
    assert axe(page) == []
    shot(page, pytestconfig, "ward-phone")
    page.goto(f"{live_server.url}/ward")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shot(page, pytestconfig, "ward-list-phone")


def shot(page: Page, config: pytest.Config, name: str) -> None:
    """Leave a picture where one is asked for."""
    if folder := config.getoption("--screenshots"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
