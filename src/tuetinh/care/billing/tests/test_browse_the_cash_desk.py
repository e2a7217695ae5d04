"""The cash desk in a real browser: the keyboard takes the money, the page tells of a transfer, axe finds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal as D
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.billing.actions import charge, set_bank_account
from tuetinh.care.billing.models import Payment
from tuetinh.care.billing.queries import is_paid
from tuetinh.care.billing.simulator import pay
from tuetinh.node.testing import PASSWORD
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owing(page: Page, live_server: LiveServer, cast_desk: Any) -> Any:
    """A cashier before the bill of a visit that owes 100,000 ₫."""
    charge(SYSTEM, cast_desk.encounter, "23.0075.1494", 1, unit_price=D(500_000))
    set_bank_account("12104", "970436", "1026806174", "TTYT Than Uyên", "s3cret")
    page.goto(live_server.url)
    page.fill("[name=username]", "cast.cashier")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/billing")
    return cast_desk


def test_cash_by_keyboard_alone(page: Page, owing: Any, axe: Callable[[Any], list[str]]) -> None:
    assert axe(page) == []
    page.locator("table a").first.press("Enter")
    page.wait_for_url(f"**/billing/{owing.id}")
    assert axe(page) == []
    expect(page.locator("[name=received]")).to_be_focused()
    page.keyboard.type("200000")
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã thanh toán đủ")).to_be_visible()
    expect(page.locator("iframe.preview")).to_be_visible()
    assert is_paid(owing.id)
    assert axe(page) == []


def test_a_transfer_by_its_code(
    page: Page, owing: Any, live_server: LiveServer, axe: Callable[[Any], list[str]]
) -> None:
    page.goto(f"{live_server.url}/billing/{owing.id}")
    page.keyboard.press("F8")
    code = page.locator("[data-qr]")
    assert code.locator("svg").bounding_box()["width"] > 200  # type: ignore[index] - a phone reads it from half a metre
    assert axe(page) == []
    told = pay(str(code.get_attribute("data-qr")), secret="s3cret", node=live_server.url)
    assert told["answer"]["state"] == "matched"
    page.goto(f"{live_server.url}/billing/{owing.id}")
    expect(page.get_by_text("Đã thanh toán đủ")).to_be_visible()
    assert Payment.objects.get().method == "transfer"


def test_a_part_by_keyboard_and_the_day(
    page: Page, owing: Any, live_server: LiveServer, axe: Callable[[Any], list[str]]
) -> None:
    page.goto(f"{live_server.url}/billing/{owing.id}")
    page.get_by_text("Thu một phần", exact=True).click()
    page.fill("[name=part]", "30.000")
    assert axe(page) == []
    page.keyboard.press("F9")
    expect(page.get_by_text("Còn phải thu 70.000 ₫")).to_be_visible()
    page.goto(f"{live_server.url}/billing/day")
    expect(page.get_by_role("cell", name="Lò Thị Pâng")).to_be_visible()
    assert axe(page) == []
    if folder := os.environ.get("TUETINH_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/cash-day.png")
