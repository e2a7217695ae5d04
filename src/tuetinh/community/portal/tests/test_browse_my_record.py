"""The citizen's pages on a phone in a real browser: axe finds nothing, nothing is wider than the screen."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.node.testing import PASSWORD
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from tuetinh.commons.access.models import Account

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = ("", "/results", "/results/4548-4", "/medicines", "/visits", "/record", "/record/payments", "/record/accesses")


def _result(value: str, day: str) -> None:
    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    record.create(
        SYSTEM,
        r4.Observation(
            status="final",
            category=[r4.CodeableConcept(coding=[r4.Coding(system=category, code="laboratory")])],
            code=r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code="4548-4")], text="HbA1c"),
            subject=r4.Reference(reference="Patient/cast-citizen"),
            effectiveDateTime=day,
            valueQuantity=r4.Quantity(value=Decimal(value), unit="%"),
            referenceRange=[
                r4.ObservationReferenceRange(low=r4.Quantity(value=Decimal(4)), high=r4.Quantity(value=Decimal(6)))
            ],
        ),
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_on_a_phone(
    phone: Page, live_server: LiveServer, cast: dict[str, Account], axe: Callable[[Any], list[str]], theme: str
) -> None:
    for value, day in (("8.4", "2025-03-02"), ("7.2", "2025-09-02"), ("6.9", "2026-10-02")):
        _result(value, day)
    mine = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Đau đầu")
    phone.context.add_cookies([{"name": "theme", "value": theme, "url": live_server.url}])
    phone.goto(live_server.url)
    phone.fill("[name=username]", "cast.citizen")
    phone.fill("[name=password]", PASSWORD)
    phone.keyboard.press("Enter")
    phone.wait_for_url("**/me")
    expect(phone.locator(".turn .big-number")).to_contain_text(str(mine.number))
    for page in (*PAGES, f"/visits/{mine.encounter}"):
        phone.goto(f"{live_server.url}/me{page}", wait_until="domcontentloaded")
        assert axe(phone) == [], page
        assert phone.evaluate("document.documentElement.scrollWidth") == 390, page
    phone.get_by_role("link", name="Hôm nay").click()
    phone.wait_for_url("**/me")
