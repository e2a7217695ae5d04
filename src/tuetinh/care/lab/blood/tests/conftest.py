"""What the tests of the blood bank share: a visit, its people, units in the store and samples that are grouped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from tuetinh.care.lab import actions
from tuetinh.care.lab.blood import grouping, issuing, orders, stock
from tuetinh.care.lab.blood.grouping import NEGATIVE, SAMPLE
from tuetinh.care.lab.blood.models import BloodUnit
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.tests.conftest import World, world
from tuetinh.commons.access import api as access
from tuetinh.commons.access.models import Account
from tuetinh.record.asker import Asker

__all__ = ["world"]
VITALS = {"pulse": "80", "systolic": "120", "diastolic": "75", "temperature": "36,8", "breaths": "18"}
CELLS = {
    "O": ("0", "0", "4+", "4+"),
    "A": ("4+", "0", "0", "4+"),
    "B": ("0", "4+", "4+", "0"),
    "AB": ("4+", "4+", "0", "0"),
}


def reactions(abo: str, rhd: str = "+") -> dict[str, str]:
    """The grades of a group that is clear."""
    anti_a, anti_b, a1_cells, b_cells = CELLS[abo]
    return {
        "anti_a": anti_a, "anti_b": anti_b, "anti_d": "4+" if rhd == "+" else "0", "control": "0",
        "a1_cells": a1_cells, "b_cells": b_cells,
    }  # fmt: skip


@dataclass
class Bank:
    """The blood bank of the facility, with its people."""

    world: World
    lab: Asker
    doctor: Asker
    nurse: Asker

    @property
    def patient(self) -> str:
        """The id of the person of the visit."""
        return self.world.encounter.subject.reference.partition("/")[2]

    @property
    def other(self) -> Asker:
        """A second technician."""
        return replace(self.lab, account="cast.second", practitioner="second")

    def unit(self, abo: str, rhd: str = "+", *, component: str = "red", **more: object) -> BloodUnit:
        """A unit that may be given out."""
        number = BloodUnit.objects.count() + 1
        told: dict[str, object] = {"din": f"V0001 26 {number:06d}".replace(" ", ""), "product": "E0336V00"}
        told |= {"expires": datetime.now(UTC) + timedelta(days=20), "volume": 250, **more}
        made = stock.receive(self.lab, component=component, abo=abo, rhd=rhd, **told)
        return stock.release(self.lab, made.pk, abo, rhd)

    def sample(self, abo: str, rhd: str = "+", *, hours: int = 0, screen: str = NEGATIVE) -> Tube:
        """A sample that was drawn some hours ago, grouped and screened."""
        actions.order_tests(self.doctor, self.world.encounter, SAMPLE)
        tube = Tube.objects.latest("id")
        actions.receive_specimen(self.lab, tube.number)
        drawn = datetime.now(UTC) - timedelta(hours=hours)
        Tube.objects.filter(pk=tube.pk).update(collected_at=drawn, ordered_at=drawn)
        grouping.type_sample(self.lab, tube.number, reactions(abo, rhd), screen)
        tube.refresh_from_db()
        return tube

    def confirmed(self, abo: str, rhd: str = "+", **more: str) -> Tube:
        """Two samples that were drawn apart; the newer one."""
        self.sample(abo, rhd, hours=200)
        return self.sample(abo, rhd, **more)


@pytest.fixture
def bank(world: World, cast: dict[str, Account]) -> Bank:
    """The blood bank of the district health centre."""
    return Bank(world, *(access.asker_of(cast[role]) for role in ("lab", "doctor", "nurse")))


@pytest.fixture
def given(bank: Bank) -> Callable[..., object]:
    """Order, match and issue a unit: `given("A")` is the allocation in the nurse's hand."""

    def give(abo: str, rhd: str = "+", *, component: str = "red", **more: object) -> object:
        unit = bank.unit(abo, rhd, component=component, **more)
        row = orders.order_blood(bank.doctor, bank.world.encounter.id, component, 1, indication="anaemia")
        found = orders.match(bank.lab, row.pk, unit.pk, "serological", {"saline": "0", "ahg": "0"})
        assert found
        issuing.prepare(bank.lab, found.pk, unit.din)
        return issuing.issue(bank.nurse, found.pk, unit.din, bank.patient)

    return give
