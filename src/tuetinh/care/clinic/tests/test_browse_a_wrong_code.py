"""A doctor in a real browser is stopped by a wrong code and puts it right."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.clinic import queries
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.node.testing import PASSWORD
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_wrong_code_is_stopped_and_put_right(
    page: Page, live_server: LiveServer, cast: dict[str, Account], axe: Callable[[Any], list[str]]
) -> None:
    found = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Sốt")
    reception.start(asker_of(cast["doctor"]), found.encounter)
    page.goto(live_server.url)
    page.fill("[name=username]", "cast.doctor")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/clinic**")
    page.goto(f"{live_server.url}/clinic/visits/{found.encounter}")
    choose(page, "B95.0")
    page.keyboard.press("Control+s")
    stopped = page.locator("[data-stopped]")
    expect(stopped).to_be_visible()
    expect(stopped.locator("[data-rule=ICD-PRINCIPAL]")).to_contain_text("B95.0 không được dùng làm bệnh chính")
    expect(stopped.locator("input")).to_have_count(0)  # nobody may go on against it
    assert axe(page) == []
    assert queries.conditions(SYSTEM, found.encounter) == []
    choose(page, "A97.1")
    page.keyboard.press("Control+s")
    expect(page.locator("[data-stopped]")).to_have_count(0)
    expect(page.locator("[name=principal]")).to_have_value("A97.1")
    expect(page.locator("[data-remarks]")).to_be_hidden()  # no empty card where there is nothing to remark
    assert len(queries.conditions(SYSTEM, found.encounter)) == 1


def choose(page: Page, code: str) -> None:
    """Type a code into the principal diagnosis and take what is offered, by keyboard."""
    page.fill("#principal-text", "")
    page.locator("#principal-text").press_sequentially(code)
    expect(page.locator("[role=option]").first).to_contain_text(code)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[name=principal]")).to_have_value(code)
