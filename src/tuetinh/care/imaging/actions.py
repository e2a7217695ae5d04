"""What the imaging desk does with examinations: plans them, begins and ends them by hand where no machine tells it."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from tuetinh.care.imaging.errors import Booked, NoDevice, NotAllowed, WrongStage
from tuetinh.care.imaging.models import Device, Exam
from tuetinh.care.imaging.safety import actions as safety
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import Asker

OPEN = (Exam.Stage.ORDERED, Exam.Stage.SCHEDULED)


def schedule(asker: Asker, exam_id: int, device_id: int | None, at: datetime) -> Exam:
    """Plan an examination on a machine, or on any of its modality. Raises NotAllowed, WrongStage, Booked, NoDevice."""
    with transaction.atomic():
        exam = _own(asker, exam_id, OPEN)
        if exam.bookings.filter(cancelled_at=None).exists():
            raise Booked
        device = Device.objects.filter(pk=device_id, facility=asker.facility, enabled=True).first()
        if device_id is not None and device is None:
            raise NoDevice
        exam.device, exam.scheduled_at, exam.stage = device, at, Exam.Stage.SCHEDULED
        return _changed(exam)


def begin(asker: Asker, exam_id: int) -> Exam:
    """The examination begins. Raises NotAllowed, WrongStage, NotAnswered, Stopped."""
    safety.refresh(asker, exam_id)
    with transaction.atomic():
        exam = _own(asker, exam_id, OPEN)
        safety.require(asker, exam)
        exam.stage, exam.started_at = Exam.Stage.STARTED, datetime.now(UTC)
        return _changed(exam)


def finish(asker: Asker, exam_id: int) -> Exam:
    """The pictures are taken. Raises NotAllowed, WrongStage."""
    with transaction.atomic():
        exam = _own(asker, exam_id, (Exam.Stage.STARTED,))
        exam.stage, exam.ended_at = Exam.Stage.DONE, datetime.now(UTC)
        exam.taken_by = asker.practitioner or asker.account
        return _changed(exam)


def _own(asker: Asker, exam_id: int, stages: tuple[Exam.Stage, ...]) -> Exam:
    """The examination, locked, while it is at one of the stages. Another facility's is not there."""
    if asker.role != "imaging" or not asker.facility:
        raise NotAllowed
    exam = Exam.objects.select_for_update(of=("self",)).filter(pk=exam_id, facility=asker.facility).first()
    if exam is None or exam.stage not in stages:
        raise WrongStage
    return exam


def _changed(exam: Exam) -> Exam:
    exam.save()
    publish(f"imaging:{exam.facility}")
    return exam
