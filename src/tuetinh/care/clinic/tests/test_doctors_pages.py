"""The doctor's pages: what they show, how much they ask, and the papers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader

from tuetinh.care.clinic import actions
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import load_price_list, starter_prices
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
ROOM = "12104-noi2"


@pytest.fixture
def visit(cast: dict[str, Account]) -> str:
    load_price_list("", starter_prices(), date(2024, 1, 1))
    opened = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", ROOM, "Chóng mặt")
    reception.start(asker_of(cast["doctor"]), opened.encounter)
    return opened.encounter


def _past(number: int) -> None:
    subject = r4.Reference(reference="Patient/cast-citizen")
    at = f"2025-01-{number + 1:02}T08:00:00+07:00"
    code = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB")
    past = record.create(
        SYSTEM, r4.Encounter(status="finished", class_=code, subject=subject, period=r4.Period(start=at, end=at))
    )
    drug = r4.CodeableConcept(text=f"Thuốc {number}")
    where = r4.Reference(reference=f"Encounter/{past.id}")
    line = r4.MedicationRequest(
        status="active", intent="order", medicationCodeableConcept=drug, subject=subject, encounter=where, authoredOn=at
    )
    record.create(SYSTEM, line)


def test_the_visit_page_asks_the_same_however_long_the_past_is(
    as_role: Callable[[str], Client], visit: str, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    doctor = as_role("doctor")
    doctor.get(f"/clinic/visits/{visit}")  # sessions and catalogues are warm
    _past(0)
    with django_assert_max_num_queries(60) as once:
        page = doctor.get(f"/clinic/visits/{visit}")
    assert "Thuốc 0" in page.content.decode()
    for number in range(1, 6):
        _past(number)
    with django_assert_num_queries(len(once.captured_queries)):
        assert "Thuốc 5" in doctor.get(f"/clinic/visits/{visit}").content.decode()


@pytest.mark.parametrize("tab", ["exam", "orders", "prescription", "close", "nonsense"])
def test_each_tab_opens_for_doctor_and_nurse(as_role: Callable[[str], Client], visit: str, tab: str) -> None:
    for role in ("doctor", "nurse"):
        assert as_role(role).get(f"/clinic/visits/{visit}?tab={tab}").status_code == 200


def test_a_mistyped_vital_sign_is_told_beside_its_field(as_role: Callable[[str], Client], visit: str) -> None:
    page = as_role("doctor").post(f"/clinic/visits/{visit}/vitals", {"temperature": "367"})
    assert page.status_code == 422
    assert "Phải từ 25 đến 45 °C." in page.content.decode()
    assert record.search(SYSTEM, "Observation", f"encounter=Encounter/{visit}").resources == []


def test_every_value_that_cannot_be_is_told_at_once(as_role: Callable[[str], Client], visit: str) -> None:
    typed = {"temperature": "367", "spo2": "9", "systolic": "80", "diastolic": "90"}
    page = as_role("doctor").post(f"/clinic/visits/{visit}/vitals", typed)
    assert page.status_code == 422
    told = page.context["vitals"].errors
    assert {name: list(words) for name, words in told.items()} == {
        "temperature": ["Phải từ 25 đến 45 °C."],
        "spo2": ["Phải từ 30 đến 100 %."],
        "systolic": ["Huyết áp tâm thu phải cao hơn tâm trương."],
    }
    assert record.search(SYSTEM, "Observation", f"encounter=Encounter/{visit}").resources == []


def test_a_visit_that_is_not_complete_says_what_and_where(as_role: Callable[[str], Client], visit: str) -> None:
    page = as_role("doctor").post(f"/clinic/visits/{visit}/close", {"result": "2", "disposition": "1", "advice": ""})
    assert page.status_code == 422
    assert dict(page.context["form"].errors) == {
        "__all__": ["Còn thiếu: chẩn đoán chính, lời dặn."],
        "advice": ["Ghi lời dặn cho người bệnh."],
    }
    assert '<a href="?tab=exam">Ghi chẩn đoán</a>' in page.content.decode()
    assert reception.visit(SYSTEM, visit).state == "in-progress"


def test_a_line_without_days_is_told_and_nothing_is_kept(as_role: Callable[[str], Client], visit: str) -> None:
    typed = {"drug": "amlodipin-5-mg-vien-nang", "times": "1", "dose": "x", "days": "", "note": ""}
    page = as_role("doctor").post(f"/clinic/visits/{visit}/prescription", typed)
    assert page.status_code == 422
    assert page.context["refused"] == "Amlodipin 5 mg, viên nang: ghi đủ số lần, liều mỗi lần và số ngày bằng số."
    assert record.search(SYSTEM, "MedicationRequest", f"encounter=Encounter/{visit}").resources == []


def test_a_visit_of_nowhere_is_not_found(as_role: Callable[[str], Client], visit: str) -> None:
    doctor = as_role("doctor")
    assert doctor.get("/clinic/visits/no-such").status_code == 404
    assert doctor.get("/clinic/people/no-such").status_code == 404
    assert doctor.post("/clinic/visits/no-such/close", {}).status_code == 404
    assert reception.visit(SYSTEM, visit).state == "in-progress"


def test_the_papers_say_what_was_done(cast: dict[str, Account], as_role: Callable[[str], Client], visit: str) -> None:
    me = asker_of(cast["doctor"])
    actions.diagnose(me, visit, "I10")
    line = actions.Line("amlodipin-5-mg-vien-nang", Decimal(1), Decimal(1), Decimal(30), "buổi sáng")
    actions.prescribe(me, visit, [line])
    actions.close_visit(me, visit, result="2", disposition="1", advice="Ăn nhạt")
    doctor = as_role("doctor")
    for name, words in {
        "prescription": ("ĐƠN THUỐC", "Amlodipin 5 mg", "30 viên", "ngày 1 lần, uống buổi sáng", "Ăn nhạt", "Ngày "),
        "summary": ("TÓM TẮT LƯỢT KHÁM", "I10", "Chóng mặt", "Ăn nhạt"),
    }.items():
        answer = doctor.get(f"/clinic/visits/{visit}/{name}.pdf")
        text = " ".join("\n".join(p.extract_text() for p in PdfReader(BytesIO(answer.content)).pages).split())
        assert [word for word in words if word not in text] == []


def test_a_prescription_is_written_as_its_circular_says(
    cast: dict[str, Account], as_role: Callable[[str], Client], visit: str
) -> None:
    person = record.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(person, r4.Patient)
    person.birthDate = (timezone.localdate() - timedelta(days=800)).isoformat()
    record.update(SYSTEM, person)
    me = asker_of(cast["doctor"])
    actions.save_vitals(me, visit, {"weight": Decimal("11.5")})
    actions.diagnose(me, visit, "J20.9")
    lines = [
        actions.Line("oresol-glucose-dien-giai-4-1-g-bot-pha-uong", Decimal(2), Decimal(1), Decimal(3)),
        actions.Line("paracetamol-codein-phosphat-500-mg-30-mg-vien-nen", Decimal(1), Decimal(1), Decimal(5)),
    ]
    actions.prescribe(me, visit, lines, sure=True)
    answer = as_role("doctor").get(f"/clinic/visits/{visit}/prescription.pdf")
    text = " ".join("\n".join(p.extract_text() for p in PdfReader(BytesIO(answer.content)).pages).split())
    assert [word for word in ("26 tháng tuổi, nặng 11,5 kg", "06 gói", "Năm viên") if word not in text] == []
    assert text.index("Codein") < text.index("Oresol")  # what is controlled comes first
