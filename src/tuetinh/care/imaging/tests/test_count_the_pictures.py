"""Examinations, pictures and bytes are counted, each once, by day, machine and person."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.test import Client
from django.utils import timezone

from tuetinh.care.imaging import actions, reports
from tuetinh.care.imaging.archive.keeping import Source, ask, keep
from tuetinh.care.imaging.dimse import working
from tuetinh.care.imaging.models import Device, Exam, PictureCount
from tuetinh.care.imaging.statistics import counting
from tuetinh.care.imaging.tests.conftest import FACILITY, HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browser = Callable[[str], Client]


def counted() -> list[tuple[str, str, str, int, int]]:
    """What was added up."""
    rows = PictureCount.objects.order_by("day", "source", "modality")
    return [(f"{one.day:%Y-%m-%d}", one.source, one.modality, one.pictures, one.size) for one in rows]


def test_each_picture_is_added_up_once_when_it_is_ripe(person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 0
    for number in range(5):
        data = part10(SOPInstanceUID=f"1.2.3.4.1.{number}")
        keep(HERE if number < 4 else Source(FACILITY, "AE CT9"), data)
        size = len(data)
    assert (counting.count(), counted()) == (0, [])
    ask("UPDATE imaging_instance SET received_at = '2026-11-02T20:00:00+00:00' WHERE sop_instance_uid <> '1.2.3.4.1.3'")
    monkeypatch.setattr(counting, "BATCH", 2)
    assert counting.count() == 3  # the fourth is on its way, and so nothing after it
    assert counted() == [("2026-11-03", "AE TEST", "CT", 3, 3 * size)]
    ask("UPDATE imaging_instance SET received_at = '2026-11-02T08:00:00+00:00' WHERE sop_instance_uid = '1.2.3.4.1.3'")
    assert (counting.count(), counting.count()) == (2, 0)
    assert counted() == [
        ("2026-11-02", "AE TEST", "CT", 1, size),
        ("2026-11-03", "AE CT9", "CT", 1, size),
        ("2026-11-03", "AE TEST", "CT", 3, 3 * size),
    ]


@pytest.fixture
def work(person: r4.Patient, cast: dict[str, Account]) -> None:
    """Three examinations: one by hand and read, one that a machine told of, one not finished; and a picture."""
    desk = asker_of(cast["imaging"])
    machine = Device.objects.create(title="TEST", facility=FACILITY, name="CT phòng 2", modality="CT")
    for _ in range(3):
        order(person)
    first, second, _third = Exam.objects.order_by("pk")
    Exam.objects.filter(pk=first.pk).update(device=machine, urgent=True)
    actions.begin(desk, first.pk)
    actions.finish(desk, first.pk)
    reports.sign(desk, first.pk, "Không thấy bất thường", "Bình thường")
    actions.begin(desk, second.pk)
    told = {"00400340": {"vr": "SQ", "Value": [{"00081070": {"vr": "PN", "Value": [{"Alphabetic": "Lò^Văn^An"}]}}]}}
    working._ended(second.pk, done=True, at=timezone.now(), by=working._people(told))
    keep(HERE, part10())
    ask("UPDATE imaging_instance SET received_at = now() - interval '1 hour'")
    counting.count()


def test_the_page_and_its_file_tell_who_did_how_much(work: None, as_role: Browser, cast: dict[str, Account]) -> None:
    browser = as_role("imaging")
    today = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh"))
    page = browser.get("/imaging/statistics")
    assert page.context["rows"] == [[f"{today:%d/%m/%Y}", 2, 1, 1]]
    assert "<svg" in page.content.decode()
    month = browser.get("/imaging/statistics?by=month").context["rows"]
    assert month == [[f"{today:%m/%Y}", 2, 1, 1]]
    machines = browser.get("/imaging/statistics?by=machine").context["rows"]
    assert sorted(machines) == [["CT phòng 2", 1, 1, 1], ["Chưa rõ", 1, 0, 0]]
    takers = browser.get("/imaging/statistics?by=taker").context["rows"]
    assert ["Lò Văn An", 1, 0, 0] in takers
    assert len(takers) == 2
    readers = browser.get("/imaging/statistics?by=reader").context["rows"]
    assert sorted(row[1:] for row in readers) == [[1, 0, 0], [1, 1, 1]]
    pictures = browser.get("/imaging/statistics?kind=pictures&by=machine").context
    assert (pictures["rows"], pictures["table"].total) == ([["CT phòng 2", 1, 1]], [1, 1])
    given = browser.get("/imaging/statistics.xlsx?by=month")
    sheet = openpyxl.load_workbook(io.BytesIO(given.content)).worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert [row[:4] for row in rows[-3:]] == [
        ["Tháng", "Đã chụp", "Đã trả kết quả", "Khẩn"], [f"{today:%m/%Y}", 2, 1, 1], ["Cộng", 2, 1, 1],
    ]  # fmt: skip
    assert browser.get("/imaging/statistics?first=02/11/2026&last=01/11/2026").status_code == 422
    assert browser.get("/imaging/statistics?first=01/01/2020&last=02/01/2020").context["rows"] == []


def test_another_facility_counts_nothing_of_it(work: None, as_role: Browser) -> None:
    Exam.objects.update(facility="12001")
    PictureCount.objects.update(facility="12001")
    browser = as_role("imaging")
    for kind in ("exams", "pictures"):
        assert browser.get(f"/imaging/statistics?kind={kind}").context["rows"] == []
    assert as_role("doctor").get("/imaging/statistics").status_code == 403
