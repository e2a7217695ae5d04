"""The store of units: received into quarantine, released after testing, returned in time, discarded with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tuetinh.care.lab.blood import queries, stock
from tuetinh.care.lab.blood.errors import Expired, GroupDiffers, KnownUnit, NotAUnit, NoUnit, TooLate, UnknownBarcode
from tuetinh.care.lab.blood.models import BloodAllocation, BloodUnit
from tuetinh.care.lab.errors import NotAllowed
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
LATER = datetime.now(UTC) + timedelta(days=20)
TOLD = {
    "din": "v000126123456",
    "product": "E0336V00",
    "component": "red",
    "abo": "A",
    "rhd": "+",
    "expires": LATER,
    "volume": 250,
    "donor": "HD-77",
    "supplier": "Viện Huyết học",
    "storage": "Tủ 1",
}


def product(unit: BloodUnit) -> r4.BiologicallyDerivedProduct:
    return cast(r4.BiologicallyDerivedProduct, record.read(SYSTEM, "BiologicallyDerivedProduct", unit.resource))


def test_a_unit_comes_into_quarantine_and_its_code_is_learnt(bank) -> None:
    unit = stock.receive(bank.lab, **TOLD)
    assert (unit.stage, unit.din, stock.taught("12104", "E0336V00")) == ("quarantined", "V000126123456", "red")
    made = product(unit)
    assert [one.value for one in made.identifier] == ["V000126123456", "HD-77"]
    assert (made.status, made.productCode.coding[1].code) == ("available", "E0336V00")
    with pytest.raises(KnownUnit):
        stock.receive(bank.lab, **TOLD)
    stock.receive(bank.lab, **(TOLD | {"product": "E0701V00", "component": "ffp"}))
    assert BloodUnit.objects.count() == 2


@pytest.mark.parametrize(
    "wrong", [{"din": " "}, {"component": "wine"}, {"abo": "C"}, {"rhd": "?"}, {"volume": 0}],
)  # fmt: skip
def test_a_unit_that_cannot_be_is_refused(bank, wrong) -> None:
    with pytest.raises(NotAUnit):
        stock.receive(bank.lab, **(TOLD | wrong))
    with pytest.raises(Expired):
        stock.receive(bank.lab, **(TOLD | {"expires": datetime.now(UTC)}))
    with pytest.raises(NotAllowed):
        stock.receive(bank.nurse, **TOLD)
    assert BloodUnit.objects.count() == 0
    assert record.search(SYSTEM, "BiologicallyDerivedProduct", "").resources == []


def test_red_cells_are_grouped_again_before_they_are_released(bank) -> None:
    unit = stock.receive(bank.lab, **TOLD)
    for abo, rhd in (("", ""), ("O", "+"), ("A", "-")):
        with pytest.raises(GroupDiffers):
            stock.release(bank.lab, unit.pk, abo, rhd)
    unit.refresh_from_db()
    assert (unit.stage, unit.moves.count()) == ("quarantined", 1)
    assert stock.release(bank.lab, unit.pk, "A", "+").stage == "available"
    plasma = stock.receive(bank.lab, **(TOLD | {"product": "E0701V00", "component": "ffp"}))
    assert stock.release(bank.lab, plasma.pk).stage == "available"
    with pytest.raises(NoUnit):
        stock.release(bank.lab, plasma.pk)


def test_what_has_ended_is_not_released(bank) -> None:
    unit = stock.receive(bank.lab, **TOLD)
    BloodUnit.objects.update(expires=datetime.now(UTC))
    with pytest.raises(Expired):
        stock.release(bank.lab, unit.pk, "A", "+")
    assert BloodUnit.objects.get().stage == "quarantined"


def test_a_unit_comes_back_in_time_or_not_at_all(bank, given) -> None:
    bank.confirmed("A")
    first, second = given("A"), given("A")
    assert stock.take_back(bank.lab, first.pk).stage == "available"
    assert BloodAllocation.objects.get(pk=first.pk).stage == "returned"
    BloodAllocation.objects.filter(pk=second.pk).update(issued_at=datetime.now(UTC) - timedelta(minutes=31))
    with pytest.raises(TooLate):
        stock.take_back(bank.lab, second.pk)
    second.unit.refresh_from_db()
    assert (second.unit.stage, BloodAllocation.objects.get(pk=second.pk).stage) == ("issued", "issued")
    with pytest.raises(NotAUnit):
        stock.discard(bank.lab, second.unit_id, "")
    unit = stock.discard(bank.lab, second.unit_id, "late", "40 phút")
    assert (unit.stage, unit.moves.latest("id").note) == ("discarded", "Trả quá thời gian. 40 phút")
    assert (BloodAllocation.objects.get(pk=second.pk).stage, product(unit).status) == ("returned", "unavailable")
    with pytest.raises(NoUnit):
        stock.take_back(bank.lab, second.pk)


def test_another_facilitys_unit_is_not_there(bank) -> None:
    unit = stock.receive(bank.lab, **TOLD)
    BloodUnit.objects.update(facility="12001")
    for do in (
        lambda: stock.release(bank.lab, unit.pk, "A", "+"), lambda: stock.discard(bank.lab, unit.pk, "broken"),
        lambda: stock.keep_at(bank.lab, unit.pk, "Tủ 2"),
    ):  # fmt: skip
        with pytest.raises(NoUnit):
            do()
    unit.refresh_from_db()
    assert (unit.stage, unit.storage) == ("quarantined", "Tủ 1")


def test_the_shelves_tell_what_is_low_and_what_ends_soon(bank) -> None:
    for days in (1, 6, 8):
        bank.unit("O", expires=datetime.now(UTC) + timedelta(days=days))
    soon = bank.unit("A", expires=datetime.now(UTC) + timedelta(minutes=5))
    BloodUnit.objects.filter(pk=soon.pk).update(expires=datetime.now(UTC))
    red = next(shelf for shelf in queries.shelves("12104") if shelf.component.key == "red")
    said = {group: (cell.count, cell.low) for group, cell in zip(queries.GROUPS, red.cells, strict=True)}
    assert said["O", "+"] == (3, True) and said["A", "+"] == (0, True) and said["A", "-"] == (0, False)
    assert [unit.pk for unit in queries.expiring("12104")] == [soon.pk, soon.pk - 3, soon.pk - 2]
    assert queries.counts("12104") == {"available": 4}


def test_a_scan_is_of_one_unit(bank) -> None:
    unit = bank.unit("A")
    assert stock.is_unit(unit, f"={unit.din}00") and stock.is_unit(unit, f"={unit.din}00=<E0336V00")
    assert stock.is_unit(unit, unit.din.lower())
    assert not stock.is_unit(unit, f"={unit.din}00=<E0701V00") and not stock.is_unit(unit, "")
    assert not stock.is_unit(unit, "=V00012699999900")
    with pytest.raises(UnknownBarcode):
        stock.read_label("8934567")
