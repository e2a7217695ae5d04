"""What a person may change of an object, how it is asked for, and held objects that are kept with other values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_OID, uuid5

from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.archive.keeping import Kept, Source, keep
from tuetinh.care.imaging.archive.reading import LONGEST, day, is_uid, text
from tuetinh.care.imaging.errors import BadAttribute, StillWrong
from tuetinh.care.imaging.models import Exam, Held
from tuetinh.record.contents import Arriving
from tuetinh.record.contents.files import opened

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

STUDY, SERIES, INSTANCE = "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"
UIDS: Final = (STUDY, SERIES, INSTANCE)
SEXES: Final = ("", "M", "F", "O")  # PS3.3, C.2.3
LATERALITIES: Final = ("", "L", "R")  # PS3.3, C.7.3.1
FIELDS: Final[Mapping[str, _StrPromise]] = {
    "PatientID": _("Mã người bệnh"),
    "PatientName": _("Họ tên trên ảnh"),
    "PatientBirthDate": _("Ngày sinh (năm tháng ngày)"),
    "PatientSex": _("Giới (M, F, O)"),
    "AccessionNumber": _("Số chỉ định"),
    "StudyDate": _("Ngày chụp (năm tháng ngày)"),
    "StudyDescription": _("Mô tả ca chụp"),
    "Modality": _("Loại máy"),
    "SeriesDescription": _("Mô tả loạt ảnh"),
    "BodyPartExamined": _("Vùng cơ thể"),
    "Laterality": _("Bên (L, R)"),
    STUDY: _("Mã ca chụp"),
    SERIES: _("Mã loạt ảnh"),
    INSTANCE: _("Mã ảnh"),
}
"""What may be changed, by keyword, and how it is called."""
_MOST: Final = {"PatientName": 324, "AccessionNumber": 16, "Modality": 16, "BodyPartExamined": 16}
_CODES: Final = {"PatientSex": SEXES, "Laterality": LATERALITIES}
_DAYS: Final = ("PatientBirthDate", "StudyDate")


@dataclass(frozen=True, slots=True)
class Fixed:
    """A held object that was kept: what stood there of what changed, what stands there now, what became of it."""

    before: dict[str, str]
    after: dict[str, str]
    kept: Kept


def values(row: Held) -> dict[str, str] | None:
    """What a held object tells of `FIELDS`; None where it cannot be read, or not as an object."""
    from tuetinh.care.imaging.archive.lenient import dcmread

    try:
        with opened(bytes(row.digest)) as file:
            head = dcmread(file, stop_before_pixels=True, force=True, specific_tags=[*FIELDS, "SOPClassUID"])
        return {keyword: text(head, keyword) for keyword in FIELDS} if text(head, "SOPClassUID") else None
    except Exception:  # whatever the bytes lead it to
        return None


def checked(told: Mapping[str, str]) -> dict[str, str]:
    """What was typed, as DICOM writes it; other keywords than those of `FIELDS` are left out. Raises BadAttribute."""
    return {keyword: _checked(keyword, told[keyword].strip()) for keyword in FIELDS if keyword in told}


def changed(told: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """What was typed that is not there already: what a machine wrote wrongly need not be put right with all else."""
    return {keyword: value for keyword, value in told.items() if value.strip() != known.get(keyword, "")}


def _checked(keyword: str, value: str) -> str:
    if keyword in _DAYS:
        value = value.replace("-", "")
    well = (
        (keyword not in UIDS or not value or is_uid(value))
        and (keyword not in _DAYS or not value or (len(value) == 8 and day(value) is not None))
        and (keyword not in _CODES or value in _CODES[keyword])
        and len(value) <= _MOST.get(keyword, LONGEST)
        and "\\" not in value
        and value.isprintable()
    )
    if not well:
        raise BadAttribute(str(FIELDS[keyword]))
    return value


def keep_fixed(row: Held, told: Mapping[str, str], patient: str) -> Fixed:
    """Keep a held object with these values; one without a UID gets one. Raises StillWrong."""
    from tuetinh.care.imaging.archive.changing import CannotChange, write_changed

    now = _placed(row, told)
    with opened(bytes(row.digest)) as file, Arriving() as made:
        try:
            before = write_changed(file, made, now, reason="CORRECT")
        except CannotChange as error:
            raise StillWrong from error
        kept = keep(Source(row.facility, row.source), made, patient=patient)
    return Fixed(before, {keyword: now[keyword] for keyword in before}, kept)


def _placed(row: Held, told: Mapping[str, str]) -> dict[str, str]:
    """The values, with a UID where there is none: of a study that of its order, else one that comes of the bytes."""
    known = values(row) or {}
    now = dict(told)
    exam = None
    if not now.get(STUDY, known.get(STUDY, "")):
        number = now.get("AccessionNumber", known.get("AccessionNumber", ""))
        exam = Exam.objects.filter(facility=row.facility, accession_number=number).first() if number else None
    for keyword in UIDS:
        if not now.get(keyword, known.get(keyword, "")):
            made = uuid5(NAMESPACE_OID, f"{bytes(row.digest).hex()} {keyword}")
            now[keyword] = exam.study_instance_uid if exam and keyword == STUDY else f"2.25.{made.int}"
    return now
