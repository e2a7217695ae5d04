"""The technician's pages."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from pypdf import PdfReader

from tuetinh.care.lab import actions, api, facts
from tuetinh.care.lab.machines import analysers, inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Message, Tube
from tuetinh.care.lab.quality import actions as quality
from tuetinh.care.lab.quality import cold
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
GLU, ELEC = "23.0075.1494", "23.0058.1487"


@pytest.fixture
def technician(client: Client, cast) -> Client:
    client.force_login(cast["lab"], backend="django.contrib.auth.backends.ModelBackend")
    return client


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes or (GLU,))
    return Tube.objects.latest("id")


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_list_counts_and_leads_to_the_tube(technician: Client, world) -> None:
    tube = order(world)
    page = text(technician.get("/lab"))
    assert tube.number in page and "Lò Thị Pâng" in page and "Định lượng Glucose máu" in page
    assert technician.get("/lab", {"q": tube.number}).headers["Location"] == f"/lab/tubes/{tube.number}"
    assert "Không có mẫu nào" in text(technician.get("/lab?list=validate"))
    assert technician.get("/lab?list=xx&page=zz&q=%00").status_code in (200, 400)


def test_the_rail_counts_everything_that_waits_in_one_query(
    technician: Client, world, oru, django_assert_max_num_queries
) -> None:
    analysers.save(world.lab, None, name="BS-240", application="BS240", sending_facility="LAB", silent_minutes=30)
    inbox.take(Frame(oru("nobody", {"GLU": "5.1"}, unit="mmol/L")), "")
    inbox.take(Frame(oru("nobody", {"GLU": "5.2"}, unit="mmol/L")), "")
    inbox.take(Frame(oru(order(world).number, {"GLU": "1.0"}, unit="mmol/L")), "")
    Message.objects.update(received_at=datetime.now(UTC) - timedelta(minutes=31))
    fridge = cold.keep_fridge(world.lab, None, name="A", code="", low=Decimal(2), high=Decimal(8), silent_hours=12)
    cold.read(world.lab, fridge.pk, Decimal(12))
    lot = quality.open_control(
        world.lab, machine="BS-240", analyte="GLU", material="N", level=1, lot="A", mean=Decimal(5), sd=Decimal("0.1")
    )
    quality.keep_result(world.lab, lot.pk, Decimal("5.9"))
    with django_assert_max_num_queries(25) as asked:
        page = technician.get("/lab").content.decode()
    counts = dict(re.findall(r"<span>([^<]+)</span><b>(\d+)</b></a></li>", page))
    assert counts == {"Bản tin máy": "2", "Theo dõi": "2", "Chất lượng": "2"}
    assert sum("lab_pathologycase" in one["sql"] or "lab_temperature" in one["sql"] for one in asked) == 1


def test_the_list_takes_as_many_queries_for_one_tube_as_for_many(
    technician: Client, world, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    order(world)
    technician.get("/lab")
    with django_assert_max_num_queries(25) as one:
        technician.get("/lab")
    for _ in range(5):
        order(world)
    with django_assert_num_queries(len(one.captured_queries)):
        technician.get("/lab")


def test_the_page_of_a_tube_takes_as_many_queries_for_one_result_as_for_many(
    technician: Client, world, oru, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    one = order(world)
    inbox.take(Frame(oru(one.number, {"GLU": "5.1"}, control="1")), "")
    many = order(world, GLU, ELEC, "23.0051.1494", "23.0166.1494", "23.0020.1493", "23.0019.1493")
    inbox.take(Frame(oru(many.number, {"GLU": "5.1", "NA": "140", "K": "4.1", "CREA": "80"}, control="2")), "")
    technician.get(f"/lab/tubes/{one.number}")
    with django_assert_max_num_queries(32) as asked:
        technician.get(f"/lab/tubes/{one.number}")
    with django_assert_num_queries(len(asked.captured_queries)):
        assert text(technician.get(f"/lab/tubes/{many.number}")).count("chưa duyệt") > 3


@pytest.mark.parametrize("page", ["/lab/inbox?list=live", "/lab/inbox", "/lab/board"])
def test_lists_take_as_many_queries_for_one_row_as_for_many(
    technician: Client, world, oru, django_assert_num_queries, django_assert_max_num_queries, page: str
) -> None:
    inbox.take(Frame(oru(order(world).number, {"GLU": "40"}, control="1")), "")
    inbox.take(Frame(oru("000", {"GLU": "5.1"}, control="2")), "")
    technician.get(page)
    with django_assert_max_num_queries(25) as one:
        technician.get(page)
    for number in range(5):
        inbox.take(Frame(oru(order(world).number, {"GLU": "40"}, control=f"a{number}")), "")
        inbox.take(Frame(oru("000", {"GLU": "5.1"}, control=f"b{number}")), "")
    with django_assert_num_queries(len(one.captured_queries)):
        technician.get(page)


def test_a_tube_goes_from_order_to_sheet_by_its_pages(technician: Client, world) -> None:
    tube = order(world)
    at = f"/lab/tubes/{tube.number}"
    assert "Nhận mẫu" in text(technician.get(at))
    technician.post(f"{at}/receive")
    [request] = api.orders(world.doctor, world.encounter.id)
    id_ = facts.observation_id(request.id, "GLU")
    wrong = technician.post(f"{at}/results", {id_: "cao"})
    assert wrong.status_code == 400
    assert 'value="cao"' in text(wrong) and "Giá trị không hợp lệ" in text(wrong)
    assert Tube.objects.get(pk=tube.pk).stage == "received"
    technician.post(f"{at}/results", {id_: "7,80"})
    page = text(technician.get(at))
    assert "7,80" in page and "Cao" in page and "Trả kết quả" in page
    technician.post(f"{at}/release")
    assert Tube.objects.get(pk=tube.pk).stage == "released"
    sheet = PdfReader(io.BytesIO(technician.get(f"{at}/sheet.pdf").content)).pages[0].extract_text()
    assert "PHIẾU KẾT QUẢ XÉT NGHIỆM" in sheet and "7,80" in sheet and "LÒ THỊ PÂNG" in sheet
    label = PdfReader(io.BytesIO(technician.get(f"{at}/label.pdf").content))
    assert len(label.pages) == 1 and tube.number in label.pages[0].extract_text()


def test_what_is_held_for_one_reason_is_told_once(technician: Client, world) -> None:
    tube = order(world, ELEC)
    at, [request] = f"/lab/tubes/{tube.number}", api.orders(world.doctor, world.encounter.id)
    typed = {
        facts.observation_id(request.id, key): value for key, value in (("NA", "140"), ("K", "4,1"), ("CL", "101"))
    }
    technician.post(f"{at}/results", typed)
    held = text(technician.get(at)).partition("data-holds")[2].partition("</section>")[0]
    assert held.count("<li>") == held.count("máy chưa đăng ký: so với phiếu máy") == 1
    assert "Natri (Na⁺), Kali (K⁺), Clo (Cl⁻)" in held


def test_a_sender_is_named_as_people_read_it(technician: Client, world) -> None:
    inbox.take(Frame(rb"MSH|^~\&|BS240||TT|X|20261121||ORU^R01|7|P|2.3.1" + b"\rOBR|1||000\rOBX|1|NM|GLU||5.0\r"), "")
    page = text(technician.get(f"/lab/inbox/{Message.objects.get().pk}"))
    assert "· BS240 ·" in page and "BS240|" not in page.partition("Nguyên văn")[0]


def test_what_is_typed_names_the_machine_that_it_was_read_from(technician: Client, world) -> None:
    manager = replace(world.lab, role="admin")
    here = analysers.save(manager, None, name="Máy sinh hóa", application="HIT-917", ministry_code="SH.1.12345")
    there = analysers.save(replace(manager, facility="12001"), None, name="Máy nơi khác", application="XN-1000")
    tube = order(world)
    at, id_ = f"/lab/tubes/{tube.number}", facts.observation_id(tube.orders[0], "GLU")
    technician.post(f"{at}/receive")
    assert "Máy sinh hóa" in text(technician.get(at)) and "Máy nơi khác" not in text(technician.get(at))
    off = analysers.save(manager, None, name="Máy đã tắt", application="OFF", enabled=False)
    for wrong in (there.pk, off.pk, "x", "-1", "9" * 5000):
        refused = technician.post(f"{at}/results", {id_: "7,8", "machine": wrong})
        assert (refused.status_code, 'value="7,8"' in text(refused)) == (400, True)
        assert "Máy này không còn ở phòng xét nghiệm" in text(refused)
        assert "lab-machine" not in technician.session
    technician.post(f"{at}/results", {id_: "7,8", "machine": here.pk})
    device = record.read(SYSTEM, "Observation", id_).device
    assert (device.reference, device.identifier.value) == (f"Device/{here.device}", "SH.1.12345")
    assert f'value="{here.pk}" selected' in text(technician.get(f"/lab/tubes/{order(world).number}?edit=1"))


def test_critical_values_stand_before_release(technician: Client, world, oru) -> None:
    tube = order(world, ELEC)
    inbox.take(Frame(oru(tube.number, {"K": "6.9", "NA": "140", "CL": "100"}, unit="mmol/L")), "")
    at = f"/lab/tubes/{tube.number}"
    assert "Gọi bác sĩ ngay" in text(technician.get(at))
    assert "nguy kịch" in text(technician.post(f"{at}/release", follow=True))
    assert Tube.objects.get(pk=tube.pk).stage == "resulted"
    technician.post(f"{at}/critical", {"told": "BS Hà", "read_back": "yes"})
    technician.post(f"{at}/release")
    assert Tube.objects.get(pk=tube.pk).stage == "released"


def test_the_inbox_shows_why_and_matches_by_hand(technician: Client, world, oru) -> None:
    tube = order(world)
    inbox.take(Frame(oru("000", {"GLU": "5.0"})), "10.0.0.9")
    row = Message.objects.get()
    assert "Không có mẫu nào mang mã này" in text(technician.get("/lab/inbox"))
    page = text(technician.get(f"/lab/inbox/{row.pk}"))
    assert "GLU" in page and "Ghép với mẫu" in page
    technician.post(f"/lab/inbox/{row.pk}/match", {"number": tube.number})
    row.refresh_from_db()
    assert (row.state, row.tube_id) == ("matched", tube.pk)
    assert "Không có bản tin nào" in text(technician.get("/lab/inbox"))
    assert tube.number in text(technician.get("/lab/inbox?list=live"))


def test_a_message_can_be_put_aside_and_tried_again(technician: Client, world) -> None:
    inbox.take(Frame(b"\xff\x00PID|rubbish"), "10.0.0.7")
    assert "10.0.0.7" in text(technician.get("/lab/inbox"))
    row = Message.objects.get()
    technician.post(f"/lab/inbox/{row.pk}/retry")
    technician.post(f"/lab/inbox/{row.pk}/aside", {"reason": ""})
    row.refresh_from_db()
    assert row.state == "broken"
    technician.post(f"/lab/inbox/{row.pk}/aside", {"reason": "nhiễu"})
    row.refresh_from_db()
    assert (row.state, row.note) == ("aside", "nhiễu")


def test_another_facilitys_tube_and_message_are_not_there(technician: Client, world) -> None:
    tube = order(world)
    Tube.objects.filter(pk=tube.pk).update(facility="12001")
    message = inbox.take(Frame(b"PID|1"), "")
    assert message
    Message.objects.update(facility="12001")
    for at in (f"/lab/tubes/{tube.number}", f"/lab/inbox/{Message.objects.get().pk}"):
        assert technician.get(at).status_code == 404
    for step in ("receive", "reject", "cancel", "release", "critical"):
        assert technician.post(f"/lab/tubes/{tube.number}/{step}", {"reason": "x", "told": "x"}).status_code == 404
    assert Tube.objects.get(pk=tube.pk).stage == "ordered"
