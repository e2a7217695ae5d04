"""What a model says as DICOM in the study: a Segmentation of each picture with regions, and an SR (TID 1500)."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Final
from uuid import NAMESPACE_OID, uuid4, uuid5

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from tuetinh.care.imaging.ai.due import SOURCE
from tuetinh.care.imaging.ai.model import Coded, Model
from tuetinh.care.imaging.ai.models import AiResult
from tuetinh.care.imaging.ai.running import Failed
from tuetinh.care.imaging.ai.scoring import Picture, Scored
from tuetinh.care.imaging.archive.keeping import Source, keep
from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.models import Instance, Series, Study

FIRST_SERIES: Final = 8001  # numbers of the series that models add
LARGEST: Final = 128 << 20  # pixels of one segmentation, with the frames that nothing was found on
_LANGUAGE: Final = CodedConcept("vi", "RFC5646", "Vietnamese")
_SCORE: Final = CodedConcept("AI-SCORE", "99TUETINH", "Score of the model")
_THRESHOLD: Final = CodedConcept("AI-THRESHOLD", "99TUETINH", "Threshold of the model")
_PROCEDURE: Final = CodedConcept("363679005", "SCT", "Imaging procedure")
_NEEDED: Final = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)
Said = Sequence[tuple[Picture, Scored]]


def made(model: Model, study: int, said: Said) -> list[bytes]:
    """What a model said of pictures of a study as Part 10 files: Segmentations where an object can have one, an SR."""
    number = FIRST_SERIES + Series.objects.filter(study=study, series_number__gte=FIRST_SERIES).count()
    heads = {one.instance.pk: _head(one.instance) for one, _scored in said}
    series, found = _uid(), []
    for instance, masks in _masks(said):
        if _can_be_segmented(heads[instance.pk], masks[0][1].size):
            one = _segmentation(model, heads[instance.pk], masks, series, number)
            one.InstanceNumber = len(found) + 1
            found.append(_file(one))
    return [*found, _file(_report(model, heads, said, number + 1))]


def store(result: AiResult, study: Study, files: Sequence[bytes]) -> None:
    """Store what was made beside the pictures. Raises running.Failed where the archive does not take it."""
    for file in files:
        kept = keep(Source(result.facility, SOURCE), file, study=study.study_instance_uid)
        if kept.state == "held":
            raise Failed("unkept", kept.reason)


def _can_be_segmented(head: Dataset, pixels: int) -> bool:
    """Whether regions can refer to its frames, which in an object of many needs a frame of reference, and are few."""
    count = int(head.get("NumberOfFrames") or 1)
    needed = ("FrameOfReferenceUID", "SharedFunctionalGroupsSequence") if "NumberOfFrames" in head else ()
    return all(keyword in head for keyword in needed) and count * pixels <= LARGEST


def _head(instance: Instance) -> Dataset:
    head = whole(bytes(instance.digest), stop_before_pixels=True)
    for keyword in _NEEDED:
        if keyword not in head:
            setattr(head, keyword, "")
    return head


def _masks(said: Said) -> list[tuple[Instance, list[tuple[int, np.ndarray]]]]:
    """The regions that were found, by object, and frame."""
    found: dict[int, tuple[Instance, list[tuple[int, np.ndarray]]]] = {}
    for picture, scored in said:
        if scored.mask is not None and scored.mask.any():
            found.setdefault(picture.instance.pk, (picture.instance, []))[1].append((picture.frame, scored.mask))
    return list(found.values())


def _segmentation(
    model: Model, head: Dataset, masks: list[tuple[int, np.ndarray]], series: str, number: int
) -> Segmentation:
    """Regions of an object as a binary Segmentation, marked as made by an algorithm."""
    count = int(head.get("NumberOfFrames") or 1)
    rows, columns = masks[0][1].shape
    pixels = np.zeros((count, rows, columns), np.uint8)
    for frame, mask in masks:
        pixels[frame - 1] = mask
    assert model.category is not None  # noqa: S101 - Model.check asks for it
    family = codes.DCM.ArtificialIntelligence
    described = SegmentDescription(
        segment_number=1,
        segment_label=model.finding.vi[:64],
        segmented_property_category=_coded(model.category),
        segmented_property_type=_coded(model.finding),
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(model.name, family, model.version, source=model.maker),
    )
    made = Segmentation(
        source_images=[head],
        pixel_array=pixels,
        segmentation_type="BINARY",
        segment_descriptions=[described],
        series_instance_uid=series,
        series_number=number,
        sop_instance_uid=_uid(),
        instance_number=1,
        manufacturer=model.maker,
        manufacturer_model_name=model.name,
        software_versions=model.version,
        device_serial_number="0",
        content_label="AI",
        content_description=model.title[:64],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=f"AI: {model.title}"[:64],
    )
    made.SpecificCharacterSet = "ISO_IR 192"
    return made


def _report(model: Model, heads: dict[int, Dataset], said: Said, number: int) -> ComprehensiveSR:
    """The scores as a Comprehensive SR by a device: complete, not verified."""
    device = DeviceObserverIdentifyingAttributes(
        uid=f"2.25.{uuid5(NAMESPACE_OID, model.device).int}", name=model.title, manufacturer_name=model.maker,
        model_name=f"{model.name} {model.version}",
    )  # fmt: skip
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device)),
        procedure_reported=_PROCEDURE,
        imaging_measurements=[_measured(model, picture, scored) for picture, scored in said],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(_LANGUAGE),
    )
    made = ComprehensiveSR(
        evidence=list(heads.values()),
        content=content[0],
        series_instance_uid=_uid(),
        series_number=number,
        sop_instance_uid=_uid(),
        instance_number=1,
        manufacturer=model.maker,
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=f"AI: {model.title}"[:64],
    )
    made.SpecificCharacterSet = "ISO_IR 192"
    made.ManufacturerModelName, made.SoftwareVersions = model.name, model.version
    return made


def _measured(model: Model, picture: Picture, scored: Scored) -> MeasurementsAndQualitativeEvaluations:
    """The score of one picture, the threshold, and whether something was found."""
    frames = [picture.frame] if picture.instance.attributes.get("00280008") else None
    found = codes.SCT.Present if scored.score >= model.threshold else codes.SCT.Absent
    numbers = ((_SCORE, scored.score), (_THRESHOLD, model.threshold))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=_uid(), identifier=f"{model.name}-{picture.frame}"),
        finding_type=_coded(model.finding),
        algorithm_id=AlgorithmIdentification(model.name, model.version, manufacturer=model.maker),
        measurements=[Measurement(name, round(float(value), 4), codes.UCUM.NoUnits) for name, value in numbers],
        qualitative_evaluations=[QualitativeEvaluation(_coded(model.finding), found)],
        source_images=[
            SourceImageForMeasurementGroup(picture.instance.sop_class_uid, picture.instance.sop_instance_uid, frames)
        ],
    )


def _coded(coded: Coded) -> CodedConcept:
    return CodedConcept(coded.code, coded.scheme, coded.en)


def _file(one: Dataset) -> bytes:
    out = BytesIO()
    one.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _uid() -> str:
    return f"2.25.{uuid4().int}"
