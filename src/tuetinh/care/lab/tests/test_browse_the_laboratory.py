"""The technician's desk in a real browser: the keyboard leads from the tube to the result, axe finds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.lab import actions
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Message, Tube
from tuetinh.care.lab.results import validation
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_from_the_tube_to_the_result_by_keyboard(
    page: Page, live_server: LiveServer, world: Any, oru: Any, axe: Callable[[Any], list[str]]
) -> None:
    for control, value in (("1", "5.1"), ("2", "5.3")):  # what was before, for the trend
        actions.order_tests(world.doctor, world.encounter, ["23.0075.1494"])
        number = Tube.objects.latest("id").number
        inbox.take(Frame(oru(number, {"GLU": value}, control=control, unit="mmol/L")), "")
        validation.release(world.lab, number)
    actions.order_tests(world.doctor, world.encounter, ["23.0075.1494", "23.0058.1487"], urgent=True)
    tube = Tube.objects.latest("id")
    page.goto(live_server.url)
    page.fill("[name=username]", "cast.lab")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/lab")
    assert axe(page) == []
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type(tube.number)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/lab/tubes/{tube.number}")
    assert axe(page) == []
    page.keyboard.press("F9")
    expect(page.get_by_text("Đang phân tích", exact=True)).to_be_visible()
    for value in ("7,8", "139", "6,9", "101"):
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    assert axe(page) == []
    page.keyboard.press("F8")
    expect(page.get_by_text("Gọi bác sĩ ngay")).to_be_visible()
    expect(page.get_by_role("img", name="Diễn biến Glucose")).to_be_visible()
    assert axe(page) == []
    if folder := os.environ.get("TUETINH_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/lab-tube.png")
    page.fill("#told", "BS Hà, 8 giờ 15")
    page.check("[name=read_back]")
    page.get_by_role("button", name="Xác nhận đã báo").press("Enter")
    expect(page.get_by_text("Đã xác nhận.")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã trả kết quả.")).to_be_visible()
    assert Tube.objects.get(pk=tube.pk).stage == "released"
    page.goto(f"{live_server.url}/lab")
    if folder:
        page.screenshot(path=f"{folder}/lab-worklist.png")


def test_the_inbox_by_hand(
    page: Page, live_server: LiveServer, world: Any, oru: Any, axe: Callable[[Any], list[str]]
) -> None:
    actions.order_tests(world.doctor, world.encounter, ["23.0075.1494"])
    inbox.take(Frame(oru("000", {"GLU": "5.0"})), "10.0.0.9")
    page.goto(f"{live_server.url}/login?next=/lab/inbox")
    page.fill("[name=username]", "cast.lab")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("table a").first).to_be_visible()
    assert axe(page) == []
    page.locator("table a").first.press("Enter")
    expect(page.locator("#number")).to_be_focused()
    assert axe(page) == []
    if folder := os.environ.get("TUETINH_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/lab-message.png")
    page.keyboard.type(Tube.objects.get().number)
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã ghép bản tin với mẫu.")).to_be_visible()
    assert Message.objects.get().state == "matched"


def test_a_machine_is_taught_from_a_message(
    page: Page, live_server: LiveServer, world: Any, oru: Any, axe: Callable[[Any], list[str]]
) -> None:
    actions.order_tests(world.doctor, world.encounter, ["23.0075.1494"])
    tube = Tube.objects.latest("id")
    inbox.take(Frame(oru(tube.number, {"G-1": "5.4"}, unit="mmol/L")), "10.0.0.9")
    page.goto(live_server.url)
    page.fill("[name=username]", "cast.lab")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/lab")
    page.goto(f"{live_server.url}/lab/inbox")
    page.locator("table a").first.press("Enter")
    assert axe(page) == []
    page.select_option("[name=analyte]", "GLU")
    page.get_by_role("button", name="Dạy mã này").press("Enter")
    expect(page.get_by_text("Đã ghi mã của máy và xử lý lại các bản tin chờ mã này.")).to_be_visible()
    assert Tube.objects.get(pk=tube.pk).stage == "resulted"
    page.goto(f"{live_server.url}/lab/machines")
    assert axe(page) == []
    page.get_by_role("link", name="BS240").press("Enter")
    expect(page.get_by_role("rowheader", name="G-1")).to_be_visible()
    assert axe(page) == []
    if folder := os.environ.get("TUETINH_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/lab-machine.png")
    page.goto(f"{live_server.url}/lab/machines/new")
    assert axe(page) == []
