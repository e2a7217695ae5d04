"""Validation, drawing and quality control in a real browser: bench, both steps, Westgard's block; axe finds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import copy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.lab import actions
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, QualityBlock, Tube
from tuetinh.care.lab.quality import actions as quality
from tuetinh.care.lab.results import signing
from tuetinh.commons.access import api as access
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]
GLU = "23.0075.1494"


def log_in(page: Page, url: str, username: str) -> None:
    page.goto(f"{url}/login?next=/lab")
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#q")


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("TUETINH_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_a_bench_is_accepted_at_once_then_signed_and_a_failed_control_stops_it(
    page: Page, live_server: LiveServer, world: Any, cast: Any, oru: Any, axe: Callable[[Any], list[str]]
) -> None:
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="BS-240")
    signer = copy(cast["lab"])
    signer.pk, signer.username = None, "cast.signer"
    signer.save()
    signing.name_signers(access.asker_of(cast["admin"]), {str(signer.pk)})
    control = quality.open_control(
        world.lab, machine="BS-240", analyte="GLU", material="Normal", level=1, lot="A1", mean=Decimal(5),
        sd=Decimal("0.1"),
    )  # fmt: skip
    numbers = []
    for place, value in enumerate(("5.1", "5.2", "30")):
        actions.order_tests(world.doctor, world.encounter, [GLU])
        numbers.append(Tube.objects.latest("id").number)
        inbox.take(Frame(oru(numbers[-1], {"GLU": value}, control=str(place), unit="mmol/L")), "")
    log_in(page, live_server.url, "cast.lab")
    page.goto(f"{live_server.url}/lab/quality/{control.pk}")
    for value in ("5,05", "4,92", "5,4"):
        page.fill("[name=value]", value)
        page.keyboard.press("F9")
        page.wait_for_load_state("networkidle")
    expect(page.get_by_text("Bị chặn trả kết quả vì vi phạm 1_3s.")).to_be_visible()
    assert axe(page) == []
    shot(page, "lab-control")
    page.goto(f"{live_server.url}/lab?list=validate&bench=chemistry")
    expect(page.locator("[name=number]")).to_have_count(2)
    assert axe(page) == []
    shot(page, "lab-validate")
    page.keyboard.press("F9")
    expect(page.get_by_text("2 mẫu còn lại cần xem từng mẫu.")).to_be_visible()
    assert Tube.objects.filter(stage="verified").count() == 0
    page.goto(f"{live_server.url}/lab/quality/{control.pk}")
    page.fill("#action", "chuẩn lại máy, nội kiểm đạt")
    page.get_by_role("button", name="Ghi xử lý và mở chặn").press("Enter")
    expect(page.get_by_text("chuẩn lại máy, nội kiểm đạt")).to_be_visible()
    assert QualityBlock.objects.get().action == "chuẩn lại máy, nội kiểm đạt"
    page.goto(f"{live_server.url}/lab?list=validate")
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã duyệt 2 mẫu.")).to_be_visible()
    page.goto(f"{live_server.url}/lab/tubes/{numbers[2]}")
    expect(page.get_by_text("Giữ lại để xem")).to_be_visible()
    assert axe(page) == []
    shot(page, "lab-held")
    page.goto(f"{live_server.url}/lab/board")
    expect(page.get_by_text("Phải gọi ngay: giá trị nguy kịch")).to_be_visible()
    assert axe(page) == []
    shot(page, "lab-board")
    page.context.clear_cookies()
    log_in(page, live_server.url, "cast.signer")
    page.goto(f"{live_server.url}/lab?list=sign")
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã duyệt 2 mẫu.")).to_be_visible()
    assert sorted(Tube.objects.values_list("stage", flat=True)) == ["released", "released", "resulted"]
    page.goto(f"{live_server.url}/lab/people/{Tube.objects.first().patient}")
    expect(page.get_by_role("img", name="Diễn biến Glucose")).to_be_visible()
    assert axe(page) == []
    shot(page, "lab-person")


def test_a_tube_is_drawn_after_the_second_identifier(
    page: Page, live_server: LiveServer, world: Any, cast: Any, axe: Callable[[Any], list[str]]
) -> None:
    actions.order_tests(world.doctor, world.encounter, [GLU, "22.0120.1370", "22.0001.1352"], urgent=True)
    log_in(page, live_server.url, "cast.lab")
    page.goto(f"{live_server.url}/lab/draw")
    assert axe(page) == []
    page.locator("table a").first.press("Enter")
    expect(page.locator("#second")).to_be_focused()
    page.keyboard.type("01/01/1990")
    page.keyboard.press("F9")
    expect(page.get_by_role("alert")).to_contain_text("không đúng với người bệnh này")
    assert axe(page) == []
    shot(page, "lab-draw")
    page.fill("#second", "01/03/1986")
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã ghi lấy mẫu.")).to_be_visible()
    assert Tube.objects.filter(collected_at__isnull=True).count() == 0
    page.goto(f"{live_server.url}/lab/shipments")
    assert axe(page) == []
    shot(page, "lab-shipments")
    page.goto(f"{live_server.url}/lab/quality/new")
    assert axe(page) == []
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/login?next=/lab/rules/HGB-PREGNANT")
    page.fill("[name=username]", "cast.admin")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=why]")
    assert axe(page) == []
    shot(page, "lab-rule")
    for path in ("/lab/rules?kind=formula", "/lab/signatories"):
        page.goto(live_server.url + path)
        assert axe(page) == []
    shot(page, "lab-signatories")
