"""The bedside check in a real browser: a wrong person is stopped in red, the right one begins by the keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.lab.blood import orders
from tuetinh.care.lab.blood.models import BloodAllocation
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("TUETINH_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def log_in(page: Page, url: str, username: str, path: str) -> None:
    page.goto(f"{url}/login?next={path}")
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/login" not in address)


def test_the_bedside_check(
    page: Page, live_server: LiveServer, bank: Any, given: Any, axe: Callable[[Any], list[str]]
) -> None:
    bank.confirmed("A")
    made = given("A")
    log_in(page, live_server.url, "cast.nurse", "/lab/blood/bedside")
    expect(page.locator("#person")).to_be_focused()
    assert axe(page) == []
    scans = ("cast-citizen", f"={made.unit.din}00", "A", "A", "82", "118", "74", "36,9", "18")
    for value in scans:
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("F9")
    expect(page.locator("[data-refused]")).to_contain_text("SAI NGƯỜI BỆNH")
    expect(page.locator("#v-temperature")).to_have_value("36,9")
    assert axe(page) == []
    shot(page, "blood-bedside-refused")
    assert BloodAllocation.objects.get().stage == "issued"
    page.fill("#person", bank.patient)
    page.keyboard.press("F9")
    expect(page.get_by_text("Đúng người, đúng túi, tương hợp. Bắt đầu truyền.")).to_be_visible()
    expect(page.locator("[data-moment]")).to_have_count(1)
    assert axe(page) == []
    shot(page, "blood-transfusion")
    assert BloodAllocation.objects.get().stage == "running"
    page.fill("#signs", "Rét run, sốt 39 độ sau 20 phút")
    page.get_by_role("button", name="Ngừng truyền và báo").press("Enter")
    expect(page.locator("[data-step=stop]")).to_contain_text("Rét run")
    assert axe(page) == []
    shot(page, "blood-reaction")
    assert BloodAllocation.objects.get().stage == "stopped"


def test_the_store_and_an_order(
    page: Page, live_server: LiveServer, bank: Any, axe: Callable[[Any], list[str]]
) -> None:
    bank.confirmed("A")
    for abo in ("A", "O", "AB"):
        bank.unit(abo)
    row = orders.order_blood(bank.doctor, bank.world.encounter.id, "red", 1, urgency="urgent", indication="bleeding")
    log_in(page, live_server.url, "cast.lab", "/lab/blood")
    assert axe(page) == []
    shot(page, "blood-stock")
    page.goto(f"{live_server.url}/lab/blood/orders/{row.pk}")
    expect(page.locator("[data-group]")).to_have_text("A Rh(D)+")
    expect(page.get_by_role("radio")).to_have_count(2)
    assert axe(page) == []
    shot(page, "blood-order")
    page.select_option("#saline", "0")
    page.select_option("#ahg", "0")
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã giữ", exact=True)).to_be_visible()
    assert BloodAllocation.objects.get().method == "serological"
