"""Questions are answered, a doctor lets pass what stops an examination, which asks whether it may begin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

from django.db import transaction

from tuetinh.care.imaging.errors import NeedsReason, NotAllowed, NotAnswered, Stopped, WrongStage
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.safety.checks import Facts, needed, told
from tuetinh.care.imaging.safety.models import SafetyCheck
from tuetinh.care.imaging.safety.questions import ANSWERS, BY_KEY, QUESTIONNAIRE
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

ASKING: Final = (Exam.Stage.ORDERED, Exam.Stage.SCHEDULED, Exam.Stage.STARTED, Exam.Stage.DONE)
WHY: Final = "override"  # linkId under which a doctor's reason stands


def response_id(exam: Exam) -> str:
    """The id of the answers of an examination."""
    return f"img-{exam.accession_number}-safety"


def answers_of(asker: Asker, exam: Exam) -> dict[str, str]:
    """What was answered, by question; empty while nothing was. `override`: why a doctor let it pass."""
    id_ = response_id(exam)
    found = cast("r4.QuestionnaireResponse | None", record.read_many(asker, "QuestionnaireResponse", [id_]).get(id_))
    answers = {}
    for item in (found and found.item) or []:
        for answer in item.answer or []:
            value = answer.valueCoding.code if answer.valueCoding else answer.valueString
            answers[item.linkId or ""] = value or ""
    return answers


def answer(asker: Asker, exam_id: int, answers: Mapping[str, str]) -> SafetyCheck:
    """Keep what was answered for an examination; every question needs an answer.

    What a doctor let pass before stays so. Raises NotAllowed, WrongStage, NotAnswered.
    """
    with transaction.atomic():
        exam = _own(asker, exam_id, ("imaging", "doctor"))
        wanted = needed(asker, [exam]).get(exam.pk)
        if wanted is None:
            raise WrongStage
        keys = [question.key for question in wanted.questions]
        if any(answers.get(key) not in ANSWERS for key in keys):
            raise NotAnswered
        mine = {key: answers[key] for key in keys}
        before = SafetyCheck.objects.filter(exam=exam).first()
        why = answers_of(asker, exam).get(WHY, "") if before else ""
        _put(asker, exam, mine, why)
        row = before or SafetyCheck(exam=exam)
        row.response, row.found = response_id(exam), _stopping(told(asker, wanted, mine))
        row.answered_by, row.answered_at = asker.account, datetime.now(UTC)
        row.save()
        publish(f"imaging:{exam.facility}")
    return row


def override(asker: Asker, exam_id: int, why: str) -> SafetyCheck:
    """A doctor lets pass what stops an examination, with a reason. Raises NotAllowed, WrongStage, NeedsReason."""
    if not why.strip():
        raise NeedsReason
    refresh(asker, exam_id)
    with transaction.atomic():
        exam = _own(asker, exam_id, ("imaging", "doctor"))
        if not is_doctor(asker):
            raise NotAllowed
        row = SafetyCheck.objects.filter(exam=exam).first()
        if row is None or not row.blocks:
            raise WrongStage
        row.overridden, row.overridden_by, row.overridden_at = row.found, asker.account, datetime.now(UTC)
        row.save()
        answers = answers_of(asker, exam)
        _put(asker, exam, {key: value for key, value in answers.items() if key != WHY}, why.strip()[:500])
        publish(f"imaging:{exam.facility}")
    return row


def is_doctor(asker: Asker) -> bool:
    """Whether the asker is a doctor: at a doctor's desk, or by the role that the facility gave them."""
    if asker.role == "doctor":
        return True
    if not asker.practitioner:
        return False
    query = f"practitioner=Practitioner/{asker.practitioner}&active=true&_count=50"
    roles = cast("list[r4.PractitionerRole]", record.search(asker, "PractitionerRole", query).resources)
    return any(c.code in ("doctor", "physician") for role in roles for one in role.code or [] for c in one.coding or [])


def refresh(asker: Asker, exam_id: int) -> None:
    """Judge the answers of an examination by the record as it is now; nothing where none are needed or given."""
    with transaction.atomic():
        rows = SafetyCheck.objects.select_for_update(of=("self",)).select_related("exam")
        row = rows.filter(exam=exam_id, exam__facility=asker.facility).first()
        wanted = needed(asker, [row.exam]).get(exam_id) if row else None
        if row and wanted:
            row.found = _stopping(told(asker, wanted, answers_of(asker, row.exam)))
            row.save(update_fields=["found"])


def require(asker: Asker, exam: Exam) -> None:
    """Raise NotAnswered or Stopped unless an examination may begin by its answers, as they were judged last."""
    wanted = needed(asker, [exam]).get(exam.pk)
    if wanted is None:
        return
    row, answers = SafetyCheck.objects.filter(exam=exam).first(), answers_of(asker, exam)
    if row is None or any(question.key not in answers for question in wanted.questions):
        raise NotAnswered
    if row.blocks:
        raise Stopped


def _stopping(facts: Facts) -> list[str]:
    return sorted({one.key for one in facts.findings if one.stops})


def _put(asker: Asker, exam: Exam, answers: Mapping[str, str], why: str) -> None:
    """Write the answers into the record, in the name of who asked."""
    order = cast("r4.ServiceRequest", record.read(asker, "ServiceRequest", exam.order))
    who = r4.Reference(reference=f"Practitioner/{asker.practitioner}") if asker.practitioner else None
    items = [
        r4.QuestionnaireResponseItem(
            linkId=key,
            text=str(BY_KEY[key].words),
            answer=[r4.QuestionnaireResponseItemAnswer(valueCoding=r4.Coding(code=value, display=str(ANSWERS[value])))],
        )
        for key, value in answers.items()
    ]
    if why:
        reason = r4.QuestionnaireResponseItemAnswer(valueString=why)
        items.append(r4.QuestionnaireResponseItem(linkId=WHY, text="Bác sĩ cho phép chụp, lý do", answer=[reason]))
    response = r4.QuestionnaireResponse(
        id=response_id(exam),
        basedOn=[r4.Reference(reference=f"ServiceRequest/{exam.order}")],
        questionnaire=QUESTIONNAIRE,
        status="completed",
        subject=order.subject,
        encounter=order.encounter,
        authored=datetime.now(HANOI).isoformat(timespec="seconds"),
        author=who,
        item=items,
    )
    record.put_many(asker, [response])


def _own(asker: Asker, exam_id: int, roles: tuple[str, ...]) -> Exam:
    """The examination, locked, while its checks may be answered. Another facility's is not there."""
    if asker.role not in roles or not asker.facility:
        raise NotAllowed
    exam = Exam.objects.select_for_update(of=("self",)).filter(pk=exam_id, facility=asker.facility).first()
    if exam is None or exam.stage not in ASKING:
        raise WrongStage
    return exam
