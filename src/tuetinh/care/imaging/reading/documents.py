"""The signed report as DICOM in the study: a Basic Text SR (TID 2000), and a Key Object Selection of its key images."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final
from uuid import uuid4

import tuetinh.care.imaging.library.documents  # noqa: F401

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import (
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    EnhancedSR,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import BasicTextSRStorage

from tuetinh.care.imaging.archive.keeping import Source, keep
from tuetinh.care.imaging.archive.queries import STRUCTURED
from tuetinh.care.imaging.archive.referring import source
from tuetinh.care.imaging.grouped import studies_of
from tuetinh.care.imaging.models import Exam, Instance, Study
from tuetinh.care.imaging.reading import keys
from tuetinh.care.imaging.reading.models import ReadingCase
from tuetinh.commons.access.api import place_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

FIRST_SERIES: Final = 4001  # numbers of the series that the house adds
_TITLE: Final = CodedConcept("18748-4", "LN", "Diagnostic Imaging Report")
_VIETNAMESE: Final = CodedConcept("vi", "RFC5646", "Vietnamese")
_ILLUSTRATION: Final = CodedConcept("121080", "DCM", "Best illustration of finding")


def store(exam_id: int) -> None:
    """Store the newest signed version of a report, and its key images, beside the pictures; none where there are none.

    Storing the same version again does nothing.
    """
    exam = Exam.objects.get(pk=exam_id)
    case = ReadingCase.objects.get(exam=exam)
    report, findings = _written(exam)
    version = report.meta.versionId if report.meta else ""
    enter(SYSTEM)
    pictures = _pictures(exam)
    if not pictures or case.documents.get("of") == version:
        return
    number = FIRST_SERIES + 2 * int(version or 0)
    content = _content(report, findings, pictures, keys.chosen(case))
    made = _report(content, pictures, number, _signer(report), exam.facility, before=case.documents.get("report"))
    _keep(exam, made)
    if case.keys:
        _keep(exam, _selection(case, pictures, number + 1, _observer(report)))
    told = {"of": version, "report": [str(made.SeriesInstanceUID), str(made.SOPInstanceUID)]}
    ReadingCase.objects.filter(exam=exam).update(documents=told)


def _written(exam: Exam) -> tuple[r4.DiagnosticReport, str]:
    id_ = f"img-{exam.accession_number}"
    report = record.read(SYSTEM, "DiagnosticReport", id_)
    found = record.read(SYSTEM, "Observation", f"{id_}-findings")
    assert isinstance(report, r4.DiagnosticReport)  # noqa: S101 - by its type
    assert isinstance(found, r4.Observation)  # noqa: S101
    return report, found.valueString or ""


def _pictures(exam: Exam) -> list[Dataset]:
    """What refers to the pictures of the examination's first study: the whole header of one, the UIDs of the others."""
    rows = Instance.objects.filter(study__in=Study.objects.filter(studies_of(exam)))
    rows = rows.exclude(sop_class_uid__startswith=STRUCTURED).select_related("study", "series")
    found = list(rows.order_by("study", "series__series_number", "series", "instance_number", "pk")[:2000])
    found = [one for one in found if one.study_id == found[0].study_id]
    light = [_reference(one) for one in found]
    if found:
        light[0] = source(found[0])
    return light


def _reference(row: Instance) -> Dataset:
    one = Dataset()
    one.StudyInstanceUID, one.SeriesInstanceUID = row.study.study_instance_uid, row.series.series_instance_uid
    one.SOPClassUID, one.SOPInstanceUID = row.sop_class_uid, row.sop_instance_uid
    if row.attributes.get("00280010"):  # by which highdicom knows pictures
        one.Rows, one.Columns = (row.attributes[tag]["Value"][0] for tag in ("00280010", "00280011"))
    return one


def _predecessor(picture: Dataset, told: list[str] | None) -> list[Dataset] | None:
    if not told:
        return None
    one = Dataset()
    one.StudyInstanceUID, one.SOPClassUID = picture.StudyInstanceUID, BasicTextSRStorage
    one.SeriesInstanceUID, one.SOPInstanceUID = told
    return [one]


def _content(
    report: r4.DiagnosticReport, findings: str, pictures: list[Dataset], chosen: list[keys.Key]
) -> ContainerContentItem:
    """The report as a tree of content (TID 2000)."""
    contains = RelationshipTypeValues.CONTAINS
    root = ContainerContentItem(_TITLE, is_content_continuous=False, template_id="2000")
    root.ContentSequence = ContentSequence()
    root.ContentSequence.extend(LanguageOfContentItemAndDescendants(_VIETNAMESE))
    root.ContentSequence.extend(_observer(report))
    for heading, name, text in (
        (codes.DCM.Findings, codes.DCM.Finding, findings),
        (codes.DCM.Conclusions, codes.DCM.Conclusion, report.conclusion or ""),
    ):
        section = ContainerContentItem(heading, is_content_continuous=False, relationship_type=contains)
        section.ContentSequence = ContentSequence([TextContentItem(name, text, relationship_type=contains)])
        root.ContentSequence.append(section)
    known = {str(one.SOPInstanceUID): str(one.SOPClassUID) for one in pictures}
    images = [
        ImageContentItem(_ILLUSTRATION, known[one.instance], one.instance, relationship_type=contains)
        for one in chosen
        if one.instance in known
    ]
    if images:
        section = ContainerContentItem(codes.DCM.KeyImages, is_content_continuous=False, relationship_type=contains)
        section.ContentSequence = ContentSequence(images)
        root.ContentSequence.append(section)
    return root


def _report(
    content: ContainerContentItem,
    pictures: list[Dataset],
    number: int,
    signer: str,
    facility: str,
    *,
    before: list[str] | None,
) -> EnhancedSR:
    """A Basic Text SR, which highdicom makes as the wider Enhanced SR. before: series and object of the last one."""
    made = EnhancedSR(
        evidence=pictures,
        content=content,
        series_instance_uid=_uid(),
        series_number=number,
        sop_instance_uid=_uid(),
        instance_number=1,
        manufacturer="Tuệ Tĩnh",
        is_complete=True,
        is_final=True,
        is_verified=bool(signer),
        verifying_observer_name=signer or None,
        verifying_organization=place_name("Organization", facility),
        previous_versions=_predecessor(pictures[0], before),
        specific_character_set="ISO_IR 192",
        series_description="Phiếu kết quả",
    )
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    return made


def _selection(
    case: ReadingCase, pictures: list[Dataset], number: int, observer: ObserverContext
) -> KeyObjectSelectionDocument:
    wanted = {one.instance for one in keys.chosen(case)}
    chosen = [one for one in pictures if str(one.SOPInstanceUID) in wanted]
    content = KeyObjectSelection(codes.DCM.OfInterest, chosen, observer_person_context=observer)
    evidence = [pictures[0], *(one for one in chosen if one is not pictures[0])]
    return KeyObjectSelectionDocument(
        evidence=evidence,
        content=content,
        series_instance_uid=_uid(),
        series_number=number,
        sop_instance_uid=_uid(),
        instance_number=1,
        manufacturer="Tuệ Tĩnh",
        specific_character_set="ISO_IR 192",
        series_description="Ảnh tiêu biểu",
    )


def _observer(report: r4.DiagnosticReport) -> ObserverContext:
    name = _signer(report) or "^"
    return ObserverContext(codes.DCM.Person, PersonObserverIdentifyingAttributes(name=name))


def _signer(report: r4.DiagnosticReport) -> str:
    """The name of whoever signed, as DICOM writes names."""
    who = next(iter(report.resultsInterpreter or []), None)
    id_ = ((who.reference if who else "") or "").rpartition("/")[2]
    found = record.read_many(SYSTEM, "Practitioner", [id_]).get(id_) if id_ else None
    name = next(iter((found.name if isinstance(found, r4.Practitioner) else None) or []), None)
    if name is None:
        return ""
    family, given = name.family or (name.text or ""), " ".join(name.given or [])
    return f"{family}^{given}"[:64]


def _keep(exam: Exam, made: Any) -> None:
    out = BytesIO()
    made.save_as(out, enforce_file_format=True)
    kept = keep(Source(exam.facility, "REPORT"), out.getvalue(), study=str(made.StudyInstanceUID))
    if kept.state == "held":
        message = f"the archive does not take the report: {kept.reason}"
        raise ValueError(message)


def _uid() -> str:
    return f"2.25.{uuid4().int}"
