"""The technician validates, the doctor signs; critical values are called about; corrections keep what was said."""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from typing import cast

import pytest
from django.utils import timezone

from tuetinh.care.insurance.models import ClaimCase
from tuetinh.care.insurance.tests.sent import sent_claim
from tuetinh.care.lab import actions, errors, facts
from tuetinh.care.lab.catalogue import benches
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Message, RuleChange, Signatory, Tube
from tuetinh.care.lab.results import board, bulk, changes, entry, signing, validation
from tuetinh.care.lab.results.book import delivered
from tuetinh.care.lab.results.rules import Automatic, Reflex
from tuetinh.care.lab.results.work import work_on
from tuetinh.commons.access import api as access
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

pytestmark = pytest.mark.django_db
GLU, ELEC, TSH, DENGUE = "23.0075.1494", "23.0058.1487", "23.0162.1570", "24.0183.1637"


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes)
    return Tube.objects.latest("id")


def measured(world, oru, values: dict[str, str], *codes: str, control: str = "1") -> Tube:
    """A tube with results of a known machine."""
    Analyser.objects.get_or_create(sender="BS240|LAB", facility="12104", name="BS-240")
    tube = order(world, *codes)
    inbox.take(Frame(oru(tube.number, values, control=control, unit="mmol/L")), "")
    return Tube.objects.get(pk=tube.pk)


def provenance(tube: Tube) -> list[tuple[str, str, str]]:
    """Step, who, and why, oldest first."""
    [result] = work_on(SYSTEM, tube).results.values()
    found = record.search(SYSTEM, "Provenance", f"target=Observation/{result.id}&_sort=recorded").resources
    return [
        (p.activity.coding[0].code, p.agent[0].who.reference, p.reason[0].text if p.reason else "")
        for p in cast("list[r4.Provenance]", found)
    ]


@pytest.fixture
def pathologist(cast) -> Asker:
    """Another account of the laboratory, who is named to sign."""
    account = copy(cast["lab"])
    account.pk, account.username, account.practitioner = None, "cast.pathologist", "cast-pathologist"
    account.save()
    signing.name_signers(access.asker_of(cast["admin"]), {str(account.pk)})
    return access.asker_of(account)


def test_where_a_signer_is_named_the_technician_validates_first(world, oru, pathologist) -> None:
    tube = measured(world, oru, {"GLU": "5.1"}, GLU)
    with pytest.raises(errors.NotSignatory):
        validation.release(world.lab, tube.number)
    with pytest.raises(errors.NotVerified):
        validation.release(pathologist, tube.number)
    assert (Tube.objects.get(pk=tube.pk).stage, provenance(tube)) == ("resulted", [])
    assert validation.verify(world.lab, tube.number).stage == "verified"
    with pytest.raises(errors.NotSignatory):
        validation.release(world.lab, tube.number)
    assert validation.release(pathologist, tube.number).stage == "released"
    assert provenance(tube) == [
        ("technical-validation", f"Practitioner/{world.lab.practitioner}", ""),
        ("medical-validation", "Practitioner/cast-pathologist", ""),
    ]


def test_where_nobody_is_named_one_person_does_both(world, oru) -> None:
    tube = measured(world, oru, {"GLU": "5.1"}, GLU)
    assert validation.release(world.lab, tube.number).stage == "released"
    assert [step for step, _, _ in provenance(tube)] == ["technical-validation", "medical-validation"]


def test_a_held_result_is_validated_with_a_reason_only(world, oru) -> None:
    tube = measured(world, oru, {"GLU": ">30"}, GLU)
    assert [rule for rule, _ in tube.holds] == ["HOLD-CRITICAL", "HOLD-COMPARATOR"]
    with pytest.raises(errors.HeldBack):
        validation.verify(world.lab, tube.number)
    assert Tube.objects.get(pk=tube.pk).stage == "resulted"
    validation.verify(world.lab, tube.number, note="đã chạy lại, pha loãng")
    assert provenance(tube)[0][2] == "đã chạy lại, pha loãng"


def test_what_passes_is_accepted_at_once_and_the_rest_is_left(world, oru, pathologist) -> None:
    good = measured(world, oru, {"GLU": "5.1"}, GLU)
    bad = measured(world, oru, {"GLU": "30"}, GLU, control="2")
    assert (good.holds, [rule for rule, _ in bad.holds]) == ([], ["HOLD-CRITICAL", "HOLD-DELTA"][:1])
    numbers = [good.number, bad.number, "nothing"]
    assert bulk.verify_passed(world.lab, numbers) == (1, 2)
    assert bulk.release_passed(world.lab, numbers) == (0, 3)
    assert bulk.release_passed(pathologist, numbers) == (1, 2)
    assert [Tube.objects.get(pk=t.pk).stage for t in (good, bad)] == ["released", "resulted"]


def switch_on(cast, *tests: str) -> None:
    rule = Automatic(code="AUTO-HERE", tests=tests)
    changes.change(access.asker_of(cast["admin"]), rule, "đã kiểm tra")


def test_a_rule_validates_what_is_whole_and_passes(world, cast, oru, pathologist) -> None:
    assert measured(world, oru, {"GLU": "5.0"}, GLU).stage == "resulted"  # as delivered nothing is
    switch_on(cast, GLU, ELEC)
    good = measured(world, oru, {"GLU": "5.1"}, GLU, control="2")
    critical = measured(world, oru, {"GLU": "30"}, GLU, control="3")
    part = measured(world, oru, {"K": "4.1", "NA": "140"}, ELEC, control="4")
    other = measured(world, oru, {"GLU": "5.2"}, GLU, TSH, control="5")
    assert [tube.stage for tube in (good, critical, part, other)] == ["verified", "resulted", "resulted", "resulted"]
    assert (good.verified_by, provenance(good)) == (
        "Duyệt tự động", [("technical-validation", None, "AUTO-HERE")],
    )  # fmt: skip
    inbox.take(Frame(oru(part.number, {"CL": "101"}, control="6", unit="mmol/L")), "")
    assert Tube.objects.get(pk=part.pk).stage == "verified"
    assert validation.release(pathologist, good.number).stage == "released"


def test_what_a_rule_validates_orders_further_tests_too(world, cast, oru) -> None:
    switch_on(cast, TSH, "23.0069.1561")
    changes.change(
        access.asker_of(cast["admin"]),
        Reflex(code="REFLEX-LOW", condition="TSH < 3.0", order="23.0069.1561", vi="làm thêm FT4"),
        "thử",
    )
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="BS-240")
    tube = order(world, TSH)
    inbox.take(Frame(oru(tube.number, {"TSH": "2.1"}, unit="mIU/L")), "")
    tube.refresh_from_db()
    assert (tube.stage, len(tube.orders)) == ("verified", 2)
    inbox.take(Frame(oru(tube.number, {"FT4": "15"}, control="2", unit="pmol/L")), "")
    tube.refresh_from_db()
    assert (tube.stage, len(tube.orders)) == ("verified", 2)


def test_what_cannot_be_validated_by_a_rule_waits_and_is_kept(world, cast, oru, monkeypatch) -> None:
    switch_on(cast, GLU)
    monkeypatch.setattr(validation, "validate_by_rule", lambda work, rule: 1 / 0)
    tube = measured(world, oru, {"GLU": "5.1"}, GLU)
    assert (tube.stage, [r.status for r in work_on(SYSTEM, tube).results.values()]) == ("resulted", ["preliminary"])


def test_who_signs_is_named_by_the_administrator_and_the_past_is_kept(world, cast, pathologist) -> None:
    admin = access.asker_of(cast["admin"])
    with pytest.raises(errors.NotAllowed):
        signing.name_signers(world.lab, {world.lab.account})
    with pytest.raises(errors.NotAllowed):
        signing.name_signers(admin, {admin.account})
    assert signing.named("12104") == {pathologist.account}
    signing.name_signers(admin, set())
    assert signing.named("12104") == set()
    assert [(row.account, row.ended_by) for row in Signatory.objects.all()] == [(pathologist.account, admin.account)]


def test_a_critical_value_is_called_about_until_it_is_read_back(world, oru) -> None:
    tube = measured(world, oru, {"K": "6.9", "NA": "140", "CL": "101"}, ELEC)
    assert [t.number for t in board.to_call("12104")] == [tube.number]
    with pytest.raises(errors.NotReadBack):
        entry.log_call(world.lab, tube.number, "BS Hà", read_back=False)
    assert board.calls(world.lab, "12104") == []
    entry.log_call(world.lab, tube.number, "khoa Nội, không ai nghe", answered=False)
    assert Tube.objects.get(pk=tube.pk).critical
    with pytest.raises(errors.CriticalOpen):
        validation.release(world.lab, tube.number)
    entry.log_call(world.lab, tube.number, "BS Hà")
    told = {(c.told, c.answered, c.what) for c in board.calls(world.lab, "12104")}
    assert told == {("khoa Nội, không ai nghe", False, "Kali (K⁺) 6,9 mmol/L"), ("BS Hà", True, "Kali (K⁺) 6,9 mmol/L")}
    assert board.to_call("12104").count() == 0
    with pytest.raises(errors.WrongStage):
        entry.log_call(world.lab, tube.number, "BS Hà")
    assert validation.release(world.lab, tube.number).stage == "released"


def test_a_correction_says_what_was_before_and_tells_the_one_who_ordered(world, oru) -> None:
    tube = measured(world, oru, {"GLU": "5.1"}, GLU)
    validation.release(world.lab, tube.number)
    [id_] = work_on(SYSTEM, tube).results
    entry.enter_results(world.lab, tube.number, {id_: "7,2"}, reason="nhầm mẫu")
    result = cast(r4.Observation, record.read(SYSTEM, "Observation", id_))
    assert (result.status, facts.value_of(result)) == ("corrected", "7.2")
    assert result.note[-1].text == "Trước khi sửa: 5,1 mmol/L. Lý do: nhầm mẫu"
    query = f"patient={world.encounter.subject.reference}"
    [notice] = record.search(SYSTEM, "Communication", query).resources
    assert notice.payload[0].contentString.endswith("Lý do: nhầm mẫu")


def test_what_was_handed_out_of_a_tube_at_work_is_only_corrected(world, oru) -> None:
    """Released in part: nothing of that is taken back or changed without a word."""
    tube = measured(world, oru, {"K": "4.1", "NA": "140"}, ELEC)
    validation.release(world.lab, tube.number)
    ids = {key: facts.observation_id(tube.orders[0], key) for key in ("K", "NA", "CL")}

    def now(key: str) -> tuple[str, str]:
        one = cast(r4.Observation, record.read(SYSTEM, "Observation", ids[key]))
        return one.status or "", facts.value_of(one)

    def report() -> str:
        return cast(r4.DiagnosticReport, record.read(SYSTEM, "DiagnosticReport", f"{tube.orders[0]}-report")).status

    assert (Tube.objects.get(pk=tube.pk).stage, report()) == ("resulted", "partial")
    inbox.take(Frame(oru(tube.number, {"K": "4.6", "CL": "101"}, control="2", unit="mmol/L")), "")
    message = Message.objects.latest("id")
    assert (message.state, message.reason) == ("unmatched", "already-released")
    assert (now("K"), now("CL"), report()) == (("final", "4.1"), ("preliminary", "101"), "partial")
    with pytest.raises(errors.NeedsReason):
        entry.enter_results(world.lab, tube.number, {ids["K"]: "4.6"})
    with pytest.raises(errors.NeedsReason):
        inbox.match(world.lab, message.pk, tube.number)
    inbox.match(world.lab, message.pk, tube.number, reason="đo lại vì tan máu")
    assert (now("K"), now("CL"), report()) == (("corrected", "4.6"), ("preliminary", "101"), "corrected")
    [note] = record.read(SYSTEM, "Observation", ids["K"]).note
    assert note.text == "Trước khi sửa: 4,1 mmol/L. Lý do: đo lại vì tan máu"
    [notice] = record.search(SYSTEM, "Communication", f"patient={tube.patient}&category=alert").resources
    assert "đo lại vì tan máu" in notice.payload[0].contentString
    assert validation.release(world.lab, tube.number).stage == "released"
    assert (now("K"), now("CL"), report()) == (("corrected", "4.6"), ("final", "101"), "corrected")


def test_a_result_after_the_claim_was_accepted_has_it_sent_again(world, oru) -> None:
    tube = measured(world, oru, {"GLU": "5.4"}, GLU)
    case = sent_claim(encounter=world.encounter.id)
    validation.release(world.lab, tube.number)
    case.refresh_from_db()
    assert (case.state, case.words) == ("waiting", "Trả kết quả xét nghiệm sau khi gửi: gửi lại.")
    ClaimCase.objects.update(state="accepted", changed="")
    [id_] = work_on(SYSTEM, tube).results
    entry.enter_results(world.lab, tube.number, {id_: "5,6"}, reason="nhập nhầm")
    case.refresh_from_db()
    assert (case.state, case.words) == ("waiting", "Sửa kết quả xét nghiệm sau khi gửi: gửi lại.")


def test_a_result_orders_a_further_test_from_its_tube_once(world, oru, cast) -> None:
    [rule] = [r for r in delivered() if r.code == "REFLEX-TSH-FT4"]
    on = Reflex(code=rule.code, condition=rule.condition, order=rule.order, vi=rule.vi)
    changes.change(access.asker_of(cast["admin"]), on, "bật")
    assert RuleChange.objects.count() == 1
    tube = order(world, TSH)
    inbox.take(Frame(oru(tube.number, {"TSH": "9.1"}, unit="mIU/L")), "")
    validation.verify(world.lab, tube.number, note="xem")
    tube.refresh_from_db()
    orders = record.read_many(SYSTEM, "ServiceRequest", tube.orders)
    first, added = (orders[id_] for id_ in tube.orders)
    assert (added.intent, facts.ordered_test(added).key, facts.id_of(added.basedOn[0])) == (
        "reflex-order",
        "FT4",
        first.id,
    )
    charges = record.search(SYSTEM, "ChargeItem", f"patient={world.encounter.subject.reference}").resources
    assert len(charges) == 2
    inbox.take(Frame(oru(tube.number, {"TSH": "9.0"}, control="2", unit="mIU/L")), "")
    validation.verify(world.lab, tube.number, note="xem")
    assert len(Tube.objects.get(pk=tube.pk).orders) == 2


def test_a_notifiable_result_is_told_at_once_and_taken_back_when_corrected(world, oru) -> None:
    tube = order(world, DENGUE)
    inbox.take(Frame(oru(tube.number, {"DENNS1": "positive"})), "")
    [id_] = work_on(SYSTEM, tube).results
    assert record.read_many(SYSTEM, "Task", [f"{id_}-case"]) == {}
    validation.release(world.lab, tube.number)
    notice = cast(r4.Task, record.read(SYSTEM, "Task", f"{id_}-case"))
    assert (notice.status, notice.code.coding[0].code, notice.reasonCode.coding[0].code) == (
        "requested", "case-notification", "A97",
    )  # fmt: skip
    assert notice.focus.reference == f"Observation/{id_}"
    entry.enter_results(world.lab, tube.number, {id_: "Âm tính"}, reason="nhầm mẫu")
    assert cast(r4.Task, record.read(SYSTEM, "Task", f"{id_}-case")).status == "cancelled"
    entry.enter_results(world.lab, tube.number, {id_: "Dương tính"}, reason="lần đầu đúng")
    assert cast(r4.Task, record.read(SYSTEM, "Task", f"{id_}-case")).status == "requested"


def test_the_pages_lead_through_both_steps(world, oru, pathologist, client, as_role) -> None:
    good = measured(world, oru, {"GLU": "5.1"}, GLU)
    bad = measured(world, oru, {"GLU": "30"}, GLU, control="2")
    lab = as_role("lab")
    page = lab.get("/lab?list=validate").content.decode()
    assert f'value="{good.number}"' in page and f'value="{bad.number}"' not in page
    assert "Giữ lại để xem" in lab.get(f"/lab/tubes/{bad.number}").content.decode()
    assert lab.post("/lab/verify", {"number": [good.number, bad.number]}).status_code == 302
    assert [Tube.objects.get(pk=t.pk).stage for t in (good, bad)] == ["verified", "resulted"]
    assert "Chờ bác sĩ của phòng xét nghiệm ký" in lab.get(f"/lab/tubes/{good.number}").content.decode()
    assert good.number in lab.get("/lab?list=sign&bench=chemistry").content.decode()
    assert good.number not in lab.get("/lab?list=sign&bench=urine").content.decode()
    shouted = lab.get("/lab/board").content.decode()
    assert bad.number in shouted and "Phải gọi ngay" in shouted
    assert lab.get("/lab/calls").status_code == 200
    admin = as_role("admin")
    assert "cast.pathologist" in admin.get("/lab/signatories").content.decode()
    admin.post("/lab/signatories", {"account": [world.lab.account]})
    assert signing.named("12104") == {world.lab.account}


def test_the_board_counts_the_benches_of_today(world, oru) -> None:
    done = measured(world, oru, {"GLU": "5.1"}, GLU)
    validation.release(world.lab, done.number)
    Tube.objects.filter(pk=done.pk).update(received_at=Tube.objects.get(pk=done.pk).released_at - timedelta(minutes=42))
    old = measured(world, oru, {"GLU": "5.2"}, GLU, control="2")
    validation.release(world.lab, old.number)
    Tube.objects.filter(pk=old.pk).update(released_at=timezone.now() - timedelta(days=2))
    slow, both = (measured(world, oru, {"GLU": "5.3"}, GLU, control=control) for control in "34")
    Tube.objects.filter(pk=slow.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    Tube.objects.filter(pk=both.pk).update(benches=["chemistry", "urine"])
    found = {one.bench.key: (one.at_work, one.late, one.released, one.minutes) for one in board.today("12104")}
    assert len(found) == len(benches())
    assert {key: told for key, told in found.items() if told != (0, 0, 0, None)} == {
        "chemistry": (2, 1, 1, 42),
        "urine": (1, 0, 0, None),
    }


def test_the_board_and_the_results_of_a_person_take_as_many_queries_for_one_as_for_many(
    world, oru, as_role, django_assert_max_num_queries
) -> None:
    lab = as_role("lab")
    validation.release(world.lab, measured(world, oru, {"GLU": "5.1"}, GLU).number)
    measured(world, oru, {"GLU": "30"}, GLU, control="2")
    patient = facts.id_of(world.encounter.subject)
    pages = ("/lab/board", f"/lab/people/{patient}", "/lab/calls", "/lab?list=validate", "/lab/rules")
    counted = {}
    for path in pages:
        lab.get(path)
        with django_assert_max_num_queries(25) as one:
            lab.get(path)
        counted[path] = len(one.captured_queries)
    for control in ("3", "4", "5"):
        tube = measured(world, oru, {"GLU": "5.3"}, GLU, control=control)
        validation.release(world.lab, tube.number)
        measured(world, oru, {"GLU": "29"}, GLU, control=f"{control}0")
    for path in pages:
        lab.get(path)  # names are kept for a minute
        # Three rows more would cost three: one is left for what a process asks again now and then.
        with django_assert_max_num_queries(counted[path] + 1):
            lab.get(path)


def test_what_was_drawn_and_does_not_come_in_shouts(world, as_role) -> None:
    tube, now = order(world, GLU), timezone.now()
    Tube.objects.filter(pk=tube.pk).update(collected_at=now - timedelta(minutes=40))
    lab = as_role("lab")
    assert "Đã lấy mà chưa nhận" not in lab.get("/lab/board").content.decode()
    Tube.objects.filter(pk=tube.pk).update(urgent=True)
    page = lab.get("/lab/board").content.decode()
    assert "Đã lấy mà chưa nhận" in page and tube.number in page
    actions.receive_specimen(world.lab, tube.number)
    assert [one.number for one in board.missing("12104")] == []


def test_a_persons_results_stand_in_columns_with_a_curve(world, oru, as_role) -> None:
    for control, value in (("1", "5.1"), ("2", "7.9")):
        validation.release(world.lab, measured(world, oru, {"GLU": value}, GLU, control=control).number)
    patient = facts.id_of(world.encounter.subject)
    page = as_role("doctor").get(f"/lab/people/{patient}").content.decode()
    assert 'data-curve="GLU"' in page and "7,9" in page
    assert as_role("citizen").get(f"/lab/people/{patient}").status_code == 403
