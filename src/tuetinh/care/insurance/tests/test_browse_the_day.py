"""The officer in a real browser closes the day: what is faulty is seen, put right and sent, till all is received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.insurance import gateway
from tuetinh.care.insurance.actions import set_account, set_key
from tuetinh.care.insurance.sending import send
from tuetinh.care.insurance.simulator import Simulator
from tuetinh.care.insurance.tests.keeping import Memory, queued
from tuetinh.care.insurance.tests.keys import key
from tuetinh.node.testing import PASSWORD
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(cast_desk: Any) -> Any:
    """The visit is at the facility of the fixed cast."""
    return cast_desk


@pytest.fixture
def received(over_a_socket: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """What the gateway takes from that facility."""
    found = Memory()
    gateway.forget_tokens()
    set_account("12104", "12104_BV", "mật khẩu")
    set_key("12104", key())
    monkeypatch.setenv("TUETINH_GATEWAY_URL", over_a_socket(Simulator(lambda _: None, found)))
    yield found
    gateway.forget_tokens()


def test_the_day_is_closed(
    page: Page, live_server: LiveServer, visit: str, received: Memory, axe: Callable[[Any], list[str]]
) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    told, encounter.hospitalization = encounter.hospitalization, None
    encounter = record.update(SYSTEM, encounter)
    queued(visit)
    assert send.send_due(20) == 0
    page.goto(live_server.url)
    page.fill("[name=username]", "cast.cashier")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/billing")
    page.goto(f"{live_server.url}/insurance?on=2026-11-02")
    expect(page.locator("[data-closed]")).to_have_count(0)
    expect(page.get_by_role("cell", name="Cần sửa")).to_be_visible()
    page.get_by_role("complementary").get_by_role("link", name="Lò Thị Pâng").click()
    problems = page.locator("[data-problem]")
    expect(problems).to_have_count(2)
    expect(problems.first).to_contain_text("Bắt buộc có giá trị.")
    assert axe(page) == []
    encounter.hospitalization = told  # the doctor says how it ended
    record.update(SYSTEM, encounter)
    page.keyboard.press("F9")
    expect(page.get_by_text("Hồ sơ sẽ được gửi trong một phút.")).to_be_visible()
    assert send.send_due(20) == 1
    assert len(received.taken) == 1
    page.keyboard.press("Escape")
    page.wait_for_url("**/insurance?on=2026-11-02")
    expect(page.locator("[data-closed]")).to_contain_text("Cổng đã nhận mọi hồ sơ của ngày này")
    expect(page.get_by_text("Không có hồ sơ nào phải xem lại")).to_be_visible()
    assert axe(page) == []
