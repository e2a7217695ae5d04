"""Reagents: packs that come, are opened and used up; expiry; which lot made which result, and the other way round."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tuetinh.care.lab import errors
from tuetinh.care.lab.models import OrderLine, Reagent, ReagentLot, ReagentMove
from tuetinh.care.lab.quality import reagents
from tuetinh.care.lab.tests.test_order_again import GLU, UREA, released

pytestmark = pytest.mark.django_db
KIT = {"name": "Glucose GOD-PAP", "maker": "Hãng A", "tests": [GLU], "per_pack": 100, "open_days": 30, "low": 3}


@pytest.fixture
def kit(world) -> Reagent:
    return reagents.save(world.lab, None, **KIT)


def came(world, kit: Reagent, lot: str = "A1", *, packs: int = 5, days: int = 365) -> ReagentLot:
    expires = reagents.today() + timedelta(days=days)
    return reagents.receive(world.lab, kit.pk, lot=lot, expires=expires, price=Decimal(90_000), packs=packs).lot


def test_packs_come_are_opened_and_used_up(world, kit) -> None:
    lot = came(world, kit)
    first = reagents.open_pack(world.lab, lot.pk, "BS-240")
    assert [(move.machine, until) for move, until in reagents.opened(kit)] == [
        ("BS-240", reagents.today() + timedelta(days=30))
    ]
    reagents.open_pack(world.lab, lot.pk, "")
    second = reagents.open_pack(world.lab, lot.pk, "BS-240")
    first.refresh_from_db()
    assert first.finished_at is not None and first.finished_by == world.lab.account
    reagents.finish(world.lab, second.pk)
    reagents.discard(world.lab, lot.pk, 1, "vỡ")
    [row] = reagents.stock("12104")
    assert (row.left, row.opened, row.expires) == (1, 1, lot.expires)
    assert list(ReagentMove.objects.order_by("pk").values_list("kind", "packs")) == [
        ("receive", 5), ("open", -1), ("open", -1), ("open", -1), ("discard", -1),
    ]  # fmt: skip


def test_what_is_not_there_or_has_expired_is_not_opened(world, kit) -> None:
    lot = came(world, kit, packs=1)
    reagents.open_pack(world.lab, lot.pk, "")
    with pytest.raises(errors.BadReagent):
        reagents.open_pack(world.lab, lot.pk, "")
    with pytest.raises(errors.BadReagent):
        reagents.discard(world.lab, lot.pk, 1, "vỡ")
    with pytest.raises(errors.NeedsReason):
        reagents.discard(world.lab, lot.pk, 1, " ")
    with pytest.raises(errors.Expired):
        came(world, kit, "OLD", days=-1)
    old = came(world, kit, "A2")
    ReagentLot.objects.filter(pk=old.pk).update(expires=reagents.today() - timedelta(days=1))
    with pytest.raises(errors.Expired):
        reagents.open_pack(world.lab, old.pk, "")
    for who, error in ((world.doctor, errors.NotAllowed), (replace(world.lab, facility="12001"), errors.BadReagent)):
        with pytest.raises(error):
            reagents.open_pack(who, lot.pk, "")
    assert ReagentMove.objects.filter(kind="open").count() == 1


@pytest.mark.parametrize("wrong", [{"name": " "}, {"tests": ["nothing"]}, {}])
def test_a_reagent_that_cannot_be_is_refused(world, kit, wrong) -> None:
    with pytest.raises(errors.BadReagent):  # the last one has the name of another
        reagents.save(world.lab, None, **(KIT | wrong))
    assert Reagent.objects.count() == 1


def test_too_little_and_soon_expired_is_told(world, kit) -> None:
    assert list(reagents.wanting("12104")) == [kit]
    lot = came(world, kit)
    assert list(reagents.wanting("12104")) == []
    ReagentLot.objects.filter(pk=lot.pk).update(expires=reagents.soon())
    assert list(reagents.wanting("12104")) == [kit]


def test_a_lot_knows_the_results_that_it_made_and_a_result_its_lot(world, kit) -> None:
    before = released(world, GLU)
    old, new = came(world, kit, "OLD"), came(world, kit, "NEW")
    reagents.open_pack(world.lab, old.pk, "")
    during = released(world, GLU)
    reagents.open_pack(world.lab, new.pk, "")
    after, other = released(world, GLU), released(world, UREA)
    assert [line.tube for line in reagents.made_with(old)] == [during]
    assert [line.tube for line in reagents.made_with(new)] == [after]
    used = {
        tube.number: [(name, move.lot.lot) for name, move in reagents.used_for("12104", tube.lines.all())]
        for tube in (before, during, after, other)
    }
    assert used == {
        before.number: [], during.number: [("Định lượng Glucose máu", "OLD")],
        after.number: [("Định lượng Glucose máu", "NEW")], other.number: [],
    }  # fmt: skip
    OrderLine.objects.filter(tube=during).update(machine="BS-240")
    assert list(reagents.made_with(old)) == []


def test_the_pages_take_in_open_and_recall(
    world, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    lab = as_role("lab")
    told = {"name": "Glucose", "per_pack": "100", "open_days": "0", "low": "2"}
    assert lab.post("/lab/reagents", told | {"tests": "nothing"}).status_code == 422
    at = lab.post("/lab/reagents", told | {"tests": GLU}).headers["Location"]
    assert lab.post(at, {"lot": "L1", "expires": "01/01/2020", "packs": "3", "price": "90000"}).status_code == 422
    lab.post(at, {"lot": "L1", "expires": "01/01/2030", "packs": "3", "price": "90000"})
    lot = ReagentLot.objects.get()
    lab.post(f"{at}/lots/{lot.pk}/open", {"machine": ""})
    tube = released(world, GLU)
    assert tube.number in lab.get(f"/lab/reagents/lots/{lot.pk}").content.decode()
    assert "lô L1" in lab.get(f"/lab/tubes/{tube.number}").content.decode()
    move = ReagentMove.objects.get(kind="open")
    lab.post(f"{at}/packs/{move.pk}/finish")
    lab.post(f"{at}/lots/{lot.pk}/discard", {"packs": "9", "why": "vỡ"})
    lab.post(f"{at}/lots/{lot.pk}/discard", {"packs": "x", "why": "vỡ"})
    assert reagents.left(lot) == 2
    lab.post(f"{at}/change", told | {"tests": [GLU, UREA], "low": "9"})
    assert (Reagent.objects.get().tests, Reagent.objects.get().low) == ([GLU, UREA], 9)
    with django_assert_max_num_queries(20) as one:
        assert "90.000" in lab.get(at).content.decode()
    count = len(one.captured_queries)
    list_of = "/lab/reagents?wanting=1"
    lab.get(list_of)
    with django_assert_max_num_queries(20) as one:
        lab.get(list_of)
    count = len(one.captured_queries)
    for name in ("B", "C"):
        reagents.save(world.lab, None, **(KIT | {"name": name}))
    with django_assert_num_queries(count):
        lab.get(list_of)
    Reagent.objects.update(facility="12001")
    for path in (at, f"/lab/reagents/lots/{lot.pk}"):
        assert lab.get(path).status_code == 404
    assert lab.post(f"{at}/lots/{lot.pk}/open").status_code == 404


def test_two_hands_do_not_open_the_last_pack_twice(world, kit) -> None:
    lot = came(world, kit, packs=1)
    reagents.open_pack(world.lab, lot.pk, "A")
    with pytest.raises(errors.BadReagent):
        reagents.open_pack(world.lab, lot.pk, "B")
    assert reagents.left(lot) == 0
    assert ReagentMove.objects.filter(at__lte=datetime.now(UTC), kind="open").count() == 1
