"""The sheet of results says what ISO 15189:2012, 5.8.3 asks of a report."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from pypdf import PdfReader

from tuetinh.care.lab import actions, facts, prints
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Signatory, Tube
from tuetinh.care.lab.results import entry, validation
from tuetinh.care.lab.samples import actions as samples
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
GLU, ELEC = "23.0075.1494", "23.0058.1487"


def sheet(world, tube: Tube) -> str:
    pages = PdfReader(io.BytesIO(prints.sheet(world.lab, Tube.objects.get(pk=tube.pk)))).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


@pytest.fixture
def tube(world, oru) -> Tube:
    """A tube that a doctor asked for, a nurse drew, and a machine measured."""
    for id_, name in (("cast-doctor", "Quàng Văn Bác"), ("cast-lab", "Cà Thị Kỹ"), ("cast-signer", "Vì Văn Ký")):
        record.create(SYSTEM, r4.Practitioner(id=id_, name=[r4.HumanName(text=name)]))
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="BS-240 số 2")
    world.encounter.location = [r4.EncounterLocation(location=r4.Reference(display="Khoa Nội, giường 12"))]
    visit = record.update(SYSTEM, world.encounter)
    requester = facts.ref("Practitioner", world.doctor.practitioner)
    actions.order_tests(world.doctor, visit, [ELEC], requester=requester)
    tube = Tube.objects.latest("id")
    samples.collect(replace(world.lab, role="nurse"), [tube.number], "01/03/1986")
    inbox.take(Frame(oru(tube.number, {"K": "4.1", "NA": "140"}, unit="mmol/L")), "")
    return tube


def test_it_says_who_asked_drew_measured_and_signed(world, tube: Tube) -> None:
    signer = replace(world.lab, account="signer", practitioner="cast-signer")
    Signatory.objects.create(facility="12104", account="signer", since=tube.ordered_at, by="admin")
    assert "Chưa có kết quả nào được trả" in sheet(world, tube)
    validation.verify(world.lab, tube.number)
    validation.release(signer, tube.number)
    told = sheet(world, tube)
    for said in (
        "Kết quả từng phần", "Người chỉ định: Quàng Văn Bác", "Nơi gửi: Khoa Nội, giường 12", "Loại mẫu: Huyết thanh",
        "(BS-240 số 2)", "4,1", "3,5 – 5", "NGƯỜI THỰC HIỆN", "Cà Thị Kỹ", "NGƯỜI DUYỆT KẾT QUẢ", "Vì Văn Ký",
        "Trang 1/1", "Còn chờ kết quả: Điện giải đồ (Na, K, Cl).",
    ):  # fmt: skip
        assert said in told, said
    drawn = Tube.objects.get(pk=tube.pk).collected_at.astimezone(actions.HANOI)
    assert f"Lấy mẫu: {drawn:%H:%M %d/%m/%Y}" in told


def test_a_correction_says_on_paper_what_stood_there_before(world, tube: Tube) -> None:
    values = {facts.observation_id(tube.orders[0], key): value for key, value in (("CL", "101"), ("NA", "140"))}
    entry.enter_results(world.lab, tube.number, values)
    validation.release(world.lab, tube.number)
    whole = sheet(world, tube)
    assert not [said for said in ("Bản đã sửa đổi", "từng phần", "Còn chờ") if said in whole]
    changed = {facts.observation_id(tube.orders[0], "K"): "4.6"}
    entry.enter_results(world.lab, tube.number, changed, reason="nhầm mẫu")
    told = sheet(world, tube)
    assert "Bản đã sửa đổi" in told and "4,6" in told
    assert "Trước khi sửa: 4,1 mmol/L. Lý do: nhầm mẫu" in told
