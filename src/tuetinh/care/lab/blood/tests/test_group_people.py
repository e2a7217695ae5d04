"""Groups of people: kept with the reactions, never overwritten silently, confirmed by a second sample."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from tuetinh.care.lab import actions
from tuetinh.care.lab.blood import facts, grouping
from tuetinh.care.lab.blood.errors import Discrepancy, SamePerson
from tuetinh.care.lab.blood.groups import Group
from tuetinh.care.lab.blood.tests.conftest import reactions
from tuetinh.care.lab.errors import BadValue, NeedsReason, NotAllowed, WrongStage
from tuetinh.care.lab.models import Tube
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db


def observation(tube: Tube) -> r4.Observation:
    return cast(r4.Observation, record.read(SYSTEM, "Observation", facts.group_id(tube)))


def words(tube: Tube) -> list[str | None]:
    ids = [f"{id_}-{key}" for id_, key in zip(tube.orders, ("ABO", "RHD", "ABSC"), strict=True)]
    found = record.read_many(SYSTEM, "Observation", ids)
    return [found[id_].valueString if id_ in found else None for id_ in ids]


def test_the_group_is_kept_with_its_reactions_and_as_results(bank) -> None:
    tube = bank.sample("B", "-")
    made = observation(tube)
    assert (made.status, made.valueCodeableConcept.coding[0].code) == ("final", "278153001")
    assert [(part.code.coding[0].code, part.valueString) for part in made.component] == [
        ("anti_a", "0"), ("anti_b", "4+"), ("anti_d", "0"), ("control", "0"), ("a1_cells", "4+"), ("b_cells", "0"),
    ]  # fmt: skip
    assert (words(tube), tube.stage) == (["B", "D âm", "Âm tính"], "resulted")


def test_a_discrepancy_gives_no_group_and_blocks(bank) -> None:
    tube = bank.sample("A")
    other = bank.sample("A")
    typed = grouping.type_sample(bank.lab, other.number, reactions("A") | {"b_cells": "0"}, reason="làm lại")
    assert typed == grouping.Typed(None, "differ")
    assert (observation(other).status, observation(other).valueCodeableConcept) == ("preliminary", None)
    assert observation(other).note[0].text == "Trước khi sửa: A Rh(D)+. Lý do: làm lại"
    found = grouping.sample_for(bank.lab, "12104", bank.patient)
    assert found and found.tube == tube


def test_another_group_of_the_same_sample_needs_a_reason(bank) -> None:
    tube = bank.sample("A")
    with pytest.raises(NeedsReason):
        grouping.type_sample(bank.lab, tube.number, reactions("O"))
    assert (words(tube)[0], facts.group_of(observation(tube))) == ("A", Group("A", "+"))
    grouping.type_sample(bank.lab, tube.number, reactions("O"), reason="đọc nhầm")
    made = observation(tube)
    assert (made.status, facts.group_of(made), words(tube)[0]) == ("corrected", Group("O", "+"), "O")
    assert made.note[0].text == "Trước khi sửa: A Rh(D)+. Lý do: đọc nhầm"


def test_who_may_group_and_what_is_no_grade(bank) -> None:
    tube = bank.sample("A")
    with pytest.raises(NotAllowed):
        grouping.type_sample(bank.nurse, tube.number, reactions("O"))
    with pytest.raises(BadValue):
        grouping.type_sample(bank.lab, tube.number, reactions("O") | {"anti_a": "nhiều"})
    actions.order_tests(bank.doctor, bank.world.encounter, grouping.SAMPLE)
    with pytest.raises(WrongStage):
        grouping.type_sample(bank.lab, Tube.objects.latest("id").number, reactions("A"))
    assert len(grouping.known(bank.lab, bank.patient).samples) == 1


def test_a_group_is_confirmed_by_a_sample_that_was_drawn_apart(bank) -> None:
    assert grouping.known(bank.lab, bank.patient).usable == Group("?", "?")
    bank.sample("A")
    assert grouping.known(bank.lab, bank.patient).too_close == 0
    bank.sample("A")
    once = grouping.known(bank.lab, bank.patient)
    assert (once.group, once.confirmed, once.usable) == (Group("A", "+"), False, Group("?", "+"))
    assert once.too_close == 10
    bank.sample("A", hours=1)
    known = grouping.known(bank.lab, bank.patient)
    assert (known.usable, known.too_close) == (Group("A", "+"), 0)


def test_samples_that_differ_are_a_conflict_until_another_person_resolves_it(bank) -> None:
    bank.sample("A", hours=200)
    wrong = bank.sample("B")
    state = grouping.known(bank.lab, bank.patient)
    assert (state.group, state.conflict, state.usable) == (None, True, Group("?", "?"))
    for asker, why, error in (
        (bank.lab, "lấy nhầm người", SamePerson), (bank.other, " ", NeedsReason), (bank.nurse, "x", NotAllowed),
    ):  # fmt: skip
        with pytest.raises(error):
            grouping.resolve_conflict(asker, bank.patient, facts.group_id(wrong), why)
    with pytest.raises(Discrepancy):  # from the page of another person
        grouping.resolve_conflict(bank.other, "cast-citizen", facts.group_id(wrong), "lấy nhầm người")
    assert observation(wrong).status == "final"
    grouping.resolve_conflict(bank.other, bank.patient, facts.group_id(wrong), "lấy nhầm người")
    assert (observation(wrong).status, observation(wrong).note[-1].text) == ("entered-in-error", "lấy nhầm người")
    assert grouping.known(bank.lab, bank.patient).group == Group("A", "+")
    with pytest.raises(Discrepancy):
        grouping.resolve_conflict(bank.other, bank.patient, facts.group_id(wrong), "lần nữa")


def test_a_positive_screen_is_remembered(bank) -> None:
    bank.sample("A", screen=grouping.POSITIVE, hours=300)
    bank.sample("A")
    assert grouping.known(bank.lab, bank.patient).antibodies
    assert grouping.known(replace(bank.lab), bank.patient).confirmed


def test_an_old_sample_holds_no_longer(bank) -> None:
    bank.sample("A", hours=71)
    assert grouping.sample_for(bank.lab, "12104", bank.patient) is not None
    Tube.objects.update(ordered_at=Tube.objects.get().ordered_at.replace(year=2020))
    assert grouping.sample_for(bank.lab, "12104", bank.patient) is None
