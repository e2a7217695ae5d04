"""The share of claims that are received on the day of the visit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tuetinh.care.insurance.models import ClaimCase
from tuetinh.care.insurance.results.work import bounds
from tuetinh.care.insurance.sending.rates import Rate, by_facility

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    As = Callable[[str], Client]

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 2, 5, tzinfo=UTC)


def made(
    n: int, *, facility: str = "12104", ended: datetime = NOON, after: timedelta | None = timedelta(hours=1)
) -> None:
    ClaimCase.objects.create(
        encounter=f"e{facility}{n}{ended}", facility=facility, patient="p", state="accepted", ended=ended, due=ended,
        by="2026-11-30", first_accepted=ended + after if after is not None else None,
    )  # fmt: skip


def test_the_day_is_that_of_vietnam(db: None) -> None:
    late = datetime(2026, 11, 2, 16, 30, tzinfo=UTC)  # 23:30 there
    made(1)
    made(2, ended=late, after=timedelta(minutes=20))
    made(3, ended=late, after=timedelta(minutes=40))
    made(4, after=None)
    made(5, ended=datetime(2026, 11, 30, 18, tzinfo=UTC))  # of December there
    found = by_facility(*bounds("2026-11"))
    assert {place: list(course.values()) for place, course in found.items()} == {"12104": [Rate(4, 2)]}
    assert (Rate(4, 2).share, Rate(1000, 969).share, Rate(1000, 969).reached, Rate(100, 97).reached) == (
        50,
        96.9,
        False,
        True,
    )
    assert Rate(0, 0).share is None


def test_who_sees_which_facilities(as_role: As, cast: Any) -> None:
    made(1)
    made(2, facility="12001", after=timedelta(days=2))
    own = as_role("cashier").get("/insurance/rates?month=2026-11").content.decode()
    assert own.count("data-facility=") == 1
    assert "Than Uyên" in own
    for role in ("official", "province"):
        browser = as_role(role)
        all_ = browser.get("/insurance/rates?month=2026-11").content.decode()
        assert all_.count("data-facility=") == 2
        table = all_[all_.index("data-facility=") :]
        assert table.index("Bệnh viện đa khoa tỉnh") < table.index("Than Uyên")  # the farthest from the aim first
        assert "50,0 %" in all_


def test_many_facilities_cost_no_more(as_role: As, cast: Any) -> None:
    browser = as_role("province")
    url = "/insurance/rates?month=2026-11"
    made(1)
    browser.get(url)
    with CaptureQueriesContext(connection) as few:
        browser.get(url)
    for n in range(20):
        made(n, facility="12001", ended=NOON - timedelta(days=30 * (n % 5)))
    browser.get(url)
    with CaptureQueriesContext(connection) as many:
        browser.get(url)
    assert len(many) == len(few)
