"""A whole visit at the doctor's desk, and everything that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, cast

import pytest
from django.test import Client

from tuetinh.care.clinic import actions, queries
from tuetinh.care.clinic.actions import Line
from tuetinh.care.clinic.errors import Implausible, Incomplete, NotAllowed, NotOpen, UnknownCode, Warned
from tuetinh.care.clinic.facts import HL7, coded
from tuetinh.care.insurance.api import Stopped
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import load_price_list, search_drugs, starter_prices
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.text import concept_text

pytestmark = pytest.mark.django_db
DROPS = "tobramycin-0-3-5-ml-dung-dich-nho-mat"
AMLODIPINE = "amlodipin-5-mg-vien-nang"
GLUCOSE = "23.0075.1494"


@pytest.fixture
def visit(cast: dict[str, Account], doctor: Asker) -> str:
    """The citizen of the cast, being seen in the doctor's room."""
    load_price_list("", starter_prices(), date(2024, 1, 1))
    room = "12104-noi2"
    opened = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", room, "Chóng mặt")
    reception.start(doctor, opened.encounter)
    return opened.encounter


def _count(type_: str, query: str) -> int:
    return len(record.search(SYSTEM, type_, query).resources)


def test_vital_signs_are_kept_and_measured_again(doctor: Asker, visit: str) -> None:
    first = {"systolic": Decimal(152), "diastolic": Decimal(94), "weight": Decimal("51.0"), "height": Decimal(152)}
    actions.save_vitals(doctor, visit, first)
    actions.save_vitals(doctor, visit, {"systolic": Decimal(140), "diastolic": Decimal(88)})

    values = queries.vital_values(doctor, visit)
    assert values["systolic"] == 140
    assert values["diastolic"] == 88
    assert values["bmi"] == Decimal("22.1")
    pressure = cast(r4.Observation, record.read(doctor, "Observation", f"{visit}-pressure"))
    assert pressure.meta is not None
    assert pressure.meta.versionId == "2"
    assert _count("Observation", f"encounter=Encounter/{visit}") == 4


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"pulse": Decimal(7000)}, "pulse"),
        ({"temperature": Decimal("12.5")}, "temperature"),
        ({"systolic": Decimal(120)}, "diastolic"),
        ({"systolic": Decimal(80), "diastolic": Decimal(120)}, "systolic"),
    ],
)
def test_implausible_vital_signs_change_nothing(
    doctor: Asker, visit: str, values: dict[str, Decimal], field: str
) -> None:
    with pytest.raises(Implausible) as refused:
        actions.save_vitals(doctor, visit, values)
    assert refused.value.field == field
    assert _count("Observation", f"encounter=Encounter/{visit}") == 0


def test_diagnoses_stand_on_the_visit_in_their_order(doctor: Asker, visit: str) -> None:
    actions.diagnose(doctor, visit, "I10", ["E11.9", "I10", "K29.7"])
    actions.diagnose(doctor, visit, "E11.9", ["I10"])

    encounter = cast(r4.Encounter, record.read(doctor, "Encounter", visit))
    assert [d.rank for d in encounter.diagnosis or []] == [1, 2]
    found = queries.conditions(doctor, visit)
    codes = [(c.code.coding or [r4.Coding()])[0].code for c in found if c.code]
    assert codes == ["E11.9", "I10"]


def test_an_unknown_code_is_refused(doctor: Asker, visit: str) -> None:
    with pytest.raises(UnknownCode) as refused:
        actions.diagnose(doctor, visit, "I10", ["Q00.00"])
    assert refused.value.field == "secondary"
    assert queries.conditions(doctor, visit) == []


def test_a_code_that_may_not_be_principal_is_refused(doctor: Asker, visit: str) -> None:
    with pytest.raises(Stopped):  # TT 06/2026: external causes are never the principal diagnosis
        actions.diagnose(doctor, visit, "W54")
    assert queries.conditions(doctor, visit) == []


@pytest.mark.parametrize(
    ("typed", "text", "quantity"),
    [
        ((AMLODIPINE, 2, "0.5", 30, None), "Mỗi lần 0,5 viên, ngày 2 lần, uống sau ăn", "30 viên"),
        ((AMLODIPINE, 1, 1, 30, 28), "Mỗi lần 1 viên, ngày 1 lần, uống sau ăn", "28 viên"),
        ((DROPS, 4, 2, 7, None), "Mỗi lần 2 giọt, ngày 4 lần, nhỏ mắt sau ăn", "1 lọ"),
        ((DROPS, 4, 2, 7, 2), "Mỗi lần 2 giọt, ngày 4 lần, nhỏ mắt sau ăn", "2 lọ"),
    ],
)
def test_a_dose_is_counted_in_what_is_taken_and_handed_out_in_packages(
    doctor: Asker, visit: str, typed: tuple[Any, ...], text: str, quantity: str
) -> None:
    code, times, dose, days, amount = typed
    line = Line(code, Decimal(times), Decimal(dose), Decimal(days), "sau ăn", Decimal(amount) if amount else None)
    (made,) = actions.prescribe(doctor, visit, [line])
    told = queries.line_values(made)
    assert (told["text"], told["quantity"], told["amount"]) == (text, quantity, str(amount or ""))


def test_a_prescription_becomes_exactly_what_was_typed(doctor: Asker, visit: str) -> None:
    one = Line(AMLODIPINE, Decimal(1), Decimal(1), Decimal(30), "buổi sáng")
    kept = actions.prescribe(doctor, visit, [one])
    again = actions.prescribe(doctor, visit, [one])
    changed = actions.prescribe(doctor, visit, [replace(one, days=Decimal(10))])

    assert [m.id for m in kept] == [m.id for m in again]
    assert len(changed) == 1
    assert changed[0].id != kept[0].id
    assert queries.line_values(changed[0])["text"] == "Mỗi lần 1 viên, ngày 1 lần, uống buổi sáng"
    assert queries.line_values(changed[0])["quantity"] == "10 viên"
    standing = [c for c in queries.found(doctor, r4.ChargeItem, f"context=Encounter/{visit}") if c.status == "billable"]
    drugs = [c for c in standing if "amlodipin" in concept_text(c.code).lower()]
    assert [c.quantity.value for c in drugs if c.quantity] == [10]


def test_an_allergy_is_warned_of_and_may_be_overruled(doctor: Asker, visit: str) -> None:
    patient = r4.Reference(reference="Patient/cast-citizen")
    active = coded(f"{HL7}/allergyintolerance-clinical", "active")
    penicillin = r4.CodeableConcept(text="Penicillin")
    record.create(SYSTEM, r4.AllergyIntolerance(patient=patient, clinicalStatus=active, code=penicillin))
    amoxicillin = Line(search_drugs("amoxicilin")[0].code, Decimal(2), Decimal(1), Decimal(5))
    with pytest.raises(Warned):
        actions.prescribe(doctor, visit, [amoxicillin])
    assert queries.prescription(doctor, visit) == []
    assert len(actions.prescribe(doctor, visit, [amoxicillin], sure=True)) == 1


@pytest.mark.parametrize("line", [Line("no-such", Decimal(1), Decimal(1), Decimal(1))])
def test_an_unknown_medicine_is_refused(doctor: Asker, visit: str, line: Line) -> None:
    with pytest.raises(UnknownCode):
        actions.prescribe(doctor, visit, [line])
    assert queries.prescription(doctor, visit) == []


def test_closing_names_what_is_missing(doctor: Asker, visit: str) -> None:
    with pytest.raises(Incomplete) as refused:
        actions.close_visit(doctor, visit, result="2", disposition="1", advice=" ")
    assert refused.value.missing == {"principal": "chẩn đoán chính", "advice": "lời dặn"}
    assert reception.visit(doctor, visit).state == "in-progress"


def test_a_whole_visit_ends_with_its_claim(doctor: Asker, visit: str) -> None:
    actions.save_vitals(doctor, visit, {"weight": Decimal(51)})
    actions.save_examination(doctor, visit, reason="Chóng mặt", history="3 ngày", examination="Tim đều")
    actions.diagnose(doctor, visit, "I10")
    orders = actions.order_lab(doctor, visit, [GLUCOSE])
    claim = actions.close_visit(doctor, visit, result="2", disposition="1", advice="Ăn nhạt")

    assert [o.requester.reference for o in orders if o.requester] == ["Practitioner/cast-doctor"]
    encounter = cast(r4.Encounter, record.read(doctor, "Encounter", visit))
    assert encounter.status == "finished"
    row = claim.tables["XML1"][0]
    assert (row["MA_LK"], row["MA_BENH_CHINH"], row["KET_QUA_DTRI"], row["MA_LOAI_RV"]) == (visit, "I10", "2", "1")
    assert {r["MA_DICH_VU"] for r in claim.tables["XML3"]} == {"02.03", GLUCOSE}
    with pytest.raises(NotOpen):
        actions.diagnose(doctor, visit, "E11.9")


def test_a_finished_visit_is_taken_up_again_with_a_reason(doctor: Asker, visit: str) -> None:
    actions.diagnose(doctor, visit, "I10")
    actions.close_visit(doctor, visit, result="2", disposition="1", advice="Ăn nhạt")
    with pytest.raises(reception.ReceptionError):
        actions.reopen(doctor, visit, " ")
    actions.reopen(doctor, visit, "Quên một chẩn đoán")
    assert reception.visit(doctor, visit).state == "in-progress"
    encounter = cast(r4.Encounter, record.read(doctor, "Encounter", visit))
    assert encounter.status == "in-progress"


@pytest.mark.parametrize("role", ["reception", "lab", "cashier", "pharmacist", "nurse"])
def test_other_roles_may_not_diagnose(cast: dict[str, Account], doctor: Asker, visit: str, role: str) -> None:
    with pytest.raises(NotAllowed):
        actions.diagnose(asker_of(cast[role]), visit, "I10")
    assert queries.conditions(doctor, visit) == []


def test_another_facility_does_not_see_the_visit(doctor: Asker, visit: str) -> None:
    elsewhere = replace(doctor, facility="12001")
    with pytest.raises(reception.NoVisit):
        actions.diagnose(elsewhere, visit, "I10")
    assert queries.conditions(doctor, visit) == []


def test_a_diagnosis_made_again_is_one_line_with_its_last_day(doctor: Asker) -> None:
    for code, day in (("I10", "2025-03-01"), ("J20.9", "2025-09-05"), ("I10", "2026-01-20")):
        concept = r4.CodeableConcept(text=code)
        subject = r4.Reference(reference="Patient/cast-citizen")
        record.create(doctor, r4.Condition(subject=subject, code=concept, recordedDate=day))
    assert queries.diagnosed(doctor, "cast-citizen") == [("20/01/2026", "I10", 2), ("05/09/2025", "J20.9", 1)]


def test_what_may_not_be_seen_is_not_said_to_be_nothing(as_role: Callable[[str], Client]) -> None:
    page = as_role("doctor").get("/clinic/people/cast-citizen").content.decode()
    assert page.count("Chưa mở phần nơi khác ghi") == 5
    assert "Khi có lượt khám, hồ sơ tự mở." in page
