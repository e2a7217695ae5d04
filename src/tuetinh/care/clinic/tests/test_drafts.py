"""What a doctor types is kept before it is saved."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from tuetinh.care.clinic import actions, queries
from tuetinh.care.clinic.forms import CloseForm
from tuetinh.care.clinic.models import Draft
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
OLD, NEW = "1700000000.000-0000000a", "4000000000.000-0000000b"


@pytest.fixture
def visit(cast: dict[str, Account]) -> str:
    opened = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Chóng mặt")
    reception.start(asker_of(cast["doctor"]), opened.encounter)
    return opened.encounter


def test_a_draft_comes_back_and_goes_when_the_form_is_saved(as_role: Callable[[str], Client], visit: str) -> None:
    doctor = as_role("doctor")
    typed = {"history": "Đau đầu ba ngày", "principal": "I10", "secondary": ["E11.9"], "window": NEW}
    kept = doctor.post(f"/clinic/visits/{visit}/drafts/examination", typed)
    assert re.fullmatch(r"Đã lưu nháp \d\d:\d\d", kept.content.decode())
    assert queries.examination(SYSTEM, visit) == ("", "", "")  # a draft is no fact
    page = doctor.get(f"/clinic/visits/{visit}").content.decode()
    assert "Đau đầu ba ngày" in page
    assert 'name="principal" value="I10"' in page
    assert 'value="E11.9" checked' in page
    assert doctor.post(f"/clinic/visits/{visit}/examination", typed).status_code == 302
    assert queries.examination(SYSTEM, visit).history == "Đau đầu ba ngày"
    assert Draft.objects.count() == 0


def test_a_drafted_prescription_comes_back_line_by_line(as_role: Callable[[str], Client], visit: str) -> None:
    doctor = as_role("doctor")
    typed = {"drug": ["amlodipin-5-mg-vien-nang", ""], "times": ["1", ""], "dose": ["1,5", ""], "window": NEW}
    assert doctor.post(f"/clinic/visits/{visit}/drafts/prescription", typed).status_code == 200
    page = doctor.get(f"/clinic/visits/{visit}?tab=prescription").content.decode()
    assert 'name="drug" value="amlodipin-5-mg-vien-nang"' in page
    assert 'value="1,5"' in page
    assert record.search(SYSTEM, "MedicationRequest", f"encounter=Encounter/{visit}").resources == []


def test_an_older_window_does_not_overwrite_a_newer_one(as_role: Callable[[str], Client], visit: str) -> None:
    doctor = as_role("doctor")
    assert doctor.post(f"/clinic/visits/{visit}/drafts/close", {"advice": "mới", "window": NEW}).status_code == 200
    late = doctor.post(f"/clinic/visits/{visit}/drafts/close", {"advice": "cũ", "window": OLD})
    assert late.status_code == 409
    assert "cửa sổ khác" in late.content.decode()
    assert Draft.objects.get().fields["advice"] == ["mới"]


def test_an_examination_that_changed_meanwhile_is_not_overwritten(
    cast: dict[str, Account], as_role: Callable[[str], Client], visit: str
) -> None:
    actions.save_examination(asker_of(cast["doctor"]), visit, reason="", history="của cửa sổ kia", examination="")
    answer = as_role("doctor").post(f"/clinic/visits/{visit}/examination", {"history": "đè lên", "seen": ""})
    assert answer.status_code == 409
    assert queries.examination(SYSTEM, visit).history == "của cửa sổ kia"
    again = as_role("doctor").post(f"/clinic/visits/{visit}/examination", {"history": "sau khi xem", "seen": "1"})
    assert again.status_code == 302
    assert queries.examination(SYSTEM, visit).history == "sau khi xem"


def test_each_keeps_an_own_draft_and_closing_forgets_all(
    cast: dict[str, Account], as_role: Callable[[str], Client], visit: str
) -> None:
    for role, pulse in (("doctor", "80"), ("nurse", "90")):
        as_role(role).post(f"/clinic/visits/{visit}/drafts/vitals", {"pulse": pulse, "window": NEW})
    assert 'value="90"' in as_role("nurse").get(f"/clinic/visits/{visit}").content.decode()
    me = asker_of(cast["doctor"])
    actions.diagnose(me, visit, "I10")
    actions.close_visit(me, visit, result="2", disposition="1", advice="Ăn nhạt")
    assert Draft.objects.count() == 0
    late = as_role("doctor").post(f"/clinic/visits/{visit}/drafts/close", {"advice": "muộn", "window": NEW})
    assert late.status_code == 409
    assert Draft.objects.count() == 0


@pytest.mark.parametrize("form", ["nothing", "orders"])
def test_only_the_forms_of_the_page_have_drafts(as_role: Callable[[str], Client], visit: str, form: str) -> None:
    assert as_role("doctor").post(f"/clinic/visits/{visit}/drafts/{form}", {"a": "b"}).status_code == 404
    assert Draft.objects.count() == 0


def test_a_draft_has_a_size(as_role: Callable[[str], Client], visit: str) -> None:
    answer = as_role("doctor").post(f"/clinic/visits/{visit}/drafts/close", {"advice": "x" * 70_000})
    assert answer.status_code == 404
    assert Draft.objects.count() == 0


def test_a_refused_diagnosis_keeps_nothing_and_can_be_put_right(as_role: Callable[[str], Client], visit: str) -> None:
    doctor = as_role("doctor")
    typed = {"seen": "", "history": "Đau đầu", "principal": "NOPE", "secondary": ["E11.9"]}
    refused = doctor.post(f"/clinic/visits/{visit}/examination", typed)
    assert refused.status_code == 422
    page = refused.content.decode()
    assert "Đau đầu" in page
    assert 'value="E11.9" checked' in page
    assert queries.examination(SYSTEM, visit).version == ""
    assert doctor.post(f"/clinic/visits/{visit}/examination", typed | {"principal": "I10"}).status_code == 302
    assert queries.examination(SYSTEM, visit).history == "Đau đầu"


def test_typed_lines_stay_when_one_is_refused(as_role: Callable[[str], Client], visit: str) -> None:
    typed = {"drug": ["amlodipin-5-mg-vien-nang"], "times": ["1"], "dose": ["1"], "days": [""], "note": ["tối"]}
    page = as_role("doctor").post(f"/clinic/visits/{visit}/prescription", typed)
    assert page.status_code == 422
    assert 'value="amlodipin-5-mg-vien-nang"' in page.content.decode()
    assert 'value="tối"' in page.content.decode()


def test_other_days_are_another_line(cast: dict[str, Account], visit: str) -> None:
    me, code = asker_of(cast["doctor"]), "amlodipin-5-mg-vien-nang"
    for days in (1, 2):
        line = actions.Line(code, Decimal(1), Decimal("0.5"), Decimal(days))
        (kept,) = actions.prescribe(me, visit, [line], sure=True)
        assert queries.line_values(kept)["days"] == str(days)


def test_a_follow_up_is_in_the_future() -> None:
    told = {"result": "2", "disposition": "1", "advice": "x"}
    assert CloseForm(told | {"follow_up": "01/01/2001"}).errors["follow_up"] == ["Ngày hẹn phải sau hôm nay."]
    assert CloseForm(told | {"follow_up": "01/01/2100"}).is_valid()
