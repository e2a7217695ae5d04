"""Titres: read as people write them, kept as a ratio, judged and drawn by their denominator."""

from __future__ import annotations

import typing
from decimal import Decimal

import pytest

from tuetinh.care.lab import actions, api, errors, facts
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Tube
from tuetinh.care.lab.results import changes, entry, validation
from tuetinh.care.lab.results.rules import Normal
from tuetinh.commons.access import api as access
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

RPR = "24.0099.1707"


@pytest.mark.parametrize(("text", "expected"), [("1:80", 80), ("1/80", 80), ("80", 80), (" 1 : 8 ", 8)])
def test_a_titre_is_written_in_several_ways(text: str, expected: int) -> None:
    found = facts.titre(text)
    assert found and (found.number, found.shown) == (Decimal(expected), f"1:{expected}")


@pytest.mark.parametrize("text", ["", "2:80", "1:0", "0", "cao", "1:8.5", "-8"])
def test_what_is_no_titre(text: str) -> None:
    assert facts.titre(text) is None


@pytest.mark.django_db
def test_a_titre_is_a_ratio_in_the_record(world) -> None:
    [order] = actions.order_tests(world.doctor, world.encounter, [RPR])
    number = Tube.objects.latest("id").number
    actions.receive_specimen(world.lab, number)
    id_ = facts.observation_id(order.id or "", "RPRQ")
    with pytest.raises(errors.BadValue):
        entry.enter_results(world.lab, number, {id_: "dương"})
    entry.enter_results(world.lab, number, {id_: "1:16"})
    kept = typing.cast(r4.Observation, record.read(SYSTEM, "Observation", id_))
    ratio = kept.valueRatio
    assert ratio and ratio.numerator and ratio.denominator
    assert (ratio.numerator.value, ratio.denominator.value, kept.valueQuantity) == (1, 16, None)
    validation.release(world.lab, number)
    [shown] = api.results(world.doctor, facts.id_of(world.encounter.subject))
    assert (shown.value, shown.number) == ("1:16", Decimal(16))


@pytest.mark.django_db
def test_a_titre_of_a_machine_is_judged_by_its_denominator(world, cast, oru) -> None:
    admin = access.asker_of(cast["admin"])
    changes.change(admin, Normal(code="RPRQ-ALL", analyte="RPRQ", high=Decimal(4)), "theo bộ sinh phẩm")
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="BS-240")
    [order] = actions.order_tests(world.doctor, world.encounter, [RPR])
    inbox.take(Frame(oru(Tube.objects.latest("id").number, {"RPRQ": "1:32"})), "")
    kept = record.read(SYSTEM, "Observation", facts.observation_id(order.id or "", "RPRQ"))
    assert (facts.value_of(kept), facts.flag_of(kept)) == ("1:32", "H")
