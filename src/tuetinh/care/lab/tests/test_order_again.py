"""Orders beyond the first: shared tubes, add-ons, repeats, one cancelled, sets, duplicates, every morning."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from tuetinh.care.billing.api import bill
from tuetinh.care.lab import actions, api, errors, facts
from tuetinh.care.lab.actions import HANOI
from tuetinh.care.lab.models import OrderLine, StandingOrder, Tube
from tuetinh.care.lab.results import changes, entry, validation
from tuetinh.care.lab.results.rules import Interval, Profile, Stability
from tuetinh.care.lab.samples import actions as samples
from tuetinh.care.lab.samples import standing
from tuetinh.commons.access import api as access
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.labels import ACT_CODE

pytestmark = pytest.mark.django_db
CBC, GLU, UREA, HBA1C, TSH = "22.0120.1370", "23.0075.1494", "23.0166.1494", "23.0083.1523", "23.0162.1570"


def order(world, *codes: str, urgent: bool = False) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes, urgent=urgent)
    return Tube.objects.latest("id")


def released(world, *codes: str) -> Tube:
    tube = order(world, *codes)
    actions.receive_specimen(world.lab, tube.number)
    keys = {GLU: "GLU", UREA: "UREA"}
    values = {f"{id_}-{keys[code]}": "5.1" for id_, code in zip(tube.orders, codes, strict=True)}
    entry.enter_results(world.lab, tube.number, values)
    return validation.release(world.lab, tube.number)


def due(world) -> int:
    return int(bill(SYSTEM, world.encounter.id).due)


def orders(tube: Tube) -> list[tuple[str, str, str]]:
    tube.refresh_from_db()
    found = record.read_many(SYSTEM, "ServiceRequest", tube.orders)
    return [(one.code.coding[0].code, one.status, one.intent) for one in (found[id_] for id_ in tube.orders)]


# Sharing a tube.


def test_tests_that_are_ordered_later_share_the_tube_that_waits_to_be_drawn(world) -> None:
    tube = order(world, GLU)
    order(world, UREA, CBC)
    assert Tube.objects.count() == 2
    assert orders(tube) == [(GLU, "active", "order"), (UREA, "active", "order")]
    specimen = record.read(SYSTEM, "Specimen", tube.specimen)
    assert [one.reference for one in specimen.request] == [f"ServiceRequest/{id_}" for id_ in tube.orders]
    request = record.read(SYSTEM, "ServiceRequest", tube.orders[1])
    assert (request.specimen[0].reference, request.basedOn) == (f"Specimen/{tube.specimen}", None)
    assert due(world) == 60_000


@pytest.mark.parametrize("why", ["the same test", "urgent", "drawn"])
def test_a_tube_is_not_shared(world, why: str) -> None:
    tube = order(world, GLU)
    if why == "drawn":
        samples.collect(world.lab, [tube.number], "01/03/1986")
    order(world, GLU if why == "the same test" else UREA, urgent=why == "urgent")
    assert [len(one.orders) for one in Tube.objects.order_by("pk")] == [1, 1]


# Further tests, and the same again.


def test_a_test_is_added_to_a_tube_whose_results_are_out(world) -> None:
    tube = released(world, GLU)
    samples.add_tests(world.doctor, tube.number, [UREA])
    tube.refresh_from_db()
    assert (tube.stage, len(tube.orders), due(world)) == ("resulted", 2, 40_000)
    entry.enter_results(world.lab, tube.number, {f"{tube.orders[1]}-UREA": "6"})
    assert validation.release(world.lab, tube.number).stage == "released"


def test_a_tube_that_is_too_old_serves_for_nothing_more(world, cast) -> None:
    tube = released(world, UREA)
    Tube.objects.update(collected_at=datetime.now(UTC) - timedelta(hours=9))
    with pytest.raises(errors.TooOld, match=r"quá 8 giờ.*Glucose"):
        samples.add_tests(world.doctor, tube.number, [GLU])
    assert (len(orders(tube)), due(world)) == (1, 20_000)
    longer = Stability(code="STABLE-GLUCOSE", tests=(GLU,), hours=10)
    changes.change(access.asker_of(cast["admin"]), longer, "ống có gel, đã tách")
    assert len(samples.add_tests(world.doctor, tube.number, [GLU]).orders) == 2


def test_a_test_is_measured_again_free_of_charge_and_both_results_are_kept(world) -> None:
    tube = released(world, GLU)
    with pytest.raises(errors.NeedsReason):
        samples.repeat(world.lab, tube.number, tube.orders[0], " ")
    with pytest.raises(errors.UnknownTest):
        samples.repeat(world.lab, tube.number, "another", "nghi nhầm")
    with pytest.raises(errors.NotAllowed):
        samples.repeat(world.doctor, tube.number, tube.orders[0], "nghi nhầm")
    assert len(orders(tube)) == 1
    samples.repeat(world.lab, tube.number, tube.orders[0], "nghi nhầm mẫu")
    assert orders(tube) == [(GLU, "completed", "order"), (GLU, "active", "filler-order")]
    request = record.read(SYSTEM, "ServiceRequest", tube.orders[1])
    assert (request.note[0].text, request.basedOn[0].reference) == (
        "Làm lại: nghi nhầm mẫu", f"ServiceRequest/{tube.orders[0]}",
    )  # fmt: skip
    assert due(world) == 20_000
    entry.enter_results(world.lab, tube.number, {f"{tube.orders[1]}-GLU": "5.3"})
    validation.release(world.lab, tube.number)
    assert [one.value for one in api.visit_results(world.doctor, world.encounter.id)] == ["5.1", "5.3"]


def test_one_order_is_cancelled_and_the_last_one_takes_the_tube_along(world) -> None:
    tube = order(world, GLU, UREA)
    with pytest.raises(errors.NeedsReason):
        samples.cancel_order(world.doctor, tube.number, tube.orders[0], "")
    assert due(world) == 40_000
    samples.cancel_order(world.doctor, tube.number, tube.orders[0], "nhầm")
    assert orders(tube) == [(GLU, "revoked", "order"), (UREA, "active", "order")]
    assert (tube.stage, due(world)) == ("ordered", 20_000)
    assert {line.test: line.cancelled for line in OrderLine.objects.all()} == {GLU: True, UREA: False}
    with pytest.raises(errors.WrongStage):
        samples.cancel_order(world.doctor, tube.number, tube.orders[0], "nhầm")
    samples.cancel_order(world.lab, tube.number, tube.orders[1], "nhầm")
    tube.refresh_from_db()
    assert (tube.stage, due(world)) == ("cancelled", 0)


def test_an_order_that_has_a_result_is_not_cancelled(world) -> None:
    tube = order(world, GLU, UREA)
    actions.receive_specimen(world.lab, tube.number)
    entry.enter_results(world.lab, tube.number, {f"{tube.orders[0]}-GLU": "5"})
    with pytest.raises(errors.WrongStage):
        samples.cancel_order(world.lab, tube.number, tube.orders[0], "nhầm")
    assert (orders(tube)[0][1], due(world)) == ("active", 40_000)
    with pytest.raises(errors.NoTube):
        samples.cancel_order(replace(world.lab, facility="12001"), tube.number, tube.orders[1], "nhầm")
    samples.cancel_order(world.lab, tube.number, tube.orders[1], "không đủ mẫu")
    assert validation.release(world.lab, tube.number).stage == "released"


def test_the_pages_repeat_and_cancel_a_test(world, as_role) -> None:
    tube = released(world, GLU, UREA)
    lab, at = as_role("lab"), f"/lab/tubes/{tube.number}"
    page = lab.get(at).content.decode()
    assert "Làm lại hoặc hủy một xét nghiệm" in page and ">Định lượng Creatinin máu</option>" in page
    lab.post(f"{at}/repeat", {"order": tube.orders[0], "reason": "nghi nhầm"})
    lab.post(f"{at}/cancel-order", {"order": Tube.objects.get().orders[2], "reason": "thôi"})
    assert [status for _, status, _ in orders(tube)] == ["completed", "completed", "revoked"]
    assert lab.post("/lab/tubes/260101/repeat", {"reason": "x"}).status_code == 404


# Sets and duplicates.


def test_a_set_of_tests_is_named_by_each_facility(world, cast) -> None:
    ours = Profile(code="PROFILE-DIABETES", tests=(GLU, HBA1C), vi="Đái tháo đường")
    changes.change(access.asker_of(cast["admin"]), ours, "thường dùng")
    assert "Đái tháo đường" in [one.text for one in api.profiles("12104")]
    assert "Đái tháo đường" not in [one.text for one in api.profiles("12001")]


def test_an_administrator_names_a_set_on_its_page(world, as_role) -> None:
    admin = as_role("admin")
    told = {"code": "PROFILE-OURS", "on": "on", "vi": "Gói của ta", "why": "thường dùng"}
    assert admin.post("/lab/rules/new?kind=profile", told).status_code == 422
    assert admin.post("/lab/rules/new?kind=profile", told | {"tests": [GLU, "nothing"]}).status_code == 422
    assert "Gói của ta" not in [one.text for one in api.profiles("12104")]
    assert admin.post("/lab/rules/new?kind=profile", told | {"tests": [GLU, UREA]}).status_code == 302
    assert ("Gói của ta", (GLU, UREA)) in [(one.text, one.tests) for one in api.profiles("12104")]
    assert "Gói của ta: Định lượng Glucose máu" in admin.get("/lab/rules?kind=profile&q=ours").content.decode()
    assert "48 giờ" in admin.get("/lab/rules?kind=stability&q=chemistry").content.decode()
    assert admin.get("/lab/rules/AGAIN-LIPID").status_code == 200


def test_the_same_test_within_its_interval_is_warned_of(world, cast) -> None:
    order(world, HBA1C, GLU)
    [again] = api.ordered_lately(world.doctor, world.encounter.id, [HBA1C, GLU, TSH])
    assert (again.name, again.hours, again.at) == (
        "Định lượng HbA1c", 1440, OrderLine.objects.get(test=HBA1C).ordered_at,
    )  # fmt: skip
    OrderLine.objects.filter(test=HBA1C).update(ordered_at=datetime.now(UTC) - timedelta(hours=1441))
    assert api.ordered_lately(world.doctor, world.encounter.id, [HBA1C]) == []
    changes.change(access.asker_of(cast["admin"]), Interval(code="AGAIN-GLU", tests=(GLU,), hours=2), "thường bị lặp")
    assert [one.name for one in api.ordered_lately(world.doctor, world.encounter.id, [GLU])] == [
        "Định lượng Glucose máu"
    ]
    OrderLine.objects.update(cancelled=True)
    assert api.ordered_lately(world.doctor, world.encounter.id, [GLU]) == []


def test_an_order_that_does_not_exist_for_the_asker_is_not_warned_of(world) -> None:
    [made] = actions.order_tests(world.doctor, world.encounter, [HBA1C])
    blind = replace(world.doctor, sight=replace(world.doctor.sight, labels=0))

    def warned(asker) -> list[str]:
        return [one.name for one in api.ordered_lately(asker, world.encounter.id, [HBA1C])]

    kept = record.read(SYSTEM, "ServiceRequest", made.id)
    kept.performer = [facts.ref("Organization", "12001")]
    record.update(SYSTEM, kept)
    assert warned(blind) == warned(world.doctor) == ["Định lượng HbA1c"]
    kept.meta.security = [r4.Coding(system=ACT_CODE, code="HIV")]
    record.update(SYSTEM, kept)
    assert (warned(blind), warned(world.doctor)) == ([], ["Định lượng HbA1c"])


# Every morning.


def every_morning(world, **other) -> StandingOrder:
    told = {"hour": time(5), "first": tomorrow(), "days": 2}
    return standing.stand(world.doctor, world.encounter.id, [GLU, CBC], **(told | other))


def tomorrow() -> date:
    return datetime.now(HANOI).date() + timedelta(days=1)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), HANOI)


def test_a_standing_order_is_made_once_a_day_at_its_hour(world) -> None:
    today = datetime.now(HANOI).date() + timedelta(days=1)
    row = every_morning(world, first=today)
    assert standing.make_due(at(today, 4, 59)) == 0
    assert standing.make_due(at(today, 5)) == 1
    assert standing.make_due(at(today, 23)) == 0
    row.refresh_from_db()
    assert (row.done, row.next_on, Tube.objects.count()) == (1, today + timedelta(days=1), 2)
    [request] = record.read_many(SYSTEM, "ServiceRequest", Tube.objects.first().orders).values()
    assert request.requester.reference == f"Practitioner/{world.doctor.practitioner}"
    later = today + timedelta(days=3)
    assert standing.make_due(at(later, 6)) == 1
    row.refresh_from_db()
    assert (row.done, row.next_on, row.why) == (2, None, "")
    assert (standing.make_due(at(later, 7)), OrderLine.objects.count()) == (0, 4)


def test_an_hour_that_has_passed_begins_tomorrow(world) -> None:
    today = datetime.now(HANOI).date()
    assert every_morning(world, first=date(2020, 1, 1), hour=time(0, 0)).next_on == today + timedelta(days=1)
    assert every_morning(world, first=date(2020, 1, 1), hour=time(23, 59, 59, 999999)).next_on == today


def test_it_ends_with_the_visit(world) -> None:
    row = every_morning(world)
    visit = record.read(SYSTEM, "Encounter", world.encounter.id)
    visit.status = "finished"
    record.update(SYSTEM, visit)
    assert standing.make_due(at(tomorrow() + timedelta(days=1), 6)) == 0
    row.refresh_from_db()
    assert (row.next_on, row.why, row.done, Tube.objects.count()) == (None, "Đợt điều trị đã kết thúc.", 0, 0)
    with pytest.raises(errors.WrongStage):
        every_morning(world)


def test_one_that_cannot_be_made_keeps_none_behind_it(world, caplog) -> None:
    broken, well = every_morning(world, hour=time(4)), every_morning(world)
    StandingOrder.objects.filter(pk=broken.pk).update(requester="no such id")
    assert standing.make_due(at(tomorrow(), 6)) == 1
    broken.refresh_from_db()
    well.refresh_from_db()
    assert (broken.done, broken.next_on, well.done) == (0, tomorrow(), 1)
    assert Tube.objects.count() == 2
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == [
        f"standing order {broken.pk} could not be made: Invalid"
    ]


def test_it_is_stopped_with_a_reason_by_those_who_order(world) -> None:
    row = every_morning(world)
    with pytest.raises(errors.NotAllowed):
        standing.stop_standing(world.lab, row.pk, "ổn")
    with pytest.raises(errors.NeedsReason):
        standing.stop_standing(world.doctor, row.pk, " ")
    with pytest.raises(errors.WrongStage):
        standing.stop_standing(replace(world.doctor, facility="12001"), row.pk, "ổn")
    row.refresh_from_db()
    assert row.next_on == tomorrow()
    assert standing.stop_standing(world.doctor, row.pk, "ổn định").next_on is None
    assert standing.make_due(at(tomorrow() + timedelta(days=1), 6)) == 0


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 61}])
def test_what_cannot_be_is_refused(world, wrong) -> None:
    with pytest.raises(errors.UnknownTest):
        every_morning(world, **wrong)
    with pytest.raises(errors.NotAllowed):
        standing.stand(world.lab, world.encounter.id, [GLU], hour=time(5), first=tomorrow(), days=1)
    assert StandingOrder.objects.count() == 0


def test_the_page_orders_and_stops(world, as_role, django_assert_num_queries, django_assert_max_num_queries) -> None:
    doctor, at = as_role("doctor"), f"/lab/standing/{world.encounter.id}"
    told = {"hour": "05:00", "first": f"{tomorrow():%d/%m/%Y}", "days": "3"}
    assert doctor.post(at, told).status_code == 422
    assert doctor.post(at, told | {"profile": "PROFILE-LIPID", "tests": [GLU]}).status_code == 302
    row = StandingOrder.objects.get()
    assert (len(row.tests), row.hour, row.days, row.account) == (5, time(5), 3, world.doctor.account)
    doctor.get(at)
    with django_assert_max_num_queries(21) as one:
        page = doctor.get(at).content.decode()
    count = len(one.captured_queries)
    assert "Định lượng Glucose máu" in page and "0 / 3" in page
    for _ in range(3):
        every_morning(world)
    with django_assert_num_queries(count):
        doctor.get(at)
    doctor.post(f"{at}/{row.pk}/stop", {"why": "ổn định"})
    assert "ổn định" in doctor.get(at).content.decode()
    record_of_elsewhere = record.read(SYSTEM, "Encounter", world.encounter.id)
    record_of_elsewhere.serviceProvider.reference = "Organization/12001"
    record.update(SYSTEM, record_of_elsewhere)
    assert doctor.get(at).status_code == 404


def test_the_page_shows_what_the_insurance_remarks_while_the_visit_is_open(world, as_role) -> None:
    card = r4.Coverage(
        status="active", beneficiary=world.encounter.subject, payor=[r4.Reference(display="BHXH")],
        subscriberId="GD4120000000017", period=r4.Period(start="2020-01-01"),
    )  # fmt: skip
    record.create(SYSTEM, card)
    for _ in range(2):
        order(world, HBA1C)
    doctor, at = as_role("doctor"), f"/lab/standing/{world.encounter.id}"
    [remarks] = re.findall(r'data-remarks hx-get="([^"]+)"', doctor.get(at).content.decode())
    assert remarks == f"/insurance/remarks/{world.encounter.id}/order"
    assert (
        'data-rule="HBA1C" data-severity="warn"' in doctor.get(remarks, headers={"HX-Request": "true"}).content.decode()
    )
    visit = record.read(SYSTEM, "Encounter", world.encounter.id)
    visit.status = "finished"
    record.update(SYSTEM, visit)
    assert "data-remarks" not in doctor.get(at).content.decode()
