"""The paper of no co-payment in a real browser, by keyboard at the desk and on a phone; and codes of medicines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tuetinh.care.insurance.tests.test_free_of_copayment import LIMIT, TODAY, YEAR, five_years
from tuetinh.care.insurance.tests.test_what_a_visit_rests_on import paid
from tuetinh.commons.catalogues.api import medicine_codes, without_code
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Axe = Callable[[Any], list[str]]


def come_in(page: Page, live_server: LiveServer, name: str) -> None:
    page.goto(live_server.url)
    page.fill("[name=username]", f"cast.{name}")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/*")
    expect(page.locator("[name=password]")).to_have_count(0)


def at_the_desk(page: Page, live_server: LiveServer, desk: Any, axe: Axe) -> None:
    five_years(desk.patient.id)
    paid(desk, f"{TODAY.year}-01-02T08:00:00+07:00", int(LIMIT))
    come_in(page, live_server, "reception")
    page.goto(f"{live_server.url}/reception/people/{desk.patient.id}")
    expect(page.locator("[data-copayment=passed]")).to_contain_text("quá 6 lần mức lương cơ sở")
    assert axe(page) == []
    page.get_by_role("link", name="Giấy không cùng chi trả").press("Enter")
    expect(page.locator("#id_amount")).to_be_focused()
    page.keyboard.type(f"{LIMIT:f}")
    page.fill("#id_exempt_from", f"{YEAR:%d/%m/%Y}")
    page.fill("#id_number", "17/GCN")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã ghi giấy.")).to_be_visible()
    expect(page.get_by_text("17/GCN")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/reception/people/{desk.patient.id}")
    expect(page.locator("[data-copayment=free]")).to_contain_text(f"hết năm {timezone.localdate().year}")


def test_the_desk_enters_it_by_keyboard(page: Page, live_server: LiveServer, cast_desk: Any, axe: Axe) -> None:
    at_the_desk(page, live_server, cast_desk, axe)


def test_the_desk_enters_it_on_a_phone(phone: Page, live_server: LiveServer, cast_desk: Any, axe: Axe) -> None:
    at_the_desk(phone, live_server, cast_desk, axe)


def test_the_administrator_enters_codes_one_after_the_other(
    page: Page, live_server: LiveServer, cast: Any, axe: Axe
) -> None:
    first, second = without_code("12104")[:2]
    come_in(page, live_server, "admin")
    page.goto(f"{live_server.url}/insurance/medicines")
    rows = page.locator("[data-medicine]")
    rows.nth(0).locator("[name=code]").fill("4 0")
    page.keyboard.press("Enter")
    expect(rows.nth(0)).to_contain_text("không phải mã thuốc BHYT")
    assert axe(page) == []
    for number, one in enumerate((first, second)):
        row = page.locator(f"[data-medicine='{one.code}']")
        row.locator("[name=code]").fill(f"40.{number + 1}")
        page.keyboard.press("Enter")
        expect(row).to_contain_text("Đã lưu")
    assert medicine_codes("12104") == {first.code: "40.1", second.code: "40.2"}


def test_a_code_is_entered_on_one_line_at_the_desk(page: Page, live_server: LiveServer, cast: Any) -> None:
    come_in(page, live_server, "admin")
    page.goto(f"{live_server.url}/insurance/medicines")
    row = page.locator("[data-medicine]").first
    field, button = row.locator("[name=code]").bounding_box(), row.get_by_role("button").bounding_box()
    assert field and button
    assert button["x"] >= field["x"] + field["width"]
    assert abs((button["y"] + button["height"] / 2) - (field["y"] + field["height"] / 2)) < 4


def test_a_medicine_is_a_card_on_a_phone(phone: Page, live_server: LiveServer, cast: Any, axe: Axe) -> None:
    one = without_code("12104")[0]
    come_in(phone, live_server, "admin")
    phone.goto(f"{live_server.url}/insurance/medicines")
    row = phone.locator(f"[data-medicine='{one.code}']")
    expect(row).to_be_visible()
    assert phone.evaluate(
        "[...document.querySelectorAll('.table-box')].every(box => box.scrollWidth <= box.clientWidth)"
    )
    button = row.get_by_role("button").bounding_box()
    assert button and button["x"] + button["width"] <= 390
    row.locator("[name=code]").fill("40.1")
    phone.keyboard.press("Enter")
    expect(row).to_contain_text("Đã lưu")
    assert axe(phone) == []
