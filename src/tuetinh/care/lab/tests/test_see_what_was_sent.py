"""What goes to another laboratory stays there to be worked on, and comes back to the visit, whatever labels it has."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest
from django.utils import timezone

from tuetinh.care.insurance.api import claim
from tuetinh.care.lab import actions, facts
from tuetinh.care.lab import api as lab_api
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results import entry, validation
from tuetinh.care.lab.samples import actions as samples
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

pytestmark = pytest.mark.django_db
GLU, HIV = "23.0075.1494", "24.0169.1616"


@pytest.fixture
def province(cast: dict[str, Account]) -> Account:
    """A technician of the hospital."""
    told = {"full_name": "Lò Văn Hai", "role": "lab", "password": "x", "facility": "12001"}
    return Account.objects.create(username="cast.lab2", **told)


def sent(world, there: Asker, code: str) -> Tube:
    """A tube of the visit that the other laboratory has taken in."""
    actions.order_tests(world.doctor, world.encounter, [code])
    tube = Tube.objects.latest("id")
    shipment = samples.send(world.lab, [tube.number], "12001")
    samples.take_in(there, shipment.number, [tube.number])
    tube.refresh_from_db()
    return tube


def result_of(tube: Tube, key: str) -> str:
    return facts.observation_id(tube.orders[0], key)


def end(world) -> None:
    """End the visit months ago."""
    visit = cast(r4.Encounter, record.read(SYSTEM, "Encounter", world.encounter.id))
    ended = (timezone.now() - timedelta(days=60)).isoformat(timespec="seconds")
    visit.status, visit.period = "finished", r4.Period(start="2026-01-01T08:00:00+07:00", end=ended)
    record.update(SYSTEM, visit)


@pytest.mark.parametrize(("code", "key", "value"), [(GLU, "GLU", "5,5"), (HIV, "HIVAB", "Dương tính")])
def test_what_comes_back_long_after_the_visit_is_told(world, province, as_role, code, key, value) -> None:
    there = asker_of(province)
    tube = sent(world, there, code)
    end(world)
    entry.enter_results(there, tube.number, {result_of(tube, key): value})
    validation.release(there, tube.number)
    assert len(lab_api.visit_results(world.doctor, world.encounter.id)) == 1
    for role in ("doctor", "lab", "station"):
        assert as_role(role).get(f"/lab/tubes/{tube.number}/sheet.pdf").status_code == 200, role


def test_the_claim_of_the_visit_holds_it_whoever_builds_it(world, province) -> None:
    there = asker_of(province)
    tube = sent(world, there, GLU)
    end(world)
    entry.enter_results(there, tube.number, {result_of(tube, "GLU"): "5,5"})
    validation.release(there, tube.number)
    told = [claim(by, world.encounter.id).tables["XML4"] for by in (SYSTEM, world.doctor)]
    assert told[0] == told[1]
    assert len(told[0]) == 1


def test_others_see_none_of_it(world, province) -> None:
    there = asker_of(province)
    tube = sent(world, there, HIV)
    entry.enter_results(there, tube.number, {result_of(tube, "HIVAB"): "Dương tính"})
    validation.release(there, tube.number)
    third = asker_of(Account(username="third", role="doctor", facility="12105"))
    assert lab_api.visit_results(third, world.encounter.id) == []


def test_the_other_laboratory_may_cancel_and_add(world, province) -> None:
    there = asker_of(province)
    tube = samples.add_tests(there, sent(world, there, GLU).number, ["23.0166.1494"])
    first, second = tube.orders
    samples.cancel_order(there, tube.number, second, "thừa")
    samples.cancel_order(there, tube.number, first, "không đủ mẫu")
    tube.refresh_from_db()
    assert tube.stage == "cancelled"
    charges = cast("list[r4.ChargeItem]", record.search(SYSTEM, "ChargeItem", f"patient={tube.patient}").resources)
    assert {one.status for one in charges} == {"aborted"}


def test_the_insurance_remarks_where_the_visit_is(world, province, as_role) -> None:
    there, remarks = as_role("lab"), f"/insurance/remarks/{world.encounter.id}/result"
    there.force_login(province, backend="django.contrib.auth.backends.ModelBackend")
    tube = sent(world, asker_of(province), GLU)
    entry.enter_results(asker_of(province), tube.number, {result_of(tube, "GLU"): "5,5"})
    page = there.get(f"/lab/tubes/{tube.number}").content.decode()
    assert "Trả kết quả" in page and remarks not in page and there.get(remarks).status_code == 404
    actions.order_tests(world.doctor, world.encounter, [GLU])
    own = actions.receive_specimen(world.lab, Tube.objects.latest("id").number)
    entry.enter_results(world.lab, own.number, {result_of(own, "GLU"): "5,5"})
    assert remarks in as_role("lab").get(f"/lab/tubes/{own.number}").content.decode()
