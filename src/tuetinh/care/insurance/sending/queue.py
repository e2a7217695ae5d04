"""The queue of claims: what waits, until when, and what people may do with it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from typing import cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.insurance.claim_inputs import PAYMENT
from tuetinh.care.insurance.errors import NotNow, NoVisit
from tuetinh.care.insurance.filling.summary import admitted_at
from tuetinh.care.insurance.models import ClaimCase, ImportedClaim, Transmission
from tuetinh.care.insurance.queries import cards_of_visit
from tuetinh.care.insurance.sending.deadlines import last_day
from tuetinh.care.insurance.situations import REASON, moment
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

Kind, State = ClaimCase.Kind, ClaimCase.State
PATIENCE = timedelta(minutes=30)  # for which a claim waits for what the patient still owes
LAST_HOUR = 21  # of the day, after which it goes as it is
LOOKED_BACK = timedelta(days=7)  # for claims that nobody put into the queue
UNDER_WAY = (State.SENDING, State.UNCLEAR)
RELEASED = frozenset({State.HELD, State.FAULTY, State.REFUSED, State.ACCEPTED, State.WAITING, State.RECALLED})
CHECKS = tuple(timedelta(hours=hours) for hours in (1, 7, 25, 49))  # the gateway answers in 6, 24 and 48 (TT 12/2026)


def announce_visit(asker: Asker, encounter: r4.Encounter) -> None:
    """Put the notice that a visit has begun into the queue, at its first cost, and again at the first as an inpatient.

    None goes for emergencies, nor where the person has no card (QĐ 3176, table 0).
    """
    classes = [encounter.class_, *(one.class_ for one in encounter.classHistory or [])]
    if any(one and one.code == "EMER" for one in classes):
        return
    case = ClaimCase.objects.filter(encounter=encounter.id, kind=Kind.STATUS).first()
    admitted = admitted_at(encounter)
    if case is None or (admitted and case.ended < admitted and case.state not in UNDER_WAY):
        _put(asker, encounter, Kind.STATUS, timezone.now(), timezone.now())


def queue_claim(asker: Asker, encounter: r4.Encounter, *, paid: bool) -> None:
    """Put the claim of a visit that has ended into the queue, or put it there again after a correction.

    It goes at once where all is paid, else when that is so, at the latest in the evening of the day.
    """
    ended = moment(encounter.period.end if encounter.period else None) or timezone.now()
    now = timezone.localtime()
    evening = now.replace(hour=LAST_HOUR, minute=0, second=0, microsecond=0)
    _put(asker, encounter, Kind.CLAIM, ended, now if paid else max(evening, now + PATIENCE))


def queue_unclaimed(asker: Asker, encounter: r4.Encounter) -> ClaimCase | None:
    """The claim of a visit that has ended, put into the queue to go now unless it is or was there in any state.

    None where the person had no card, or another system has sent the claim. Raises NoVisit for a visit that has not
    ended.
    """
    if encounter.status != "finished":
        raise NoVisit
    if ImportedClaim.objects.filter(visit=encounter.id).exists():
        return None
    mine = ClaimCase.objects.filter(encounter=encounter.id, kind=Kind.CLAIM)
    if not mine.exists():
        queue_claim(asker, encounter, paid=True)
    return mine.first()


def queue_forgotten(facility: str) -> int:
    """Queue the claims of visits of the last days that never came into the queue, as of those that another program has
    ended; returns how many.
    """
    since, page, count = timezone.localdate() - LOOKED_BACK, None, 0
    query = f"service-provider=Organization/{facility}&status=finished&date=ge{since}&_count=200"
    while True:
        found = record.search(PAYMENT, "Encounter", query, page)
        ids = [one.id or "" for one in found.resources]
        known = set(ClaimCase.objects.filter(encounter__in=ids, kind=Kind.CLAIM).values_list("encounter", flat=True))
        for encounter in cast("list[r4.Encounter]", found.resources):
            if encounter.id not in known:
                count += queue_unclaimed(PAYMENT, encounter) is not None
        page = found.next
        if page is None:
            return count


def card_came(encounter_id: str) -> None:
    """Queue what a visit lacked a card for when it was asked about: its claim, or its notice if it goes on and costs.

    Inside the caller's transaction.
    """
    encounter = record.read_many(PAYMENT, "Encounter", [encounter_id]).get(encounter_id)
    if not isinstance(encounter, r4.Encounter):
        return
    if encounter.status == "finished":
        queue_unclaimed(PAYMENT, encounter)
    elif record.search(PAYMENT, "ChargeItem", f"context=Encounter/{encounter_id}&_count=1").resources:
        announce_visit(PAYMENT, encounter)


def claim_is_paid(encounter_id: str) -> None:
    """Let a claim that waits for a payment go; one that went without it goes again, with NGAY_TTOAN."""
    waiting = ClaimCase.objects.filter(encounter=encounter_id, kind=Kind.CLAIM, state=State.WAITING, tries=0)
    if not waiting.update(due=timezone.now()):
        claim_is_changed(encounter_id, _("Thu đủ tiền sau khi gửi: gửi lại."))


def claim_is_changed(encounter_id: str, why: str) -> None:
    """Have the claim of a visit sent again, with the same MA_LK, because something of it came or was corrected later.

    One that is on its way goes again as soon as the gateway has answered; one that a person keeps back stays so.
    """
    with transaction.atomic():
        case = ClaimCase.objects.select_for_update().filter(encounter=encounter_id, kind=Kind.CLAIM).first()
        if case is None or case.recall or case.state not in (*UNDER_WAY, State.ACCEPTED, State.REFUSED, State.FAULTY):
            return
        case.changed = why
        if case.state not in UNDER_WAY:
            once_more(case)
        case.save()
        publish(f"claims:{case.facility}")


def received(case: ClaimCase) -> str:
    """What a claim is whose file the gateway has taken."""
    return State.RECALLED if case.recall else State.ACCEPTED


def once_more(case: ClaimCase) -> None:
    """Put a claim whose visit was changed after it was written into the queue again; does not save it."""
    if case.changed:
        case.state, case.due, case.words, case.tries = State.WAITING, timezone.now(), case.changed, 0


def take_back_claim(encounter_id: str) -> None:
    """Keep the claim of a visit back while the visit is taken up again. Raises NotNow while it is being sent."""
    with transaction.atomic():
        case = ClaimCase.objects.select_for_update().filter(encounter=encounter_id, kind=Kind.CLAIM).first()
        if case:
            _refuse_under_way(case)
            _set(case, State.HELD, "")


def hold(case: ClaimCase, reason: str) -> None:
    """Keep a claim back, because of something."""
    _change(case, State.HELD, reason, {State.WAITING, State.FAULTY, State.REFUSED})


def release(case: ClaimCase, despite: str = "") -> None:
    """Send a claim, again if it was sent before, with the same MA_LK and what the record says now.

    despite: why it goes although our own checks find problems.
    """
    _change(case, State.WAITING, "", RELEASED, despite)


def recall(case: ClaimCase, reason: str) -> None:
    """Withdraw a claim that the gateway has (QĐ 3276, MA_DOITUONG_KCB 8): what it took is sent again as withdrawn."""
    _change(case, State.WAITING, reason, {State.ACCEPTED}, recall=True)


def decide(case: ClaimCase, transaction_id: str) -> None:
    """Say what a person saw on the gateway's portal of a file without an answer.

    transaction_id: maGiaoDich under which the gateway has it, "" where it has it not and it is to be sent again.
    """
    with transaction.atomic():
        locked = ClaimCase.objects.select_for_update().get(pk=case.pk)
        if locked.state != State.UNCLEAR:
            raise NotNow
        settle(locked, cast(Transmission, locked.transmissions.order_by("-id").first()), transaction_id)


def settle(case: ClaimCase, sent: Transmission, transaction_id: str) -> None:
    """Close a sending without an answer: the gateway has it under a number, or it never came there."""
    sent.ended, sent.transaction = timezone.now(), transaction_id
    sent.outcome = "accepted" if transaction_id else "lost"
    case.code = ""
    if transaction_id:
        sent.next_check = sent.began + CHECKS[0]
        case.first_accepted = case.first_accepted or sent.began
    sent.save(update_fields=["ended", "transaction", "outcome", "next_check"])
    case.state, case.words, case.tries = received(case) if transaction_id else State.WAITING, "", 0
    once_more(case)
    case.save()
    publish(f"claims:{case.facility}")


def _put(asker: Asker, encounter: r4.Encounter, kind: str, ended: datetime, due: datetime) -> None:
    if not _insured(asker, encounter, timezone.localtime(ended).date()):
        return
    patient = (encounter.subject.reference or "").rpartition("/")[2] if encounter.subject else ""
    place = (encounter.serviceProvider.reference or "") if encounter.serviceProvider else ""
    values: dict[str, object] = {
        "ended": ended, "due": due, "by": last_day(timezone.localtime(ended).date()), "despite": "", "recall": False,
    }  # fmt: skip
    with transaction.atomic():
        case, new = ClaimCase.objects.select_for_update().get_or_create(
            encounter=encounter.id,
            kind=kind,
            defaults={"facility": place.rpartition("/")[2] or asker.facility, "patient": patient, **values},
        )
        if not new:
            _refuse_under_way(case)
            for name, value in values.items():
                setattr(case, name, value)
            _set(case, State.WAITING, "")
        publish(f"claims:{case.facility}")


def _insured(asker: Asker, encounter: r4.Encounter, end: date) -> bool:
    """Whether the fund owes anything of a visit: a card held on a day of it, or it is of a newborn, who needs none."""
    newborn = any(one.url == REASON and one.valueCode == "newborn" for one in encounter.extension or [])
    return newborn or bool(cards_of_visit(asker, encounter, end))


def _change(
    case: ClaimCase, state: str, words: str, allowed: AbstractSet[str], despite: str = "", *, recall: bool = False
) -> None:
    with transaction.atomic():
        locked = ClaimCase.objects.select_for_update().get(pk=case.pk)
        if locked.state not in allowed:
            raise NotNow
        if state == State.WAITING:
            locked.due, locked.despite, locked.recall = timezone.now(), despite, recall
        _set(locked, state, words)


def _refuse_under_way(case: ClaimCase) -> None:
    if case.state in UNDER_WAY:
        raise NotNow


def _set(case: ClaimCase, state: str, words: str) -> None:
    case.state, case.words, case.tries = state, words, 0
    case.save()
    publish(f"claims:{case.facility}")
