"""A test that the laboratory does not do for a time is refused with the reason; the directory of tests says so too."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from django.utils import timezone

from tuetinh.care.lab import actions, errors
from tuetinh.care.lab.models import OrderLine, Tube
from tuetinh.care.lab.results import changes
from tuetinh.care.lab.results.rules import Paused
from tuetinh.care.lab.samples import standing
from tuetinh.care.lab.samples.actions import add_tests
from tuetinh.commons.access import api as access

pytestmark = pytest.mark.django_db
GLU, UREA = "23.0075.1494", "23.0166.1494"


@pytest.fixture
def pause(cast):
    def do(*tests: str, to: date | None = None, on: bool = True) -> None:
        rule = Paused(code="PAUSE", tests=tests, vi="hết hóa chất", to=to.isoformat() if to else "", on=on)
        changes.change(access.asker_of(cast["admin"]), rule, "kho báo")

    return do


def test_who_orders_it_is_told_why_and_nothing_is_ordered(world, pause) -> None:
    pause(GLU)
    with pytest.raises(errors.NotDone) as told:
        actions.order_tests(world.doctor, world.encounter, [UREA, GLU])
    assert str(told.value) == "Phòng xét nghiệm đang tạm ngừng “Định lượng Glucose máu”: hết hóa chất"
    assert (Tube.objects.count(), OrderLine.objects.count()) == (0, 0)
    actions.order_tests(world.doctor, world.encounter, [UREA])
    tube = Tube.objects.get()
    actions.receive_specimen(world.lab, tube.number)
    with pytest.raises(errors.NotDone):
        add_tests(world.lab, tube.number, [GLU])
    assert OrderLine.objects.count() == 1


def test_it_is_done_again_after_the_last_day_or_once_the_rule_is_off(world, pause) -> None:
    pause(GLU, to=timezone.localdate() - timedelta(days=1))
    assert len(actions.order_tests(world.doctor, world.encounter, [GLU], alone=True)) == 1
    pause(GLU)
    with pytest.raises(errors.NotDone):
        actions.order_tests(world.doctor, world.encounter, [GLU], alone=True)
    pause(GLU, on=False)
    assert len(actions.order_tests(world.doctor, world.encounter, [GLU], alone=True)) == 1


def test_what_is_measured_at_the_bedside_does_not_wait_for_the_laboratory(world, pause) -> None:
    pause(GLU)
    assert len(actions.order_tests(world.doctor, world.encounter, [GLU], alone=True, bedside=True)) == 1


def test_a_standing_order_waits_until_the_next_day(world, pause) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    row = standing.stand(world.doctor, world.encounter.id, [GLU], hour=time(5), first=tomorrow, days=2)
    pause(GLU)
    assert standing.make_due(datetime.combine(tomorrow, time(6), actions.HANOI)) == 0
    row.refresh_from_db()
    assert (row.done, row.next_on, row.stopped_at) == (0, tomorrow + timedelta(days=1), None)
    pause(GLU, on=False)
    assert standing.make_due(datetime.combine(tomorrow + timedelta(days=1), time(6), actions.HANOI)) == 1


def test_an_administrator_pauses_on_the_page_of_rules(world, as_role) -> None:
    told = {"code": "PAUSE-GLU", "on": "on", "tests": [GLU], "vi": "máy hỏng", "why": "kỹ sư báo"}
    assert as_role("lab").post("/lab/rules/new?kind=paused", told).status_code == 403
    assert as_role("admin").post("/lab/rules/new?kind=paused", told).status_code == 302
    assert "máy hỏng: Định lượng Glucose máu" in as_role("lab").get("/lab/rules?kind=paused").content.decode()
    with pytest.raises(errors.NotDone):
        actions.order_tests(world.doctor, world.encounter, [GLU])


def test_the_directory_tells_what_is_done_of_which_tube_and_what_is_not(
    world, pause, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    pause(GLU)
    nurse = as_role("nurse")
    page = nurse.get("/lab/tests", {"q": "glucose mau"}).content.decode()
    [row] = [part for part in page.split("<tr data-test=")[1:] if part.startswith(f'"{GLU}"')]
    for said in ("Định lượng Glucose máu", "hết hóa chất", "LOINC 14749-6", "mmol/L", "20.000"):
        assert said in row
    assert page.count("Tạm ngừng</span>") == 1
    assert "Định lượng Glucose máu" not in nurse.get("/lab/tests?bench=haematology").content.decode()
    assert "Không có xét nghiệm nào" in nurse.get("/lab/tests?q=zzzz").content.decode()
    with django_assert_max_num_queries(20) as one:
        nurse.get("/lab/tests?q=glucose mau")
    with django_assert_num_queries(len(one.captured_queries)):
        nurse.get("/lab/tests")
