"""Statistics, orders and the rooms of quality in a real browser; axe finds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.lab import actions
from tuetinh.care.lab.models import Analyser, OrderLine, Tube
from tuetinh.care.lab.quality import actions as controls
from tuetinh.care.lab.quality import assessment, cold, documents, reagents, upkeep
from tuetinh.care.lab.results import entry, validation
from tuetinh.care.lab.statistics.summary import count_recent
from tuetinh.care.lab.tests.test_browse_validation import log_in

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]
GLU, UREA, CBC, HBSAG = "23.0075.1494", "23.0166.1494", "22.0120.1370", "24.0117.1646"


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("TUETINH_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def worked(world: Any) -> None:
    """A week of orders, most of them done, and a refused tube."""
    for back in range(7):
        for place, codes in enumerate(([GLU, UREA], [CBC], [HBSAG])[: 1 + (back + 2) % 3]):
            actions.order_tests(world.doctor, world.encounter, codes, urgent=place == 1)
            tube = Tube.objects.latest("pk")
            actions.receive_specimen(world.lab, tube.number)
            if place == 0:
                values = {f"{tube.orders[0]}-GLU": "5.1", f"{tube.orders[1]}-UREA": "30"}
                entry.enter_results(world.lab, tube.number, values)
                if Tube.objects.get(pk=tube.pk).critical:
                    entry.log_call(world.lab, tube.number, "BS Lò")
                validation.release(world.lab, tube.number)
            at = Tube.objects.get(pk=tube.pk).ordered_at - timedelta(days=back, minutes=40 + 7 * back)
            Tube.objects.filter(pk=tube.pk).update(ordered_at=at, collected_at=at + timedelta(minutes=9 + back))
            OrderLine.objects.filter(tube=tube).update(ordered_at=at)
    actions.order_tests(world.doctor, world.encounter, [GLU])
    actions.reject_specimen(world.lab, Tube.objects.latest("pk").number, "", "RH")
    count_recent(8)


def test_the_statistics_show_what_was_done(
    page: Page, live_server: LiveServer, world: Any, axe: Callable[[Any], list[str]]
) -> None:
    worked(world)
    log_in(page, live_server.url, "cast.lab")
    for query in ("by=day", "by=test", "kind=times&by=test", "kind=samples&by=bench", "kind=costs"):
        first = (reagents.today() - timedelta(days=8)).strftime("%d/%m/%Y")
        page.goto(f"{live_server.url}/lab/statistics?{query}&first={first}")
        expect(page.get_by_role("heading", name="Thống kê xét nghiệm")).to_be_visible()
        assert axe(page) == []
        shot(page, "lab-statistics-" + query.replace("kind=", "").replace("by=", "").replace("&", "-"))
    expect(page.get_by_role("table")).to_contain_text("Định lượng Glucose máu")


def test_the_rooms_of_quality(page: Page, live_server: LiveServer, world: Any, axe: Callable[[Any], list[str]]) -> None:
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="BS-240")
    lab, day = world.lab, reagents.today()
    kit = reagents.save(lab, None, name="Glucose GOD-PAP", maker="A", tests=[GLU], per_pack=100, open_days=30, low=3)
    pack = reagents.receive(lab, kit.pk, lot="L-26A", expires=day + timedelta(days=20), price=Decimal(900_000), packs=3)
    reagents.open_pack(lab, pack.lot_id, "BS-240")
    upkeep.plan(lab, machine="BS-240", kind="calibration", title="Chuẩn quang", every_days=90, due_on=day)
    told = {"scheme": "RIQAS", "sample": "1", "analyte": "GLU", "machine": "", "on": day, "assigned": Decimal(5)}
    for place, value in enumerate(("5.1", "4.8", "5.3", "5.7", "5.0")):
        assessment.report(lab, round_=str(place + 1), value=Decimal(value), sd=Decimal("0.2"), **told)
    pairs = [(Decimal(n) / 2, Decimal(n) / 2 + Decimal((n * 7) % 5 - 2) / 20) for n in range(4, 44)]
    made = assessment.compare(lab, analyte="GLU", first="BS-240", second="AU480", pairs=pairs, on=day)
    fridge = cold.keep_fridge(lab, None, name="Tủ mát 1", code="", low=Decimal(2), high=Decimal(8), silent_hours=12)
    for value in ("4.1", "4.4", "5.2", "9.3", "6.1"):
        cold.read(lab, fridge.pk, Decimal(value))
    documents.publish(
        lab, number="QT.XN.01", title="Lấy máu tĩnh mạch", version="1.0", effective_on=day,
        review_on=day + timedelta(days=700),
    )  # fmt: skip
    lot = controls.open_control(
        lab, machine="BS-240", analyte="GLU", material="N", level=1, lot="1", mean=Decimal(5), sd=Decimal("0.2")
    )
    for value in ("5.05", "4.92", "5.11"):
        controls.keep_result(lab, lot.pk, Decimal(value))
    log_in(page, live_server.url, "cast.lab")
    for path in (
        "quality", "reagents", f"reagents/{kit.pk}", f"reagents/lots/{pack.lot_id}", "upkeep", "rounds?analyte=GLU",
        "comparisons", f"comparisons/{made.pk}", "uncertainty", "fridges", f"fridges/{fridge.pk}", "procedures",
    ):  # fmt: skip
        page.goto(f"{live_server.url}/lab/{path}")
        assert axe(page) == [], path
        shot(page, "lab-" + path.split("?")[0].replace("/", "-"))
    page.goto(f"{live_server.url}/lab/fridges/{fridge.pk}")
    page.keyboard.type("3,9")
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã ghi nhiệt độ.")).to_be_visible()


def test_orders_come_every_morning(
    page: Page, live_server: LiveServer, world: Any, axe: Callable[[Any], list[str]]
) -> None:
    actions.order_tests(world.doctor, world.encounter, [GLU, UREA])
    tube = Tube.objects.get()
    log_in(page, live_server.url, "cast.lab")
    for path in (f"tubes/{tube.number}", f"tubes/{tube.number}/label"):
        page.goto(f"{live_server.url}/lab/{path}")
        assert axe(page) == [], path
        shot(page, "lab-" + path.replace(tube.number, "x").replace("/", "-"))
    page.context.clear_cookies()
    log_in_doctor(page, live_server.url, f"/lab/standing/{world.encounter.id}")
    assert axe(page) == []
    page.select_option("[name=profile]", "PROFILE-KIDNEY")
    page.keyboard.press("F9")
    expect(page.get_by_text("Đã ghi; chỉ định được tạo vào giờ này mỗi ngày.")).to_be_visible()
    assert axe(page) == []
    shot(page, "lab-standing")


def log_in_doctor(page: Page, url: str, to: str) -> None:
    from tuetinh.node.testing import PASSWORD

    page.goto(f"{url}/login?next={to}")
    page.fill("[name=username]", "cast.doctor")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=profile]")
