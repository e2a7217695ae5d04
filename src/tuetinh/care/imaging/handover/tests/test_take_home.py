"""An examination as a file for a stick or a disc, which foreign tools read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect
from pycdlib import PyCdlib
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian

from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.handover import actions
from tuetinh.care.imaging.handover.models import Package
from tuetinh.care.imaging.handover.tests.conftest import picture
from tuetinh.care.imaging.models import Exam, Instance
from tuetinh.care.imaging.reading import documents
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.care.imaging.tests.validating import faults
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents.files import path_of
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browse = Callable[[str], Client]


def made(exam: Exam, account: Account, kind: str) -> Path:
    """The file of an examination."""
    one = actions.ask(asker_of(account), exam, kind)
    actions.make(one.pk)
    one.refresh_from_db()
    assert one.state == "ready"
    place = actions.take(asker_of(account), one)
    assert place.stat().st_size == one.size
    return place


def listed(root: Path) -> dict[str, Path]:
    """The files that the DICOMDIR of a folder names, by their UIDs."""
    records = dcmread(root / "DICOMDIR").DirectoryRecordSequence
    named = [one for one in records if "ReferencedFileID" in one]
    return {one.ReferencedSOPInstanceUIDInFile: root.joinpath(*one.ReferencedFileID) for one in named}


def test_a_zip_with_everything(exam: Exam, cast: dict[str, Account], tmp_path: Path) -> None:
    foreign = BytesIO()
    implicit = dcmread(BytesIO(part10(StudyInstanceUID=exam.study_instance_uid, SOPInstanceUID="1.2.3.77", StudyID="")))
    implicit.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    implicit.save_as(foreign, implicit_vr=True)
    assert keep(HERE, foreign.getvalue()).state == "stored"
    with ZipFile(made(exam, cast["imaging"], "zip")) as zipped:
        assert zipped.testzip() is None
        zipped.extractall(tmp_path)
        names = zipped.namelist()
    assert all(re.fullmatch(r"([A-Z0-9_]{1,8}/)*[A-Z0-9_]{1,8}(\.[A-Z0-9]{1,3})?", name) for name in names)
    files = listed(tmp_path)
    assert len(files) == 4
    enter(SYSTEM)
    kept = {row.sop_instance_uid: path_of(bytes(row.digest)) for row in Instance.objects.all()}
    for uid, path in files.items():
        data = path.read_bytes()
        if uid == "1.2.3.77":
            assert dcmread(BytesIO(data)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
            assert dcmread(BytesIO(data)).PixelData == implicit.PixelData
        else:
            assert data == kept[uid].read_bytes()
    page = (tmp_path / "INDEX.HTM").read_text()
    data = re.search(r'<script id="stack-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert data
    told = json.loads(data[1])
    shown = [file for series in told["series"] for file in series["files"]]
    assert len(shown) == 4 and all((tmp_path / file).read_bytes().startswith(b"\xff\xd8") for file in shown)
    assert "http" not in page.replace("http-equiv", "")
    assert (tmp_path / "REPORT.PDF").read_bytes().startswith(b"%PDF")
    assert "INDEX.HTM" in (tmp_path / "README.TXT").read_text("utf-8-sig")


def test_the_directory_tells_when_a_report_was_verified(
    exam: Exam, cast: dict[str, Account], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "_signer", lambda report: "Lò^Thị Ảnh")
    documents.store(exam.pk)
    with ZipFile(made(exam, cast["imaging"], "zip")) as zipped:
        zipped.extractall(tmp_path)
    records = dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence
    [report] = [one for one in records if one.DirectoryRecordType == "SR DOCUMENT"]
    told = dcmread(tmp_path.joinpath(*report.ReferencedFileID)).VerifyingObserverSequence[0]
    assert (report.VerificationFlag, report.VerificationDateTime) == ("VERIFIED", told.VerificationDateTime)
    if shutil.which("dciodvfy"):
        assert [one for one in faults((tmp_path / "DICOMDIR").read_bytes()) if "SRDocument" in one] == []


def test_a_disc_with_everything(exam: Exam, cast: dict[str, Account], tmp_path: Path) -> None:
    disc = PyCdlib()
    disc.open(str(made(exam, cast["imaging"], "iso")))
    found = {}
    for folder, _folders, files in disc.walk(rr_path="/"):
        for file in files:
            path = f"{folder.rstrip('/')}/{file}"
            out = BytesIO()
            disc.get_file_from_iso_fp(out, rr_path=path)
            found[path] = out.getvalue()
    disc.close()
    assert {"/DICOMDIR", "/INDEX.HTM", "/README.TXT", "/REPORT.PDF", "/IHE_PDI/STACK.JS"} <= set(found)
    for path, data in found.items():
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path[1:]).write_bytes(data)
    assert sorted(listed(tmp_path)) == [f"1.2.3.4.{exam.pk}.{number}" for number in (1, 2, 3)]


@pytest.mark.peer
def test_foreign_tools_read_it(exam: Exam, cast: dict[str, Account], tmp_path: Path) -> None:
    place = made(exam, cast["imaging"], "zip")
    if shutil.which("unzip"):
        assert "No errors detected" in subprocess.run(
            ["unzip", "-t", place], capture_output=True, text=True, check=True
        ).stdout  # fmt: skip
    if shutil.which("dcmmkdir") is None:
        pytest.skip("dcmtk is not on this machine")
    with ZipFile(place) as zipped:
        zipped.extractall(tmp_path)
    told = subprocess.run(["dcmdump", tmp_path / "DICOMDIR"], capture_output=True, text=True, check=True).stdout
    assert told.count("DirectoryRecordType") == 6  # one patient, one study, one series, three pictures
    folder = next(one.name for one in tmp_path.iterdir() if one.name.startswith("PT"))
    again = ["dcmmkdir", "-Nrc", "+D", "AGAIN", "+id", ".", "+r", folder]
    subprocess.run(again, cwd=tmp_path, check=True, capture_output=True)
    other = subprocess.run(["dcmdump", tmp_path / "AGAIN"], capture_output=True, text=True, check=True).stdout
    for word in ("ReferencedFileID", "ReferencedSOPInstanceUIDInFile"):
        rows = [re.findall(rf"\[(.*?)\].*{word}$", one, re.MULTILINE) for one in (told, other)]
        assert len(rows[0]) == 3 and sorted(rows[0]) == sorted(rows[1])
    disc = made(exam, cast["imaging"], "iso")
    for tool in (["isoinfo", "-f", "-i", disc], ["xorriso", "-indev", disc, "-find", "/"]):
        if shutil.which(str(tool[0])):
            listed = subprocess.run(tool, capture_output=True, text=True, check=True).stdout
            assert "DICOMDIR" in listed and "INDEX.HTM" in listed


def test_asked_for_fetched_and_taken_away(exam: Exam, as_role: Browse) -> None:
    desk, url = as_role("imaging"), f"/imaging/exams/{exam.pk}"
    assert desk.post(f"{url}/packages", {"kind": "zip"}).status_code == 302
    assert desk.post(f"{url}/packages", {"kind": "zip"}).status_code == 302
    [one] = Package.objects.all()
    assert (one.state, one.share) == ("waiting", 0)
    page = desk.get(f"{url}/handover").content.decode()
    assert "<progress" in page and 'hx-trigger="every 2s"' in page
    assert desk.get(f"{url}/packages/{one.pk}").status_code == 302  # it is not made yet
    actions.make(one.pk)
    answer = desk.get(f"{url}/packages/{one.pk}")
    assert answer["Content-Disposition"] == f'attachment; filename="anh-{exam.accession_number}.zip"'
    assert ZipFile(BytesIO(answer.getvalue())).testzip() is None
    assert as_role("doctor").get(f"{url}/packages/{one.pk}").status_code == 403
    assert actions.tidy() == 0
    Package.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert actions.tidy() == 1
    assert desk.get(f"{url}/packages/{one.pk}").status_code == 302
    assert not actions.path_of(one).exists()


def test_nothing_to_give(exam: Exam, person: r4.Patient, cast: dict[str, Account]) -> None:
    empty = Exam.objects.get(order=order(person).id)
    with pytest.raises(actions.NothingToGive):
        actions.ask(asker_of(cast["imaging"]), empty, "zip")
    with pytest.raises(actions.NotAllowed):
        actions.ask(asker_of(cast["doctor"]), exam, "zip")
    with pytest.raises(actions.NotAllowed):
        actions.ask(asker_of(cast["imaging"]), exam, "rar")
    assert Package.objects.count() == 0


def test_memory_is_the_same_for_many(exam: Exam, cast: dict[str, Account]) -> None:
    peaks, large = [], {"Rows": 1024, "Columns": 1024, "PixelData": bytes(2 * 1024 * 1024)}
    for numbers in ((4,), range(5, 10)):
        for number in numbers:
            picture(exam, number, **large)
        one = actions.ask(asker_of(cast["imaging"]), exam, "zip")
        tracemalloc.start()
        actions.make(one.pk)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_works_without_a_network(exam: Exam, cast: dict[str, Account], tmp_path: Path, page: Page) -> None:
    with ZipFile(made(exam, cast["imaging"], "zip")) as zipped:
        zipped.extractall(tmp_path)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "INDEX.HTM").as_uri())
    expect(page.locator(".stack-count")).to_have_text("1/3")
    page.wait_for_function("document.querySelector('.stack-view img').naturalWidth === 4")
    page.get_by_role("button", name="Ảnh sau").click()
    page.locator(".stack-view").press("ArrowRight")
    expect(page.locator(".stack-count")).to_have_text("3/3")
    page.get_by_role("button", name="Phóng to").click()
    assert "scale(1.25)" in str(page.locator(".stack-view img").get_attribute("style"))
    assert page.get_by_role("link", name="Phiếu kết quả (PDF)").get_attribute("href") == "REPORT.PDF"
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
