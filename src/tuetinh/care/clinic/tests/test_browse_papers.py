"""A doctor in a real browser refers a person and certifies sick leave; both then stand in the claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.insurance.api import claim
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.node.testing import PASSWORD
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_referral_and_a_sick_leave_are_written_and_claimed(
    page: Page,
    live_server: LiveServer,
    cast: dict[str, Account],
    axe: Callable[[Any], list[str]],
    request: pytest.FixtureRequest,
) -> None:
    found = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Khó thở")
    reception.start(asker_of(cast["doctor"]), found.encounter)
    page.goto(live_server.url)
    page.fill("[name=username]", "cast.doctor")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/clinic**")
    page.goto(f"{live_server.url}/clinic/visits/{found.encounter}?tab=close")
    page.get_by_role("link", name="Giấy tờ").click()
    assert axe(page) == []
    page.locator("[data-paper=chuyen-co-so]").get_by_role("link", name="Cấp giấy").click()
    expect(page.locator("[name=MA_LYDO_CT]")).to_have_value("1")  # filled in before
    page.select_option("[name=MA_CSKCB_DEN]", "12001")
    for name, words in (
        ("DAU_HIEU_LS", "Khó thở, SpO2 88 %"), ("QT_BENHLY", "Ho sốt hai ngày"), ("TINH_TRANG_CT", "Tỉnh, thở oxy"),
        ("HUONG_DIEU_TRI", "Hồi sức"), ("PHUONGTIEN_VC", "Xe cứu thương"),
    ):  # fmt: skip
        page.fill(f"[name={name}]", words)
    assert axe(page) == []
    picture(page, request, "giay-chuyen")
    page.keyboard.press("F9")
    expect(page.locator("[data-paper=chuyen-co-so] [data-number]")).to_contain_text("/CT/000001")
    page.locator("[data-paper=nghi-om]").get_by_role("link", name="Cấp giấy").click()
    page.fill("[name=DON_VI]", "Trường tiểu học Mường Than")
    page.fill("[name=SO_NGAY_NGHI]", "45")
    page.fill("[name=PP_DIEUTRI]", "Nội khoa")
    page.keyboard.press("F9")
    expect(page.get_by_text("Một giấy cho nghỉ từ 1 đến 30 ngày.")).to_be_visible()
    page.fill("[name=SO_NGAY_NGHI]", "5")
    page.keyboard.press("F9")
    expect(page.locator("[data-paper=nghi-om] [data-number]")).to_contain_text("/NO/000001")
    picture(page, request, "giay-to")
    tables = claim(SYSTEM, found.encounter).tables
    assert tables["XML13"][0]["MA_CSKCB_DEN"] == "12001"
    assert tables["XML13"][0]["DAU_HIEU_LS"] == "Khó thở, SpO2 88 %"
    assert (tables["XML11"][0]["SO_NGAY_NGHI"], tables["XML11"][0]["DON_VI"]) == ("5", "Trường tiểu học Mường Than")


def picture(page: Page, request: pytest.FixtureRequest, name: str) -> None:
    """Take a picture for the documentation, where one is asked for."""
    if folder := request.config.getoption("--screenshots"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
