"""The pages of the blood bank lead from the barcodes to the sheet; lists ask as much for one row as for many."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pypdf import PdfReader

from tuetinh.care.lab.blood import bedside, orders, reactions
from tuetinh.care.lab.blood.models import BloodAllocation, BloodOrder, BloodReaction, BloodUnit
from tuetinh.care.lab.blood.tests.conftest import VITALS
from tuetinh.care.lab.blood.tests.conftest import reactions as grades
from tuetinh.care.lab.models import Tube

pytestmark = pytest.mark.django_db
SCAN = "=V00012612345600\r\n=%6200\r\n=<E0336V00\r\n&>0993650800"


def test_from_the_barcodes_to_the_sheet(bank, as_role) -> None:
    lab, doctor, nurse = as_role("lab"), as_role("doctor"), as_role("nurse")
    assert lab.post("/lab/blood/receive", {"scan": "8934567"}).status_code == 422
    filled = lab.post("/lab/blood/receive", {"scan": SCAN}).content.decode()
    assert 'value="V000126123456"' in filled and 'value="31/12/2099"' in filled and 'value="08:00"' in filled
    assert BloodUnit.objects.count() == 0
    told = {
        "din": "V000126123456", "product": "E0336V00", "component": "red", "group": "A+", "volume": "250",
        "expires": "31/12/2099", "until": "08:00", "donor": "HD-1",
    }  # fmt: skip
    assert lab.post("/lab/blood/receive", told | {"group": ""}).status_code == 422
    unit_page = lab.post("/lab/blood/receive", told).headers["Location"]
    unit = BloodUnit.objects.get()
    assert (unit_page, unit.expires) == (f"/lab/blood/units/{unit.pk}", datetime(2099, 12, 31, 1, tzinfo=UTC))
    assert "khác nhãn" in lab.post(f"{unit_page}/release", {"group": "O+"}, follow=True).content.decode()
    lab.post(f"{unit_page}/release", {"group": "A+"})
    lab.post(f"{unit_page}/keep", {"storage": "Tủ 2"})
    assert lab.get("/lab/blood?q==V00012612345600").headers["Location"] == unit_page

    new = f"/lab/blood/orders/new/{bank.world.encounter.id}"
    assert doctor.post(new, {"component": "red", "quantity": "0"}).status_code == 422
    page = doctor.post(
        new, {"component": "red", "quantity": "1", "urgency": "urgent", "indication": "bleeding", "note": "Hb 60"}
    ).headers["Location"]
    tube = Tube.objects.get()
    sample = f"/lab/blood/samples/{tube.number}"
    assert "Hãy nhận mẫu trước" in lab.get(sample).content.decode()
    lab.post(f"/lab/tubes/{tube.number}/receive")
    unclear = lab.post(sample, grades("A") | {"b_cells": "0", "screen": "Âm tính"}, follow=True).content.decode()
    assert "xuôi và ngược khác nhau" in unclear and "Chưa kết luận" in unclear
    lab.post(sample, grades("A") | {"screen": "Âm tính"})
    assert "mới một mẫu" in doctor.get(page).content.decode()
    doctor.post(f"{page}/second")
    bank.sample("A", hours=3)
    assert "đã xác định trên hai mẫu" in lab.get(page).content.decode()
    reacts = {"unit": unit.pk, "method": "serological", "saline": "0", "ahg": "2+"}
    assert "Không hòa hợp: đơn vị ở lại kho" in lab.post(f"{page}/match", reacts, follow=True).content.decode()
    lab.post(f"{page}/match", reacts | {"ahg": "0"})
    made = BloodAllocation.objects.get()
    bag = f"/lab/blood/bags/{made.pk}"
    assert "SAI TÚI MÁU" in lab.post(f"{bag}/prepare", {"scanned": "x"}, follow=True).content.decode()
    lab.post(f"{bag}/prepare", {"scanned": "=V00012612345600"})
    tag = PdfReader(io.BytesIO(lab.get(f"{bag}/tag.pdf").content)).pages[0].extract_text()
    assert "V000126123456" in tag and "LÒ THỊ PÂNG" in tag
    nurse.post(f"{bag}/issue", {"scanned": "=V00012612345600", "person": bank.patient})
    assert "V000126123456" in nurse.get("/lab/blood/bedside").content.decode()

    check = {"person": bank.patient, "scanned": "=V00012612345600", "person_abo": "A", "unit_abo": "A", **VITALS}
    wrong = nurse.post("/lab/blood/bedside", check | {"person": "cast-citizen"})
    assert wrong.status_code == 422 and "SAI NGƯỜI BỆNH" in wrong.content.decode()
    running = nurse.post("/lab/blood/bedside", check).headers["Location"]
    assert running == f"/lab/blood/transfusions/{made.pk}"
    assert nurse.post(f"{running}/measure", VITALS | {"pulse": "nhanh"}).status_code == 422
    nurse.post(f"{running}/measure", VITALS)
    assert nurse.post(f"{running}/react", {"kind": "febrile", "signs": " "}).status_code == 422
    answer = nurse.post(f"{running}/react", {"kind": "febrile", "signs": "rét run", "severe": "on"}).headers["Location"]
    lab.post(answer, {"step": "tests", "text": "Coombs âm tính"})
    assert lab.post(answer, {"step": "conclusion", "text": "xong"}).status_code == 422
    assert "Coombs âm tính" in doctor.get(answer).content.decode()
    paper = PdfReader(io.BytesIO(nurse.get(f"{running}/sheet.pdf").content)).pages[0].extract_text()
    assert "PHIẾU TRUYỀN MÁU" in paper and "V000126123456" in paper and "36,8" in paper and "01/03/1986" in paper
    assert "Lò Thị Pâng" in lab.get("/lab/blood/lookback?donor=HD-1").content.decode()
    assert "V000126123456" in doctor.get(f"/lab/blood/people/{bank.patient}").content.decode()
    BloodOrder.objects.update(facility="12001")
    BloodUnit.objects.update(facility="12001")
    BloodReaction.objects.update(facility="12001")
    gone = (page, running, unit_page, answer, f"{bag}/tag.pdf")
    assert [lab.get(path).status_code for path in gone] == [404] * 5


def test_a_conflict_is_resolved_on_the_page_of_the_person(bank, as_role) -> None:
    bank.sample("A", hours=5)
    wrong = bank.sample("B")
    lab, at = as_role("lab"), f"/lab/blood/people/{bank.patient}"
    assert "mâu thuẫn" in lab.get(at).content.decode()
    refused = lab.post(f"{at}/resolve", {"sample": f"{wrong.specimen}-group", "reason": "nhầm"}, follow=True)
    assert "phải là người khác" in refused.content.decode() and "mâu thuẫn" in refused.content.decode()
    assert "Mẫu này sai" not in as_role("doctor").get(at).content.decode()


def test_a_doctor_signs_an_emergency_release_on_the_page(bank, as_role) -> None:
    unit = bank.unit("O", "-")
    row = orders.order_blood(bank.doctor, bank.world.encounter.id, "red", 1, urgency="stat", indication="bleeding")
    doctor, page = as_role("doctor"), f"/lab/blood/orders/{row.pk}"
    assert "Phát khẩn cấp hồng cầu O" in doctor.get(page).content.decode()
    assert "Phát khẩn cấp hồng cầu O" not in as_role("lab").get(page).content.decode()
    doctor.post(f"{page}/emergency", {"unit": unit.pk, "reason": "sốc"})
    assert BloodAllocation.objects.get().signed_by == bank.doctor.account


def test_a_form_that_names_no_row_is_refused(bank, as_role) -> None:
    unit = bank.unit("O", "-")
    row = orders.order_blood(bank.doctor, bank.world.encounter.id, "red", 1, indication="bleeding")
    lab, doctor, page = as_role("lab"), as_role("doctor"), f"/lab/blood/orders/{row.pk}"
    for wrong in ("", "x", "²", "9" * 5000):
        for client, to, field in (
            (lab, f"{page}/match", "unit"), (doctor, f"{page}/emergency", "unit"),
            (lab, f"/lab/blood/units/{unit.pk}/back", "allocation"),
        ):  # fmt: skip
            assert client.post(to, {field: wrong, "reason": "sốc"}).status_code == 302
    unit.refresh_from_db()
    assert (unit.stage, BloodAllocation.objects.count()) == ("available", 0)


def test_lists_of_blood_take_as_many_queries_for_one_as_for_many(
    bank, given, as_role, django_assert_num_queries
) -> None:
    bank.confirmed("A")
    lab, nurse = as_role("lab"), as_role("nurse")

    def another() -> None:
        bank.unit("A", expires=datetime(2100, 1, 1, tzinfo=UTC))
        row = orders.order_blood(bank.doctor, bank.world.encounter.id, "red", 1, indication="anaemia")
        assert row.pk
        given("A")
        begun = given("A", donor="HD-9")
        told = {"person": bank.patient, "scanned": begun.unit.din, "values": VITALS}
        bedside.start(bank.nurse, person_abo="A", unit_abo="A", **told)
        reactions.report(bank.nurse, begun.pk, "allergic", "mề đay")

    another()
    paths = {
        "/lab/blood": lab, "/lab/blood/orders": lab, "/lab/blood/bedside": nurse, "/lab/blood/reactions": lab,
        "/lab/blood/lookback?donor=HD-9": lab,
    }  # fmt: skip
    counted = {}
    for path, client in paths.items():
        client.get(path)
        with CaptureQueriesContext(connection) as one:
            client.get(path)
        counted[path] = len(one.captured_queries)
        assert counted[path] < 30
    for _ in range(2):
        another()
    for path, client in paths.items():
        client.get(path)  # names are kept for a minute
        with django_assert_num_queries(counted[path]):
            client.get(path)
