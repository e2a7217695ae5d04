"""Questions and record together say whether an examination may begin; a doctor may let it, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pydicom import Dataset

from tuetinh.care.imaging.archive.keeping import Source
from tuetinh.care.imaging.dimse import working
from tuetinh.care.imaging.dimse.peers import Peer
from tuetinh.care.imaging.models import Device, Exam, SafetyCheck
from tuetinh.care.imaging.safety import actions, known
from tuetinh.care.imaging.safety.checks import states
from tuetinh.care.imaging.safety.known import LOINC, egfr
from tuetinh.care.imaging.safety.questions import QUESTIONNAIRE
from tuetinh.care.imaging.tests.conftest import FACILITY
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.identity.api import human_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

pytestmark = pytest.mark.django_db
Browser = Callable[[str], Client]
WITH_IODINE = "Chụp CLVT ổ bụng - tiểu khung có tiêm thuốc cản quang (từ 1-32 dãy)"
MRI = "Chụp cộng hưởng từ sọ não (0.2-1.5T)"
NOTHING = {
    "pregnant": "no", "reaction": "no", "kidney": "no", "metformin": "no", "pacemaker": "no", "clip": "no",
    "cochlear": "no", "metal": "no", "implant": "no",
}  # fmt: skip


@pytest.fixture
def woman(cast: object) -> r4.Patient:
    """A woman of 30 years."""
    birth = f"{timezone.localdate().year - 30}-01-01"
    return record.create(SYSTEM, r4.Patient(name=[human_name("Lò Thị Ba")], gender="female", birthDate=birth))


@pytest.fixture
def desk(cast: dict[str, Account]) -> Asker:
    """The imaging desk."""
    return asker_of(cast["imaging"])


def exam_of(person: r4.Patient, name: str = "Chụp Xquang ngực thẳng") -> Exam:
    """An ordered examination."""
    return Exam.objects.get(order=order(person, name).id)


def concept(text: str, code: str = "", system: str = "http://hl7.org/fhir/sid/icd-10") -> r4.CodeableConcept:
    return r4.CodeableConcept(text=text or None, coding=[r4.Coding(system=system, code=code)] if code else None)


def creatinine(person: r4.Patient, value: str, days_ago: int = 3, unit: str = "umol/L") -> None:
    """A result of the laboratory."""
    code = {"umol/L": "14682-9", "mg/dL": "2160-0"}[unit]
    record.create(
        SYSTEM,
        r4.Observation(
            status="final",
            code=concept("Creatinin", code, LOINC),
            subject=record.ref(person),
            effectiveDateTime=f"{timezone.localdate() - timedelta(days=days_ago)}T08:00:00+07:00",
            valueQuantity=r4.Quantity(value=Decimal(value), unit=unit, system="http://unitsofmeasure.org", code=unit),
        ),
    )


def allergic(person: r4.Patient, substance: str) -> None:
    """An allergy of the record."""
    record.create(
        SYSTEM,
        r4.AllergyIntolerance(
            patient=record.ref(person),
            code=concept(substance),
            clinicalStatus=concept("", "active", "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"),
        ),
    )


def ill(person: r4.Patient, text: str, code: str) -> None:
    """A diagnosis of the record."""
    record.create(
        SYSTEM,
        r4.Condition(
            subject=record.ref(person), code=concept(text, code), recordedDate=timezone.localdate().isoformat()
        ),
    )


def takes(person: r4.Patient, drug: str) -> None:
    """A prescription of the last days."""
    record.create(
        SYSTEM,
        r4.MedicationRequest(
            status="active", intent="order", subject=record.ref(person), medicationCodeableConcept=concept(drug),
            authoredOn=timezone.localdate().isoformat(),
        ),
    )  # fmt: skip


def stops(asker: Asker, exam: Exam, **answers: str) -> list[str]:
    """What stops an examination once all is answered."""
    return list(actions.answer(asker, exam.pk, NOTHING | answers).found)


@pytest.mark.parametrize(
    ("creatinine_", "sex", "years", "expected"),
    # CKD-EPI 2021, by the calculator of the National Kidney Foundation; µmol/L.
    [("88.4", "male", 50, 92), ("88.4", "female", 50, 69), ("176.8", "male", 70, 35), ("53.04", "female", 25, 128),
     ("400", "female", 80, 9), ("88.4", "male", 17, None), ("88.4", "other", 50, None), ("88.4", "male", None, None)],
)  # fmt: skip
def test_egfr(creatinine_: str, sex: str, years: int | None, expected: int | None) -> None:
    assert egfr(Decimal(creatinine_), sex, years) == expected


def test_a_woman_is_asked_before_x_rays_and_a_man_is_not(
    person: r4.Patient, woman: r4.Patient, as_role: Browser, desk: Asker
) -> None:
    his, hers, scan = exam_of(person), exam_of(woman), exam_of(woman, "Siêu âm ổ bụng")
    assert states(desk, [his, hers, scan]) == {hers.pk: "missing"}
    browser = as_role("imaging")
    assert "Chưa hỏi an toàn" in browser.get("/imaging").content.decode()
    assert browser.post(f"/imaging/exams/{his.pk}/begin").status_code == 302
    assert browser.post(f"/imaging/exams/{scan.pk}/begin").status_code == 302
    assert browser.post(f"/imaging/exams/{hers.pk}/begin").status_code == 422
    hers.refresh_from_db()
    assert hers.stage == "ordered"
    url = f"/imaging/exams/{hers.pk}/safety"
    assert "có thể có thai" in browser.get(url).content.decode()
    assert browser.post(url, {}).status_code == 422
    assert browser.post(url, {"pregnant": "maybe"}).status_code == 422
    assert browser.post(url, {"pregnant": "no"}).status_code == 302
    assert browser.post(f"/imaging/exams/{hers.pk}/begin").status_code == 302
    stored = record.read(SYSTEM, "QuestionnaireResponse", actions.response_id(hers))
    assert isinstance(stored, r4.QuestionnaireResponse)
    assert (stored.questionnaire, stored.status) == (QUESTIONNAIRE, "completed")
    assert stored.subject == record.ref(woman)
    assert [(i.linkId, a.valueCoding and a.valueCoding.code) for i in stored.item or [] for a in i.answer or []] == [
        ("pregnant", "no")
    ]


@pytest.mark.parametrize(("years", "asked"), [(9, False), (10, True), (55, True), (56, False)])
def test_the_ages_that_are_asked(cast: object, desk: Asker, years: int, asked: bool) -> None:
    birth = f"{timezone.localdate().year - years}-01-01"
    who = record.create(SYSTEM, r4.Patient(name=[human_name("Lò Thị Tư")], gender="female", birthDate=birth))
    assert bool(states(desk, [exam_of(who)])) is asked


def test_a_doctor_lets_a_pregnant_woman_pass(woman: r4.Patient, as_role: Browser) -> None:
    exam, browser, doctor = exam_of(woman), as_role("imaging"), as_role("doctor")
    url = f"/imaging/exams/{exam.pk}/safety"
    assert browser.post(url, {"pregnant": "yes"}).status_code == 302
    assert browser.post(f"/imaging/exams/{exam.pk}/begin").status_code == 422
    assert browser.post(f"{url}/override", {"why": "Cấp cứu"}).status_code == 422  # no doctor
    assert "Lò Thị Ba" in doctor.get("/imaging/safety").content.decode()
    assert doctor.post(f"{url}/override", {"why": " "}).status_code == 422
    assert SafetyCheck.objects.get().blocks
    assert doctor.post(f"{url}/override", {"why": "Cấp cứu, che chì bụng"}).status_code == 302
    assert "Lò Thị Ba" not in doctor.get("/imaging/safety").content.decode()
    row = SafetyCheck.objects.get()
    assert (row.blocks, row.overridden) == (False, ["pregnancy:told"])
    stored = record.read(SYSTEM, "QuestionnaireResponse", actions.response_id(exam))
    assert isinstance(stored, r4.QuestionnaireResponse)
    assert [a.valueString for i in stored.item or [] if i.linkId == "override" for a in i.answer or []] == [
        "Cấp cứu, che chì bụng"
    ]
    page = browser.get(url).content.decode()
    assert "Cấp cứu, che chì bụng" in page and "Lò Văn Doctor" in page
    assert browser.post(f"/imaging/exams/{exam.pk}/begin").status_code == 302


def test_a_radiologist_is_a_doctor_where_the_facility_says_so(
    woman: r4.Patient, desk: Asker, cast: dict[str, Account]
) -> None:
    assert actions.is_doctor(desk) is False
    record.create(
        SYSTEM,
        r4.PractitionerRole(
            active=True,
            practitioner=r4.Reference(reference=f"Practitioner/{desk.practitioner}"),
            code=[concept("Bác sĩ", "doctor", "http://terminology.hl7.org/CodeSystem/practitioner-role")],
        ),
    )
    assert actions.is_doctor(desk) is True


def test_what_the_record_tells_of_pregnancy(woman: r4.Patient, desk: Asker) -> None:
    exam = exam_of(woman)
    assert stops(desk, exam) == []
    assert stops(desk, exam, pregnant="unsure") == ["pregnancy:told"]
    ill(woman, "Theo dõi thai bình thường", "Z34.0")
    assert stops(desk, exam) == ["pregnancy:record"]


def test_contrast_is_not_given_to_whom_it_harmed(woman: r4.Patient, desk: Asker) -> None:
    exam = exam_of(woman, WITH_IODINE)
    creatinine(woman, "60")
    assert stops(desk, exam) == []
    allergic(woman, "Penicillin")
    assert stops(desk, exam) == []
    assert stops(desk, exam, reaction="yes") == ["allergy:told"]
    allergic(woman, "Thuốc cản quang Ultravist")
    assert stops(desk, exam) == ["allergy:record"]
    plain = exam_of(woman, "Chụp CLVT ổ bụng - tiểu khung thường quy (từ 1-32 dãy)")
    assert stops(desk, plain) == []


def test_kidneys_before_contrast(person: r4.Patient, desk: Asker) -> None:
    exam = exam_of(person, WITH_IODINE)
    assert stops(desk, exam) == []  # nothing speaks of kidneys that are ill
    assert stops(desk, exam, kidney="yes") == ["renal:unknown"]
    creatinine(person, "300", days_ago=91)
    assert stops(desk, exam, kidney="unsure") == ["renal:unknown"]  # too old
    creatinine(person, "80", days_ago=20)
    assert stops(desk, exam, kidney="yes") == []
    creatinine(person, "4", days_ago=2, unit="mg/dL")
    assert stops(desk, exam) == ["renal:low"]
    he = known.person_of(person)
    found, on = known.kidneys(desk, he), timezone.localdate() - timedelta(days=2)
    assert found == known.Kidneys(on, Decimal("353.6"), egfr(Decimal("353.6"), "male", he.age))


def test_metformin_before_contrast(person: r4.Patient, desk: Asker, as_role: Browser) -> None:
    exam = exam_of(person, WITH_IODINE)
    assert stops(desk, exam, metformin="yes") == ["metformin:unknown"]
    takes(person, "Metformin 850 mg")
    assert stops(desk, exam) == ["metformin:unknown"]
    creatinine(person, "80")
    assert stops(desk, exam) == []
    page = as_role("imaging").get(f"/imaging/exams/{exam.pk}/safety").content.decode()
    assert 'data-finding="metformin:goes-on"' in page and "80 µmol/L" in page
    creatinine(person, "400", days_ago=1)
    assert stops(desk, exam) == ["metformin:low", "renal:low"]


def test_what_is_in_the_body_before_mri(person: r4.Patient, desk: Asker) -> None:
    exam = exam_of(person, MRI)
    assert stops(desk, exam) == []
    assert stops(desk, exam, pacemaker="yes", metal="unsure") == ["implant:metal", "implant:pacemaker"]
    ill(person, "Mang máy tạo nhịp tim", "Z95.0")
    assert stops(desk, exam) == ["implant:record"]


def test_what_is_written_after_the_answers_counts(person: r4.Patient, as_role: Browser, desk: Asker) -> None:
    exam, browser = exam_of(person, WITH_IODINE), as_role("imaging")
    assert stops(desk, exam) == []
    allergic(person, "Omnipaque")
    assert browser.post(f"/imaging/exams/{exam.pk}/begin").status_code == 422
    assert SafetyCheck.objects.get().found == ["allergy:record"]
    exam.refresh_from_db()
    assert exam.stage == "ordered"
    told = {"why": "Đã dùng corticoid dự phòng"}
    assert as_role("doctor").post(f"/imaging/exams/{exam.pk}/safety/override", told).status_code == 302
    creatinine(person, "400")  # a new reason is no part of what was let pass
    assert browser.post(f"/imaging/exams/{exam.pk}/begin").status_code == 422


def test_a_machine_is_never_refused_but_it_is_said(woman: r4.Patient, desk: Asker, as_role: Browser) -> None:
    exam = exam_of(woman)
    device = Device.objects.create(title="DX1", facility=FACILITY, name="X-quang", modality="DX", works=True)
    told, step = Dataset(), Dataset()
    step.StudyInstanceUID = exam.study_instance_uid
    told.PerformedProcedureStepStatus, told.ScheduledStepAttributesSequence = "IN PROGRESS", [step]
    assert working.begin(Peer("DX1", "127.0.0.1", device, desk), "1.7", told) == 0
    assert Source(FACILITY, "AE DX1") == Peer("DX1", "127.0.0.1", device, desk).source
    exam.refresh_from_db()
    assert exam.stage == "started"
    browser = as_role("imaging")
    assert "Đã chụp, chưa hỏi an toàn" in browser.get("/imaging?list=started").content.decode()
    assert "Máy đã chụp mà chưa ai trả lời" in browser.get(f"/imaging/exams/{exam.pk}").content.decode()
    assert browser.post(f"/imaging/exams/{exam.pk}/safety", {"pregnant": "no"}).status_code == 302
    assert "Đã chụp, chưa hỏi an toàn" not in browser.get("/imaging?list=started").content.decode()


def test_nobody_else_answers(woman: r4.Patient, as_role: Browser) -> None:
    exam = exam_of(woman)
    for role in ("outsider", "admin", "nurse", "citizen", "reception"):
        browser = as_role(role)
        assert browser.get(f"/imaging/exams/{exam.pk}/safety").status_code in (302, 403)
        assert browser.post(f"/imaging/exams/{exam.pk}/safety", {"pregnant": "no"}).status_code in (302, 403)
        assert browser.post(f"/imaging/exams/{exam.pk}/safety/override", {"why": "x"}).status_code in (302, 403)
    Exam.objects.update(facility="12001")
    for role in ("imaging", "doctor"):
        assert as_role(role).post(f"/imaging/exams/{exam.pk}/safety", {"pregnant": "no"}).status_code == 404
        assert as_role(role).post(f"/imaging/exams/{exam.pk}/safety/override", {"why": "x"}).status_code == 404
    assert SafetyCheck.objects.count() == 0


def test_lists_cost_the_same_for_many(woman: r4.Patient, person: r4.Patient, desk: Asker, as_role: Browser) -> None:
    browser = as_role("imaging")

    def cost() -> list[int]:
        found = []
        for url in ("/imaging", "/imaging/safety"):
            browser.get(url)
            with CaptureQueriesContext(connection) as made:
                assert browser.get(url).status_code == 200
            found.append(len(made))
        return found

    exam_of(person)
    stops(desk, exam_of(woman), pregnant="yes")
    few = cost()
    for _ in range(6):
        exam_of(person)
        stops(desk, exam_of(woman), pregnant="yes")
    assert cost() == few
