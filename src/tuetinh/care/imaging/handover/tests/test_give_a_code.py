"""A patient opens the report and the pictures with a code and the date of birth, as often and as long as was said."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image

from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.handover.doors import door
from tuetinh.care.imaging.handover.tests.conftest import picture
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browse = Callable[[str], Client]
BIRTH = "29/02/1980"
TERMS = {"days": "7", "most": "5"}


def give(browser: Client, exam: Exam, **terms: str) -> str:
    """The code of an examination that the desk makes."""
    answer = browser.post(f"/imaging/exams/{exam.pk}/handover", TERMS | terms)
    assert answer.status_code == 200, answer.content.decode()
    found = re.search(r'href="http://testserver/share#([a-z0-9]+)"', answer.content.decode())
    assert found
    return found[1]


def opens(code: str, birth: str = BIRTH, device: Client | None = None) -> tuple[Client, str]:
    """A device on which the code was opened, and the page."""
    device = device or Client()
    answer = device.post("/share", {"code": code, "pin": birth})
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/share/exam"), answer.content.decode()
    return device, device.get("/share/exam").content.decode()


def test_the_patient_sees_report_and_pictures(exam: Exam, as_role: Browse) -> None:
    device, page = opens(give(as_role("imaging"), exam))
    assert "Nguyễn Văn Ánh" in page and exam.accession_number in page
    parts = re.findall(r"/share/exam/parts/[0-9.]+/1", page)
    assert len(set(parts)) == 3
    answer = device.get(parts[0])
    assert answer["Content-Type"] == "image/jpeg" and "no-store" in answer["Cache-Control"]
    assert Image.open(BytesIO(answer.getvalue())).size == (4, 4)
    report = device.get("/share/exam/report.pdf")
    assert report.content.startswith(b"%PDF") and report["X-Robots-Tag"] == "noindex"
    for elsewhere in ("/share/record", "/share/record/visits/v", "/share/exam/parts/1.2.3/1"):
        assert device.get(elsewhere).status_code == 404
    for closed in ("/me", f"/imaging/exams/{exam.pk}", parts[0].replace("/1", "/9")):
        assert device.get(closed).status_code in (302, 404)
    assert device.get(f"/dicom-web/studies/{exam.study_instance_uid}").status_code == 404  # no page of Django's
    device.post("/share/close")
    assert device.get(parts[0])["Location"] == "/share"


def test_another_examination_is_not_shown(exam: Exam, person: r4.Patient, as_role: Browse) -> None:
    other = Exam.objects.get(order=order(person).id)
    hidden = picture(other, 1, SeriesInstanceUID="1.2.9")
    device, page = opens(give(as_role("imaging"), exam))
    assert hidden not in page
    assert device.get(f"/share/exam/parts/{hidden}/1").status_code == 404


@pytest.mark.parametrize("birth", ["29021980", "29.2.1980", " 29 - 02 - 1980 "])
def test_a_birth_date_in_many_hands(exam: Exam, as_role: Browse, birth: str) -> None:
    assert exam.accession_number in opens(give(as_role("imaging"), exam), birth)[1]


def test_without_the_birth_date_it_stays_shut(exam: Exam, as_role: Browse) -> None:
    code = give(as_role("imaging"), exam)
    assert "29/02/1980" in Client().post("/share", {"code": code}).content.decode()
    for _ in range(4):
        assert Client().post("/share", {"code": code, "pin": "01/01/1980"}).status_code == 422
    assert Client().post("/share", {"code": code, "pin": "01/01/1980"}).status_code == 404
    assert Client().post("/share", {"code": code, "pin": BIRTH}).status_code == 404, "shut by the fifth"
    assert [one.ended is not None for one in door().given(exam.order)] == [True]


def test_only_so_often_and_so_long(exam: Exam, as_role: Browse) -> None:
    code = give(as_role("imaging"), exam)
    devices = [opens(code)[0] for _ in range(5)]
    answer = Client().post("/share", {"code": code, "pin": BIRTH})
    assert answer.status_code == 404 and "đủ số lần" in answer.content.decode()
    assert devices[0].get("/share/exam").status_code == 200, "what is open stays open"
    assert "5/5" in as_role("imaging").get(f"/imaging/exams/{exam.pk}/handover").content.decode()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE portal_share SET until = %s", [timezone.now() - timedelta(seconds=1)])
    assert devices[0].get("/share/exam")["Location"] == "/share"


def test_taken_back_at_once(exam: Exam, as_role: Browse) -> None:
    desk = as_role("imaging")
    device, _page = opens(give(desk, exam))
    [one] = door().given(exam.order)
    url = f"/imaging/exams/{exam.pk}/handover/{one.id}/end"
    assert as_role("doctor").post(url).status_code == 403
    assert device.get("/share/exam").status_code == 200
    assert desk.post(url).status_code == 302
    assert device.get("/share/exam")["Location"] == "/share"
    assert desk.post(url).status_code == 404


def test_each_opening_is_in_the_access_log(exam: Exam, as_role: Browse) -> None:
    opens(give(as_role("imaging"), exam))
    sql = "SELECT DISTINCT account LIKE %s, patient FROM record.audit WHERE role = 'share'"
    rows: list[object] = []
    for _ in range(40):  # reads are logged a moment later
        rows = rows or ask(sql, "share:%")
        time.sleep(0 if rows else 0.05)
    assert rows == [(True, exam.patient)]
    assert [len(one.openings) for one in door().given(exam.order)] == [1]


def test_the_paper_with_the_code(exam: Exam, as_role: Browse) -> None:
    desk = as_role("imaging")
    link = f"http://testserver/share#{give(desk, exam)}"
    [one] = door().given(exam.order)
    url = f"/imaging/exams/{exam.pk}/handover/{one.id}/slip.pdf"
    assert desk.post(url, {"link": link}).content.startswith(b"%PDF")
    assert desk.post(url, {"link": "https://elsewhere.vn/share#abc"}).status_code == 404
    assert desk.post(url, {"link": link + "<script>"}).status_code == 404


@pytest.mark.parametrize("terms", [{"days": "9999"}, {"most": "1000000"}, {"days": "x"}])
def test_terms_that_are_not_offered(exam: Exam, as_role: Browse, terms: dict[str, str]) -> None:
    assert as_role("imaging").post(f"/imaging/exams/{exam.pk}/handover", TERMS | terms).status_code == 422
    assert door().given(exam.order) == []


def test_no_second_proof_no_code(exam: Exam, as_role: Browse) -> None:
    who = record.read(SYSTEM, "Patient", exam.patient)
    assert isinstance(who, r4.Patient)
    who.birthDate = None
    record.update(SYSTEM, who)
    answer = as_role("imaging").post(f"/imaging/exams/{exam.pk}/handover", TERMS)
    assert answer.status_code == 422 and "chưa có ngày sinh" in answer.content.decode()
    assert door().given(exam.order) == []


def test_no_more_than_some_codes_at_once(exam: Exam, as_role: Browse) -> None:
    desk = as_role("imaging")
    for _ in range(5):
        give(desk, exam)
    answer = desk.post(f"/imaging/exams/{exam.pk}/handover", TERMS)
    assert answer.status_code == 422 and len(door().given(exam.order)) == 5


def test_nobody_else_gives(exam: Exam, as_role: Browse) -> None:
    Exam.objects.filter(pk=exam.pk).update(facility="12001")
    for path in ("handover", "packages"):
        assert as_role("imaging").post(f"/imaging/exams/{exam.pk}/{path}", TERMS).status_code == 404
    assert door().given(exam.order) == [] and exam.packages.count() == 0
