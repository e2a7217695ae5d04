"""Pictures that are of several orders at once: what one machine makes in one step (IHE RAD TF-2, 4.6: group case)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from django.db.models import Q

from tuetinh.care.imaging.models import Exam, GroupedStudy, Pending, Study
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter


def join(exams: Collection[Exam], uids: Iterable[str]) -> None:
    """Let the studies that a step names, and those that were planned for its examinations, be of each of these."""
    if len(exams) < 2:
        return
    named = sorted({uid for uid in uids if uid} | {exam.study_instance_uid for exam in exams})
    rows = [GroupedStudy(exam=exam, study_instance_uid=uid) for exam in exams for uid in named]
    GroupedStudy.objects.bulk_create(rows, ignore_conflicts=True)
    _tell(named)


def part(exams: Collection[Exam]) -> None:
    """The step was broken off: each of its examinations has pictures of its own again."""
    rows = GroupedStudy.objects.filter(exam__in=exams)
    named = sorted(set(rows.values_list("study_instance_uid", flat=True)))
    rows.delete()
    _tell(named)


def _tell(uids: list[str]) -> None:
    """Let the record know anew of which orders studies are that came before."""
    enter(SYSTEM)
    now = datetime.now(UTC)
    studies = Study.objects.filter(study_instance_uid__in=uids)
    Pending.objects.bulk_create([Pending(study=study, at=now) for study in studies])


def mates(exam: Exam) -> list[Exam]:
    """The other examinations of the same pictures."""
    own = GroupedStudy.objects.filter(exam=exam).values("study_instance_uid")
    rows = Exam.objects.filter(groupedstudy__study_instance_uid__in=own, facility=exam.facility)
    return list(rows.exclude(pk=exam.pk).distinct().order_by("accession_number"))


def studies_of(exam: Exam, prefix: str = "") -> Q:
    """Which studies are the examination's. prefix: where the study is of the row that is asked for."""
    shared = GroupedStudy.objects.filter(exam=exam).values_list("study_instance_uid", flat=True)
    orders = [exam.order, *(one.order for one in mates(exam))]
    uids = [exam.study_instance_uid, *shared]
    return Q(**{f"{prefix}order__in": orders}) | Q(**{f"{prefix}study_instance_uid__in": uids})


def shared_by(orders: Collection[str]) -> list[tuple[str, str]]:
    """The studies that are of orders beside their own, with the order."""
    rows = GroupedStudy.objects.filter(exam__order__in=orders)
    return list(rows.values_list("study_instance_uid", "exam__order"))


def exams_of(study: Study) -> list[Exam]:
    """The examinations that a study is of, the one that it came for first."""
    first = Q(order=study.order or "-") | Q(study_instance_uid=study.study_instance_uid)
    found = list(Exam.objects.filter(first, patient=study.patient or "").order_by("pk"))
    others = [mate for exam in found for mate in mates(exam)]
    named = Exam.objects.filter(groupedstudy__study_instance_uid=study.study_instance_uid, patient=study.patient or "")
    return list({one.pk: one for one in [*found, *others, *named.order_by("pk")]}.values())
