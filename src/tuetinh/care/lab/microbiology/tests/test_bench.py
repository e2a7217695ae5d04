"""A culture from the order to the signed report: readings, isolates, calls, notices, corrections, what it leaves."""

from __future__ import annotations

import io
from copy import copy
from typing import cast as typed

import pytest
from pypdf import PdfReader

from tuetinh.care.lab import actions as lab
from tuetinh.care.lab import api, errors, facts
from tuetinh.care.lab.microbiology import actions
from tuetinh.care.lab.microbiology.actions import Draft
from tuetinh.care.lab.microbiology.facts import culture_id, isolate_id, read_isolate
from tuetinh.care.lab.models import CultureStep, Tube
from tuetinh.care.lab.results import board, entry, signing, validation
from tuetinh.commons.access import api as access
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
BLOOD, URINE, SALMONELLA = "24.0003.1715/BLOODCULT", "24.0003.1715/URINECULT", "sat"


def received(world, pick: str = URINE) -> tuple[Tube, str]:
    """A tube at the bench, and the order of its culture."""
    [order] = lab.order_tests(world.doctor, world.encounter, [pick])
    tube = Tube.objects.latest("id")
    lab.receive_specimen(world.lab, tube.number)
    return tube, order.id


def result(id_: str) -> r4.Observation:
    return typed(r4.Observation, record.read(SYSTEM, "Observation", id_))


def report(order: str) -> tuple[str, list[str]]:
    found = typed(r4.DiagnosticReport, record.read(SYSTEM, "DiagnosticReport", f"{order}-report"))
    return found.status or "", [facts.id_of(one) for one in found.result or []]


def stage(tube: Tube) -> str:
    return Tube.objects.get(pk=tube.pk).stage


ECOLI = Draft("eco", quantity="3+", count="> 100.000", tests=[("AMP", "disk", "10"), ("CIP", "mic", "<=0,25")])


def test_a_culture_is_ordered_for_its_specimen_under_the_code_of_its_service(world) -> None:
    blood, urine = lab.order_tests(world.doctor, world.encounter, [BLOOD, URINE])
    assert [facts.ordered_test(one).key for one in (blood, urine)] == ["BLOODCULT", "URINECULT"]
    assert {c.code for c in blood.code.coding} == {"24.0003.1715", "600-7"}
    tubes = Tube.objects.order_by("id")
    kinds = [record.read(SYSTEM, "Specimen", tube.specimen).type.coding[0].code for tube in tubes]
    assert kinds == ["BLD", "UR"]
    assert [tube.benches for tube in tubes] == [["culture"], ["culture"]]
    assert api.awaited(world.encounter.id) == {BLOOD, URINE}
    assert facts.ordered_test(lab.order_tests(world.doctor, world.encounter, ["24.0003.1715"])[0]).key == "BLOODCULT"


def test_what_is_seen_day_by_day_is_kept_and_told_when_it_shall_be(world) -> None:
    tube, order = received(world)
    actions.note_step(world.lab, tube.number, order, outcome="no-growth", hours=24)
    assert facts.value_of(result(culture_id(order))) == "Chưa mọc sau 24 giờ"
    assert report(order) == ("preliminary", [culture_id(order)])
    assert api.visit_results(world.doctor, world.encounter.id) == []
    with pytest.raises(errors.Incomplete):
        validation.verify(world.lab, tube.number, note="xem")
    with pytest.raises(errors.Incomplete):
        validation.release(world.lab, tube.number)
    assert stage(tube) == "resulted"
    actions.note_step(world.lab, tube.number, order, outcome="no-growth", hours=48, interim=True, note="đĩa sạch")
    [told] = api.visit_results(world.doctor, world.encounter.id)
    assert (told.value, told.status) == ("Chưa mọc sau 48 giờ", "preliminary")
    actions.note_step(world.lab, tube.number, order, outcome="negative", hours=120)
    assert [(s.hours, s.outcome, s.interim) for s in CultureStep.objects.order_by("id")] == [
        (24, "no-growth", False), (48, "no-growth", True), (120, "negative", False),
    ]  # fmt: skip
    validation.release(world.lab, tube.number)
    final = result(culture_id(order))
    assert (final.status, facts.value_of(final), facts.flag_of(final)) == ("final", "Không mọc sau 120 giờ", "N")
    assert (stage(tube), report(order)[0]) == ("released", "final")


def test_an_isolate_is_a_coded_fact_with_its_antibiogram(world) -> None:
    tube, order = received(world)
    assert actions.save_isolate(world.lab, tube.number, order, 0, ECOLI) == 1
    kept = result(isolate_id(order, 1))
    assert [(c.system, c.code) for c in kept.valueCodeableConcept.coding] == [
        ("https://tuetinh.vn/fhir/CodeSystem/whonet-organism", "eco"), ("http://snomed.info/sct", "112283007"),
    ]  # fmt: skip
    assert (kept.status, kept.code.coding[0].code) == ("preliminary", "41852-5")
    ampicillin, cipro = kept.component[-2:]
    assert [c.code for c in ampicillin.code.coding] == ["AMP", "18864-9", "J01CA01"]
    assert (str(ampicillin.valueQuantity.value), ampicillin.valueQuantity.unit) == ("10", "mm")
    assert ampicillin.interpretation[0].coding[0].code == "R"
    assert (cipro.valueQuantity.comparator, str(cipro.valueQuantity.value)) == ("<=", "0.25")
    judged = {one.url: one.valueString for one in cipro.extension[0].extension}
    assert judged == {"method": "mic", "table": "EUCAST 2024 (v14.0)"}
    read = read_isolate(kept)
    assert (read.organism, read.quantity, read.count) == ("eco", "3+", "> 100.000")
    assert [(t.antibiotic, t.shown, t.sir) for t in read.tests] == [("AMP", "10", "R"), ("CIP", "<=0.25", "S")]
    culture = result(culture_id(order))
    assert [m.reference for m in culture.hasMember] == [f"Observation/{kept.id}"]
    assert (facts.value_of(culture), facts.flag_of(culture)) == ("Có mọc vi sinh vật", "A")
    assert report(order) == ("preliminary", [culture.id, kept.id])


def test_the_technician_validates_and_the_doctor_signs(world, cast) -> None:
    tube, order = received(world)
    signer = copy(cast["lab"])
    signer.pk, signer.username, signer.practitioner = None, "cast.microbiologist", "cast-microbiologist"
    signer.save()
    signing.name_signers(access.asker_of(cast["admin"]), {str(signer.pk)})
    actions.save_isolate(world.lab, tube.number, order, 0, ECOLI)
    with pytest.raises(errors.NotSignatory):
        validation.release(world.lab, tube.number)
    with pytest.raises(errors.HeldBack):
        validation.verify(world.lab, tube.number)
    assert result(isolate_id(order, 1)).status == "preliminary"
    validation.verify(world.lab, tube.number, note="đúng chủng")
    validation.release(access.asker_of(signer), tube.number)
    assert [result(id_).status for id_ in (culture_id(order), isolate_id(order, 1))] == ["final", "final"]
    marks = record.search(SYSTEM, "Provenance", f"target=Observation/{isolate_id(order, 1)}&_sort=recorded").resources
    assert [typed(r4.Provenance, one).activity.coding[0].code for one in marks] == [
        "technical-validation", "medical-validation",
    ]  # fmt: skip
    [told] = api.visit_results(world.doctor, world.encounter.id)
    assert [(i.name, [t.sir for t in i.tests]) for i in told.isolates] == [("Escherichia coli", ["R", "S"])]


def test_growth_in_blood_is_called_about_once(world) -> None:
    tube, order = received(world, BLOOD)
    actions.note_step(world.lab, tube.number, order, outcome="growth", hours=14)
    assert facts.flag_of(result(culture_id(order))) == "AA"
    assert [t.number for t in board.to_call("12104")] == [tube.number]
    with pytest.raises(errors.CriticalOpen):
        validation.release(world.lab, tube.number)
    entry.log_call(world.lab, tube.number, "BS Hà")
    [call] = board.calls(world.lab, "12104")
    assert (call.what, call.answered) == ("Kết quả nuôi cấy Có mọc vi sinh vật", True)
    actions.save_isolate(world.lab, tube.number, order, 0, Draft("sau", tests=[("FOX", "disk", "18")]))
    assert board.to_call("12104").count() == 0
    validation.release(world.lab, tube.number)
    flag = typed(r4.Flag, record.read(SYSTEM, "Flag", f"{isolate_id(order, 1)}-MRSA"))
    assert (flag.status, flag.code.coding[0].code, flag.subject.reference) == (
        "active", "MRSA", world.encounter.subject.reference,
    )  # fmt: skip


def test_what_was_said_wrongly_is_no_warning_any_more(world) -> None:
    tube, order = received(world)
    actions.save_isolate(world.lab, tube.number, order, 0, Draft("sau", tests=[("FOX", "disk", "18")]))
    validation.release(world.lab, tube.number)
    warning = f"{isolate_id(order, 1)}-MRSA"

    def status() -> str:
        return typed(r4.Flag, record.read(SYSTEM, "Flag", warning)).status or ""

    assert status() == "active"
    right = Draft("sau", tests=[("FOX", "disk", "28")])
    actions.save_isolate(world.lab, tube.number, order, 1, right, reason="đọc lại vòng")
    assert status() == "entered-in-error"
    actions.save_isolate(
        world.lab, tube.number, order, 1, Draft("sau", tests=[("FOX", "disk", "18")]), reason="lần đầu đúng"
    )
    assert status() == "active"
    actions.drop_isolate(world.lab, tube.number, order, 1, "nhầm mẫu")
    assert status() == "entered-in-error"


def test_a_notice_ends_with_its_isolate(world) -> None:
    tube, order = received(world)
    actions.save_isolate(world.lab, tube.number, order, 0, Draft(SALMONELLA))
    validation.release(world.lab, tube.number)
    case = f"{isolate_id(order, 1)}-case"
    assert typed(r4.Task, record.read(SYSTEM, "Task", case)).status == "requested"
    actions.drop_isolate(world.lab, tube.number, order, 1, "nhầm mẫu")
    assert typed(r4.Task, record.read(SYSTEM, "Task", case)).status == "cancelled"


def test_growth_in_urine_is_not_called_about(world) -> None:
    tube, order = received(world)
    actions.note_step(world.lab, tube.number, order, outcome="growth", hours=20)
    assert board.to_call("12104").count() == 0


def test_a_notifiable_organism_is_told_when_it_is_final(world) -> None:
    tube, order = received(world, BLOOD)
    actions.save_isolate(world.lab, tube.number, order, 0, Draft(SALMONELLA))
    case = f"{isolate_id(order, 1)}-case"
    assert record.read_many(SYSTEM, "Task", [case]) == {}
    entry.log_call(world.lab, tube.number, "BS Hà")
    validation.release(world.lab, tube.number)
    told = typed(r4.Task, record.read(SYSTEM, "Task", case))
    assert (told.status, told.reasonCode.coding[0].code) == ("requested", "A01")
    actions.save_isolate(world.lab, tube.number, order, 1, Draft("eco"), reason="định danh lại")
    assert typed(r4.Task, record.read(SYSTEM, "Task", case)).status == "cancelled"


def test_a_correction_keeps_what_was_said_and_tells_who_ordered(world) -> None:
    tube, order = received(world)
    actions.save_isolate(world.lab, tube.number, order, 0, ECOLI)
    validation.release(world.lab, tube.number)
    with pytest.raises(errors.NeedsReason):
        actions.save_isolate(world.lab, tube.number, order, 1, Draft("kpn"))
    assert result(isolate_id(order, 1)).status == "final"
    actions.save_isolate(world.lab, tube.number, order, 1, Draft("kpn"), reason="định danh lại")
    now = result(isolate_id(order, 1))
    assert (now.status, facts.value_of(now)) == ("corrected", "Klebsiella pneumoniae")
    assert now.note[-1].text == "Trước khi sửa: Escherichia coli. Lý do: định danh lại"
    assert report(order)[0] == "corrected"
    [notice] = record.search(SYSTEM, "Communication", f"patient={world.encounter.subject.reference}").resources
    assert typed(r4.Communication, notice).payload[0].contentString.endswith("Lý do: định danh lại")


def test_an_isolate_that_was_entered_in_error_is_taken_back(world) -> None:
    tube, order = received(world)
    actions.save_isolate(world.lab, tube.number, order, 0, ECOLI)
    with pytest.raises(errors.WrongStage):
        actions.note_step(world.lab, tube.number, order, outcome="negative", hours=48)
    with pytest.raises(errors.NeedsReason):
        actions.drop_isolate(world.lab, tube.number, order, 1, " ")
    assert result(isolate_id(order, 1)).status == "preliminary"
    actions.drop_isolate(world.lab, tube.number, order, 1, "nhầm đĩa")
    assert result(isolate_id(order, 1)).status == "entered-in-error"
    assert result(culture_id(order)).hasMember is None
    assert actions.save_isolate(world.lab, tube.number, order, 0, Draft("pae")) == 2
    with pytest.raises(errors.NoCulture):
        actions.save_isolate(world.lab, tube.number, order, 1, ECOLI)


def test_the_antibiogram_is_charged_when_it_is_handed_out(world) -> None:
    tube, order = received(world)
    tests = [("AMP", "disk", "10"), ("CTX", "disk", "25"), ("CIP", "etest", "0,19"), ("MEM", "mic", "0,5")]
    actions.save_isolate(world.lab, tube.number, order, 0, Draft("eco", tests=tests))

    def charged() -> dict[str, int]:
        items = record.search(SYSTEM, "ChargeItem", f"patient={world.encounter.subject.reference}").resources
        return {c.code.coding[0].code: int(c.quantity.value) for c in typed("list[r4.ChargeItem]", items)}

    assert charged() == {"24.0003.1715": 1}
    validation.release(world.lab, tube.number)
    assert charged() == {"24.0003.1715": 1, "24.0006.1723": 1, "24.0008.1722": 2}


def test_what_cannot_be_is_refused_and_changes_nothing(world) -> None:
    tube, order = received(world)
    for wrong in (
        ("AMP", "disk", "cao"),
        ("AMP", "disk", "<10"),
        ("AMP", "disk", "400"),
        ("XXX", "disk", "9"),
        ("AMP", "x", "9"),
    ):
        with pytest.raises(errors.BadValue) as refused:
            actions.save_isolate(world.lab, tube.number, order, 0, Draft("eco", tests=[wrong]))
        assert refused.value.field == wrong[0]
    with pytest.raises(errors.UnknownOrganism):
        actions.save_isolate(world.lab, tube.number, order, 0, Draft("con mèo"))
    with pytest.raises(errors.BadValue):
        actions.note_step(world.lab, tube.number, order, outcome="gone", hours=3)
    with pytest.raises(errors.BadValue):
        entry.enter_results(world.lab, tube.number, {culture_id(order): "mọc"})
    with pytest.raises(errors.NoCulture):
        actions.note_step(world.lab, tube.number, "x", outcome="growth", hours=3)
    for who, refusal in ((world.doctor, errors.NotAllowed), (world.outsider, errors.NotAllowed)):
        with pytest.raises(refusal):
            actions.save_isolate(who, tube.number, order, 0, ECOLI)
    assert (stage(tube), CultureStep.objects.count()) == ("received", 0)
    assert record.read_many(SYSTEM, "Observation", [culture_id(order), isolate_id(order, 1)]) == {}


def test_a_tube_that_was_not_received_is_not_read(world) -> None:
    [order] = lab.order_tests(world.doctor, world.encounter, [URINE])
    number = Tube.objects.latest("id").number
    with pytest.raises(errors.WrongStage):
        actions.note_step(world.lab, number, order.id, outcome="growth", hours=3)
    assert CultureStep.objects.count() == 0


def test_the_sheet_prints_the_antibiogram(world, as_role) -> None:
    tube, order = received(world)
    actions.save_isolate(world.lab, tube.number, order, 0, ECOLI)
    validation.release(world.lab, tube.number)
    sheet = (
        PdfReader(io.BytesIO(as_role("lab").get(f"/lab/tubes/{tube.number}/sheet.pdf").content)).pages[0].extract_text()
    )
    for word in ("Escherichia coli", "Ampicillin", "Ciprofloxacin", "EUCAST 2024 (v14.0)"):
        assert word in sheet
