"""What a model says as DICOM in the study: a Segmentation of each picture with regions, and an SR (TID 1500)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from typing import Final, NamedTuple
from uuid import NAMESPACE_OID, uuid4, uuid5

import tuetinh.care.imaging.library.documents  # noqa: F401

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.spatial import get_image_coordinate_system
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
from tuetinh.care.imaging.archive.referring import source
from tuetinh.care.imaging.models import Series, Study
from tuetinh.care.imaging.quiet import fault

log = logging.getLogger(__name__)
FIRST_SERIES: Final = 8001  # numbers of the series that models add
LARGEST: Final = 128 << 20  # pixels of one segmentation, with the frames that nothing was found on
_COLOUR: Final = CIELabColor(72.4, 22.9, 76.7)  # #f59f00, as on the pages
_LANGUAGE: Final = CodedConcept("vi", "RFC5646", "Vietnamese")
_SCORE: Final = CodedConcept("AI-SCORE", "99TUETINH", "Score of the model")
_THRESHOLD: Final = CodedConcept("AI-THRESHOLD", "99TUETINH", "Threshold of the model")
_PROCEDURE: Final = CodedConcept("363679005", "SCT", "Imaging procedure")
_STACK: Final = (
    *("SeriesInstanceUID", "FrameOfReferenceUID", "Rows", "Columns"),
    *("ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
)
Said = Sequence[tuple[Picture, Scored]]


class _Found(NamedTuple):
    """The regions of objects that one Segmentation tells: frames, from 1, of the objects, one after the other."""

    heads: list[Dataset]
    masks: dict[int, np.ndarray]


def made(model: Model, study: int, said: Said) -> list[bytes]:
    """What a model said of pictures of a study as Part 10 files: Segmentations where there can be one, and an SR.

    Each is a series of its own: of several in one OHIF shows the last.
    """
    number = FIRST_SERIES + Series.objects.filter(study=study, series_number__gte=FIRST_SERIES).count()
    heads = {one.instance.pk: source(one.instance) for one, _scored in said}
    made: list[Dataset] = []
    for found in _together(heads, said):
        try:
            made.append(_segmentation(model, found, number + len(made)))
        except (ValueError, TypeError, AttributeError) as error:  # headers that lack what a reference to them needs
            log.warning("imaging: regions are on the pages alone: %s", fault(error))
    return [_file(one) for one in (*made, _report(model, heads, said, number + len(made)))]


def store(result: AiResult, study: Study, files: Sequence[bytes]) -> None:
    """Store what was made beside the pictures. Raises running.Failed where the archive does not take it."""
    for file in files:
        kept = keep(Source(result.facility, SOURCE), file, study=study.study_instance_uid)
        if kept.state == "held":
            raise Failed("unkept", kept.reason)


def _together(heads: dict[int, Dataset], said: Said) -> list[_Found]:
    """The regions that were found: of slices of a series together, else of each object."""
    found: dict[object, _Found] = {}
    places: Counter[str] = Counter()
    for picture, scored in said:
        if scored.mask is None or not scored.mask.any():
            continue
        head = heads[picture.instance.pk]
        is_placed = get_image_coordinate_system(head) is not None
        if "NumberOfFrames" not in head and is_placed:
            stack = str([head.get(one) for one in _STACK])
            place = f"{stack} {head.ImagePositionPatient}"
            one = found.setdefault((stack, places[place]), _Found([], {}))  # of one place each time has its own
            places[place] += 1
            one.heads.append(head)
            one.masks[len(one.heads)] = scored.mask
        elif _frames(head) == 1 or (is_placed and _frames(head) * scored.mask.size <= LARGEST):
            found.setdefault(picture.instance.pk, _Found([head], {})).masks[picture.frame] = scored.mask
    return list(found.values())


def _frames(head: Dataset) -> int:
    return int(head.get("NumberOfFrames") or 1)


def _segmentation(model: Model, found: _Found, number: int) -> Segmentation:
    """Regions as a binary Segmentation, marked as made by an algorithm. Raises as highdicom."""
    pixels = np.zeros((max(_frames(found.heads[0]), len(found.heads)), *found.masks[min(found.masks)].shape), np.uint8)
    for frame, mask in found.masks.items():
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
        display_color=_COLOUR,
    )
    made = Segmentation(
        source_images=found.heads,
        pixel_array=pixels,
        segmentation_type="BINARY",
        segment_descriptions=[described],
        series_instance_uid=_uid(),
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
        specific_character_set="ISO_IR 192",
    )
    made.PatientOrientation = ""  # where nothing tells how pictures lie in space (PS3.3, C.7.6.1.1.1)
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
        specific_character_set="ISO_IR 192",
    )
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
