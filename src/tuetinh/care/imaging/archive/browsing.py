"""Find studies of a facility, as the desk of imaging looks for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Q

from tuetinh.care.imaging.archive.reading import is_uid, words
from tuetinh.care.imaging.models import Instance, Series, Study
from tuetinh.care.imaging.reading.tables import targets
from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

MODALITIES = tuple(modality for modality, _target in targets() if modality)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for. text: a part of a name, a number of the person, of the order or of the study; day: ISO."""

    text: str = ""
    modality: str = ""
    day: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A study in the list."""

    study: Study
    modalities: str
    objects: int

    @property
    def study_instance_uid(self) -> str:
        """The UID of the study."""
        return str(self.study.study_instance_uid)


def find(asker: Asker, asked: Asked) -> Any:
    """The studies of the asker's facility that fit, the newest first."""
    enter(asker)
    rows = Study.objects.filter(custodian=asker.facility)
    if asked.text:
        numbers = Q(patient_id=asked.text) | Q(accession_number=asked.text) | Q(study_id=asked.text)
        by_uid = Q(study_instance_uid=asked.text) if is_uid(asked.text) and "." in asked.text else Q(pk=None)
        name = words(asked.text)
        rows = rows.filter(numbers | by_uid | (Q(name_words__contains=name) if name else Q(pk=None)))
    if asked.modality:
        rows = rows.filter(pk__in=Series.objects.filter(modality=asked.modality).values("study"))
    if day := _day(asked.day):
        rows = rows.filter(study_date=day)
    return rows.order_by("-study_date", "-id")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def lines(asker: Asker, studies: list[Study]) -> list[Line]:
    """What the list shows of studies; the access log tells which."""
    enter(asker)
    for one in studies:
        audit.note(asker, "search", "ImagingStudy", one.resource, one.patient)
    machines: dict[int, list[str]] = {}
    known = Series.objects.filter(study__in=studies).order_by("modality").values_list("study", "modality").distinct()
    for study, modality in known:
        machines.setdefault(study, []).append(modality or "?")
    counts = dict(Instance.objects.filter(study__in=studies).values_list("study").annotate(Count("pk")).order_by())
    return [Line(one, ", ".join(machines.get(one.pk, [])), counts.get(one.pk, 0)) for one in studies]
