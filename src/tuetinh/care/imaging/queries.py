"""What the pages of imaging ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from tuetinh.care.imaging.handover.showing import kind_of, studies_of
from tuetinh.care.imaging.models import Exam, Instance
from tuetinh.care.imaging.safety.checks import states
from tuetinh.care.imaging.viewer.queries import Look, looks
from tuetinh.commons.identity.api import names_of
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.text import concept_text

LISTS: Final = {
    "waiting": ("ordered", "scheduled"),
    "started": ("started",),
    "done": ("done",),
    "reported": ("reported",),
}
SHOWN: Final = 12  # pictures of an examination on its page


@dataclass(frozen=True, slots=True)
class Line:
    """An examination in a list. safety: how its checks stand (`safety.checks.states`)."""

    exam: Exam
    name: str
    look: Look | None = None
    safety: str = ""


def worklist(facility: str, which: str, modality: str = "") -> QuerySet[Exam]:
    """The examinations of a facility at a stage: urgent and older ones first, finished ones newest first."""
    rows = Exam.objects.filter(facility=facility, stage__in=LISTS[which])
    rows = rows.filter(modality=modality) if modality else rows
    order = ("-urgent", "scheduled_at", "id") if which in ("waiting", "started") else ("-scheduled_at", "-id")
    return rows.order_by(*order)


def counts(facility: str) -> dict[str, int]:
    """How many examinations wait in each list but the last, which only grows."""
    told = {which: Count("pk", filter=Q(stage__in=stages)) for which, stages in LISTS.items() if which != "reported"}
    open_ = Exam.objects.filter(facility=facility, stage__in=("ordered", "scheduled", "started", "done"))
    return dict(open_.aggregate(**told))


def lines(asker: Asker, exams: Sequence[Exam]) -> list[Line]:
    """Examinations with the names of their people, and what there is to look at."""
    names = names_of(asker, {exam.patient for exam in exams})
    seen = looks(asker, {exam.order for exam in exams})
    safe = states(asker, exams)
    return [Line(exam, names.get(exam.patient, ""), seen.get(exam.order), safe.get(exam.pk, "")) for exam in exams]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the doctor wrote with an order: where, and what is to be found out."""

    site: str = ""
    question: str = ""


def asked(asker: Asker, exam: Exam) -> Asked:
    """What was asked of an examination; empty where the asker may not see its order."""
    order = cast("r4.ServiceRequest | None", record.read_many(asker, "ServiceRequest", {exam.order}).get(exam.order))
    if order is None:
        return Asked()
    said = (", ".join(filter(None, map(concept_text, told or []))) for told in (order.bodySite, order.reasonCode))
    return Asked(*said)


@dataclass(frozen=True, slots=True)
class Picture:
    """An object on the page of its examination. kind: of `handover.showing.Shown`; url: of what is drawn or opened."""

    kind: str
    url: str


def pictures(asker: Asker, exam: Exam) -> list[Picture]:
    """The first objects of an examination's studies that people can look at."""
    rows = (
        Instance.objects.filter(study__in=studies_of(asker, exam))
        .select_related("series", "study")
        .order_by("study", "series__series_number", "series", "instance_number", "pk")
    )
    kinds = [(row, kind_of(row.sop_class_uid, row.transfer_syntax_uid, row.attributes)) for row in rows[: SHOWN * 2]]
    return [Picture(kind, _url(exam, row, kind)) for row, kind in kinds if kind][:SHOWN]


def _url(exam: Exam, row: Instance, kind: str) -> str:
    if kind != "frames":
        return reverse("imaging:part", args=[exam.pk, row.sop_instance_uid, 0])
    study, series = row.study.study_instance_uid, row.series.series_instance_uid
    return f"/dicom-web/studies/{study}/series/{series}/instances/{row.sop_instance_uid}/thumbnail"
