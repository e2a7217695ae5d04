"""What the health department sees: numbers of every facility, nobody's name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tuetinh.care.reception import queries
from tuetinh.care.reception.models import Turn

pytestmark = pytest.mark.django_db


def turn(number: int, facility: str, state: str, day: date) -> None:
    Turn.objects.create(encounter=f"e{number}", patient=f"p{number}", facility=facility, room=f"{facility}-1", day=day,
                        number=number, state=state, arrived_at=timezone.now())  # fmt: skip


def test_the_day_is_counted_by_facility_and_state(as_role: Callable[[str], Client]) -> None:
    today = queries.today()
    here = ("waiting", "called", "in-progress", "finished", "cancelled")
    for number, (facility, state) in enumerate([*(("12104", state) for state in here), ("12999", "finished")]):
        turn(number, facility, state, today)
    turn(9, "12104", "finished", today - timedelta(days=3))

    rows = queries.province(today)
    assert [(r.came, r.waiting, r.in_progress, r.finished) for r in rows] == [(4, 2, 1, 1), (1, 0, 0, 1)]
    days = queries.came_by_day(today - timedelta(days=3), today)
    assert [came for _, came in days] == [1, 0, 0, 5]

    page = as_role("official").get("/reception/province")
    assert page.status_code == 200
    assert page.context["totals"] == {"came": 5, "waiting": 2, "in_progress": 1, "finished": 2}
