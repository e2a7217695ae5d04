"""Pictures for teaching: nothing tells whose they are, they still belong together, and who took them is logged."""

from __future__ import annotations

import io
from collections.abc import Callable
from zipfile import ZipFile

import pytest
from django.test import Client
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from tuetinh.care.imaging.archive.keeping import ask, keep
from tuetinh.care.imaging.models import Change, Exam
from tuetinh.care.imaging.teaching import actions
from tuetinh.care.imaging.teaching.hiding import Secret, hide
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.models import Account
from tuetinh.record import audit, r4

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browser = Callable[[str], Client]
SECRET = Secret(b"k" * 32, 100)
WHY = "Bài giảng chẩn đoán hình ảnh"


def hidden(**changes: object) -> Dataset:
    """A picture after everything was taken out, as it is read again."""
    dataset = dcmread(io.BytesIO(part10(**changes)))
    hide(dataset, SECRET)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return dcmread(io.BytesIO(out.getvalue()))


def test_nothing_tells_whose_a_picture_is() -> None:
    inner = Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.1.7"
    inner.OperatorsName, inner.StudyDate = "Lò^Văn^An", "20261101"
    names = Dataset()
    names.RequestingPhysician, names.RequestedProcedureDescription = "Trần^Thị^Bình", "ANH CHUP SO NAO"
    made = hidden(
        SOPInstanceUID="1.2.3.4.1.1", PatientAge="046Y", InstitutionName="TTYT Mường La", OperatorsName="Lò^Văn^An",
        PatientAddress="Bản Hua", OtherPatientIDs="CCCD014080000017", StationName="CT01", DeviceSerialNumber="SN77",
        PatientComments="chồng chị Pâng", ImageComments="BN Ánh", InstanceCreationDate="20261102",
        AcquisitionDateTime="20261102081500", FrameOfReferenceUID="1.2.3.4.9",
        ReferencedImageSequence=Sequence([inner]), RequestAttributesSequence=Sequence([names]),
    )  # fmt: skip
    text = str(made) + str(made.file_meta)
    for told in (
        "Ánh", "BN000017", "19800229", "Mường La", "Lò", "Bản Hua", "CCCD", "CT01", "SN77", "Pâng", "Bình", "20261102",
        "20261101", "1.2.3.4", "SO NAO", "sọ não",
    ):  # fmt: skip
        assert told not in text, told
    assert (made.PatientAge, made.PatientSex, made.PatientName == made.PatientID) == ("046Y", "M", True)
    assert (made.StudyDate, made.AcquisitionDateTime, made.StudyTime) == ("20260725", "20260725081500", "081500")
    assert made.ReferencedImageSequence[0].ReferencedSOPInstanceUID == SECRET.uid("1.2.3.4.1.7")
    assert (made.StudyInstanceUID, made.file_meta.MediaStorageSOPInstanceUID) == (
        SECRET.uid("1.2.3.4"), made.SOPInstanceUID,
    )  # fmt: skip
    assert (made.PatientIdentityRemoved, made.PixelData, made.Modality, made.Rows) == ("YES", bytes(range(32)), "CT", 4)
    assert [one.CodeValue for one in made.DeidentificationMethodCodeSequence] == ["113100", "113107", "113108"]


def test_private_and_unknown_parts_and_overlays_go() -> None:
    dataset = dcmread(io.BytesIO(part10()))
    block = dataset.private_block(0x0029, "MAKER", create=True)
    block.add_new(0x10, "LO", "BN000017")
    dataset.add_new(0x60003000, "OW", bytes(2))
    dataset.add_new(0x60000022, "LO", "Ánh")
    dataset.add_new(0x00181234, "LO", "chưa biết")
    hide(dataset, SECRET)
    assert [one for one in dataset if one.tag.is_private or one.tag.group == 0x6000 or one.tag == 0x00181234] == []


@pytest.mark.parametrize(
    ("age", "told"), [("046Y", "046Y"), ("089Y", "089Y"), ("095Y", "090Y"), ("003W", "003W"), ("x", None)]
)
def test_the_very_old_are_only_that(age: str, told: str | None) -> None:
    assert hidden(PatientAge=age).get("PatientAge") == told


@pytest.fixture
def exam(person: r4.Patient) -> Exam:
    """An examination with pictures of several kinds."""
    order(person)
    exam = Exam.objects.get()
    for number, changes in enumerate(
        (
            {},
            {},
            {"Modality": "US", "BurnedInAnnotation": None},
            {"Modality": "US", "BurnedInAnnotation": "NO"},
            {"BurnedInAnnotation": "YES"},
            {"Rows": None, "Columns": None, "Modality": "SR"},
        ),
        start=1,
    ):
        told = {"StudyInstanceUID": exam.study_instance_uid, "SeriesInstanceUID": generate_uid()}
        assert keep(HERE, part10(**(told | changes | {"InstanceNumber": number}))).state == "stored"
    return exam


def test_a_zip_of_an_examination_is_given_and_logged(exam: Exam, as_role: Browser, cast: dict[str, Account]) -> None:
    browser, url = as_role("imaging"), f"/imaging/exams/{exam.pk}/teaching"
    assert url in browser.get(f"/imaging/exams/{exam.pk}").content.decode()
    page = browser.get(url)
    assert page.status_code == 200
    looked = page.context["looked"]
    assert (len(looked.clear), len(looked.doubtful), looked.marked, looked.others) == (3, 1, 1, 1)
    assert browser.post(url, {"why": "ngắn", "seen": "on"}).status_code == 422
    assert browser.post(url, {"why": WHY}).status_code == 422  # nobody has looked at what may have words on it
    assert Change.objects.count() == 0
    given = browser.post(url, {"why": WHY, "seen": "on"})
    assert (given.status_code, given["content-type"]) == (200, "application/zip")
    with ZipFile(io.BytesIO(b"".join(given.streaming_content))) as archive:
        names = archive.namelist()
        pictures = [dcmread(io.BytesIO(archive.read(name))) for name in names if name.endswith(".dcm")]
        readme = archive.read("README.txt").decode()
        listed = archive.read("files.csv").decode().splitlines()
    assert names == [*(f"images/{n:05}.dcm" for n in range(1, 5)), "files.csv", "README.txt"]
    assert {one.StudyInstanceUID for one in pictures} == {pictures[0].StudyInstanceUID} != {exam.study_instance_uid}
    assert len({one.PatientID for one in pictures}) == 1
    assert len(listed) == 5
    assert "CT 2, US 2" in readme
    change = Change.objects.get()
    assert (change.action, change.why, change.account, change.after) == (
        "teach", WHY, str(cast["imaging"].pk), {"pictures": 4, "left": 2},
    )  # fmt: skip
    audit.writer.close()
    assert ask("SELECT count(*) FROM record.audit WHERE action = 'export' AND type = 'ImagingStudy'") == [(1,)]


def test_only_who_may_and_only_what_is_there(exam: Exam, as_role: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"/imaging/exams/{exam.pk}/teaching"
    for role in ("doctor", "lab", "outsider"):
        assert as_role(role).post(url, {"why": WHY, "seen": "on"}).status_code in (403, 404)
    Exam.objects.update(facility="12001")
    assert as_role("imaging").post(url, {"why": WHY, "seen": "on"}).status_code == 404
    Exam.objects.update(facility="12104")
    monkeypatch.setattr(actions, "MOST", 5)
    assert as_role("imaging").post(url, {"why": WHY, "seen": "on"}).status_code == 422
    assert Change.objects.count() == 0
