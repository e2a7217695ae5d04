"""Ordering tests, and the way of a tube to the released result."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import cast

import pytest

from tuetinh.care.lab import actions, api, catalogue, errors, facts, queries
from tuetinh.care.lab.blood import orders as blood
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines import queries as machine_queries
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Message, Tube
from tuetinh.care.lab.pathology import cases as pathology
from tuetinh.care.lab.poct import actions as poct
from tuetinh.care.lab.results import entry, validation
from tuetinh.care.lab.results.work import work_on
from tuetinh.commons.catalogues.api import service
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
CBC, GLU, CREA = "22.0120.1370", "23.0075.1494", "23.0051.1494"


def test_every_test_is_a_service_that_can_be_billed() -> None:
    assert len(catalogue.tests()) == 86
    for one in catalogue.tests():
        found = service(one.code)
        assert found and found.reference_price > 0, one.code


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes)
    return Tube.objects.latest("id")


def send(message: bytes) -> bytes:
    answer = inbox.take(Frame(message), "10.0.0.9")
    assert answer is not None
    return answer


def test_an_order_makes_one_request_a_test_one_tube_a_specimen_and_charges(world) -> None:
    made = actions.order_tests(world.doctor, world.encounter, [GLU, CBC, CREA, GLU], urgent=True)
    assert sorted(facts.ordered_test(o).key for o in made) == ["CBC", "CREA", "GLU"]
    tubes = api.tubes(world.encounter.id)
    assert [len(t.orders) for t in tubes] == [2, 1]
    assert len({t.number for t in tubes}) == 2
    assert all(len(t.number) == 15 and t.number.isdigit() and t.facility == "12104" for t in tubes)
    specimen = record.read(SYSTEM, "Specimen", tubes[0].specimen)
    assert specimen.accessionIdentifier.value == tubes[0].number
    query = f"patient={world.encounter.subject.reference}"
    charges = record.search(SYSTEM, "ChargeItem", query).resources
    assert len(charges) == 3


def test_an_unknown_test_or_a_wrong_desk_writes_nothing(world) -> None:
    with pytest.raises(errors.UnknownTest):
        actions.order_tests(world.doctor, world.encounter, [GLU, "18.0001.0001"])
    with pytest.raises(errors.NotAllowed):
        actions.order_tests(world.outsider, world.encounter, [GLU])
    assert Tube.objects.count() == 0
    assert api.orders(SYSTEM, world.encounter.id) == []


def test_nobody_orders_at_a_visit_of_another_facility(world, as_role) -> None:
    elsewhere = replace(world.doctor, facility="12001", sight=SYSTEM.sight)  # whatever it may see
    visit = world.encounter.id
    for do in (
        lambda: actions.order_tests(elsewhere, visit, [GLU]),
        lambda: blood.order_blood(elsewhere, visit, "red", 1, indication="anaemia"),
        lambda: pathology.ask(elsewhere, visit, "histology", ["Hang vị"], "loét"),
        lambda: poct.measure(elsewhere, visit, "CGLU", {"CGLU": "5"}, device="máy"),
    ):
        with pytest.raises(errors.NotAllowed):
            do()
    assert (Tube.objects.count(), record.search(SYSTEM, "ServiceRequest", "").resources) == (0, [])
    doctor = as_role("doctor")
    pages = [f"/lab/{page}/{visit}" for page in ("blood/orders/new", "pathology/visits", "poct")]
    assert [doctor.get(page).status_code for page in pages] == [200, 200, 200]
    world.encounter.serviceProvider = facts.ref("Organization", "12001")
    record.update(SYSTEM, world.encounter)
    assert [doctor.get(page).status_code for page in pages] == [404, 404, 404]


def test_an_analysers_result_is_matched_validated_and_seen(world, oru) -> None:
    tube = order(world, GLU)
    actions.receive_specimen(world.lab, tube.number)
    assert b"MSA|AA|1" in send(oru(tube.number, {"GLU": "7.80"}, unit="mmol/L"))
    assert api.visit_results(world.doctor, world.encounter.id) == []
    [draft] = api.visit_results(world.doctor, world.encounter.id, preliminary=True)
    assert (draft.value, draft.unit, draft.flag, draft.status) == ("7.80", "mmol/L", "H", "preliminary")
    tube = validation.release(world.lab, tube.number)
    assert tube.stage == "released"
    [final] = api.visit_results(world.doctor, world.encounter.id)
    assert (final.status, final.number, final.limits) == ("final", Decimal("7.80"), "3,9 – 6,4")
    [request] = api.orders(SYSTEM, world.encounter.id)
    report = record.read(SYSTEM, "DiagnosticReport", facts.report_id(request.id))
    assert (request.status, report.status, len(report.result)) == ("completed", "final", 1)


def test_a_message_sent_again_gets_the_same_answer_and_is_stored_once(world, oru) -> None:
    tube = order(world, GLU)
    first = send(oru(tube.number, {"GLU": "5.1"}))
    again = send(oru(tube.number, {"GLU": "5.1"}).replace(b"20261121080000", b"20261121080500"))
    assert first == again
    assert Message.objects.get().copies == 2
    result = api.visit_results(SYSTEM, world.encounter.id, preliminary=True)[0]
    assert len(record.history(SYSTEM, "Observation", result.id)) == 1


def test_another_result_under_a_used_control_id_is_not_lost(world, oru) -> None:
    tube = order(world, GLU)
    send(oru(tube.number, {"GLU": "5.1"}))
    send(oru(tube.number, {"GLU": "5.9"}))
    assert Message.objects.count() == 2
    assert api.visit_results(SYSTEM, world.encounter.id, preliminary=True)[0].value == "5.9"


def test_an_unmatched_message_waits_and_a_technician_matches_it(world, oru) -> None:
    tube = order(world, GLU)
    answer = send(oru("999", {"GLU": "5.1"}))
    assert b"MSA|AA|1" in answer and b"204" in answer
    row = machine_queries.inbox("12104").get()
    assert (row.state, row.reason, row.place) == ("unmatched", "unknown-order", "OBR^1^2")
    with pytest.raises(errors.NotAllowed):
        inbox.match(world.doctor, row.pk, tube.number)
    with pytest.raises(errors.NoTube):
        inbox.match(world.lab, row.pk, "000")
    assert api.visit_results(SYSTEM, world.encounter.id, preliminary=True) == []
    row = inbox.match(world.lab, row.pk, tube.number)
    assert (row.state, row.tube_id, row.handled_by) == ("matched", tube.pk, world.lab.account)
    assert api.visit_results(SYSTEM, world.encounter.id, preliminary=True)[0].value == "5.1"


def test_a_broken_message_is_kept_and_put_aside_with_a_reason(world) -> None:
    assert b"MSA|AR" in send(b"PID|1||X")
    row = machine_queries.inbox("12104").get()
    assert (row.state, row.reason, bytes(Message.objects.get().raw)) == ("broken", "100", b"PID|1||X")
    with pytest.raises(errors.NeedsReason):
        inbox.set_aside(world.lab, row.pk, " ")
    assert inbox.retry(world.lab, row.pk).state == "broken"
    inbox.set_aside(world.lab, row.pk, "máy thử")
    assert machine_queries.inbox("12104").count() == 0
    assert Message.objects.get().note == "máy thử"


def test_a_critical_value_must_be_told_before_release(world, oru) -> None:
    tube = order(world, "23.0058.1487")
    send(oru(tube.number, {"K": "6.9", "Na": "140", "Cl": "101"}, unit="mmol/L"))
    with pytest.raises(errors.CriticalOpen):
        validation.release(world.lab, tube.number)
    assert Tube.objects.get(pk=tube.pk).stage == "resulted"
    entry.log_call(world.lab, tube.number, "báo BS Hà 8:15")
    assert validation.release(world.lab, tube.number).stage == "released"
    flags = {r.loinc: r.flag for r in api.visit_results(SYSTEM, world.encounter.id)}
    assert flags == {"2951-2": "N", "2823-3": "HH", "2075-0": "N"}


def test_after_release_a_change_needs_a_reason_and_keeps_the_old_version(world, oru) -> None:
    tube = order(world, GLU)
    actions.receive_specimen(world.lab, tube.number)
    [request] = api.orders(SYSTEM, world.encounter.id)
    id_ = facts.observation_id(request.id, "GLU")
    entry.enter_results(world.lab, tube.number, {id_: "5,4"})
    validation.release(world.lab, tube.number)
    assert b"AA" in send(oru(tube.number, {"GLU": "9.9"}, control="2"))
    row = machine_queries.inbox("12104").get()
    assert row.reason == "already-released"
    with pytest.raises(errors.NeedsReason):
        entry.enter_results(world.lab, tube.number, {id_: "6.1"})
    assert api.visit_results(SYSTEM, world.encounter.id)[0].value == "5.4"
    inbox.match(world.lab, row.pk, tube.number, reason="chạy lại mẫu")
    versions = cast("list[r4.Observation]", record.history(SYSTEM, "Observation", id_))
    assert [(v.status, facts.value_of(v)) for v in versions] == [
        ("corrected", "9.9"),
        ("final", "5.4"),
        ("preliminary", "5.4"),
    ]
    assert record.read(SYSTEM, "DiagnosticReport", facts.report_id(request.id)).status == "corrected"
    query = f"patient={world.encounter.subject.reference}"
    [notice] = record.search(SYSTEM, "Communication", query).resources
    assert "chạy lại mẫu" in notice.payload[0].contentString
    assert Tube.objects.get(pk=tube.pk).stage == "released"


def test_a_panel_without_all_its_results_is_released_in_part(world, oru) -> None:
    tube = order(world, CBC)
    send(oru(tube.number, {"WBC": "7.1", "HGB": "131"}))
    assert validation.release(world.lab, tube.number).stage == "resulted"
    [request] = api.orders(SYSTEM, world.encounter.id)
    report = record.read(SYSTEM, "DiagnosticReport", facts.report_id(request.id))
    assert (request.status, report.status, len(report.result)) == ("active", "partial", 2)


def test_a_rejected_tube_takes_no_results_and_another_is_asked_for(world, oru) -> None:
    tube = order(world, GLU)
    fresh = actions.reject_specimen(world.lab, tube.number, "tan máu")
    send(oru(tube.number, {"GLU": "5.1"}))
    assert machine_queries.inbox("12104").get().reason == "closed"
    assert api.visit_results(SYSTEM, world.encounter.id, preliminary=True) == []
    specimen = cast("r4.Specimen", record.read(SYSTEM, "Specimen", tube.specimen))
    assert (specimen.status, specimen.note[0].text) == ("unsatisfactory", "tan máu")
    [request] = api.orders(SYSTEM, world.encounter.id)
    assert (request.status, request.specimen[0].reference) == ("active", f"Specimen/{fresh.specimen}")
    send(oru(fresh.number, {"GLU": "5.2"}, control="2"))
    assert api.visit_results(SYSTEM, world.encounter.id, preliminary=True)[0].value == "5.2"


def test_an_order_is_cancelled_with_its_charge_before_results_only(world, oru) -> None:
    tube = order(world, GLU)
    with pytest.raises(errors.NeedsReason):
        actions.cancel_orders(world.doctor, tube.number, "")
    actions.cancel_orders(world.doctor, tube.number, "nhầm người")
    assert api.orders(SYSTEM, world.encounter.id)[0].status == "revoked"
    query = f"patient={world.encounter.subject.reference}"
    assert [c.status for c in record.search(SYSTEM, "ChargeItem", query).resources] == ["aborted"]
    other = order(world, GLU)
    send(oru(other.number, {"GLU": "5.1"}))
    with pytest.raises(errors.WrongStage):
        actions.cancel_orders(world.doctor, other.number, "nhầm")
    assert api.orders(SYSTEM, world.encounter.id)[1].status == "active"


def test_a_strips_glucose_is_not_the_bloods(world, oru) -> None:
    tube = order(world, "23.0206.1596")
    send(oru(tube.number, {"GLU": "2+", "PRO": "neg", "PH": "6.5"}))
    found = {r.loinc: (r.value, r.flag) for r in api.visit_results(SYSTEM, world.encounter.id, preliminary=True)}
    assert found == {"25428-4": ("2+", "A"), "20454-5": ("Âm tính", "N"), "5803-2": ("6.5", "N")}


def test_an_analyser_names_its_analytes_and_only_matches_at_home(world, oru) -> None:
    tube = order(world, GLU)
    analyser = Analyser.objects.create(sender="BS240|LAB", facility="12001", name="BS-240")
    analyser.meanings.create(code="17", analyte="GLU")
    send(oru(tube.number, {"17": "5.5"}))
    assert Message.objects.get().reason == "unknown-order"
    assert machine_queries.inbox("12104").count() == 0
    analyser.facility = "12104"
    analyser.save()
    inbox.retry(replace(world.lab, facility="12001"), Message.objects.get().pk)
    assert Message.objects.get().state == "matched"
    [result] = api.visit_results(SYSTEM, world.encounter.id, preliminary=True)
    assert (result.value, result.loinc) == ("5.5", "14749-6")


def test_a_rerun_clears_a_critical_value(world, oru) -> None:
    tube = order(world, GLU)
    send(oru(tube.number, {"GLU": "1.5"}, unit="mmol/L"))
    assert Tube.objects.get(pk=tube.pk).critical
    send(oru(tube.number, {"GLU": "5.5"}, control="2", unit="mmol/L"))
    assert not Tube.objects.get(pk=tube.pk).critical


def test_a_result_in_a_unit_that_is_none_of_ours_waits(world, oru) -> None:
    tube = order(world, GLU)
    send(oru(tube.number, {"GLU": "95"}, unit="banana"))
    assert api.visit_results(SYSTEM, world.encounter.id, preliminary=True) == []
    assert machine_queries.inbox("12104").get().state == "unit"


def test_a_number_that_is_none_names_its_field(world) -> None:
    tube = order(world, GLU)
    [request] = api.orders(SYSTEM, world.encounter.id)
    id_ = facts.observation_id(request.id, "GLU")
    with pytest.raises(errors.BadValue) as refused:
        entry.enter_results(world.lab, tube.number, {id_: "năm"})
    assert refused.value.field == id_
    assert Tube.objects.get(pk=tube.pk).stage == "ordered"


def test_the_grid_shows_what_was_before_and_jumps(world, oru) -> None:
    for control, value in (("1", "5.0"), ("2", "9.0")):
        tube = order(world, GLU)
        send(oru(tube.number, {"GLU": value}, control=control, unit="mmol/L"))
        if control == "1":
            validation.release(world.lab, tube.number)
    [row] = queries.grid(world.lab, work_on(world.lab, tube))
    assert (row.value, row.previous, row.jump, len(row.points)) == ("9.0", "5.0", True, 2)
    assert [r.value for r in api.trend(world.doctor, tube.patient, "14749-6")] == ["5.0"]
    assert [r.value for r in api.results(world.doctor, tube.patient)] == ["5.0"]
