"""Every object is kept once, or waits with its reason; nothing is lost."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import os
import threading
import time
from io import BytesIO
from pathlib import Path
from struct import pack

import orjson
import pytest
from django.db import connection, transaction
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.encaps import get_frame
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from tuetinh.care.imaging.archive import attributes, fixing, lenient, reading, sizes
from tuetinh.care.imaging.archive.attributes import TAG_OF, VR_OF
from tuetinh.care.imaging.archive.keeping import Source, ask, keep, resource_id
from tuetinh.care.imaging.archive.matching import Wanted
from tuetinh.care.imaging.archive.queries import objects
from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.archive.syntaxes import CannotConvert, explicit
from tuetinh.care.imaging.dicomweb import frames, metadata
from tuetinh.care.imaging.exams import modality_of
from tuetinh.care.imaging.models import Held, Instance, Series, Study
from tuetinh.care.imaging.tests.conftest import FACILITY, HERE, part10
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
from tuetinh.record.contents.files import path_of
from tuetinh.record.steps import enter, run

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


def counts() -> tuple[int, int, int, int]:
    """How many studies, series, instances and waiting objects there are."""
    enter(SYSTEM)
    return Study.objects.count(), Series.objects.count(), Instance.objects.count(), Held.objects.count()


def test_the_index_knows_attributes_by_their_tags() -> None:
    told = {word: (tag, VR_OF[tag]) for word, tag in TAG_OF.items()}
    assert told == {word: (tag_for_keyword(word), dictionary_VR(word)) for word in TAG_OF}


def test_an_object_is_kept_as_it_came(person: r4.Patient) -> None:
    data = part10(SOPInstanceUID="1.2.3.4.1.1")
    kept = keep(HERE, data)
    assert (kept.state, kept.sop_instance, kept.study) == ("stored", "1.2.3.4.1.1", "1.2.3.4")
    assert counts() == (1, 1, 1, 0)
    instance = Instance.objects.select_related("study", "series").get()
    assert bytes(instance.digest) == hashlib.sha256(data).digest()
    assert path_of(bytes(instance.digest)).read_bytes() == data
    assert (instance.size, instance.transfer_syntax_uid) == (len(data), "1.2.840.10008.1.2.1")
    study = instance.study
    assert (study.patient, study.custodian, study.name_words) == (person.id, FACILITY, "nguyen van anh")
    assert (str(study.study_date), str(study.study_time), study.referrer_words) == (
        "2026-11-02", "08:15:00", "tran thi binh",
    )  # fmt: skip
    assert study.attributes["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Nguyễn^Văn^Ánh"}]}
    assert (instance.series.modality, instance.series.series_number, instance.instance_number) == ("CT", 1, 1)
    used = ask("SELECT type, id, patient, custodian FROM record.content WHERE digest = %s", instance.digest)
    assert used == [("ImagingStudy", resource_id("1.2.3.4"), person.id, FACILITY)]


@pytest.mark.django_db(transaction=True)
def test_a_sender_does_not_wait_for_another_one_of_its_study(person: r4.Patient) -> None:
    keep(HERE, part10())
    told: list[str] = []

    def send() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")
        try:
            told.append(keep(HERE, part10()).state)
        finally:
            connection.close()

    with transaction.atomic():
        keep(HERE, part10())
        other = threading.Thread(target=send)
        other.start()
        other.join()
        assert told == ["stored"]
    assert counts() == (1, 1, 3, 0)


@pytest.mark.django_db(transaction=True)
def test_an_object_counts_only_when_the_disk_has_it(person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk still writes, no transaction has begun that others would wait for."""
    reached, free, told = threading.Event(), threading.Event(), []
    sync = os.fsync

    def slow(file: int) -> None:
        reached.set()
        assert free.wait(30)
        sync(file)

    def send() -> None:
        try:
            told.append(keep(HERE, part10()).state)
        finally:
            connection.close()

    keep(HERE, part10())
    monkeypatch.setattr(files.os, "fsync", slow)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        assert reached.wait(30)
        until = time.monotonic() + 0.5
        while not (writing := ask(_WRITING)) and time.monotonic() < until:
            time.sleep(0.02)
        assert (writing, counts(), told) == ([], (1, 1, 1, 0), [])
    finally:
        free.set()
        sender.join()
    assert (counts(), told) == ((1, 1, 2, 0), ["stored"])


_WRITING = """
SELECT FROM pg_locks WHERE relation = 'imaging_instance'::regclass AND mode = 'RowExclusiveLock'
  AND pid <> pg_backend_pid()"""


def test_the_same_object_again_is_harmless(person: r4.Patient) -> None:
    data = part10(SOPInstanceUID="1.2.3.4.1.1")
    keep(HERE, data)
    again = dcmread(BytesIO(data))
    again.file_meta.ImplementationVersionName = "ANOTHER"
    out = BytesIO()
    again.save_as(out, enforce_file_format=True)
    assert out.getvalue() != data
    assert keep(HERE, out.getvalue()).state == "duplicate"
    assert counts() == (1, 1, 1, 0)


def test_other_bytes_of_the_same_uid_wait(person: r4.Patient) -> None:
    first = part10(SOPInstanceUID="1.2.3.4.1.1")
    keep(HERE, first)
    second = part10(SOPInstanceUID="1.2.3.4.1.1", PixelData=bytes(32))
    assert (kept := keep(HERE, second)).state == "held"
    assert kept.reason == "changed"
    assert keep(HERE, second).reason == "changed"
    held = Held.objects.get()
    assert (held.copies, held.sop_instance_uid, held.state) == (2, "1.2.3.4.1.1", "waiting")
    assert path_of(bytes(held.digest)).read_bytes() == second
    assert path_of(bytes(Instance.objects.get().digest)).read_bytes() == first
    assert counts() == (1, 1, 1, 1)


@pytest.mark.parametrize("elsewhere", [{"SeriesInstanceUID": "1.2.3.4.2"}, {"StudyInstanceUID": "1.5"}])
@pytest.mark.parametrize("known", [True, False])
def test_an_objects_uid_in_another_series_waits(person: r4.Patient, elsewhere: dict[str, str], *, known: bool) -> None:
    """Whether the other series is there already or not; none is left behind empty."""
    elsewhere = elsewhere | {"SeriesInstanceUID": "1.2.3.4.2"}
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.1"))
    if known:
        keep(HERE, part10(**elsewhere))
    before = counts()
    kept = keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.1", **elsewhere))
    assert (kept.state, kept.reason, kept.detail) == ("held", "other-place", "SOPInstanceUID")
    assert counts() == (*before[:3], 1)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_an_object_without_its_place_waits(person: r4.Patient, keyword: str) -> None:
    kept = keep(HERE, part10(**{keyword: None}))
    assert (kept.state, kept.reason, kept.detail) == ("held", "missing", keyword)
    assert counts() == (0, 0, 0, 1)


@pytest.mark.parametrize("data", [b"", b"no picture", bytes(128) + b"DICM", part10()[:140]])
def test_broken_files_wait(person: r4.Patient, data: bytes) -> None:
    kept = keep(HERE, data)
    assert (kept.state, kept.reason) == ("held", "broken")
    assert path_of(bytes(Held.objects.get().digest)).read_bytes() == data
    assert counts() == (0, 0, 0, 1)


def test_what_this_process_lacks_is_no_fault_of_the_object(person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object) -> None:
        raise ImportError("partially initialised")

    monkeypatch.setattr(reading, "_usual", lacks)
    with pytest.raises(ImportError):
        keep(HERE, part10())
    assert counts() == (0, 0, 0, 0)


def test_what_would_fill_the_memory_waits(person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deflated data set of some kilobytes may become gigabytes."""
    large = dcmread(BytesIO(part10(Rows=512, Columns=512, PixelData=bytes(2 * 512**2))))
    large.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    out = BytesIO()
    large.save_as(out)
    monkeypatch.setattr(lenient, "INFLATED", 2**18)
    kept = keep(HERE, out.getvalue())
    assert (kept.state, kept.reason, kept.detail) == ("held", "broken", "InflatesTooMuch")
    assert fixing.values(Held.objects.get()) is None
    monkeypatch.setattr(lenient, "INFLATED", 2**20)
    assert keep(HERE, out.getvalue()).state == "stored"


def test_a_sequence_without_end_is_not_in_the_index(person: r4.Patient) -> None:
    """Each query that finds the series would read it."""
    one = Dataset()
    one.ScheduledProcedureStepID = "P1"
    keep(HERE, part10(RequestAttributesSequence=[one] * 100))
    keep(HERE, part10(SeriesInstanceUID="1.2.3.4.2", RequestAttributesSequence=[one] * 101))
    enter(SYSTEM)
    rows = Series.objects.order_by("series_instance_uid").values_list("attributes", flat=True)
    assert [len(row.get("00400275", {}).get("Value", [])) for row in rows] == [100, 0]


def test_pixels_that_would_fill_the_memory_are_not_decoded(person: r4.Patient) -> None:
    """Whether the header says so or the compressed frame itself."""
    said = part10(SOPInstanceUID="1.2.3.4.1.1", Rows=65535, Columns=65535)
    frame = dcmread(BytesIO(part10(SOPInstanceUID="1.2.3.4.1.2", Rows=64, Columns=64, PixelData=bytes(2 * 64**2))))
    frame.compress(JPEG2000Lossless, generate_instance_uid=False)
    out = BytesIO()
    frame.save_as(out)
    huge = bytearray(out.getvalue())
    at = huge.find(b"\xff\x4f\xff\x51")
    huge[at + 8 : at + 16] = pack(">LL", 60_000, 60_000)
    for data in (said, bytes(huge)):
        keep(HERE, data)
    enter(SYSTEM)
    for row in Instance.objects.all():
        with pytest.raises(CannotConvert, match="large"):
            frames.drawn(bytes(row.digest), 1, frames.Drawing(), "JPEG")
    with pytest.raises(CannotConvert, match="large"):
        explicit(whole(bytes(Instance.objects.get(sop_instance_uid="1.2.3.4.1.2").digest)))


@pytest.mark.parametrize(
    "name",
    ["pydicom_test_files/JPEG2000", "pydicom_data/HTJ2K_08_RGB", "pydicom_data/JLSL_16_15_1_1F",
     "pydicom_test_files/SC_rgb_jpeg_dcmtk", "pydicom_data/JPEG-LL", "pydicom_test_files/JPGExtended"],
)  # fmt: skip
def test_a_frame_tells_its_own_size(name: str, shared: Path) -> None:
    dataset = dcmread(shared / "data" / "dicom" / f"{name}.dcm")
    frame = get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    assert sizes.declared(frame) == (dataset.Columns, dataset.Rows)
    assert [sizes.declared(frame[:length]) for length in (0, 1, 2, 3, 5, 8)] == [None] * 6


@pytest.mark.parametrize("syntax", ["", JPEG2000Lossless, ExplicitVRBigEndian, ImplicitVRLittleEndian])
def test_a_file_that_ends_within_its_pixels_waits(person: r4.Patient, syntax: str) -> None:
    made = dcmread(BytesIO(part10(SOPInstanceUID="1.2.3.4.1.1", Rows=64, Columns=64, PixelData=bytes(2 * 64**2))))
    if syntax == JPEG2000Lossless:
        made.compress(syntax, generate_instance_uid=False)
    made.file_meta.TransferSyntaxUID = UID(syntax or made.file_meta.TransferSyntaxUID)
    out, uid = BytesIO(), made.file_meta.TransferSyntaxUID
    dcmwrite(out, made, implicit_vr=uid.is_implicit_VR, little_endian=uid.is_little_endian)
    for lost in (2, 12, 40):
        kept = keep(HERE, out.getvalue()[:-lost])
        assert (kept.state, kept.reason, kept.detail) == ("held", "broken", "PixelData")
    assert keep(HERE, out.getvalue()).state == "stored"
    assert counts() == (1, 1, 1, 3)


def test_what_nests_without_end_is_kept_and_not_in_the_index(person: r4.Patient) -> None:
    """Beyond what JSON holds."""
    inner = Dataset()
    for _ in range(100):
        outer = Dataset()
        outer.RequestAttributesSequence = [inner]
        inner = outer
    assert keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.1", RequestAttributesSequence=[inner])).state == "stored"
    enter(SYSTEM)
    assert "00400275" not in Series.objects.get().attributes
    told = orjson.loads(metadata.metadata("", run(SYSTEM, objects(SYSTEM, Wanted("IMAGE")))[0]))
    assert told["00080018"]["Value"] == ["1.2.3.4.1.1"] and "00400275" in told


def test_an_unknown_patients_study_is_kept_for_the_facility(person: r4.Patient) -> None:
    assert keep(HERE, part10(PatientID="UNKNOWN")).state == "stored"
    enter(SYSTEM)
    assert Study.objects.get().patient is None
    assert counts() == (1, 1, 1, 0)


def test_another_persons_object_for_a_study_waits(person: r4.Patient) -> None:
    keep(HERE, part10())
    kept = keep(HERE, part10(PatientID="BN000018", PatientName="Lò^Thị^Pâng", SeriesInstanceUID="1.2.3.4.2"))
    assert (kept.reason, kept.detail) == ("other-person", "PatientID")
    assert counts() == (1, 1, 1, 1)


def test_a_number_with_another_name_and_birth_waits(person: r4.Patient) -> None:
    kept = keep(HERE, part10(PatientName="Lò^Thị^Pâng", PatientBirthDate="19720312"))
    assert (kept.reason, kept.detail) == ("other-person", "PatientName")
    assert counts() == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("name", "birth", "is_hers"),
    [
        ("NGUYEN^VAN^ANH", "19800229", True),
        ("Nguyễn^Ánh", "", True),  # a middle name left out
        ("ANH^NGUYEN VAN 46T", "19800101", True),  # another order, the age beside the name, the year alone
        ("Nguyễn^Vân^Anh", "19800229", True),
        ("CON BÀ LÒ THỊ PÂNG", "19800229", True),  # a newborn that got its own name later
        ("", "19800229", True),
        ("", "", True),
        ("Nguyễn^Văn^Bình", "19750101", False),
        ("Nguyễn^Văn^Bình", "", False),
        ("Nguyễn^Văn", "19750101", False),
        ("Nguyễn", "", False),
        ("Nguyễn^Văn^Ánh^Tuyết", "", False),
        ("", "19750101", False),
    ],
)
def test_a_family_name_alone_makes_nobody_the_patient(
    person: r4.Patient, name: str, birth: str, *, is_hers: bool
) -> None:
    kept = keep(HERE, part10(PatientName=name, PatientBirthDate=birth))
    assert (kept.state, kept.detail) == (("stored", "") if is_hers else ("held", "PatientName"))
    assert counts() == ((1, 1, 1, 0) if is_hers else (0, 0, 0, 1))


@pytest.mark.parametrize("number", ["BN000017", "", "UNKNOWN"])
def test_a_study_is_joined_by_nobody_else_of_its_number(person: r4.Patient, number: str) -> None:
    """Technicians type the same number for two people, or none."""
    keep(HERE, part10(PatientID=number))
    other = part10(PatientID=number, PatientName="Nguyễn^Văn^Bình", PatientBirthDate="19750101")
    kept = keep(HERE, other)
    assert (kept.state, kept.reason) == ("held", "other-person")
    assert counts() == (1, 1, 1, 1)


def test_another_facilitys_study_is_not_added_to(person: r4.Patient) -> None:
    keep(HERE, part10())
    kept = keep(Source("12001", "AE X"), part10())
    assert (kept.reason, kept.detail) == ("other-place", "StudyInstanceUID")
    assert Held.objects.get().facility == "12001"
    assert counts() == (1, 1, 1, 1)


def order(person: r4.Patient, name: str = "Chụp cắt lớp vi tính sọ não", status: str = "active") -> r4.ServiceRequest:
    """An imaging order of the facility."""
    snomed = "http://snomed.info/sct"
    return record.create(
        SYSTEM,
        r4.ServiceRequest(
            status=status,
            intent="order",
            category=[r4.CodeableConcept(coding=[r4.Coding(system=snomed, code="363679005")])],
            code=r4.CodeableConcept(text=name),
            bodySite=[r4.CodeableConcept(coding=[r4.Coding(system=snomed, code="69536005", display="Đầu")])],
            reasonCode=[r4.CodeableConcept(text="Đau đầu sau ngã, loại trừ xuất huyết")],
            subject=record.ref(person),
            performer=[r4.Reference(reference=f"Organization/{FACILITY}")],
            authoredOn="2026-11-02T08:00:00+07:00",
        ),
    )


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("Chụp cộng hưởng từ sọ não (0.2-1.5T)", "MR"),
        ("Chụp CLVT sọ não không tiêm thuốc cản quang", "CT"),
        ("Siêu âm ổ bụng", "US"),
        ("Chụp Xquang ngực thẳng", "DX"),
        ("Chụp Xquang tuyến vú", "MG"),
        ("Nội soi thực quản - dạ dày", "ES"),
        ("Công khám", "OT"),
    ],
)
def test_a_services_name_tells_the_modality(name: str, modality: str) -> None:
    assert modality_of(name) == modality


def test_every_file_of_the_public_set_is_kept_or_waits_with_its_reason(cast: object, shared: Path) -> None:
    folder = shared / "data" / "dicom"
    with (folder / "MANIFEST.csv").open(newline="") as file:
        rows = [row["file"] for row in csv.DictReader(file)]
    states = {name: keep(HERE, (folder / name).read_bytes()) for name in rows if (folder / name).is_file()}
    enter(SYSTEM)
    told: dict[str, int] = {}
    for kept in states.values():
        told[f"{kept.state} {kept.reason}".strip()] = told.get(f"{kept.state} {kept.reason}".strip(), 0) + 1
    assert told == {"stored": 177, "held broken": 17, "held changed": 44, "held missing": 20}
    assert Instance.objects.count() == 177


def test_an_object_is_read_while_its_file_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one is that has come before: its file takes the place of the other."""
    path = tmp_path / "arriving"
    path.write_bytes(part10(SOPInstanceUID="1.2.3.4.1.1"))

    def still_there(at: object) -> bool:
        path.unlink(missing_ok=True)  # as soon as somebody has looked
        return True

    monkeypatch.setattr(reading, "_usual", lambda *_: None)
    with path.open("rb") as file:
        monkeypatch.setattr("os.path.exists", still_there)
        assert reading.read(file).sop_instance == "1.2.3.4.1.1"


def _told(data: bytes) -> tuple[object, ...]:
    head = reading.read(BytesIO(data))
    levels = [head.attributes(level) for level in ("STUDY", "SERIES", "IMAGE")]
    return *(getattr(head, one.name) for one in dataclasses.fields(head) if one.name != "elements"), *levels


def _written(data: bytes, syntax: str) -> bytes:
    """The same object in another transfer syntax."""
    dataset = dcmread(BytesIO(data))
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    out = BytesIO()
    dcmwrite(out, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian)
    return out.getvalue()


def _without_lengths(data: bytes) -> bytes:
    """The same object, whose sequences and items do not tell their lengths."""
    dataset = dcmread(BytesIO(data))
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
    out = BytesIO()
    dcmwrite(out, dataset)
    assert out.getvalue().count(b"\xff\xff\xff\xff") >= 6
    return out.getvalue()


def test_what_is_read_of_the_first_bytes_is_what_the_library_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    item = Dataset()
    item.PixelData, item.BitsAllocated = bytes(8), 8
    step = Dataset()
    step.ScheduledProcedureStepID, step.ScheduledProtocolCodeSequence = "BƯỚC"[:1], [Dataset()]
    names = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jörg", "IconImageSequence": [item]}
    names |= {"RequestAttributesSequence": [step, Dataset()]}
    usual = [part10(), part10(**names), part10(PatientBirthDate="unknown", ImageType=["A", "B"])]
    usual += [_without_lengths(one) for one in (usual[1], _written(part10(**names), ImplicitVRLittleEndian))]
    usual += [_written(part10(**names), ImplicitVRLittleEndian), usual[1].replace(b".1.2.1\0", b".1.2.5\0")]  # RLE
    others = [_written(part10(), syntax) for syntax in (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)]
    others += [part10()[:-100], part10(PatientComments="x" * reading.BEGIN), usual[0].replace(b".1.2.1\0", b".9.9.9\0")]
    assert [reading._usual(BytesIO(data), BytesIO(data)) is None for data in usual] == [False] * len(usual)
    assert [reading._usual(BytesIO(data[: reading.BEGIN]), BytesIO(data)) for data in others] == [None] * len(others)
    once = [_told(data) for data in usual + others]
    again = [_told(data) for data in usual + others]  # when elements are remembered
    monkeypatch.setattr(reading, "_usual", lambda *_: None)
    monkeypatch.setattr(attributes, "SHORT", 0)
    assert once == again == [_told(data) for data in usual + others]
