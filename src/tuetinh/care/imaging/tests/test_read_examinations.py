"""An order becomes an examination, is planned, taken, read, signed and amended; nobody else may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tuetinh.care.imaging import reports
from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.models import Device, Exam, Held, Study
from tuetinh.care.imaging.tests.conftest import FACILITY, HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.care.insurance.models import ClaimCase
from tuetinh.commons.access.api import asker_of
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browser = Callable[[str], Client]


def test_from_order_to_signed_report(person: r4.Patient, cast: dict[str, Account], as_role: Browser) -> None:
    Device.objects.create(title="TEST", facility=FACILITY, name="CT 1", ministry_code="CL.1.SOMATOM-1")
    wanted = order(person)
    exam = Exam.objects.get(order=wanted.id)
    browser = as_role("imaging")
    page = browser.get("/imaging")
    assert "Nguyễn Văn Ánh" in page.content.decode()
    url = f"/imaging/exams/{exam.pk}"
    asked = browser.get(url).content.decode()
    assert "<strong>Đầu</strong>" in asked and "<strong>Đau đầu sau ngã, loại trừ xuất huyết</strong>" in asked
    assert browser.post(f"{url}/plan", {"device": "", "at": "2026-11-30T08:00"}).status_code == 302
    exam.refresh_from_db()
    assert exam.stage == "scheduled"
    assert browser.post(f"{url}/finish").status_code == 422  # it has not begun
    assert browser.post(f"{url}/begin").status_code == 302
    keep(HERE, part10(StudyInstanceUID=exam.study_instance_uid, SOPInstanceUID="1.2.3.4.1.1"))
    record_studies([exam.study_instance_uid])
    assert browser.post(f"{url}/finish").status_code == 302
    shown = browser.get(f"{url}?template=ct-so-nao").content.decode()
    assert "Hình ảnh cắt lớp vi tính sọ não chưa thấy bất thường." in shown
    assert f"/dicom-web/studies/{exam.study_instance_uid}/series/1.2.3.4.1/instances/1.2.3.4.1.1/thumbnail" in shown
    assert browser.post(f"{url}/sign", {"findings": "", "conclusion": ""}).status_code == 422
    assert browser.post(f"{url}/write", {"findings": "Bình thường.", "conclusion": "Chưa thấy"}).status_code == 302
    me = asker_of(cast["imaging"])
    assert reports.reading_of(me, exam) == reports.Reading("Bình thường.", "Chưa thấy", "preliminary")
    told = {"findings": "Bình thường.", "conclusion": "Chưa thấy bất thường."}
    assert browser.post(f"{url}/sign", told).status_code == 302
    exam.refresh_from_db()
    report = record.read(SYSTEM, "DiagnosticReport", reports.report_id(exam))
    assert isinstance(report, r4.DiagnosticReport)
    study = Study.objects.get().resource
    assert (report.status, report.conclusion, exam.stage) == ("final", "Chưa thấy bất thường.", "reported")
    assert report.imagingStudy == [r4.Reference(reference=f"ImagingStudy/{study}")]
    assert report.presentedForm is not None
    assert report.presentedForm[0].contentType == "application/pdf"
    [result] = record.read_many(SYSTEM, "Observation", [f"{reports.report_id(exam)}-findings"]).values()
    assert isinstance(result, r4.Observation)
    machine = result.device.identifier if result.device else None
    assert machine and (machine.system, machine.value) == ("https://tuetinh.vn/fhir/sid/ma-may", "CL.1.SOMATOM-1")
    assert exam.started_at
    begun = exam.started_at.astimezone(HANOI).isoformat(timespec="seconds")
    assert result.effectiveDateTime == report.effectiveDateTime == begun
    who = f"Practitioner/{cast['imaging'].practitioner}"  # took the pictures, and read them
    assert {one.reference for one in result.performer or []} == {who}
    stored = record.read(SYSTEM, "ServiceRequest", str(wanted.id))
    assert isinstance(stored, r4.ServiceRequest)
    assert stored.status == "completed"
    assert browser.get(f"{url}/report.pdf").content.startswith(b"%PDF")
    assert browser.post(f"{url}/sign", told).status_code == 422  # a change needs a reason
    now = timezone.now()
    sent = {"encounter": "visit", "facility": FACILITY, "patient": "p", "ended": now, "due": now, "by": now.date()}
    ClaimCase.objects.create(state="accepted", **sent)
    Exam.objects.filter(pk=exam.pk).update(encounter="visit")
    assert browser.post(f"{url}/sign", told | {"why": "Bổ sung"}).status_code == 302
    assert ClaimCase.objects.get().state == "waiting"  # the claim goes again with the amended reading
    assert reports.reading_of(me, exam).status == "amended"


def test_nobody_else_may(person: r4.Patient, as_role: Browser) -> None:
    order(person)
    exam = Exam.objects.get()
    for role in ("doctor", "outsider", "admin", "citizen"):
        for what in ("begin", "finish", "write", "sign", "plan"):
            assert as_role(role).post(f"/imaging/exams/{exam.pk}/{what}").status_code in (302, 403)
        assert as_role(role).get(f"/imaging/exams/{exam.pk}").status_code in (302, 403)
    exam.refresh_from_db()
    assert exam.stage == "ordered"
    Exam.objects.update(facility="12001")
    assert as_role("imaging").get(f"/imaging/exams/{exam.pk}").status_code == 404
    assert as_role("imaging").post(f"/imaging/exams/{exam.pk}/begin").status_code == 404
    exam.refresh_from_db()
    assert exam.stage == "ordered"


def test_the_list_costs_the_same_for_many(person: r4.Patient, as_role: Browser) -> None:
    browser = as_role("imaging")
    for _ in range(3):
        order(person)
    browser.get("/imaging")
    with CaptureQueriesContext(connection) as few:
        browser.get("/imaging")
    for _ in range(20):
        order(person)
    with CaptureQueriesContext(connection) as many:
        browser.get("/imaging")
    assert len(many) == len(few)


def test_what_waits_is_decided_on_its_page(person: r4.Patient, as_role: Browser) -> None:
    keep(HERE, part10(PatientName="X^Y", PatientBirthDate="19000101"))
    keep(HERE, part10(StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1", PatientID="UNKNOWN"))
    browser = as_role("imaging")
    held = Held.objects.get()
    page = browser.get("/imaging/waiting").content.decode()
    assert f"/imaging/waiting/{held.pk}" in page and "<td>X Y <small" in page
    url = f"/imaging/waiting/{held.pk}"
    assert "Nguyễn Văn Ánh" in browser.get(url).content.decode()
    assert browser.post(url, {"action": "assign", "patient": "nobody", "why": "x"}).status_code == 422
    assert browser.post(url, {"action": "assign", "patient": "BN000017", "why": ""}).status_code == 422
    held.refresh_from_db()
    assert held.state == "waiting"
    assert browser.post(url, {"action": "assign", "patient": "BN000017", "why": "Đúng người"}).status_code == 302
    held.refresh_from_db()
    assert held.state == "assigned"
    enter(SYSTEM)
    nobody = Study.objects.get(patient=None)
    assert f"/imaging/studies/{nobody.pk}/patient" in browser.get("/imaging/waiting?list=nobody").content.decode()
    told = {"patient": "BN000017", "why": "Người nhà xác nhận"}
    assert browser.post(f"/imaging/studies/{nobody.pk}/patient", told).status_code == 302
    enter(SYSTEM)
    assert Study.objects.get(pk=nobody.pk).patient == person.id


def test_an_administrator_keeps_the_machines(cast: object, as_role: Browser) -> None:
    browser = as_role("admin")
    told = {"title": "CT1", "name": "CT 64 dãy", "modality": "CT", "stores": "on", "works": "on", "enabled": "on"}
    assert browser.post("/imaging/devices/new", told).status_code == 302
    row = Device.objects.get()
    assert (row.title, row.facility, row.stores, row.finds, row.works) == ("CT1", FACILITY, True, False, True)
    assert browser.post("/imaging/devices/new", told).status_code == 422  # the title is taken
    assert browser.post("/imaging/devices/new", told | {"title": "MÁY"}).status_code == 422
    assert browser.post("/imaging/devices/new", told | {"title": "CT3", "ministry_code": "CL1"}).status_code == 422
    assert browser.post(f"/imaging/devices/{row.pk}", told | {"host": "10.0.0.5"}).status_code == 422
    assert browser.post(f"/imaging/devices/{row.pk}", told | {"host": "10.0.0.5", "port": "104"}).status_code == 302
    row.refresh_from_db()
    assert (row.host, row.port) == ("10.0.0.5", 104)
    assert as_role("imaging").post("/imaging/devices/new", told | {"title": "CT2"}).status_code == 403
    assert Device.objects.count() == 1
