"""What readers do: a draft in fields or words, a first reading for a second one, key images, calls about findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction

from tuetinh.care.imaging import grouped, reports
from tuetinh.care.imaging.errors import NeedsReason, NothingWritten, NotReadBack, WrongStage
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.reading import facts, keys, readers, structured
from tuetinh.care.imaging.reading.models import ReadingCase
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record.asker import Asker


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands on the page of a reading. fields: of the template, as they were typed."""

    findings: str = ""
    conclusion: str = ""
    template: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


def keep(asker: Asker, exam_id: int, typed: Typed) -> Exam:
    """Keep a draft. Raises what `reports.write` does, and BadValue."""
    with transaction.atomic():
        _fill(asker, exam_id, typed)
        return reports.write(asker, exam_id, typed.findings, typed.conclusion)


def compose(asker: Asker, exam_id: int, typed: Typed) -> Exam:
    """Make the words of the reading from the fields of its template, and keep them as a draft.

    A conclusion whose fields are not all filled in stays as it was typed. Raises as `keep`, and NothingWritten.
    """
    wanted = structured.form(typed.template)
    if wanted is None:
        raise NothingWritten
    answers = structured.read(wanted, typed.fields)
    made = structured.conclusion(wanted, answers) or typed.conclusion
    return keep(asker, exam_id, Typed(structured.findings(wanted, answers), made, typed.template, typed.fields))


def hand_over(asker: Asker, exam_id: int, typed: Typed) -> Exam:
    """End a first reading: it is preliminary, and waits for a second reader. Raises as `keep`, and NothingWritten."""
    if not typed.findings.strip() or not typed.conclusion.strip():
        raise NothingWritten
    with transaction.atomic():
        exam = keep(asker, exam_id, typed)
        case = _case(exam)
        case.first_by, case.first_at, case.note = asker.account, datetime.now(UTC), ""
        _free(case)
    return exam


def give_back(asker: Asker, exam_id: int, why: str) -> Exam:
    """Give a first reading back to be read anew, and say why. Raises as `reports.lock`, NeedsReason."""
    if not why.strip():
        raise NeedsReason
    with transaction.atomic():
        exam = reports.lock(asker, exam_id, signing=True)
        case = _case(exam)
        if case.first_at is None or exam.stage == Exam.Stage.REPORTED:
            raise WrongStage
        case.first_at, case.note = None, why.strip()[:500]
        _free(case)
        publish(f"imaging:{exam.facility}")
    return exam


def sign(asker: Asker, exam_id: int, typed: Typed, why: str = "", also: Collection[int] = ()) -> Exam:
    """Sign the reading. also: examinations of the same pictures that it is the reading of, too; each has its report.

    Raises what `reports.sign` does, and BadValue.
    """
    with transaction.atomic():
        _fill(asker, exam_id, typed, signing=True)
        exam = reports.sign(asker, exam_id, typed.findings, typed.conclusion, why)
        for mate in grouped.mates(exam):
            if mate.pk in also:
                reports.sign(asker, mate.pk, typed.findings, typed.conclusion, why)
    return exam


def choose(asker: Asker, exam_id: int, instance: str, frame: int) -> bool:
    """Choose a key image, or let it go; returns whether it is chosen now. Raises as `reports.lock`."""
    with transaction.atomic():
        exam = reports.lock(asker, exam_id)
        case = _case(exam)
        chosen = keys.toggle(asker, case, exam, instance, frame)
        case.save(update_fields=["keys"])
    return chosen


def tell(asker: Asker, exam_id: int, finding: str) -> Exam:
    """Note a finding that somebody must be called about at once. Raises as `reports.lock`, NeedsReason."""
    if not finding.strip():
        raise NeedsReason
    with transaction.atomic():
        exam = reports.lock(asker, exam_id)
        case = _case(exam)
        case.finding, case.finding_at, case.called_at = finding.strip()[:500], datetime.now(UTC), None
        case.save(update_fields=["finding", "finding_at", "called_at"])
        publish(f"imaging:{exam.facility}")
    return exam


def log_call(asker: Asker, exam_id: int, told: str, *, answered: bool, read_back: bool) -> Exam:
    """Log a call about a finding, which stays open until somebody has read it back.

    told: who was called. Raises NotAllowed, NotReader, WrongStage, NeedsReason, NotReadBack.
    """
    readers.check(asker, signing=False)
    if not told.strip():
        raise NeedsReason
    if answered and not read_back:
        raise NotReadBack
    with transaction.atomic():
        exam = Exam.objects.select_for_update(of=("self",)).filter(pk=exam_id, facility=asker.facility).first()
        case = ReadingCase.objects.filter(exam=exam, finding_at__isnull=False, called_at=None).first() if exam else None
        if exam is None or case is None:
            raise WrongStage
        at = datetime.now(UTC)
        record.create(asker, facts.call(asker, exam, case.finding, told.strip()[:300], answered=answered, at=at))
        if answered:
            case.called_at = at
            case.save(update_fields=["called_at"])
        publish(f"imaging:{exam.facility}")
    return exam


def _fill(asker: Asker, exam_id: int, typed: Typed, *, signing: bool = False) -> None:
    """Keep what is in the fields, before the report is written, which takes them over."""
    exam = reports.lock(asker, exam_id, signing=signing)
    wanted = structured.form(typed.template)
    case = _case(exam)
    case.template = wanted.key if wanted else ""
    case.answers = structured.read(wanted, typed.fields) if wanted else {}
    case.save(update_fields=["template", "answers"])


def _case(exam: Exam) -> ReadingCase:
    return ReadingCase.objects.get(exam=exam)


def _free(case: ReadingCase) -> None:
    case.reader, case.held_until = "", None
    case.save(update_fields=["first_by", "first_at", "note", "reader", "held_until"])
