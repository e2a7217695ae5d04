"""Visits and their queues: numbers are given once, states follow one another, a refusal changes nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, cast

import pytest
from django.db import connections

from tuetinh.care.billing.api import bill
from tuetinh.care.insurance.api import kind_so_far
from tuetinh.care.reception import actions, errors
from tuetinh.care.reception.models import Turn
from tuetinh.care.reception.queries import ahead, rooms, visit, waiting
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.catalogues.api import PriceRow, consultations, load_price_list
from tuetinh.commons.identity.api import human_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
HERE, ROOM = "12104", "12104-noi2"


def person(name: str = "Lò Thị Pâng") -> str:
    return cast(str, record.create(SYSTEM, r4.Patient(name=[human_name(name)], gender="female")).id)


def received(cast_: Any, patient: str | None = None, **more: Any) -> Any:
    return actions.open_visit(asker_of(cast_["reception"]), patient or person(), HERE, ROOM, "Ho", **more)


def test_a_visit_is_an_encounter_with_a_number_and_a_fee(cast: Any) -> None:
    from datetime import date
    from decimal import Decimal

    load_price_list(HERE, (PriceRow(s.code, "service", Decimal(36_500)) for s in consultations()), date(2020, 1, 1))
    one, two = received(cast), received(cast, kind="referral")
    assert (one.number, two.number, one.state, one.room_name) == (1, 2, "waiting", "Phòng khám Nội 2")
    stored = record.read(SYSTEM, "Encounter", two.encounter)
    assert (stored.status, stored.class_.code, stored.reasonCode[0].text) == ("arrived", "AMB", "Ho")
    assert stored.serviceProvider.reference == "Organization/12104"
    assert [e.valueCode for e in stored.extension] == ["referral"]
    assert stored.identifier[0].system == "https://tuetinh.vn/fhir/ma-lk"
    assert bill(SYSTEM, one.encounter).due == Decimal(36_500)
    actions.cancel(asker_of(cast["reception"]), one.encounter, "Về nhà")
    assert bill(SYSTEM, one.encounter).due == 0
    assert record.read(SYSTEM, "Encounter", one.encounter).status == "cancelled"


def test_the_kind_of_care_is_chosen_once(cast: Any) -> None:
    from datetime import date
    from decimal import Decimal

    load_price_list(HERE, (PriceRow(s.code, "service", Decimal(36_500)) for s in consultations()), date(2020, 1, 1))
    kinds = {code: received(cast, care=code) for code in ("01", "05", "07")}
    told = {code: cast_(record.read(SYSTEM, "Encounter", one.encounter)) for code, one in kinds.items()}
    assert {code: kind_so_far(one) for code, one in told.items()} == {"01": "01", "05": "05", "07": "07"}
    dues = [bill(SYSTEM, one.encounter).due for one in kinds.values()]
    assert dues == [Decimal(36_500), Decimal(36_500), Decimal(0)]  # who collects medicines is not examined
    for care in ("03", "09", "17", ""):
        with pytest.raises(errors.UnknownCare):
            received(cast, care=care)
    assert Turn.objects.count() == 3


def cast_(resource: r4.Resource) -> r4.Encounter:
    assert isinstance(resource, r4.Encounter)
    return resource


def test_priority_goes_first(cast: Any) -> None:
    received(cast)
    old = received(cast, priority=True)
    doctor = asker_of(cast["doctor"])
    assert ahead(old) == 0
    assert [v.number for v in waiting(doctor, ROOM)] == [2, 1]
    first, second, nobody = (actions.call_next(doctor, ROOM) for _ in range(3))
    assert (first and first.number, second and second.number, nobody) == (2, 1, None)


def test_a_visit_goes_from_waiting_to_finished(cast: Any) -> None:
    one, doctor = received(cast), asker_of(cast["doctor"])
    with pytest.raises(errors.WrongState):
        actions.finish(doctor, one.encounter)
    assert visit(doctor, one.encounter).state == "waiting"
    actions.start(replace(doctor, practitioner="cast-doctor"), one.encounter)
    with pytest.raises(errors.WrongState):
        actions.start(replace(doctor, practitioner="another"), one.encounter)
    with pytest.raises(errors.WrongState):
        actions.cancel(asker_of(cast["reception"]), one.encounter, "Nhầm")
    assert actions.finish(doctor, one.encounter).state == "finished"
    stored = record.read(SYSTEM, "Encounter", one.encounter)
    assert (stored.status, stored.participant[0].individual.reference) == ("finished", "Practitioner/cast-doctor")
    assert stored.period.end is not None


def test_nobody_waits_twice_in_a_room(cast: Any) -> None:
    patient = person()
    received(cast, patient)
    with pytest.raises(errors.AlreadyWaiting):
        received(cast, patient)
    assert Turn.objects.count() == 1
    assert len(record.search(SYSTEM, "Encounter", f"subject=Patient/{patient}").resources) == 1


def test_who_was_left_waiting_yesterday_may_wait_again(cast: Any) -> None:
    patient = person()
    received(cast, patient)
    Turn.objects.update(day="2020-01-01")
    assert received(cast, patient).state == "waiting"


@pytest.mark.parametrize("role", ["doctor", "lab", "cashier", "citizen", "outsider"])
def test_others_open_no_visit(cast: Any, role: str) -> None:
    patient = person()
    with pytest.raises(errors.NotAllowed):
        actions.open_visit(asker_of(cast[role]), patient, HERE, ROOM, "Ho")
    assert not Turn.objects.exists()


def test_an_outsider_sees_and_changes_no_visit(cast: Any) -> None:
    one = received(cast)
    cast["reception"].facility = "12001"
    stranger = asker_of(cast["reception"])
    with pytest.raises(errors.NoVisit):
        visit(stranger, one.encounter)
    with pytest.raises(errors.NoVisit):
        actions.cancel(stranger, one.encounter, "x")
    with pytest.raises(errors.NotAllowed):
        actions.open_visit(stranger, person(), HERE, ROOM, "Ho")
    assert [t.state for t in Turn.objects.all()] == ["waiting"]
    assert [room.waiting for room in rooms(HERE)] == [1]


def test_a_room_of_elsewhere_is_refused(cast: Any) -> None:
    with pytest.raises(errors.NoRoom):
        actions.open_visit(asker_of(cast["reception"]), person(), HERE, "nowhere", "Ho")
    assert not Turn.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_desks_at_the_same_time_give_each_number_once(cast: Any) -> None:
    desk = asker_of(cast["reception"])
    people = [person(f"Lò Văn {n}") for n in range(8)]
    same = person("Vàng A Tủa")
    numbers: list[int] = []
    refused: list[str] = []

    def receive(patient: str) -> None:
        try:
            numbers.append(actions.open_visit(desk, patient, HERE, ROOM, "Ho").number)
        except errors.AlreadyWaiting as error:
            refused.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=receive, args=(one,)) for one in [*people, same, same]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 10))
    assert refused == ["already-waiting"]
