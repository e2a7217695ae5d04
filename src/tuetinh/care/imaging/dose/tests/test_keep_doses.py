"""Doses come into the register from reports, pictures and procedure steps, and are set beside reference levels."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import openpyxl
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pydicom import Dataset

from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.dimse import working
from tuetinh.care.imaging.dimse.peers import Peer
from tuetinh.care.imaging.dose import queries
from tuetinh.care.imaging.dose.due import is_due
from tuetinh.care.imaging.dose.reading import read_due
from tuetinh.care.imaging.dose.tests.reports import ct, ct_scan, report, x_ray, x_rays
from tuetinh.care.imaging.dose.told import amount
from tuetinh.care.imaging.models import Device, Dose, DoseDue, Exam
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.care.imaging.tests.conftest import FACILITY, HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.record import r4

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browser = Callable[[str], Client]
CHEST = "Chụp cắt lớp vi tính lồng ngực không tiêm thuốc cản quang (từ 1- 32 dãy)"


def exam_of(person: r4.Patient, name: str = CHEST) -> Exam:
    """An ordered examination."""
    return Exam.objects.get(order=order(person, name).id)


def come(exam: Exam | None, *files: bytes) -> None:
    """Objects arrive, and what follows is done."""
    for data in files:
        assert keep(HERE, data).state == "stored"
    record_studies([exam.study_instance_uid if exam else "1.2.3.4"])
    read_due()


def numbers(dose: Dose) -> tuple[Decimal | None, ...]:
    return dose.ctdi, dose.dlp, dose.dap, dose.agd


def test_a_ct_report(person: r4.Patient) -> None:
    exam = exam_of(person)
    Device.objects.create(title="TEST", facility=FACILITY, name="CT 64 dãy", modality="CT")
    scans = ct_scan("1.9.1", "0.1", "4.5", "Scout"), ct_scan("1.9.2", "9.75", "310.25")
    come(exam, report(ct(*scans, total="314.75"), StudyInstanceUID=exam.study_instance_uid))
    dose = Dose.objects.get()
    assert numbers(dose) == (Decimal("9.750"), Decimal("314.750"), None, None)
    assert (dose.exam, dose.patient, dose.facility, dose.modality) == (exam, person.id, FACILITY, "CT")
    assert (dose.source, dose.machine, dose.protocol, dose.region) == ("rdsr", "CT 64 dãy", "CT-CHEST", "Ngực")
    assert (dose.age, dose.at.isoformat()) == (46, "2026-11-02T01:15:00+00:00")
    assert dose.events[1] == {
        "uid": "1.9.2", "protocol": "Chest routine", "region": "Chest", "ctdi": "9.75", "dlp": "310.25",
    }  # fmt: skip
    assert DoseDue.objects.count() == 0


def test_reports_that_repeat_count_each_exposure_once(person: r4.Patient) -> None:
    exam = exam_of(person)
    first, second = ct_scan("1.9.1", "5", "200"), ct_scan("1.9.2", "6", "100")
    come(exam, report(ct(first, total="200"), StudyInstanceUID=exam.study_instance_uid))
    assert Dose.objects.get().dlp == 200
    come(exam, report(ct(first, second, total="300"), StudyInstanceUID=exam.study_instance_uid))
    dose = Dose.objects.get()
    assert (dose.dlp, dose.ctdi, len(dose.events)) == (300, 6, 2)


def test_a_report_without_single_exposures(person: r4.Patient) -> None:
    come(None, report(ct(total="412.5")))
    dose = Dose.objects.get()
    assert numbers(dose) == (None, Decimal("412.500"), None, None)
    assert (dose.exam, dose.patient, dose.modality, dose.machine) == (None, person.id, "CT", "ACME Scan 64 (CT01)")


def test_a_projection_report(person: r4.Patient) -> None:
    exam = exam_of(person, "Chụp Xquang ngực thẳng")
    shots = x_ray("1.9.1", "0.000012"), x_ray("1.9.2", "0.000003")
    sent = report(x_rays(*shots, total="0.000015", seconds="12.5"), StudyInstanceUID=exam.study_instance_uid)
    come(exam, sent)
    dose = Dose.objects.get()
    assert numbers(dose) == (None, None, Decimal("0.15000"), None)
    assert (dose.seconds, dose.modality) == (Decimal("12.50"), "DX")
    [shown] = queries.of_exam(exam)
    assert [(one.quantity, one.said, one.above) for one in shown.measured] == [("dap", "0,150", True)]
    assert shown.measured[0].reference and shown.measured[0].reference.code == "XR-CHEST-DAP"


def test_a_mammography_report_tells_the_worst_view(person: r4.Patient) -> None:
    exam = exam_of(person, "Chụp Xquang tuyến vú")
    shots = x_ray("1.9.1", "0.00001", agd="1.2"), x_ray("1.9.2", "0.00001", agd="2.75")
    come(exam, report(x_rays(*shots, total="0.00002"), StudyInstanceUID=exam.study_instance_uid))
    assert Dose.objects.get().agd == Decimal("2.750")
    assert [one.above for one in queries.of_exam(exam)[0].measured if one.quantity == "agd"] == [True]


def test_pictures_where_there_is_no_report(person: r4.Patient) -> None:
    exam = exam_of(person)
    uid = exam.study_instance_uid
    come(
        exam,
        *(part10(StudyInstanceUID=uid, SeriesInstanceUID="1.2.9", CTDIvol=7.5, InstanceNumber=n) for n in (1, 2)),
        part10(StudyInstanceUID=uid, SeriesInstanceUID="1.2.10", CTDIvol=11.25),
    )
    dose = Dose.objects.get()
    assert (numbers(dose), dose.source, len(dose.events)) == ((Decimal("11.250"), None, None, None), "images", 2)
    come(exam, report(ct(ct_scan("1.9.1", "8", "250"), total="250"), StudyInstanceUID=uid))
    dose = Dose.objects.get()
    assert (dose.source, dose.ctdi, dose.dlp) == ("rdsr", 8, 250)


def test_pictures_of_projections_add_up(person: r4.Patient) -> None:
    exam = exam_of(person, "Chụp X-quang cột sống thắt lưng thẳng nghiêng")
    for n, dap in ((1, "12.5"), (2, "20")):  # dGy·cm²
        keep(HERE, part10(
            StudyInstanceUID=exam.study_instance_uid, SeriesInstanceUID="1.2.11", Modality="DX", InstanceNumber=n,
            ImageAndFluoroscopyAreaDoseProduct=dap, SOPInstanceUID=f"1.2.11.{n}",
        ))  # fmt: skip
    come(exam)
    assert Dose.objects.get().dap == Decimal("3.25000")


def test_a_procedure_step_where_there_is_nothing_else(person: r4.Patient, cast: dict[str, Account]) -> None:
    exam = exam_of(person, "Chụp Xquang ngực thẳng")
    device = Device.objects.create(title="DX1", facility=FACILITY, name="X-quang 1", modality="DX", works=True)
    peer = Peer("DX1", "127.0.0.1", device, asker_of(cast["imaging"]))
    told, step, done = Dataset(), Dataset(), Dataset()
    step.StudyInstanceUID = exam.study_instance_uid
    told.PerformedProcedureStepStatus, told.ScheduledStepAttributesSequence = "IN PROGRESS", [step]
    assert working.begin(peer, "1.7", told) == 0
    done.PerformedProcedureStepStatus, done.ImageAndFluoroscopyAreaDoseProduct = "COMPLETED", "0.8"
    assert working.change(peer, "1.7", done) == 0
    assert read_due() == 1
    dose = Dose.objects.get()
    assert (dose.dap, dose.source, dose.machine, dose.exam) == (Decimal("0.08000"), "mpps", "X-quang 1", exam)


def test_a_step_and_pictures_of_another_study_are_one_dose(person: r4.Patient) -> None:
    exam = exam_of(person, "Chụp Xquang ngực thẳng")
    now = datetime.now(UTC)
    told = {"0018115E": {"vr": "DS", "Value": [0.8]}}
    exam.steps.create(
        sop_instance_uid="1.7", facility=FACILITY, title="DX1", status="COMPLETED", attributes=told, created_at=now,
        changed_at=now,
    )  # fmt: skip
    is_due(exam.study_instance_uid)
    read_due()
    assert Dose.objects.get().source == "mpps"
    sent = report(x_rays(x_ray("1.9.1", "0.00001"), total="0.00001"), AccessionNumber=exam.accession_number)
    come(None, sent)
    dose = Dose.objects.get()
    assert (dose.source, dose.exam, dose.dap) == ("rdsr", exam, Decimal("0.10000"))
    is_due(exam.study_instance_uid)
    read_due()
    assert Dose.objects.get() == dose


def test_what_tells_no_dose_is_not_in_the_register(person: r4.Patient) -> None:
    exam = exam_of(person)
    come(
        exam,
        part10(StudyInstanceUID=exam.study_instance_uid),
        report([], StudyInstanceUID=exam.study_instance_uid),
        report(ct(ct_scan("1.9.1", "-3", "1e30"), total="nan"), StudyInstanceUID=exam.study_instance_uid),
        report(x_rays(x_ray("1.9.2", "99999"), total="99999999"), StudyInstanceUID=exam.study_instance_uid),
    )
    assert (Dose.objects.count(), DoseDue.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("quantity", "value", "unit", "expected"),
    [
        ("dap", "1", "Gy.m2", "10000"), ("dap", "1", "dGy.cm2", "0.1"), ("dap", "1", "uGy.m2", "0.01"),
        ("dap", "1", "mGy.cm2", "0.001"), ("dap", "1", "cGy*cm2", "0.01"), ("ctdi", "0.01", "Gy", "10.00"),
        ("dlp", "5", "mGycm", "5"), ("agd", "2", "dGy", "200"), ("dlp", "5", "mGy", None), ("dap", "x", "Gy.m2", None),
        ("dap", "inf", "Gy.m2", None), ("ctdi", "-1", "mGy", None),
    ],
)  # fmt: skip
def test_units(quantity: str, value: str, unit: str, expected: str | None) -> None:
    assert amount(quantity, value, unit) == (None if expected is None else Decimal(expected))


def test_every_sr_of_the_public_set_is_looked_into(cast: object, shared: object) -> None:
    """Real SR documents, none of which is a dose report, leave nothing behind and break nothing."""
    folder = shared / "data" / "dicom"  # type: ignore[operator]
    found = [*folder.glob("*/*SR*.dcm"), *folder.glob("*/sr_*.dcm"), *folder.glob("dcmqi/*/sr.dcm")]
    uids = [keep(HERE, path.read_bytes()).study for path in found]
    record_studies(filter(None, uids))
    read_due()
    assert len(found) >= 4
    assert (Dose.objects.count(), DoseDue.objects.count()) == (0, 0)


def dose(exam: Exam | None, number: int, **values: object) -> Dose:
    """A row of the register."""
    told: dict[str, object] = {
        "study_instance_uid": f"1.5.{number}", "facility": FACILITY, "exam": exam,
        "patient": exam.patient if exam else "",
        "modality": "CT", "at": datetime.now(UTC) - timedelta(days=number), "machine": "CT 1", "protocol": "CT-CHEST",
        "region": "Ngực", "description": "CLVT lồng ngực", "age": 50, "source": "rdsr",
    }  # fmt: skip
    return Dose.objects.create(**told | values)


def test_sums_by_machine_protocol_and_month(person: r4.Patient, as_role: Browser) -> None:
    exam = exam_of(person)
    for n, dlp in enumerate((100, 200, 300, 400, 900)):
        dose(exam if n == 0 else None, n, dlp=dlp, machine="CT 1" if n < 4 else "=CT 2")
    dose(None, 9, dlp=70, age=5, protocol="CT-HEAD")
    asked = queries.Asked(
        FACILITY, timezone.localdate() - timedelta(days=30), timezone.localdate(), "CT", "dlp", "protocol"
    )
    rows = {row["key"]: row for row in queries.sums(asked)}
    chest = rows["CT-CHEST"]
    assert (chest["count"], chest["median"], chest["p75"], chest["top"]) == (5, 300.0, 400.0, Decimal(900))
    level = queries.level(asked, in_force(FACILITY), "CT-CHEST")
    assert level is not None and level.limit == 290
    browser = as_role("imaging")
    page = browser.get("/imaging/dose").content.decode()
    assert "CLVT lồng ngực" in page and "trên mức" in page and "<svg" in page
    machines = browser.get("/imaging/dose?by=machine").content.decode()
    assert "=CT 2" in machines
    assert browser.get("/imaging/dose?by=month&ages=child").status_code == 200
    for wrong in ("by=nothing", "modality=XX", "first=01/01/2026&last=01/01/2020", "quantity=x"):
        assert browser.get(f"/imaging/dose?{wrong}").status_code == 422
        assert browser.get(f"/imaging/dose.xlsx?{wrong}").status_code == 422
    book = openpyxl.load_workbook(io.BytesIO(browser.get("/imaging/dose.xlsx?by=machine").content))
    sums = list(book["Tổng hợp"].iter_rows(values_only=True))[4:]
    assert [row[:4] for row in sums] == [("CT 1", 5, 200, 300), ("'=CT 2", 1, 900, 900)]
    each = list(book["Từng ca"].iter_rows(values_only=True))[1:]
    assert len(each) == 6
    assert each[0][1] == exam.accession_number
    assert [row[8] for row in each] == [None, None, "x", "x", "x", None]
    assert as_role("admin").get("/imaging/dose").status_code == 200
    assert as_role("doctor").get("/imaging/dose").status_code == 403


def test_a_persons_doses_over_time(person: r4.Patient, as_role: Browser) -> None:
    exam = exam_of(person)
    dose(exam, 1, dlp=400)
    dose(exam, 400, dlp=100, ctdi=3)
    dose(exam, 800, dlp=None, dap=Decimal("0.2"), modality="DX", protocol="XR-CHEST")
    dose(exam, 3, dlp=5000, facility="12001")  # of another facility, whose study the desk may not see
    browser = as_role("imaging")
    page = browser.get(f"/imaging/dose/people/{person.id}").content.decode()
    assert '<p class="big-number">3</p>' in page and '<p class="big-number">500</p>' in page
    assert '<p class="big-number">0,200</p>' in page and "1 lần trong 12 tháng qua" in page
    assert as_role("doctor").get(f"/imaging/dose/people/{person.id}").status_code == 200
    for role in ("admin", "outsider", "lab", "citizen"):
        assert as_role(role).get(f"/imaging/dose/people/{person.id}").status_code in (302, 403)
    assert "trên mức" in browser.get(f"/imaging/exams/{exam.pk}").content.decode()


def test_the_register_costs_the_same_for_many(person: r4.Patient, as_role: Browser) -> None:
    browser, exam = as_role("imaging"), exam_of(person)

    def cost() -> int:
        browser.get("/imaging/dose")
        with CaptureQueriesContext(connection) as made:
            assert browser.get("/imaging/dose").status_code == 200
        return len(made)

    dose(exam, 1, dlp=1)
    few = cost()
    for n in range(2, 20):
        dose(exam, n, dlp=n)
    assert cost() == few
