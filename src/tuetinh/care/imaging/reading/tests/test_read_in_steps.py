"""A reading in fields and words, first by a resident and then by a senior; what is pictured and measured beside it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from io import BytesIO

import pytest
from django.test import Client
from pydicom import Dataset, dcmread

from tuetinh.care.imaging import reports
from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.errors import BadValue, NeedsReason, NeedsSecond, NothingWritten
from tuetinh.care.imaging.models import Exam, Reader, ReadingCase
from tuetinh.care.imaging.reading import claims, queries, work
from tuetinh.care.imaging.reading.tests.conftest import FACILITY, Waits
from tuetinh.care.imaging.reading.work import Typed
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browser = Callable[[str], Client]
NOBODY = Asker("nobody", "outsider", "12001")
TRAUMA = "ct-so-nao-chan-thuong"
WORDS = Typed("Máu tụ ngoài màng cứng trán phải.", "Máu tụ ngoài màng cứng.")


def test_a_resident_reads_and_a_senior_signs(waits: Waits, an: Asker, binh: Asker) -> None:
    exam = waits()
    Reader.objects.create(facility=FACILITY, account=an.account, level="resident")
    Reader.objects.create(facility=FACILITY, account=binh.account, level="senior")
    assert claims.take_next(an, "first") == exam
    with pytest.raises(NeedsSecond):
        work.sign(an, exam.pk, WORDS)
    with pytest.raises(NothingWritten):
        work.hand_over(an, exam.pk, Typed("Chỉ mô tả", ""))
    assert reports.reading_of(an, exam).status == ""
    work.hand_over(an, exam.pk, WORDS)
    assert reports.reading_of(an, exam).status == "preliminary"
    assert [len(queries.unread(an, which)) for which in queries.LISTS] == [0, 0, 0]  # not her own again
    assert [len(queries.unread(binh, which)) for which in queries.LISTS] == [0, 1, 0]
    assert claims.take_next(binh, "second") == exam
    with pytest.raises(NeedsReason):
        work.give_back(binh, exam.pk, " ")
    work.give_back(binh, exam.pk, "Xem lại hố sau")
    case = ReadingCase.objects.get()
    assert (case.note, case.first_at, case.reader) == ("Xem lại hố sau", None, "")
    assert claims.take_next(an, "first") == exam
    work.hand_over(an, exam.pk, WORDS)
    work.sign(binh, exam.pk, WORDS)
    case.refresh_from_db()
    assert (case.first_by, case.signed_by, case.reader, case.note) == (an.account, binh.account, "", "")
    report = record.read(SYSTEM, "DiagnosticReport", reports.report_id(exam))
    assert isinstance(report, r4.DiagnosticReport)
    assert (report.status, report.resultsInterpreter) == (
        "final", [r4.Reference(reference=f"Practitioner/{binh.practitioner}")],
    )  # fmt: skip
    assert Exam.objects.get().stage == "reported"
    assert [len(queries.unread(binh, which)) for which in queries.LISTS] == [0, 0, 0]


def test_fields_become_words_and_facts(waits: Waits, an: Asker) -> None:
    exam = waits()
    fields = {"f-haemorrhage": "Ngoài màng cứng", "f-thickness": "12,5", "f-fracture": "Vòm sọ", "f-other": "x"}
    work.compose(an, exam.pk, Typed("", "", TRAUMA, fields))
    assert reports.reading_of(an, exam) == reports.Reading(
        "Xuất huyết nội sọ: Ngoài màng cứng.\nBề dày khối máu tụ: 12,5 mm.\nĐường gãy xương sọ: Vòm sọ.",
        "CLVT sọ não: xuất huyết nội sọ: Ngoài màng cứng; gãy xương sọ: Vòm sọ.",
        "preliminary",
    )
    found = record.read(SYSTEM, "Observation", f"{reports.report_id(exam)}-findings")
    assert isinstance(found, r4.Observation)
    told = [(one.code and one.code.text, one.valueString, one.valueQuantity) for one in found.component or []]
    assert told == [
        ("Xuất huyết nội sọ", "Ngoài màng cứng", None),
        ("Bề dày khối máu tụ", None, r4.Quantity(value=Decimal("12.5"), unit="mm")),
        ("Đường gãy xương sọ", "Vòm sọ", None),
    ]
    for wrong in ({"f-thickness": "dày"}, {"f-thickness": "-1"}, {"f-thickness": "NaN"}, {"f-fracture": "Chân"}):
        with pytest.raises(BadValue):
            work.keep(an, exam.pk, Typed("Khác", "Khác", TRAUMA, fields | wrong))
    assert reports.reading_of(an, exam).findings.startswith("Xuất huyết")
    assert ReadingCase.objects.get().answers["thickness"] == "12.5"


def test_the_page_leads_through(waits: Waits, as_role: Browser) -> None:
    exam = waits()
    browser = as_role("imaging")
    listed = browser.get("/imaging/read").content.decode()
    assert f'data-exam="{exam.pk}"' in listed and "Nguyễn Văn Ánh" in listed
    assert browser.post("/imaging/read/next", {"list": "first"})["Location"] == f"/imaging/read/{exam.pk}"
    url = f"/imaging/read/{exam.pk}"
    assert 'name="f-haemorrhage"' in browser.get(f"{url}?template={TRAUMA}").content.decode()
    typed = {"template": TRAUMA, "f-haemorrhage": "Dưới nhện", "findings": "", "conclusion": "Xuất huyết dưới nhện"}
    wrong = browser.post(f"{url}/compose", typed | {"f-thickness": "dày"})
    assert wrong.status_code == 422
    assert "Bề dày khối máu tụ: giá trị không hợp lệ." in wrong.content.decode()
    assert browser.post(f"{url}/compose", typed | {"f-thickness": "3"}).status_code == 302
    assert "Xuất huyết nội sọ: Dưới nhện." in browser.get(url).content.decode()
    told = {"findings": "Xuất huyết dưới nhện.", "conclusion": "Xuất huyết dưới nhện.", "template": TRAUMA}
    assert browser.post(f"{url}/sign", told).status_code == 302
    exam.refresh_from_db()
    assert exam.stage == "reported"
    assert browser.get("/imaging/read?list=mine").status_code == 200
    for role in ("doctor", "outsider", "admin", "citizen"):
        assert as_role(role).get(url).status_code in (302, 403)
        assert as_role(role).post(f"{url}/keep", told).status_code in (302, 403)
    Exam.objects.update(facility="12001")
    assert browser.get(url).status_code == 404


def test_earlier_pictures_of_the_same_region(pictured: Exam, as_role: Browser) -> None:
    for uid, description, part in (("1.7", "CLVT sọ não", ""), ("1.8", "X quang", "KNEE"), ("1.9", "MR", "BRAIN")):
        told = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1", "StudyDescription": description}
        assert keep(HERE, part10(BodyPartExamined=part, StudyDate="20250101", **told)).state == "stored"
    Exam.objects.update(description="Chụp CLVT sọ não")
    shown = as_role("imaging").get(f"/imaging/read/{pictured.pk}").content.decode()
    assert shown.count("data-prior") == 2
    for uid in ("1.7", "1.9"):
        assert f"/imaging/viewer?StudyInstanceUIDs={pictured.study_instance_uid},{uid}" in shown


def test_a_key_image_is_chosen_whoever_asked_before(pictured: Exam, as_role: Browser) -> None:
    browser = as_role("imaging")
    enter(NOBODY)
    url = f"/imaging/read/{pictured.pk}/choose"
    assert browser.post(url, {"instance": "1.2.3.4.1.2", "frame": "1"}).json() == {"chosen": True}
    assert browser.post(url, {"instance": "1.2.3.4.1.2", "frame": "1"}).json() == {"chosen": False}
    assert ReadingCase.objects.get().keys == []


def coded(meaning: str, value: str = "1") -> Dataset:
    one = Dataset()
    one.CodeValue, one.CodingSchemeDesignator, one.CodeMeaning = value, "99T", meaning
    return one


def test_what_was_measured_goes_into_the_words(pictured: Exam, as_role: Browser, an: Asker) -> None:
    number, finding, group, root = (Dataset() for _ in range(4))
    value = Dataset()
    value.NumericValue, value.MeasurementUnitsCodeSequence = "12.3456", [coded("millimeter", "mm")]
    number.ValueType, number.ConceptNameCodeSequence, number.MeasuredValueSequence = "NUM", [coded("Length")], [value]
    finding.ValueType, finding.ConceptNameCodeSequence = "CODE", [coded("Finding")]
    finding.ConceptCodeSequence = [coded("Nodule")]
    group.ValueType, group.ContentSequence = "CONTAINER", [finding, number]
    root.ContentSequence = [group]
    dataset = dcmread(
        BytesIO(
            part10(
                SOPClassUID="1.2.840.10008.5.1.4.1.1.88.34",
                StudyInstanceUID=pictured.study_instance_uid,
                SeriesInstanceUID="1.2.3.4.9",
                Modality="SR",
            )
        )
    )
    del dataset.PixelData
    dataset.ContentSequence = root.ContentSequence
    out = BytesIO()
    dataset.save_as(out)
    assert keep(HERE, out.getvalue()).state == "stored"
    assert [one.words for one in queries.measured(an, pictured)] == ["Nodule Length: 12,3 mm"]
    shown = as_role("imaging").get(f"/imaging/read/{pictured.pk}?template={TRAUMA}").content.decode()
    assert 'data-insert="Nodule Length: 12,3 mm"' in shown
    assert '<option value="12,3">' in shown
