"""Who reads an examination now: taken by one, free again by itself, and what signing leaves behind."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction

from tuetinh.care.imaging.errors import NotAllowed, TakenByOther, WrongStage
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.reading import readers
from tuetinh.care.imaging.reading.models import PeerReview, ReadingCase
from tuetinh.care.imaging.reading.queries import is_free, unread
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import Asker

HOLDS: Final = timedelta(minutes=30)  # after the last time that its reader wrote something


def take_next(asker: Asker, which: str, modality: str = "", region: str = "") -> Exam | None:
    """Take the most urgent examination of a list of `queries.unread` that nobody has; None where there is none.

    Two who ask at once get two. Raises NotAllowed, NotReader.
    """
    _check(asker)
    for one in unread(asker, which, modality, region):
        if one.is_free:
            with transaction.atomic():
                exam = _lock(asker, one.exam.pk, skip=True)
                if exam and _is_as_listed(asker, exam, which):
                    _hold(exam, asker)
                    return exam
    return None


def take(asker: Asker, exam_id: int) -> ReadingCase:
    """Take an examination that nobody else has. Raises NotAllowed, NotReader, WrongStage, TakenByOther."""
    _check(asker)
    with transaction.atomic():
        exam = _lock(asker, exam_id)
        if exam is None or exam.stage not in (Exam.Stage.DONE, Exam.Stage.STARTED):
            raise WrongStage
        return hold(asker, exam)


def hold_for(asker: Asker, exam: Exam) -> bool:
    """Let a system read an examination that nobody reads; returns whether it may."""
    locked = Exam.objects.select_for_update().filter(pk=exam.pk, stage=Exam.Stage.DONE).first()
    if locked is None or not is_free(ReadingCase.objects.filter(exam=exam).first(), asker.account):
        return False
    _hold(exam, asker)
    return True


def release(asker: Asker, exam_id: int) -> None:
    """Give back what one has taken; harmless where one has not."""
    with transaction.atomic():
        exam = _lock(asker, exam_id)
        if exam and ReadingCase.objects.filter(exam=exam, reader=asker.account).update(reader="", held_until=None):
            publish(f"imaging:{exam.facility}")


def hold(asker: Asker, exam: Exam) -> ReadingCase:
    """Take an examination, which is locked, or keep it for longer. Raises TakenByOther."""
    case = ReadingCase.objects.filter(exam=exam).first()
    if case and not is_free(case, asker.account):
        raise TakenByOther
    return _hold(exam, asker)


def signed(asker: Asker, exam: Exam) -> None:
    """The reading of an examination, which is locked, was signed; by chance a peer reads it again."""
    now = datetime.now(UTC)
    case = ReadingCase.objects.filter(exam=exam).first() or ReadingCase(exam=exam)
    case.reader, case.held_until, case.note = "", None, ""
    case.first_by, case.first_at = case.first_by or asker.account, case.first_at or now
    fresh = case.signed_at is None
    case.signed_by, case.signed_at = asker.account, case.signed_at or now
    case.save()
    if fresh and secrets.randbelow(100) < readers.reviewed_percent(exam.facility):
        PeerReview.objects.create(
            exam=exam, facility=exam.facility, modality=exam.modality, author=case.first_by, chosen_at=now
        )


def _check(asker: Asker) -> None:
    if asker.role != "imaging" or not asker.facility:
        raise NotAllowed
    readers.check(asker, signing=False)


def _lock(asker: Asker, exam_id: int, *, skip: bool = False) -> Exam | None:
    rows = Exam.objects.select_for_update(of=("self",), skip_locked=skip)
    return rows.filter(pk=exam_id, facility=asker.facility).first()


def _is_as_listed(asker: Asker, exam: Exam, which: str) -> bool:
    """Whether it is still to be read, now that it is locked: others may have been quicker."""
    case = ReadingCase.objects.filter(exam=exam).first()
    waits = bool(case and case.first_at) == (which == "second")
    return exam.stage == Exam.Stage.DONE and waits and is_free(case, asker.account)


def _hold(exam: Exam, asker: Asker) -> ReadingCase:
    told = {"reader": asker.account, "held_until": datetime.now(UTC) + HOLDS}
    case, _ = ReadingCase.objects.update_or_create(exam=exam, defaults=told)
    publish(f"imaging:{exam.facility}")
    return case
