"""The bench of cultures in a real browser: reading, isolate, antibiogram, signed result; axe finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.lab import actions
from tuetinh.care.lab.models import IsolateProposal, Tube
from tuetinh.care.lab.tests.test_browse_validation import log_in, shot

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BLOOD = "24.0003.1715/BLOODCULT"


def test_a_blood_culture_goes_from_the_first_reading_to_the_signed_result(
    page: Page, live_server: LiveServer, world: Any, axe: Callable[[Any], list[str]]
) -> None:
    [order] = actions.order_tests(world.doctor, world.encounter, [BLOOD], urgent=True)
    tube = Tube.objects.latest("id")
    actions.receive_specimen(world.lab, tube.number)
    IsolateProposal.objects.create(
        tube=tube, order=order.id, number=1, machine="VITEK 2", at=tube.ordered_at,
        content={"organism": "eco", "tests": [["CIP", "mic", "<=0.25", "S"], ["CTX", "mic", "4", "R"]]},
    )  # fmt: skip
    log_in(page, live_server.url, "cast.lab")
    page.goto(f"{live_server.url}/lab/cultures")
    expect(page.get_by_text("Máy có kết quả")).to_be_visible()
    assert axe(page) == []
    shot(page, "lab-cultures")
    page.locator("[data-culture] a").press("Enter")
    expect(page.locator("#id_outcome")).to_be_focused()
    page.select_option("#id_outcome", "growth")
    page.fill("#id_hours", "18")
    page.check("#id_interim")
    page.keyboard.press("F9")
    expect(page.locator("[data-step]")).to_contain_text("18 giờ: Có mọc vi sinh vật")
    page.get_by_role("button", name="Để riêng").click()
    expect(page.locator("[data-proposal]")).to_have_count(0)
    page.keyboard.press("F4")
    expect(page.locator("#id_organism")).to_be_focused()
    page.keyboard.type("sau")
    page.select_option("#id_quantity", "3+")
    page.keyboard.press("F9")
    expect(page.get_by_role("heading", name="1. Staphylococcus aureus")).to_be_visible()
    expect(page.locator("#v-PEN")).to_be_focused()
    for code, value in (("PEN", "28"), ("FOX", "17"), ("ERY", "12"), ("CLI", "24"), ("GEN", "20"), ("LNZ", "25")):
        page.fill(f"#v-{code}", value)
    page.select_option("#m-VAN", "mic")
    page.fill("#v-VAN", "cao")
    page.keyboard.press("F9")
    expect(page.locator("#e-VAN")).to_be_visible()
    assert axe(page) == []
    page.fill("#v-VAN", "1")
    page.select_option("#f-DTEST", "+")
    page.keyboard.press("F9")
    expect(page.locator("[data-line=PEN]")).to_contain_text("đề kháng mọi beta-lactam")
    expect(page.locator("[data-line=CLI]")).to_contain_text("R đề kháng")
    expect(page.locator("[data-line=VAN]")).to_contain_text("S nhạy cảm")
    assert axe(page) == []
    shot(page, "lab-antibiogram-bench")
    page.keyboard.press("Escape")
    expect(page.locator("[data-isolate='1']")).to_contain_text("MRSA")
    assert axe(page) == []
    shot(page, "lab-culture")
    page.get_by_role("link", name="Duyệt và trả kết quả").click()
    page.fill("#told", "BS Hà, khoa Nội")
    page.check("[name=read_back]")
    page.get_by_role("button", name="Xác nhận đã báo").click()
    expect(page.get_by_text("BS Hà, khoa Nội")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã trả kết quả").first).to_be_visible()
    assert axe(page) == []
    shot(page, "lab-culture-tube")
    assert Tube.objects.get().stage == "released"
    for path in ("/lab/antibiogram", "/lab/breakpoints"):
        page.goto(live_server.url + path)
        assert axe(page) == []
        shot(page, path.replace("/", "-")[1:])
