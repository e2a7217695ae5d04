"""The people of a station: those whose record it looks after, by age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity import queries
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db


def register(name: str, years: int, facility: str) -> None:
    born = timezone.localdate() - timedelta(days=round(365.25 * years) + 10)
    record.create(
        SYSTEM,
        r4.Patient(name=[r4.HumanName(text=name, family=name)], birthDate=born.isoformat(), gender="female",
                   managingOrganization=r4.Reference(reference=f"Organization/{facility}")),
    )  # fmt: skip


def test_a_station_lists_its_own_people_by_age(cast: dict[str, Account]) -> None:
    for name, years, facility in (
        ("An", 3, "12104"),
        ("Bình", 40, "12104"),
        ("Chi", 71, "12104"),
        ("Dung", 71, "12999"),
    ):
        register(name, years, facility)
    me = replace(asker_of(cast["station"]), facility="12104")
    listed = {group: [one.name for one in queries.residents(me, group).people] for group in queries.AGES}
    assert listed == {"all": ["An", "Bình", "Chi"], "children": ["An"], "elderly": ["Chi"]}


def test_a_long_list_goes_on_where_it_ended(cast: dict[str, Account], as_role: Callable[[str], Client]) -> None:
    me = asker_of(cast["station"])
    for number in range(30):
        register(f"Người {number:02}", 30, me.facility)
    first = queries.residents(me)
    second = queries.residents(me, page=first.next)
    assert [one.name for one in (*first.people, *second.people)] == [f"Người {number:02}" for number in range(30)]
    assert (len(first.people), second.next) == (25, None)
    page = as_role("station").get("/people/of-the-station")
    assert "Người 24" in page.content.decode() and "Người 25" not in page.content.decode()
