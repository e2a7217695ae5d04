"""What is done with a request: made, answered, forwarded, granted or refused, carried out, taken back.

Each step is told by a Communication between the person and the facility, and so it stands in the access log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.db import connection, transaction
from django.utils import timezone

from tuetinh.commons.access.api import PURPOSES, asker_of
from tuetinh.commons.messages.api import publish
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import RequestStep, SubjectRequest
from tuetinh.governance.privacy.requests import carrying_out, facts, rules
from tuetinh.governance.privacy.words import KINDS
from tuetinh.record import api as record
from tuetinh.record.asker import Asker
from tuetinh.record.errors import RecordError

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

State = SubjectRequest.State
SHORTEST: Final = 10  # characters of what is asked, and of an answer
MOST_OPEN: Final = 20  # requests of one person that are not done
LIMITING: Final = ("restrict", "object")
STEPS: Final = {
    "accept": ({State.NEW}, State.ACCEPTED),
    "grant": ({State.NEW, State.ACCEPTED}, State.GRANTED),
    "refuse": ({State.NEW, State.ACCEPTED, State.GRANTED}, State.REFUSED),
    "finish": ({State.GRANTED}, State.DONE),
    "take-back": ({State.NEW, State.ACCEPTED}, State.TAKEN_BACK),
}
"""From which states a step leads to which."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. about: `Type/id`, "" for everything. purpose: v3 PurposeOfUse that is to be
    closed, "" for every one. received: when the paper came, None for now."""

    kind: str
    what: str
    facility: str = ""
    about: str = ""
    purpose: str = ""
    acting: str = ""
    applicant: str = ""
    papers: str = ""
    received: datetime | None = None


@transaction.atomic
def make(asker: Asker, by: Account, patient: str, wish: Wish) -> SubjectRequest:
    """Take a request in; the same one, while it is open, is not taken twice.

    asker: the citizen within the record, or the desk that has the paper. Raises PrivacyError, NotFound for a person
    whom the asker does not see.
    """
    _check(asker, wish)
    record.read(asker, "Patient", patient)
    received = wish.received or timezone.now()
    if received > timezone.now():
        raise PrivacyError("received")
    if wish.about:
        facts.subject(asker, patient, wish.about)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"privacy:{patient}"])
    known = SubjectRequest.objects.filter(patient=patient, closed=None)
    same = known.filter(kind=wish.kind, what=wish.what.strip(), about=wish.about, facility=wish.facility).first()
    if same:
        return same
    if known.count() >= MOST_OPEN:
        raise PrivacyError("many")
    law = rules.on(received)
    made = SubjectRequest.objects.create(
        patient=patient,
        facility=wish.facility,
        kind=wish.kind,
        channel="portal" if asker.patient else "desk",
        acting=wish.acting,
        applicant=wish.applicant.strip(),
        papers=wish.papers.strip(),
        what=wish.what.strip(),
        about=wish.about,
        purpose=wish.purpose,
        law=law.law,
        received=received,
        answer_by=law.answer.ends(received),
        due=law.kinds[wish.kind].ends(received),
    )
    _step(made, asker, by, "made")
    return made


def _check(asker: Asker, wish: Wish) -> None:
    if wish.kind not in KINDS:
        raise PrivacyError("kind")
    if len(wish.what.strip()) < SHORTEST:
        raise PrivacyError("what")
    if wish.purpose and (wish.kind not in LIMITING or wish.purpose not in PURPOSES):
        raise PrivacyError("purpose")
    if wish.kind == "withdraw" and not wish.about.startswith("Consent/"):
        raise PrivacyError("consent")
    if asker.patient is None and not (wish.applicant.strip() and wish.papers.strip()):
        raise PrivacyError("applicant")


@transaction.atomic
def accept(by: Account, request_id: int) -> SubjectRequest:
    """Answer that it is being looked at: what the law wants within two working days."""
    return _close(_moved(by, request_id, "accept"), by, "accept", "")


@transaction.atomic
def grant(by: Account, request_id: int, answer: str, about: str = "") -> SubjectRequest:
    """Agree to it; what is then to be done depends on its kind. about: the entry that it turned out to be about."""
    found = _moved(by, request_id, "grant")
    found.answer, found.about = _answer(answer), about or found.about
    if found.kind == "correct" and not found.about:
        raise PrivacyError("entry")
    if found.about:
        found.before, found.author = facts.subject(facts.as_house(by), found.patient, found.about)
    return _close(found, by, "grant", found.answer)


@transaction.atomic
def refuse(by: Account, request_id: int, reason: str, answer: str) -> SubjectRequest:
    """Refuse it for a reason of `rules.refusals` that holds for its kind."""
    found = _moved(by, request_id, "refuse")
    known = rules.refusals().get(reason)
    if known is None or found.kind not in known.kinds:
        raise PrivacyError("refusal")
    found.refusal, found.answer = reason, _answer(answer)
    return _close(found, by, "refuse", found.answer)


@transaction.atomic
def finish(by: Account, request_id: int, note: str) -> SubjectRequest:
    """Say that it was carried out; what the record can do itself is done now (`carrying_out`).

    Raises PrivacyError `no-change` for a correction after which nothing has changed.
    """
    found = _moved(by, request_id, "finish")
    note = _answer(note)
    carrying_out.carry_out(facts.as_house(by), found)
    if found.about:
        found.after, _ = facts.subject(facts.as_house(by), found.patient, found.about)
        if found.kind == "correct" and found.after == found.before:
            raise PrivacyError("no-change")
    return _close(found, by, "finish", note)


@transaction.atomic
def forward(by: Account, request_id: int, facility: str) -> SubjectRequest:
    """Give it to the facility whose it is; its deadlines go on."""
    found = _open(by, request_id)
    if found.state not in (State.NEW, State.ACCEPTED) or facility == found.facility:
        raise PrivacyError("state")
    try:
        record.read(record.SYSTEM, "Organization", facility)
    except RecordError as error:
        raise PrivacyError("place") from error
    found.facility = facility
    return _close(found, by, "forward", facility)


@transaction.atomic
def take_back(asker: Asker, by: Account, request_id: int) -> SubjectRequest:
    """Let the person who asked think better of it."""
    found = SubjectRequest.objects.select_for_update().filter(pk=request_id, patient=asker.patient).first()
    if found is None or found.state not in STEPS["take-back"][0]:
        raise PrivacyError("state")
    found.state, found.closed = State.TAKEN_BACK, timezone.now()
    found.save()
    _step(found, asker, by, "take-back")
    return found


@transaction.atomic
def correct(by: Account, request_id: int, note: str) -> SubjectRequest:
    """Add the author's note to the entry, as a new version of it: what was written stays.

    Raises PrivacyError `state` unless it is for this author, `no-note` for a type that has none, `note`.
    """
    found = for_author(by).select_for_update().filter(pk=request_id).first()
    if found is None:
        raise PrivacyError("state")
    if len(note.strip()) < SHORTEST:
        raise PrivacyError("note")
    facts.annotate(asker_of(by), found.about, note.strip(), by)
    found.save()
    _step(found, asker_of(by), by, "note", note.strip())
    return found


def for_author(by: Account):
    """Corrections that were granted and wait for this account: of what it wrote, or of nobody's at its facility."""
    mine = SubjectRequest.objects.filter(kind="correct", state=State.GRANTED, facility=by.facility).exclude(about="")
    return mine.filter(author__in=[by.practitioner, ""] if by.practitioner else [""])


def _moved(by: Account, request_id: int, step: str) -> SubjectRequest:
    """The request, locked, in the state to which the step leads."""
    found = _open(by, request_id)
    states, following = STEPS[step]
    if found.state not in states:
        raise PrivacyError("state")
    found.state = following
    return found


def _open(by: Account, request_id: int) -> SubjectRequest:
    found = SubjectRequest.objects.select_for_update().filter(pk=request_id).first()
    if found is None or (by.facility and found.facility != by.facility):
        raise PrivacyError("state")
    return found


def _close(found: SubjectRequest, by: Account, step: str, note: str) -> SubjectRequest:
    now = timezone.now()
    found.answered = found.answered or (now if step != "forward" else None)
    found.closed = now if found.state not in SubjectRequest.OPEN else None
    found.save()
    _step(found, asker_of(by), by, step, note)
    return found


def _step(found: SubjectRequest, asker: Asker, by: Account, step: str, note: str = "") -> None:
    RequestStep.objects.create(request=found, at=timezone.now(), by=by, step=step, note=note)
    facts.tell(asker, by, found, step)
    for facility in {found.facility, ""}:
        publish(f"requests:{facility}")


def _answer(text: str) -> str:
    if len(text.strip()) < SHORTEST:
        raise PrivacyError("answer")
    return text.strip()
