"""A study that fits a rule is looked at by a model; what it says is marked as the model's, and is no report."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path

import highdicom
import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from pydicom import dcmread

from tuetinh.care.imaging.ai import documents, known, running, work
from tuetinh.care.imaging.ai.model import Model
from tuetinh.care.imaging.ai.models import AiResult
from tuetinh.care.imaging.ai.tests.conftest import endless, node, onnx, regions, ultrasound, written_on
from tuetinh.care.imaging.archive import deciding
from tuetinh.care.imaging.archive.keeping import ask, keep
from tuetinh.care.imaging.archive.recording import record_quiet, record_studies
from tuetinh.care.imaging.models import Change, Instance, Series, Study
from tuetinh.care.imaging.retention.actions import destroy_study
from tuetinh.care.imaging.rules import changes
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.care.imaging.tests.conftest import HERE
from tuetinh.care.imaging.tests.validating import faults
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.contents.files import opened, path_of
from tuetinh.record.errors import Gone
from tuetinh.record.labels import ACT_CODE
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.long, pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning")]
Picture = NDArray[np.uint8]


def send(*pictures: Picture, **changes: object) -> None:
    """Store pictures as one study, and tell the record."""
    for number, one in enumerate(pictures, start=1):
        assert keep(HERE, ultrasound(one, InstanceNumber=number, **changes)).state == "stored"
    record_studies([str(changes.get("StudyInstanceUID", "1.2.3.4"))])


def due() -> None:
    """Let time pass."""
    enter(SYSTEM)
    AiResult.objects.update(next_at=datetime.now(UTC) - timedelta(seconds=1))


def result() -> AiResult:
    enter(SYSTEM)
    return AiResult.objects.get()


def test_a_study_is_looked_at_once(person: r4.Patient, switched_on: None, clean: Picture) -> None:
    send(clean, written_on(clean))
    due()
    assert work.look_at_due() == 1
    row = result()
    assert (row.state, row.looked, row.among, row.found) == ("done", 2, 2, True)
    assert [one["score"] >= 0.7 for one in row.pictures] == [False, True]
    left, top, right, bottom = row.pictures[1]["boxes"][0]
    assert left < 0.1 and top < 0.1 and bottom < 0.3 and right > left

    objects = Instance.objects.filter(source="AI").select_related("series").order_by("pk")
    seg, sr = (dcmread(BytesIO(opened(bytes(one.digest)).read())) for one in objects)
    assert {one.series.attributes["0008103E"]["Value"][0] for one in objects} == {"AI: Tìm chữ trên ảnh (PP-OCRv4)"}
    segment = seg.SegmentSequence[0]
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    assert (segment.SegmentAlgorithmType, algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (
        "AUTOMATIC", "pp-ocr-det", "4.0",
    )  # fmt: skip
    mask = highdicom.seg.Segmentation.from_dataset(seg).pixel_array
    assert mask[: clean.shape[0] // 4].any() and not mask[clean.shape[0] // 2 :].any()
    assert (sr.CompletionFlag, sr.VerificationFlag, sr.Modality) == ("COMPLETE", "UNVERIFIED", "SR")
    assert [faults(opened(bytes(one.digest)).read()) for one in objects] == [[], []]
    groups = highdicom.sr.srread(BytesIO(opened(bytes(objects[1].digest)).read())).content
    assert len(groups.get_image_measurement_groups()) == 2

    told = record.read(SYSTEM, "Observation", row.observation)
    assert isinstance(told, r4.Observation)
    assert (told.status, told.meta.security[0].code) == ("preliminary", "AIAST")
    study = Study.objects.get()
    assert told.derivedFrom == [r4.Reference(reference=f"ImagingStudy/{study.resource}")]
    assert told.valueCodeableConcept.coding[0].display == "Present"
    device = record.read(SYSTEM, "Device", "ai-pp-ocr-det-4.0")
    assert isinstance(device, r4.Device)
    assert (device.version[0].value, device.manufacturer) == ("4.0", "PaddlePaddle, PaddleOCR")
    assert record.search(SYSTEM, "DiagnosticReport", f"patient=Patient/{person.id}").resources == []

    ask("UPDATE imaging_pending SET at = now() - interval '1 minute'")
    record_quiet()  # of what the model itself has added
    due()
    assert work.look_at_due() == 0
    assert Instance.objects.filter(source="AI").count() == 2


def test_new_pictures_alone_are_looked_at(person: r4.Patient, switched_on: None, clean: Picture) -> None:
    send(clean)
    due()
    work.look_at_due()
    assert (result().found, Series.objects.filter(modality="SEG").count()) == (False, 0)
    assert keep(HERE, ultrasound(written_on(clean), InstanceNumber=2)).state == "stored"
    record_studies(["1.2.3.4"])
    due()
    assert work.look_at_due() == 1
    row = result()
    assert (row.looked, row.found, len(row.pictures)) == (2, True, 2)
    told = record.read(SYSTEM, "Observation", row.observation)
    assert told.meta and told.meta.versionId == "2"


def test_a_study_is_looked_at_anew_when_a_picture_is_replaced(
    person: r4.Patient, switched_on: None, admin: Asker, cast: dict[str, Account], clean: Picture
) -> None:
    """Also while a model looks, which then keeps nothing of it; what is not there any more is not spoken of."""
    uid = {"SOPInstanceUID": "1.2.3.4.1.1"}
    send(clean, **uid)
    due()
    work.look_at_due()
    assert (result().looked, result().found, Series.objects.filter(modality="SEG").count()) == (1, False, 0)

    def put_in_its_place(picture: Picture) -> None:
        assert keep(HERE, ultrasound(picture, **uid)).reason == "changed"
        deciding.replace(asker_of(cast["imaging"]), deciding.waiting("12104").get().pk, "Máy gửi lại bản đúng")
        record_studies(["1.2.3.4"])

    put_in_its_place(written_on(clean))
    row = result()
    assert (row.state, row.score, row.pictures, row.looked, row.among) == ("waiting", None, [], 0, 0)
    assert record.read(SYSTEM, "Observation", row.observation).status == "entered-in-error"
    enter(SYSTEM)
    assert not Instance.objects.filter(source="AI").exists() and not Series.objects.filter(modality="SR").exists()
    gone = Change.objects.get(action="retire").before
    assert all(path_of(bytes.fromhex(digest)).exists() for digest in gone.values()) and len(gone) == 1
    due()
    late = work._take()
    assert late is not None
    put_in_its_place(255 - clean)
    work._work(late)
    assert (result().state, result().score, Series.objects.filter(modality="SEG").count()) == ("waiting", None, 0)
    put_in_its_place(written_on(clean[::-1]))
    due()
    assert work.look_at_due() == 1
    row = result()
    assert (row.state, row.looked, row.among, row.found, len(row.pictures)) == ("done", 1, 1, True, 1)
    told = record.read(SYSTEM, "Observation", row.observation)
    assert told.valueCodeableConcept.coding[0].display == "Present"
    assert (told.status, told.meta and told.meta.versionId) == ("preliminary", "3")

    put_in_its_place(clean[::-1])
    changes.change(admin, replace(in_force("12104").rules["AI-TEXT"], on=False), "Thử")
    due()
    work.look_at_due()
    assert (result().state, result().fault, result().score) == ("failed", "replaced", None)


def test_only_studies_that_fit_are_given(person: r4.Patient, clean: Picture) -> None:
    send(clean)  # the rule is off
    enter(SYSTEM)
    assert AiResult.objects.count() == 0


def test_what_is_unknown_or_not_of_the_rule_is_left(person: r4.Patient, switched_on: None, clean: Picture) -> None:
    send(clean, StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1", PatientID="UNKNOWN")
    send(clean, StudyInstanceUID="1.6", SeriesInstanceUID="1.6.1", Modality="XA")
    enter(SYSTEM)
    assert AiResult.objects.count() == 0


def test_what_machines_write_wrongly_hinders_no_result(person: r4.Patient, switched_on: None, clean: Picture) -> None:
    wrong = {"SpecificCharacterSet": "", "PatientName": "NGUYEN^VAN^ANH", "StudyTime": "08:15:00", "PatientSex": "U"}
    send(written_on(clean), **wrong)
    due()
    work.look_at_due()
    assert (result().state, result().found) == ("done", True)
    added = [dcmread(BytesIO(opened(bytes(one.digest)).read())) for one in Instance.objects.filter(source="AI")]
    assert sorted(one.Modality for one in added) == ["SEG", "SR"]
    assert {(one.StudyTime, one.PatientSex, str(one.PatientName)) for one in added} == {
        ("081500", "", "NGUYEN^VAN^ANH")
    }


def test_slices_have_one_segmentation_and_other_pictures_one_each(
    person: r4.Patient, clean: Picture, shared: Path
) -> None:
    """Of a series with several segmentations viewers show one alone."""
    for name, place in (("01", 1.0), ("02", 2.0), ("03", 2.0)):  # two at the same place, as at two times
        slice_ = dcmread(shared / "data" / "dicom" / f"dcmqi/segmentations/ct-3slice/{name}.dcm")
        slice_.StudyInstanceUID, slice_.PatientID, slice_.PatientName = "1.2.3.4", "BN000017", "NGUYEN^VAN^ANH"
        slice_.PatientBirthDate, slice_.ImagePositionPatient[2] = "19800229", place
        out = BytesIO()
        slice_.save_as(out)
        assert keep(HERE, out.getvalue()).state == "stored"
    send(clean, clean, SeriesInstanceUID="1.2.3.4.2")
    said = list(regions(Instance.objects.select_related("series", "study").order_by("pk")))
    house = known.newest("pp-ocr-det")
    assert house
    *segs, report = (dcmread(BytesIO(one)) for one in documents.made(house, Study.objects.get().pk, said))
    assert [(one.Modality, one.SeriesNumber, one.NumberOfFrames) for one in segs] == [
        ("SEG", 8001, 2), ("SEG", 8002, 1), ("SEG", 8003, 1), ("SEG", 8004, 1),
    ]  # fmt: skip
    assert len({one.SeriesInstanceUID for one in (*segs, report)}) == 5
    assert segs[0].SegmentSequence[0].RecommendedDisplayCIELabValue
    for one in segs:
        for frame in highdicom.seg.Segmentation.from_dataset(one).pixel_array.reshape(-1, one.Rows, one.Columns):
            assert frame.sum() == (one.Rows // 4 - one.Rows // 8) * (one.Columns // 2 - one.Columns // 8)


def test_an_object_of_several_frames_has_regions_without_a_segmentation(
    person: r4.Patient, switched_on: None, clean: Picture
) -> None:
    """DICOM's segmentations refer to frames by a frame of reference, which ultrasound has none of."""
    frames = np.stack([clean, written_on(clean), clean])
    many = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1", "NumberOfFrames": 3, "PixelData": frames.tobytes()}
    send(clean, FrameTime="40", FrameIncrementPointer=0x00181063, **many)
    due()
    work.look_at_due()
    row = result()
    assert (row.state, row.looked, row.found) == ("done", 3, True)
    assert [bool(one["boxes"]) for one in row.pictures] == [False, True, False]
    assert list(Instance.objects.filter(source="AI").values_list("series__modality", flat=True)) == ["SR"]


def test_a_rule_that_was_switched_off_stops_what_waits(
    person: r4.Patient, switched_on: None, admin: Asker, clean: Picture
) -> None:
    def switch(*, on: bool) -> None:
        changes.change(admin, replace(in_force("12104").rules["AI-TEXT"], on=on), "Thử")

    send(clean)
    due()
    switch(on=False)
    work.look_at_due()
    enter(SYSTEM)
    assert AiResult.objects.count() == 0
    switch(on=True)
    record_again = ultrasound(written_on(clean), InstanceNumber=2)
    assert keep(HERE, record_again).state == "stored"
    record_studies(["1.2.3.4"])
    due()
    work.look_at_due()
    assert result().looked == 2
    assert keep(HERE, ultrasound(clean, InstanceNumber=3)).state == "stored"
    record_studies(["1.2.3.4"])
    due()
    switch(on=False)
    work.look_at_due()
    assert (result().looked, result().state) == (2, "done")


def test_what_is_still_coming_is_waited_for(person: r4.Patient, switched_on: None, clean: Picture) -> None:
    send(clean)
    due()
    assert keep(HERE, ultrasound(clean, InstanceNumber=2)).state == "stored"
    assert work.look_at_due() == 0
    record_studies(["1.2.3.4"])
    assert work.look_at_due() == 1
    assert result().looked == 2


def test_a_worker_that_comes_back_in_another_round_keeps_nothing(
    person: r4.Patient, switched_on: None, clean: Picture
) -> None:
    send(clean)
    due()
    late = work._take()
    assert late is not None
    AiResult.objects.update(tries=0)
    due()
    work.look_at_due()
    assert keep(HERE, ultrasound(written_on(clean), InstanceNumber=2)).state == "stored"
    record_studies(["1.2.3.4"])
    due()
    assert work._take() is not None
    work._work(late)  # its number of tries is that of the one who has it now
    assert (result().looked, result().state) == (1, "waiting")


def test_many_pictures_are_chosen_evenly() -> None:
    frames = [(None, number) for number in range(100)]
    chosen = work._evenly(frames, 4)  # type: ignore[arg-type]
    assert [number for _instance, number in chosen] == [12, 37, 62, 87]
    assert work._evenly(frames[:3], 4) == frames[:3]  # type: ignore[arg-type]


def test_of_two_workers_one_looks(person: r4.Patient, switched_on: None, clean: Picture) -> None:
    send(clean)
    due()
    first = work._take()
    assert first is not None
    assert work._take() is None
    due()  # the first one was killed, or is slow: another takes it
    second = work._take()
    assert second is not None
    work._work(second)
    work._work(first)  # and comes too late
    enter(SYSTEM)
    assert Instance.objects.filter(source="AI").count() == 1
    row = result()
    assert (row.state, row.looked) == ("done", 1)


def test_what_is_said_has_the_labels_of_the_study(person: r4.Patient, switched_on: None, clean: Picture) -> None:
    send(clean)
    due()
    work.look_at_due()
    study, row = Study.objects.get(), result()

    def labels() -> int:
        return int(ask('SELECT labels FROM record."Observation" WHERE id = %s', row.observation)[0][0])

    told = record.read(SYSTEM, "ImagingStudy", study.resource)
    told.meta = r4.Meta(security=[r4.Coding(system=ACT_CODE, code="SDV")])
    assert labels() == 0
    record.put_many(SYSTEM, [told])
    enter(SYSTEM)
    assert labels() == Study.objects.get().labels != 0


def test_what_is_said_is_destroyed_with_the_study(person: r4.Patient, switched_on: None, clean: Picture) -> None:
    send(clean)
    due()
    work.look_at_due()
    row = result()
    study = Study.objects.get()
    keeper = dataclasses.replace(SYSTEM, facility=study.custodian)
    assert destroy_study(keeper, study.resource, "Biên bản 1") == 2  # the second has what the model added
    enter(SYSTEM)
    assert (AiResult.objects.count(), Instance.objects.count()) == (0, 0)
    with pytest.raises(Gone):
        record.read(SYSTEM, "Observation", row.observation)


BAD = {
    "nan": (node("Log"), {}, "nan"),
    "shape": (node("GlobalAveragePool"), {"kind": "classification", "channel": 7}, "output"),
    "range": (node("Neg"), {"mean": (-1.0, -1.0, -1.0), "std": (1.0, 1.0, 1.0)}, "range"),
    "operator": (node("NoSuchThing"), {}, "model"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_gives_no_result(
    name: str, person: r4.Patient, switched_on: None, clean: Picture, described: Callable[..., Model],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made, changes, code = BAD[name]
    data = onnx(made)
    send(clean)
    due()
    bad = described(data, **changes)
    monkeypatch.setattr(known, "version_of", lambda *_: bad)
    monkeypatch.setattr(known, "file_of", cache(lambda _: data))
    work.look_at_due()
    row = result()
    assert (row.state, row.fault, row.score, row.pictures) == ("failed", code, None, [])
    assert Instance.objects.filter(source="AI").count() == 0
    assert record.read_many(SYSTEM, "Observation", [row.observation]) == {}


def test_what_takes_too_much_is_ended() -> None:
    house = known.newest("pp-ocr-det")
    assert house
    large, small = np.zeros((1600, 1600, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)
    for file, picture, limits, code in (
        (known.file_of(house), large, running.Limits(memory=400 << 20), "memory"),
        (endless(), small, running.Limits(clock=3), "slow"),
        (endless(), small, running.Limits(processor=2), "slow"),
    ):
        with pytest.raises(running.Failed) as failed:
            running.run(file, [picture], house.mean, house.std, limits)
        assert failed.value.code == code


def test_the_node_does_not_load_the_runtime() -> None:
    loads = "import django, sys; django.setup(); from tuetinh.care.imaging.ai import evaluating, known, pages, work; "
    env = {"DJANGO_SETTINGS_MODULE": "tuetinh.node.settings", "TUETINH_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}
    asked = [sys.executable, "-W", "ignore", "-c", loads + "sys.exit('onnxruntime' in sys.modules)"]
    assert subprocess.run(asked, env=env, check=False).returncode == 0
