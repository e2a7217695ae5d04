"""What people bring becomes DICOM of the examination in the archive, is drawn, and goes home with the patient."""

from __future__ import annotations

import hashlib
import json
import os
import time
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import FileDataset

from tuetinh.care.imaging.capture import arriving
from tuetinh.care.imaging.capture.tests.conftest import DATA, aecg, curves, scp
from tuetinh.care.imaging.capture.tests.test_take_photos import picture
from tuetinh.care.imaging.dicomweb import frames
from tuetinh.care.imaging.handover import actions as handover
from tuetinh.care.imaging.models import Exam, Held, Instance, Study
from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.care.imaging.tests.validating import faults
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents.files import path_of
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browse = Callable[[str], Client]
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
FILES = {
    "photo": ("Vết thương.jpg", picture("JPEG", 6)),
    "png": ("nội soi.png", picture("PNG")),
    "heic": ("IMG_1.HEIC", (DATA / "photo.heic").read_bytes()),
    "film": ("clip.mp4", (DATA / "clip.mp4").read_bytes()),
    "paper": ("Giấy chuyển.pdf", PDF),
    "scp": ("ecg.scp", scp(curves())),
    "aecg": ("ecg.xml", aecg(curves())),
}
CLASSES = {
    "photo": "1.2.840.10008.5.1.4.1.1.77.1.4",
    "png": "1.2.840.10008.5.1.4.1.1.77.1.4",
    "heic": "1.2.840.10008.5.1.4.1.1.77.1.4",
    "film": "1.2.840.10008.5.1.4.1.1.77.1.4.1",
    "paper": "1.2.840.10008.5.1.4.1.1.104.1",
    "scp": "1.2.840.10008.5.1.4.1.1.9.1.1",
    "aecg": "1.2.840.10008.5.1.4.1.1.9.1.1",
}


def bring(
    browser: Client, exam: Exam, *names: str, kind: str = "XC", files: dict[str, tuple[str, bytes]] = FILES
) -> int:
    """Send files by the form, as a browser without scripts does; returns the status."""
    sent = [SimpleUploadedFile(*files[name]) for name in names]
    return int(browser.post(f"/imaging/exams/{exam.pk}/add", {"kind": kind, "files": sent}).status_code)


def kept() -> list[tuple[Instance, FileDataset]]:
    """What is in the archive, in the order in which it came."""
    enter(SYSTEM)
    rows = Instance.objects.select_related("study", "series").order_by("pk")
    return [(row, dcmread(path_of(bytes(row.digest)))) for row in rows]


@pytest.mark.parametrize("name", FILES)
def test_each_kind_is_an_object_of_the_examination(exam: Exam, person: r4.Patient, as_role: Browse, name: str) -> None:
    assert bring(as_role("imaging"), exam, name) == 302
    [(row, dataset)] = kept()
    assert row.sop_class_uid == CLASSES[name] == dataset.file_meta.MediaStorageSOPClassUID
    assert (row.study.patient, row.study.order, row.study.study_instance_uid) == (
        person.id, exam.order, exam.study_instance_uid,
    )  # fmt: skip
    told = (dataset.PatientID, str(dataset.PatientName), dataset.PatientBirthDate, dataset.AccessionNumber)
    assert told == ("BN000017", "Nguyễn^Văn Ánh", "19800229", exam.accession_number)
    assert dataset.RequestAttributesSequence[0].RequestedProcedureID == exam.accession_number
    study = record.read(SYSTEM, "ImagingStudy", row.study.resource)
    assert isinstance(study, r4.ImagingStudy)
    assert study.basedOn == [r4.Reference(reference=f"ServiceRequest/{exam.order}")]
    data = path_of(bytes(row.digest)).read_bytes()
    assert faults(data) == []
    assert b"TELL-NOBODY" not in data and b"+21.9700" not in data
    if name in ("photo", "png", "heic"):
        assert frames.drawn(bytes(row.digest), 1, frames.Drawing(), "JPEG").startswith(b"\xff\xd8")


def test_a_png_is_kept_without_loss(exam: Exam, as_role: Browse) -> None:
    assert bring(as_role("imaging"), exam, "png") == 302
    [(_row, dataset)] = kept()
    assert np.array_equal(dataset.pixel_array, np.asarray(Image.open(BytesIO(FILES["png"][1])).convert("RGB")))


@pytest.mark.parametrize(
    ("kind", "still", "film"),
    [
        ("ES", "1.2.840.10008.5.1.4.1.1.77.1.1", "1.2.840.10008.5.1.4.1.1.77.1.1.1"),
        ("GM", "1.2.840.10008.5.1.4.1.1.77.1.2", "1.2.840.10008.5.1.4.1.1.77.1.2.1"),
        ("US", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"),
    ],
)
def test_pictures_are_of_what_they_are_said_to_be(
    exam: Exam, as_role: Browse, kind: str, still: str, film: str
) -> None:
    assert bring(as_role("imaging"), exam, "photo", "film", kind=kind) == 302
    assert [row.sop_class_uid for row, _ in kept()] == [still, film]
    assert {row.series.modality for row, _ in kept()} == {kind}


def test_a_film_is_given_as_it_was_recorded(exam: Exam, as_role: Browse) -> None:
    desk = as_role("imaging")
    assert bring(desk, exam, "film") == 302
    [(row, dataset)] = kept()
    assert (dataset.NumberOfFrames, dataset.Rows, dataset.Columns, dataset.CineRate) == (10, 48, 64, 10)
    assert row.transfer_syntax_uid == "1.2.840.10008.1.2.4.102"
    url = f"/imaging/exams/{exam.pk}/parts/{row.sop_instance_uid}/0"
    whole = desk.get(url)
    data = whole.getvalue()
    assert whole["Content-Type"] == "video/mp4" and data[4:8] == b"ftyp" and len(data) - len(FILES["film"][1]) in (0, 1)
    part = desk.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.getvalue()) == (206, data[10:20])
    assert part["Content-Range"] == f"bytes 10-19/{len(data)}"
    assert desk.get(f"{url[:-1]}1").status_code == 404
    assert url in desk.get(f"/imaging/exams/{exam.pk}").content.decode()


def test_papers_and_curves_are_shown(exam: Exam, as_role: Browse) -> None:
    desk = as_role("imaging")
    assert bring(desk, exam, "paper", "scp") == 302
    (paper, dataset), (waves, ecg) = kept()
    assert dataset.DocumentTitle == "Giấy chuyển"
    url = f"/imaging/exams/{exam.pk}/parts/{{}}/0"
    assert desk.get(url.format(paper.sop_instance_uid)).getvalue() == PDF
    drawn = desk.get(url.format(waves.sop_instance_uid))
    assert drawn["Content-Type"] == "image/svg+xml"
    text = drawn.getvalue().decode()
    assert text.count("<polyline") == 13 and ">aVR<" in text and ">V6<" in text
    group = ecg.WaveformSequence[0]
    assert (group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.SamplingFrequency) == (12, 5000, 500)
    assert f'src="{url.format(waves.sop_instance_uid)}"' in desk.get(f"/imaging/exams/{exam.pk}").content.decode()


def test_the_same_file_again_is_harmless(exam: Exam, as_role: Browse) -> None:
    for _ in range(2):
        assert bring(as_role("imaging"), exam, *FILES) == 302
    assert len(kept()) == len(FILES) and Held.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jpg", FILES["photo"][1][:300], "Tệp hỏng"),
        ("a.mp4", FILES["film"][1][:1500], "Tệp hỏng"),
        ("a.pdf", b"%PDF-1.7 and nothing more", "Tệp hỏng"),
        ("a.scp", FILES["scp"][1][:400], "Tệp điện tim hỏng"),
        ("a.mov", b"\0\0\0\x14ftypqt  " + bytes(40), "Video phải là MP4"),
        ("a.docx", b"PK\x03\x04" + bytes(40), "Không nhận loại tệp này"),
        ("a.dcm", part10(), "Đây là tệp DICOM"),
        ("a.xml", aecg(curves(1), name="Lò Thị Pâng", birth="19900101"), "của người khác"),
        ("empty", b"", "Chưa chọn tệp nào"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_kept(
    exam: Exam, as_role: Browse, name: str, data: bytes, said: str
) -> None:
    answer = as_role("imaging").post(
        f"/imaging/exams/{exam.pk}/add", {"kind": "XC", "files": [SimpleUploadedFile(name, data)] if data else []}
    )
    assert answer.status_code == 422 and said in answer.content.decode()
    assert kept() == [] and Held.objects.count() == 0
    assert [one for one in (Path(arriving.settings.DATA) / arriving.ROOM).glob("*") if one.name.count("-") == 5] == []


def test_only_once_it_has_begun_and_only_here(exam: Exam, as_role: Browse) -> None:
    Exam.objects.update(stage="scheduled")
    assert bring(as_role("imaging"), exam, "photo") == 422
    Exam.objects.update(stage="started", facility="12001")
    assert bring(as_role("imaging"), exam, "photo") == 404
    Exam.objects.update(facility="12104")
    assert bring(as_role("doctor"), exam, "photo") == 403
    assert kept() == []


def test_a_file_in_pieces(exam: Exam, as_role: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "PIECE", 1000)
    desk, key = as_role("imaging"), "0123456789abcdef"
    name, data = FILES["film"]

    def send(at: int, piece: bytes, browser: Client = desk) -> tuple[int, object]:
        answer = browser.post("/imaging/arriving", {"key": key, "at": str(at), "piece": SimpleUploadedFile("p", piece)})
        return answer.status_code, answer.json().get("there") if answer.status_code == 200 else None

    assert send(0, data[:1000]) == (200, 1000)
    assert send(0, data[:1000]) == (200, 1000), "again, after the answer was lost"
    assert send(1500, data[1500:2000])[0] == 422, "a hole"
    assert send(1000, data[1000:2500])[0] == 422, "too large"
    finish = {"key": key, "size": str(len(data)), "name": name, "kind": "XC"}
    url = f"/imaging/exams/{exam.pk}/add"
    assert desk.post(url, finish).json()["ok"] is False, "it is not whole"
    assert send(1000, data[1000:2000]) == (200, 2000)
    assert send(2000, data[2000:]) == (200, len(data))
    assert as_role("doctor").post("/imaging/arriving", {"key": key, "at": "0"}).status_code == 403
    assert desk.post(url, finish).json() == {"ok": True, "text": "Đã thêm video."}
    assert desk.post(url, finish).json()["ok"] is False, "it is gone"
    assert (
        desk.post(
            "/imaging/arriving", {"key": "../../x", "at": "0", "piece": SimpleUploadedFile("p", b"x")}
        ).status_code
        == 422
    )
    assert len(kept()) == 1


def test_what_nobody_goes_on_with_is_taken_away(cast: dict[str, Account]) -> None:
    me = asker_of(cast["imaging"])
    for key in ("0" * 16, "1" * 16):
        arriving.add(me, key, 0, b"x")
    old = time.time() - arriving.KEPT_SECONDS - 1
    os.utime(arriving.place(me, "0" * 16), (old, old))
    arriving.tidy()
    assert [arriving.place(me, key * 16).exists() for key in "01"] == [False, True]


def test_a_clip_of_stills(exam: Exam, as_role: Browse) -> None:
    parts = [picture("JPEG", quality=quality) for quality in (95, 40, 5)]
    told = {"sizes": json.dumps([len(one) for one in parts]), "rate": "8", "kind": "US"}
    desk, url = as_role("imaging"), f"/imaging/exams/{exam.pk}/clip"

    def send(**changes: str) -> dict[str, object]:
        clip = SimpleUploadedFile("clip", b"".join(parts))
        return dict(desk.post(url, told | changes | {"clip": clip}).json())

    assert send() == {"ok": True, "text": "Đã thêm video."}
    assert send()["text"] == "Tệp này đã có trong ca."
    for wrong in ({"sizes": "[1]"}, {"sizes": "x"}, {"sizes": "[]"}, {"rate": "0"}, {"kind": "CT"}):
        assert send(**wrong)["ok"] is False
    [(row, dataset)] = kept()
    assert (dataset.NumberOfFrames, dataset.CineRate, row.sop_class_uid) == (3, 8, "1.2.840.10008.5.1.4.1.1.3.1")
    digest = bytes(row.digest)
    assert len({frames.drawn(digest, number, frames.Drawing(), "JPEG") for number in (1, 2, 3)}) == 3


def test_all_of_it_goes_home(exam: Exam, cast: dict[str, Account], as_role: Browse) -> None:
    assert bring(as_role("imaging"), exam, "photo", "film", "paper", "scp") == 302
    one = handover.ask(asker_of(cast["imaging"]), exam, "zip")
    handover.make(one.pk)
    with ZipFile(handover.path_of(one)) as zipped:
        names = zipped.namelist()
        records = dcmread(BytesIO(zipped.read("DICOMDIR"))).DirectoryRecordSequence
    assert sorted(name[-4:] for name in names if name.startswith("IHE_PDI/F")) == [".JPG", ".MP4", ".PDF", ".SVG"]
    leaves = [str(one.DirectoryRecordType) for one in records if "ReferencedFileID" in one]
    assert sorted(leaves) == ["ENCAP DOC", "IMAGE", "IMAGE", "WAVEFORM"]


def test_a_large_film_in_flat_memory(exam: Exam, as_role: Browse) -> None:
    free = (60 * 2**20).to_bytes(4, "big") + b"free" + bytes(60 * 2**20 - 8)
    data = FILES["film"][1] + free
    key = hashlib.sha256(data).hexdigest()[:32]
    me = asker_of(Account.objects.get(username="cast.imaging"))
    for at in range(0, len(data), arriving.PIECE):
        arriving.add(me, key, at, data[at : at + arriving.PIECE])
    finish = {"key": key, "size": str(len(data)), "name": "x.mp4", "kind": "XC"}
    tracemalloc.start()
    answer = as_role("imaging").post(f"/imaging/exams/{exam.pk}/add", finish)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.json()["ok"] is True
    assert peak < 30 * 2**20
    assert Study.objects.count() == 1
