"""The officer in a real browser: sees a month of results, compares a claim, disputes a line, sends the paper."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.insurance.models import Dispute, Run
from tuetinh.care.insurance.results import actions
from tuetinh.care.insurance.results.wire import LineResult, Result
from tuetinh.care.insurance.runs import carry_out
from tuetinh.care.insurance.tests.sent import sent_claim
from tuetinh.node.testing import PASSWORD
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HERE = replace(SYSTEM, facility="12104")


@pytest.fixture
def officer(page: Page, live_server: LiveServer, cast: Any) -> Page:
    """The claims desk, with a month of answers."""
    for n in range(1, 5):
        sent_claim(f"LK{n}", day=n + 1)
    dear = LineResult("XML3", 2, refused=D(30_000), code="TL01", words="Đơn giá cao hơn giá được phê duyệt.")
    taken = actions.Taken()
    results = [
        Result("LK1", "accepted", D(95_000)),
        Result("LK2", "reduced", D(65_000), lines=(dear,)),
        Result("LK3", "refused", words="Không có quyền lợi trong thời gian điều trị."),
    ]
    actions.keep_all(HERE, "12104", results, taken)
    assert (taken.new, taken.wrong) == (3, [])
    page.goto(live_server.url)
    page.fill("[name=username]", "cast.cashier")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/billing")
    return page


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("TUETINH_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_see_compare_dispute(officer: Page, live_server: LiveServer, axe: Callable[[Any], list[str]]) -> None:
    page = officer
    page.goto(f"{live_server.url}/insurance/results?month=2026-11")
    expect(page.locator("[data-result]")).to_have_count(3)
    assert axe(page) == []
    picture(page, "insurance-results")
    page.locator("[data-result=reduced] a").click()
    row = page.locator("[data-reduced]")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("30.000")
    assert axe(page) == []
    row.get_by_text("Khiếu nại dòng này").click()
    row.locator("[name=text]").fill("Giá theo quyết định 12/QĐ-UBND")
    picture(page, "insurance-result")
    row.get_by_role("button", name="Mở khiếu nại").click()
    expect(page.locator("[data-state=open]")).to_be_visible()
    page.fill("[name=number]", "45/CV-TTYT")
    page.keyboard.press("F9")
    expect(page.locator("[data-state=sent]")).to_be_visible()
    assert axe(page) == []
    picture(page, "insurance-dispute")
    page.goto(f"{live_server.url}/insurance/disputes")
    expect(page.locator("[data-sum=sent]")).to_contain_text("30.000")
    assert axe(page) == []
    picture(page, "insurance-disputes")
    assert (Dispute.objects.get().state, Dispute.objects.get().number) == ("sent", "45/CV-TTYT")


def test_the_other_pages(officer: Page, live_server: LiveServer, axe: Callable[[Any], list[str]]) -> None:
    page = officer
    page.goto(f"{live_server.url}/insurance/forms?month=2026-11")
    page.get_by_role("button", name="Lập Mẫu số 01/BH XLSX").click()

    carry_out(Run.objects.get().pk)
    page.goto(f"{live_server.url}/insurance/forms?month=2026-11")
    expect(page.locator("[data-form='01BH']").get_by_text("Tải")).to_be_visible()
    for path in ("forms?month=2026-11", "caught?month=2026-11&reason=TL01", "rates?month=2026-11"):
        page.goto(f"{live_server.url}/insurance/{path}")
        page.wait_for_timeout(300)  # a chart draws itself
        assert axe(page) == []
        picture(page, f"insurance-{path.partition('?')[0]}")
