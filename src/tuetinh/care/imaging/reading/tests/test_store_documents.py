"""A signed report is in the study as DICOM too: an SR that others read, and which pictures are the key ones."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, dcmread

from tuetinh.care.imaging import reports
from tuetinh.care.imaging.jobs import store_documents
from tuetinh.care.imaging.models import Exam, Held, Instance, ReadingCase
from tuetinh.care.imaging.reading import work
from tuetinh.care.imaging.reading.tests.conftest import Waits
from tuetinh.care.imaging.reading.work import Typed
from tuetinh.care.imaging.tests.validating import faults
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents.files import path_of
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from tuetinh.record.asker import Asker

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
REPORT, SELECTION = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.59"
WORDS = Typed("Máu tụ ngoài màng cứng trán phải.", "Máu tụ ngoài màng cứng.")


def stored(sop_class: str) -> list[Path]:
    """The files of a class, in the order in which they came."""
    enter(SYSTEM)
    rows = Instance.objects.filter(sop_class_uid=sop_class).order_by("pk")
    return [path_of(bytes(row.digest)) for row in rows]


def texts(dataset: Dataset) -> list[str]:
    """Every text of a document."""
    own = [str(dataset.TextValue)] if "TextValue" in dataset else []
    return own + [text for one in dataset.get("ContentSequence") or [] for text in texts(one)]


def test_the_report_and_its_key_images(pictured: Exam, an: Asker, tmp_path: Path) -> None:
    assert work.choose(an, pictured.pk, "1.2.3.4.1.2", 1)
    assert not work.choose(an, pictured.pk, "1.2.3.9", 1)  # of another study
    work.sign(an, pictured.pk, WORDS)
    store_documents(pictured.pk)
    store_documents(pictured.pk)
    (path,), (selected,) = stored(REPORT), stored(SELECTION)
    assert (faults(path.read_bytes()), faults(selected.read_bytes())) == ([], [])
    report = dcmread(path)
    assert texts(report) == [WORDS.findings, WORDS.conclusion]
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "2000"
    assert (report.CompletionFlag, report.VerificationFlag, report.Modality) == ("COMPLETE", "VERIFIED", "SR")
    assert str(report.VerifyingObserverSequence[0].VerifyingObserverName) == "Lò^Thị An"
    assert (report.StudyInstanceUID, report.PatientID) == (pictured.study_instance_uid, "BN000017")
    assert str(report.PatientName) == "Nguyễn^Văn^Ánh"
    key = dcmread(selected)
    chosen = [one.ReferencedSOPSequence[0] for one in key.ContentSequence if one.ValueType == "IMAGE"]
    assert [one.ReferencedSOPInstanceUID for one in chosen] == ["1.2.3.4.1.2"]
    shown = tmp_path / "report.dcm"
    shutil.copy(path, shown)
    told = subprocess.run(["dsrdump", "+U8", shown], capture_output=True, text=True, check=True)
    assert "Diagnostic Imaging Report" in told.stdout and WORDS.conclusion in told.stdout
    assert not Held.objects.exists()
    document = record.read(SYSTEM, "DiagnosticReport", reports.report_id(pictured))
    assert isinstance(document, r4.DiagnosticReport)
    assert ReadingCase.objects.get().documents["of"] == document.meta.versionId


def test_an_amended_report_names_the_one_before(pictured: Exam, an: Asker) -> None:
    work.sign(an, pictured.pk, WORDS)
    store_documents(pictured.pk)
    work.sign(an, pictured.pk, Typed(WORDS.findings, "Không phải máu tụ."), why="Xem lại")
    store_documents(pictured.pk)
    first, second = map(dcmread, stored(REPORT))
    before = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert before.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert texts(second)[-1] == "Không phải máu tụ."
    assert stored(SELECTION) == []


def test_without_pictures_there_is_no_document(waits: Waits, an: Asker) -> None:
    exam = waits()
    work.sign(an, exam.pk, WORDS)
    store_documents(exam.pk)
    assert stored(REPORT) == []


def test_key_images_are_on_the_paper(pictured: Exam, an: Asker) -> None:
    known = reports.Reading("Mô tả", "Kết luận", "final")
    without = reports.paper(an, pictured, known)
    work.choose(an, pictured.pk, "1.2.3.4.1.1", 1)
    work.choose(an, pictured.pk, "1.2.3.4.1.2", 1)
    assert not work.choose(an, pictured.pk, "1.2.3.4.1.1", 1)  # chosen again it is let go
    assert ReadingCase.objects.get().keys == [[pictured.study_instance_uid, "1.2.3.4.1", "1.2.3.4.1.2", 1]]
    fresh = Exam.objects.get(pk=pictured.pk)
    paper = reports.paper(an, fresh, known)
    assert paper.count(b"/Subtype /Image") + paper.count(b"/Subtype/Image") == 1
    assert without.count(b"/Subtype /Image") + without.count(b"/Subtype/Image") == 0
