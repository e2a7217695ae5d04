"""Objects of the archive for what the house adds beside them, as highdicom takes them."""

from __future__ import annotations

from datetime import date, time
from typing import Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom import Dataset

from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.models import Instance

_SEXES: Final = ("M", "F", "O")  # PS3.3, C.2.3
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def source(instance: Instance) -> Dataset:
    """The header of an object, patient and study as the archive knows them; its study is read along. Raises as `whole`.

    Machines leave them out, or write what is no value of its kind; of a study that a person has given to somebody some
    objects tell another one.
    """
    study, head = instance.study, whole(bytes(instance.digest), stop_before_pixels=True)
    head.PatientName, head.PatientID = _name(study.attributes), study.patient_id
    head.PatientBirthDate = _written(study.patient_birth_date)
    head.PatientSex = study.patient_sex if study.patient_sex in _SEXES else ""
    head.StudyDate, head.StudyTime = _written(study.study_date), _written(study.study_time)
    head.AccessionNumber, head.StudyID = study.accession_number, study.study_id
    return head


def _name(told: dict[str, dict[str, list[dict[str, str]]]]) -> str:
    groups = (told.get("00100010", {}).get("Value") or [{}])[0] or {}
    return "=".join(groups.get(group, "") for group in _GROUPS).rstrip("=")


def _written(value: date | time | None) -> str:
    """A date or a time as DICOM writes it, "" for none."""
    return value.isoformat("seconds").replace(":", "") if isinstance(value, time) else f"{value or ''}".replace("-", "")
