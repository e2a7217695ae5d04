"""A report of pathology in a real browser: read with the Bethesda form, drafted, signed; axe finds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.lab.pathology import cases
from tuetinh.care.lab.pathology.models import PathologyCase
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_report_from_the_slide_to_the_signature(
    page: Page, live_server: LiveServer, world: Any, case: Any, axe: Callable[[Any], list[str]]
) -> None:
    made = case("received", "lbc", ("Cổ tử cung",))
    cases.stain(world.lab, made.pieces.get().pk, ["PAP"])
    folder = os.environ.get("TUETINH_SCREENSHOTS")
    page.goto(f"{live_server.url}/login?next=/lab/pathology")
    page.fill("[name=username]", "cast.lab")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/login" not in address)
    expect(page.locator("#scan")).to_be_focused()
    assert axe(page) == []
    page.keyboard.type(f"{made.number}-A-PAP")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/lab/pathology/cases/{made.pk}")
    assert axe(page) == []
    page.select_option("#f-adequacy", "Đạt")
    page.select_option("#f-category", "HSIL")
    page.fill("#diagnosis", "Tổn thương trong biểu mô vảy độ cao (HSIL)")
    page.fill("#code", "8077/2")
    if folder:
        page.screenshot(path=f"{folder}/pathology-read.png", full_page=True)
    page.keyboard.press("F8")
    expect(page.get_by_text("Đã ghi bản nháp.")).to_be_visible()
    assert PathologyCase.objects.get().stage == "drafted"
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã ký và trả kết quả.")).to_be_visible()
    assert axe(page) == []
    if folder:
        page.screenshot(path=f"{folder}/pathology-signed.png", full_page=True)
    assert PathologyCase.objects.get().stage == "signed"
    page.goto(f"{live_server.url}/lab/pathology/archive")
    assert axe(page) == []
    if folder:
        page.screenshot(path=f"{folder}/pathology-archive.png", full_page=True)
