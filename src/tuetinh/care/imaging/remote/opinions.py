"""Asking others about pictures: a question opens the record to whom it asks; closing it ends that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q, QuerySet

from tuetinh.care.imaging.errors import BadDeadline, NobodyThere, NotAllowed, NothingWritten, WrongStage
from tuetinh.care.imaging.models import Opinion, Study
from tuetinh.care.imaging.remote import facts
from tuetinh.care.imaging.viewer.queries import number_in
from tuetinh.care.imaging.viewer.queries import opened as opened_studies
from tuetinh.commons.access.api import place_name
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import enter

ASK: Final = ("doctor", "imaging", "station")
ANSWER: Final = ("doctor", "imaging")
LISTS: Final = ("received", "asked", "closed")
LONGEST: Final = timedelta(days=30)
REMINDS: Final = timedelta(hours=2)  # before the deadline, or at half the time where there is less
KEPT_OPEN: Final = timedelta(days=3)  # after the answer


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of whom. account: id of who alone is asked, "" for all who read there."""

    text: str
    facility: str
    account: str
    due: datetime
    urgent: bool = False


def ask(asker: Asker, studies: Sequence[str], question: Question) -> Opinion:
    """Ask about studies of one person that the asker sees; whom it asks sees the person's record from now on.

    studies: their UIDs. Raises NotAllowed, WrongStage, NothingWritten, BadDeadline, NobodyThere.
    """
    now = datetime.now(UTC)
    if asker.role not in ASK or not asker.facility:
        raise NotAllowed
    if not question.text.strip():
        raise NothingWritten
    if not now < question.due <= now + LONGEST:
        raise BadDeadline
    person = _somebody(asker, question)
    with transaction.atomic():
        found = opened_studies(asker, studies)
        patient = found[0].patient if found else None
        if not patient:
            raise WrongStage
        to = f"Practitioner/{person.practitioner}" if person else f"Organization/{question.facility}"
        order = record.create(
            _party(asker),
            facts.question(
                *(asker, patient, [one.resource for one in found], to, question.text.strip()[:2000]),
                due=question.due,
                urgent=question.urgent,
            ),
        )
        row = Opinion.objects.create(
            order=str(order.id),
            patient=patient,
            studies=[one.study_instance_uid for one in found],
            facility=asker.facility,
            asked_by=asker.account,
            to_facility=question.facility,
            to_account=question.account,
            urgent=question.urgent,
            asked_at=now,
            due_at=question.due,
        )
        _changed(row)
    return row


def _somebody(asker: Asker, question: Question) -> Any:
    """Who alone is asked, None for all of a facility that can answer. Raises NobodyThere."""
    people = answerers(asker, question.facility)
    if not question.account:
        if not people.exists():
            raise NobodyThere
        return None
    person = people.filter(pk=question.account).exclude(practitioner="").first() if question.account.isdigit() else None
    if person is None:
        raise NobodyThere
    return person


def answerers(asker: Asker, facility: str = "") -> QuerySet[Any]:
    """Accounts that can be asked: of a facility, or of all but the asker themself."""
    people = get_user_model().objects.filter(role__in=ANSWER, is_active=True).exclude(pk=asker.account)
    people = people.filter(facility=facility) if facility else people.exclude(facility="")
    return people.order_by("full_name", "pk")


def is_asked(asker: Asker, row: Opinion) -> bool:
    """Whether the asker may answer."""
    here = asker.role in ANSWER and asker.facility == row.to_facility
    return here and row.to_account in ("", asker.account) and row.asked_by != asker.account


def has_asked(asker: Asker, row: Opinion) -> bool:
    """Whether the question is the asker's facility's."""
    return asker.role in ASK and bool(asker.facility) and asker.facility == row.facility


def takes_part(asker: Asker, row: Opinion) -> bool:
    """Whether the asker asks, or is asked."""
    return is_asked(asker, row) or has_asked(asker, row)


def visible(asker: Asker, which: str) -> QuerySet[Opinion]:
    """The questions in a list of `LISTS`: what is due first, what is closed last."""
    asked = Q(facility=asker.facility) if asker.role in ASK else Q(pk=None)
    received = Q(to_facility=asker.facility, to_account__in=("", asker.account)) & ~Q(asked_by=asker.account)
    received = received if asker.role in ANSWER else Q(pk=None)
    rows = Opinion.objects.filter(closed_at__isnull=which != "closed")
    if which == "received":
        return rows.filter(received).order_by("answered_at", "-urgent", "due_at", "pk")
    if which == "asked":
        return rows.filter(asked).order_by("-answered_at", "-urgent", "due_at", "pk")
    return rows.filter(asked | received).order_by("-closed_at", "-pk")


def due(asker: Asker) -> int:
    """How many wait for this one: questions without an answer, and answers that were not read to the end."""
    waiting = visible(asker, "received").filter(answered_at=None).count()
    return waiting + visible(asker, "asked").filter(answered_at__isnull=False, asked_by=asker.account).count()


def find(asker: Asker, opinion_id: int) -> Opinion | None:
    """A question that the asker takes part in; that it was opened by whom it asks is noted. None for others'."""
    row = Opinion.objects.filter(pk=opinion_id).first()
    if row is None or not takes_part(asker, row):
        return None
    if is_asked(asker, row) and row.opened_at is None and row.closed_at is None:
        fresh = Opinion.objects.filter(pk=row.pk, opened_at=None)
        if fresh.update(opened_at=datetime.now(UTC), opened_by=asker.account):
            _changed(row)
        row.refresh_from_db()
    return row


def find_open(asker: Asker, told: str) -> Opinion | None:
    """The question of this number, as an address tells it, while pictures are looked at together for it; as `find`."""
    number = number_in(told)
    row = find(asker, number) if number is not None else None
    return row if row and row.closed_at is None else None


@dataclass(frozen=True, slots=True)
class Words:
    """What was asked, and answered: by whom; "" while nobody has."""

    question: str
    answer: str = ""


def words(asker: Asker, row: Opinion) -> Words:
    """What was asked and answered, for who takes part (`find`)."""
    mine = _party(asker)
    order = record.read_many(mine, "ServiceRequest", [row.order]).get(row.order)
    id_ = facts.answer_id(row.order)
    answer = record.read_many(mine, "DiagnosticReport", [id_]).get(id_) if row.answered_at else None
    return Words(
        facts.text_of(order) if isinstance(order, r4.ServiceRequest) else "",
        (answer.conclusion or "") if isinstance(answer, r4.DiagnosticReport) else "",
    )


def answer(asker: Asker, opinion_id: int, text: str) -> Opinion:
    """Answer, or amend the answer while the question is open. Raises NotAllowed, WrongStage, NothingWritten."""
    if not text.strip():
        raise NothingWritten
    with transaction.atomic():
        row = _lock(opinion_id)
        if not is_asked(asker, row):
            raise NotAllowed
        if row.closed_at:
            raise WrongStage
        order = cast("r4.ServiceRequest", record.read(_party(asker), "ServiceRequest", row.order))
        at = datetime.now(UTC)
        made = facts.answer(asker, order, text.strip()[:10_000], at, again=row.answered_at is not None)
        record.put_many(_party(asker), [made])
        row.answered_at, row.answered_by = row.answered_at or at, asker.account
        row.opened_at, row.opened_by = row.opened_at or at, row.opened_by or asker.account
        row.save()
        _changed(row)
    return row


def close(asker: Asker, opinion_id: int) -> Opinion:
    """End a question, or take it back unanswered: who was asked sees no more. Raises NotAllowed, WrongStage."""
    with transaction.atomic():
        row = _lock(opinion_id)
        if not has_asked(asker, row):
            raise NotAllowed
        if row.closed_at:
            raise WrongStage
        _end(_party(asker), row)
    return row


def tend() -> int:
    """Remind of what is due soon, and end what was answered days ago; safe to repeat. Returns how many."""
    now, count = datetime.now(UTC), 0
    soon = Opinion.objects.filter(answered_at=None, closed_at=None, reminded_at=None, due_at__lte=now + REMINDS)
    for pk in soon.values_list("pk", flat=True):
        with transaction.atomic():
            row = _lock(pk)
            early = row.due_at - min(REMINDS, (row.due_at - row.asked_at) / 2)
            if row.answered_at or row.closed_at or row.reminded_at or early > now:
                continue
            house = replace(SYSTEM, facility=row.facility)
            record.create(house, facts.reminder(row.order, row.patient, row.facility, row.to_facility, now))
            row.reminded_at = now
            row.save(update_fields=["reminded_at"])
            _changed(row)
            count += 1
    for pk in Opinion.objects.filter(closed_at=None, answered_at__lte=now - KEPT_OPEN).values_list("pk", flat=True):
        with transaction.atomic():
            row = _lock(pk)
            if row.closed_at is None:
                _end(replace(SYSTEM, facility=row.facility), row)
                count += 1
    return count


def _end(party: Asker, row: Opinion) -> None:
    """Close the question, which is locked, and with it what it has opened."""
    order = cast("r4.ServiceRequest", record.lock_many(party, "ServiceRequest", [row.order])[row.order])
    order.status = "completed" if row.answered_at else "revoked"
    record.update(party, order)
    row.closed_at = datetime.now(UTC)
    row.save(update_fields=["closed_at"])
    _changed(row)


def _lock(opinion_id: int) -> Opinion:
    row = Opinion.objects.select_for_update().filter(pk=opinion_id).first()
    if row is None:
        raise WrongStage
    return row


def _party(asker: Asker) -> Asker:
    """The asker with the question and its answer: who takes part was decided, whosever the resources are."""
    return replace(asker, scopes=frozenset({"system/*.cruds"}), sight=EVERYTHING)


def _changed(row: Opinion) -> None:
    for facility in {row.facility, row.to_facility}:
        publish(f"opinions:{facility}")


def studies(asker: Asker, row: Opinion) -> list[Study]:
    """The studies that are asked about, as far as the asker sees them now: none once the question is closed."""
    return opened_studies(asker, row.studies)


def recent(asker: Asker) -> list[Study]:
    """The newest studies of the asker's facility, about which others may be asked."""
    enter(asker)
    rows = Study.objects.filter(custodian=asker.facility, patient__isnull=False).order_by("-pk")
    return list(rows[:10]) if asker.facility else []


def places(asker: Asker) -> list[tuple[str, str]]:
    """Facilities where somebody can be asked, by name."""
    ids = set(answerers(asker).values_list("facility", flat=True))
    return sorted(((id_, place_name("Organization", id_)) for id_ in ids), key=lambda pair: pair[1])
