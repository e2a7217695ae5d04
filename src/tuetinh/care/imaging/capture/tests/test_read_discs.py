"""A disc of another place: its objects become those of the chosen person, or wait; nothing of them is lost."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.fileset import FileSet
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from tuetinh.care.imaging.capture import arriving
from tuetinh.care.imaging.capture.disc import actions, reconciling
from tuetinh.care.imaging.capture.disc.models import Disc
from tuetinh.care.imaging.capture.disc.reconciling import CannotChange, reconcile
from tuetinh.care.imaging.models import Exam, Held, Instance, Study
from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents.files import path_of
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browse = Callable[[str], Client]


def foreign(number: int = 1, **changes: object) -> bytes:
    """An object as another hospital writes it: its own numbers, names without accents."""
    told: dict[str, object] = {
        "PatientID": "BM-4711",
        "IssuerOfPatientID": "BACHMAI",
        "PatientName": "NGUYEN VAN ANH",
        "PatientBirthDate": "19800229",
        "AccessionNumber": "A1",
        "StudyInstanceUID": "1.9.1",
        "SeriesInstanceUID": "1.9.1.1",
        "SOPInstanceUID": f"1.9.1.1.{number}",
        "InstanceNumber": number,
    }
    return part10(**told | changes)


@pytest.fixture
def disc(person: r4.Patient, cast: dict[str, Account]) -> Disc:
    """A disc that is read in for the person."""
    return actions.begin(asker_of(cast["imaging"]), str(person.id), "Bệnh viện Việt Tiệp")


def bring(browser: Client, disc: Disc, **files: bytes) -> dict[str, str]:
    """Send files one by one, as the script does; returns what became of each."""
    found = {}
    for name, data in files.items():
        answer = browser.post(f"/imaging/discs/{disc.pk}", {"name": name, "file": SimpleUploadedFile(name, data)})
        found[name] = answer.json().get("is") or answer.json()["text"]
    return found


def counts(disc: Disc) -> tuple[int, int, int, int]:
    disc.refresh_from_db()
    return disc.stored, disc.known, disc.waiting, disc.skipped


def test_the_person_is_chosen_and_the_old_number_kept(disc: Disc, person: r4.Patient, as_role: Browse) -> None:
    data = foreign()
    assert bring(as_role("imaging"), disc, IM1=data) == {"IM1": "stored"}
    enter(SYSTEM)
    row = Instance.objects.select_related("study").get()
    assert (row.study.patient, row.study.patient_id, row.study.custodian) == (person.id, "BN000017", disc.facility)
    ours, theirs = dcmread(path_of(bytes(row.digest))), dcmread(BytesIO(data))
    assert (ours.PatientID, ours.IssuerOfPatientID, ours.AccessionNumber) == ("BN000017", disc.facility, "")
    [item] = ours.OriginalAttributesSequence
    [before] = item.ModifiedAttributesSequence
    assert (before.PatientID, before.IssuerOfPatientID, before.AccessionNumber) == ("BM-4711", "BACHMAI", "A1")
    assert (item.ModifyingSystem, item.ReasonForTheAttributeModification) == ("TUETINH", "COERCE")
    for one in ours:
        if one.keyword not in ("PatientID", "IssuerOfPatientID", "AccessionNumber", "OriginalAttributesSequence"):
            assert one == theirs[one.tag], one.keyword
    assert counts(disc) == (1, 0, 0, 0)


def test_the_same_disc_again_changes_nothing(disc: Disc, as_role: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = as_role("imaging")
    bring(desk, disc, a=foreign(1), b=foreign(2))
    enter(SYSTEM)
    before = list(Instance.objects.order_by("pk").values_list("digest", flat=True))

    class Later(reconciling.datetime):  # type: ignore[name-defined, misc]
        @classmethod
        def now(cls, tz: object = None) -> object:
            return cls(2031, 1, 1, tzinfo=tz)

    monkeypatch.setattr(reconciling, "datetime", Later)
    assert bring(desk, disc, a=foreign(1), b=foreign(2)) == {"a": "known", "b": "known"}
    enter(SYSTEM)
    assert list(Instance.objects.order_by("pk").values_list("digest", flat=True)) == before
    assert Held.objects.count() == 0 and counts(disc) == (2, 2, 0, 0)


def test_of_another_person_it_waits_as_it_came(disc: Disc, as_role: Browse) -> None:
    other = foreign(PatientName="TRAN THI B", PatientBirthDate="19990101", PatientID="BN000017")
    assert bring(as_role("imaging"), disc, a=other) == {"a": "waiting"}
    [held] = Held.objects.all()
    assert (held.reason, held.patient_id, held.state) == ("other-person", "BN000017", "waiting")
    assert path_of(bytes(held.digest)).read_bytes() == other
    enter(SYSTEM)
    assert Study.objects.count() == 0 and counts(disc) == (0, 0, 1, 0)
    page = as_role("imaging").get("/imaging/waiting").content.decode()
    assert f"/imaging/waiting/{held.pk}" in page


def test_a_number_of_an_order_elsewhere_names_none_here(disc: Disc, person: r4.Patient, as_role: Browse) -> None:
    exam = Exam.objects.get(order=order(person).id)
    bring(as_role("imaging"), disc, a=foreign(AccessionNumber=exam.accession_number))
    enter(SYSTEM)
    assert Study.objects.get().order == ""


def test_what_is_no_object_is_left_out(disc: Disc, as_role: Browse) -> None:
    broken = foreign()[:200] + bytes(50)
    found = bring(as_role("imaging"), disc, AUTORUN=b"[autorun]", EXE=b"MZ" * 500, empty=b"\0", broken=broken)
    assert found == {"AUTORUN": "skipped", "EXE": "skipped", "empty": "skipped", "broken": "waiting"}
    assert counts(disc) == (0, 0, 1, 3)
    assert Held.objects.get().reason in ("broken", "missing")


def test_its_directory_tells_what_is_lost(disc: Disc, as_role: Browse, tmp_path: Path) -> None:
    files = FileSet()
    for number in (1, 2, 3):
        files.add(dcmread(BytesIO(foreign(number))))
    files.write(tmp_path)
    files._stage["t"].cleanup()
    paths = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    desk = as_role("imaging")
    assert bring(desk, disc, DICOMDIR=(tmp_path / "DICOMDIR").read_bytes()) == {"DICOMDIR": "skipped"}
    pictures = [path.read_bytes() for path in paths if path.name != "DICOMDIR"]
    bring(desk, disc, a=pictures[0], b=pictures[1])
    assert "DICOMDIR của đĩa còn ghi 1 ảnh chưa đến." in desk.get(f"/imaging/discs/{disc.pk}").content.decode()
    bring(desk, disc, c=pictures[2])
    assert "chưa đến" not in desk.get(f"/imaging/discs/{disc.pk}").content.decode()


def zipped(**files: bytes) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"CD/{name}", data)
    return out.getvalue()


def test_a_zip_is_read_in_the_background(disc: Disc, as_role: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = as_role("imaging")
    many = {f"IM{number}": foreign(number) for number in range(1, 6)}
    assert bring(desk, disc, cd=zipped(**many, README=b"x")) == {"cd": "zip"}
    assert "Đang đọc một tệp ZIP" in bring(desk, disc, cd=zipped(a=b"x"))["cd"]
    page = desk.get(f"/imaging/discs/{disc.pk}").content.decode()
    assert "<progress" in page and "every 2s" in page
    one, seen = actions._one, 0

    def killed(*args: object) -> tuple[str, str]:
        nonlocal seen
        seen += 1
        if seen == 4:
            raise KeyboardInterrupt
        return one(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(actions, "_one", killed)
    with pytest.raises(KeyboardInterrupt):
        actions.read_zip(disc.pk)
    monkeypatch.setattr(actions, "_one", one)
    assert counts(disc) == (3, 0, 0, 0) and (disc.done, disc.total) == (3, 6)
    actions.read_zip(disc.pk)
    assert counts(disc) == (5, 0, 0, 1) and (disc.zipped, disc.broken) == ("", False)
    actions.read_zip(disc.pk)
    assert counts(disc) == (5, 0, 0, 1)
    assert not list((Path(arriving.settings.DATA) / arriving.ROOM).glob("*.zip"))


@pytest.mark.parametrize(
    ("spoil", "left", "lost"),
    [
        (lambda data: data.replace(b"CD/b", b"CD/c", 1), 1, 1),  # its names contradict each other
        (lambda data: data[:60] + bytes(30) + data[90:], 1, 1),
    ],
)
def test_a_broken_zip_is_told(
    disc: Disc, as_role: Browse, spoil: Callable[[bytes], bytes], left: int, lost: int
) -> None:
    desk = as_role("imaging")
    assert bring(desk, disc, cd=spoil(zipped(b=foreign(1), d=foreign(2)))) == {"cd": "zip"}
    actions.read_zip(disc.pk)
    assert counts(disc) == (left, 0, 0, lost)
    assert disc.broken and not disc.zipped
    assert "Tệp ZIP hỏng" in desk.get(f"/imaging/discs/{disc.pk}").content.decode()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_syntax_keeps_its_pixels(tmp_path: Path, syntax: str) -> None:
    dataset = dcmread(BytesIO(foreign()))
    dataset.file_meta.TransferSyntaxUID = syntax
    fresh, fresh_meta = Dataset(), dataset.file_meta
    fresh.update(dataset)
    fresh.file_meta = fresh_meta
    dcmwrite(tmp_path / "a", fresh, enforce_file_format=True)
    reconcile(tmp_path / "a", tmp_path / "b", {"PatientID": "X"}, None)
    made = dcmread(tmp_path / "b")
    assert (made.file_meta.TransferSyntaxUID, made.PatientID, made.PixelData) == (syntax, "X", dataset.PixelData)


def test_pictures_of_the_field_keep_their_bytes(shared: Path, tmp_path: Path) -> None:
    refused, count = set(), 0
    for path in sorted((shared / "data" / "dicom" / "pydicom_test_files").rglob("*.dcm")):
        try:
            pixels = dcmread(path).PixelData
        except Exception:  # one without, or that is made to be wrong
            continue
        try:
            reconcile(path, tmp_path / "made", {"PatientID": "BN1", "AccessionNumber": ""}, None)
        except CannotChange:
            refused.add(path.name)
            continue
        made = dcmread(tmp_path / "made")
        assert (made.PatientID, made.PixelData) == ("BN1", pixels), path
        count += 1
    assert refused == {"SC_rgb_jpeg.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"}
    assert count > 50


def test_what_cannot_be_written_again_is_kept_as_it_came(
    disc: Disc, person: r4.Patient, as_role: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CannotChange

    monkeypatch.setattr(reconciling, "reconcile", refuse)
    data = foreign()
    assert bring(as_role("imaging"), disc, a=data) == {"a": "stored"}
    enter(SYSTEM)
    row = Instance.objects.select_related("study").get()
    assert row.study.patient == person.id and path_of(bytes(row.digest)).read_bytes() == data


def test_a_large_object_in_flat_memory(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(foreign(Rows=4096, Columns=4096, NumberOfFrames=2, PixelData=bytes(64 * 2**20)))
    tracemalloc.start()
    reconcile(tmp_path / "a", tmp_path / "b", {"PatientID": "X"}, None)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 2**20
    assert len(dcmread(tmp_path / "b").PixelData) == 64 * 2**20


def test_begun_on_its_page_for_somebody_known(person: r4.Patient, as_role: Browse) -> None:
    desk, told = as_role("imaging"), {"patient": "BN000017", "name": "USB của người nhà"}
    for wrong in ({"patient": "nobody"}, {"patient": ""}, {"name": ""}):
        assert desk.post("/imaging/discs", told | wrong).status_code == 422
    assert as_role("doctor").post("/imaging/discs", told).status_code == 403
    assert Disc.objects.count() == 0
    where = desk.post("/imaging/discs", told)["Location"]
    assert re.fullmatch(r"/imaging/discs/\d+", where)
    sent = [SimpleUploadedFile(f"IM{number}", foreign(number)) for number in (1, 2)]
    assert desk.post(where, {"files": sent}).status_code == 302  # a browser without scripts
    assert "USB của người nhà" in desk.get("/imaging/discs").content.decode()
    assert "<dt>Đã vào kho</dt><dd>2</dd>" in desk.get(where).content.decode()


def test_another_facility_sees_nothing_of_it(disc: Disc, as_role: Browse) -> None:
    Disc.objects.update(facility="12001")
    desk = as_role("imaging")
    assert desk.get(f"/imaging/discs/{disc.pk}").status_code == 404
    assert desk.post(f"/imaging/discs/{disc.pk}", {"file": SimpleUploadedFile("a", foreign())}).status_code == 404
    assert disc.name not in desk.get("/imaging/discs").content.decode()
    enter(SYSTEM)
    assert Instance.objects.count() == 0
