"""What the reading room asks: what is to be read, and by whom; what was pictured before; what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.db.models.functions import Coalesce

from tuetinh.care.imaging.ai.due import SOURCE
from tuetinh.care.imaging.archive.queries import STRUCTURED
from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.grouped import studies_of
from tuetinh.care.imaging.models import Exam, Instance, Study
from tuetinh.care.imaging.reading import readers
from tuetinh.care.imaging.reading.models import ReadingCase
from tuetinh.care.imaging.reading.tables import regions_of, target
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from pydicom import Dataset

LISTS: Final = ("first", "second", "mine")
MOST: Final = 2000  # of a list
PRIORS: Final = 20
KEY: Final = "1.2.840.10008.5.1.4.1.1.88.59"  # Key Object Selection Document Storage


@dataclass(frozen=True, slots=True)
class Unread:
    """An examination that waits. minutes: since its pictures were taken; late: longer than its modality's target."""

    exam: Exam
    case: ReadingCase | None
    minutes: int
    late: bool
    is_free: bool


def unread(asker: Asker, which: str, modality: str = "", region: str = "") -> list[Unread]:
    """What waits in a list of `LISTS`: emergencies first, then who waits longest; only what the asker reads."""
    now = datetime.now(UTC)
    rows = Exam.objects.filter(facility=asker.facility, stage=Exam.Stage.DONE).select_related("case")
    held = Q(case__reader=asker.account, case__held_until__gt=now)
    first = Q(case=None) | Q(case__first_at=None)
    rows = rows.filter({"first": first, "second": Q(case__first_at__isnull=False), "mine": held}[which])
    if which == "second":
        rows = rows.exclude(case__first_by=asker.account)
    rows = rows.filter(modality=modality) if modality else rows
    mine = readers.rights(asker)
    found = rows.order_by("-urgent", Coalesce("ended_at", "scheduled_at"), "pk")[:MOST]
    return [
        _unread(exam, asker, now)
        for exam in found
        if (which == "mine" or mine.fits(exam)) and (not region or region in regions_of(exam.description))
    ]


def _unread(exam: Exam, asker: Asker, now: datetime) -> Unread:
    case = case_of(exam)
    minutes = int((now - (exam.ended_at or exam.scheduled_at)).total_seconds() // 60)
    within = target(exam.modality)
    late = minutes > (within.urgent if exam.urgent else within.routine)
    return Unread(exam, case, minutes, late, is_free(case, asker.account))


def is_free(case: ReadingCase | None, account: str) -> bool:
    """Whether this account may take it: nobody has it, or whoever had it has written nothing for long."""
    if case is None or case.reader in ("", account) or case.held_until is None:
        return True
    return case.held_until <= datetime.now(UTC)


def case_of(exam: Exam) -> ReadingCase | None:
    """The reading of an examination, None where nobody has begun."""
    return getattr(exam, "case", None)


def studies(asker: Asker, exam: Exam) -> list[Study]:
    """The studies of an examination that the asker may see."""
    enter(asker)
    return list(Study.objects.filter(studies_of(exam)).order_by("study_date", "pk"))


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier study of the same region. url: the viewer with it beside the examination's pictures."""

    study: Study
    modalities: tuple[str, ...]
    conclusion: str
    url: str = ""


def priors(asker: Asker, exam: Exam, beside: str) -> list[Prior]:
    """Earlier studies of the person of the same region, newest first, as far as the asker may see them.

    beside: address of the viewer with the examination's own studies.
    """
    enter(asker)
    rows = Study.objects.filter(patient=exam.patient).exclude(studies_of(exam)).prefetch_related("series")
    wanted = regions_of(exam.description)
    found = []
    for study in rows.order_by("-study_date", "-pk")[:200]:
        parts = [_first(one.attributes, "00180015") for one in study.series.all()]
        if not wanted or wanted & regions_of(" ".join([study.study_description, *parts])):
            found.append(study)
    found = found[:PRIORS]
    said = _conclusions(asker, found)
    return [
        Prior(
            one,
            tuple(sorted({series.modality for series in one.series.all() if series.modality})),
            said.get(one.resource, ""),
            f"{beside},{one.study_instance_uid}" if beside else "",
        )
        for one in found
    ]


def _conclusions(asker: Asker, studies: list[Study]) -> dict[str, str]:
    """What was read in studies, by the id of their ImagingStudy."""
    by_order = {one.order: one.resource for one in studies if one.order}
    exams = Exam.objects.filter(order__in=by_order).values_list("accession_number", "order")
    ids = {f"img-{number}": by_order[order] for number, order in exams}
    found = record.read_many(asker, "DiagnosticReport", ids)
    return {ids[id_]: one.conclusion or "" for id_, one in found.items() if isinstance(one, r4.DiagnosticReport)}


def _first(attributes: dict[str, Any], tag: str) -> str:
    return str((attributes.get(tag, {}).get("Value") or [""])[0] or "")


@dataclass(frozen=True, slots=True)
class Measured:
    """A number that somebody measured at the viewer."""

    name: str
    value: str
    unit: str

    @property
    def words(self) -> str:
        """As it stands in a reading."""
        return f"{self.name}: {self.value.replace('.', ',')} {self.unit}".strip()


def measured(asker: Asker, exam: Exam) -> list[Measured]:
    """The measurements in the studies of an examination, newest document first (TID 1500)."""
    found: list[Measured] = []
    for digest in _documents(asker, exam):
        _numbers(whole(digest, stop_before_pixels=True), "", found)
    return list(dict.fromkeys(found))


def _documents(asker: Asker, exam: Exam) -> list[bytes]:
    enter(asker)
    rows = Instance.objects.filter(
        study__in=Study.objects.filter(studies_of(exam)), sop_class_uid__startswith=STRUCTURED
    ).exclude(Q(sop_class_uid=KEY) | Q(source=SOURCE))  # what models say is for no report
    return [bytes(digest) for digest in rows.order_by("-pk").values_list("digest", flat=True)[:20]]


def _numbers(item: Dataset, finding: str, found: list[Measured]) -> None:
    """Collect the numbers below a content item; the words of a finding beside them name them."""
    children = item.get("ContentSequence") or []
    for one in children:
        if _meaning(one) == "Finding" and "ConceptCodeSequence" in one:
            finding = str(one.ConceptCodeSequence[0].get("CodeMeaning", ""))
    for one in children:
        if one.get("ValueType") == "NUM" and one.get("MeasuredValueSequence"):
            value = one.MeasuredValueSequence[0]
            unit = str(value.MeasurementUnitsCodeSequence[0].get("CodeValue", ""))
            name = " ".join(filter(None, (finding, _meaning(one))))
            found.append(Measured(name[:100], f"{float(value.NumericValue):.1f}", "" if unit == "1" else unit[:20]))
        _numbers(one, finding, found)


def _meaning(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence") or []
    return str(names[0].get("CodeMeaning", "")) if names else ""
