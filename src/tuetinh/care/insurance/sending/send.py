"""Sending, one file after the other for each facility, so that no file is sent twice and none is lost.

A file is written to the database before it leaves. Where no answer comes back, nobody knows whether the gateway has it:
the facility's queue stops, and the gateway's list of the day is asked for a file that we do not know of.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal, cast

from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from tuetinh.care.insurance.actions import PURPOSE, connection
from tuetinh.care.insurance.claims import claim, status
from tuetinh.care.insurance.errors import (
    CannotMake,
    ClosedDecision,
    GatewayDown,
    GatewayError,
    GatewayRefused,
    GatewayUnreached,
    InsuranceError,
    KeyRefused,
    NoKey,
    NotNow,
    SignerAway,
)
from tuetinh.care.insurance.gateway import SENDING, DayEntry, Fault, Gateway, Taken
from tuetinh.care.insurance.models import ClaimCase, GatewayAccount, Transmission
from tuetinh.care.insurance.sending.deadlines import answer_by
from tuetinh.care.insurance.sending.queue import CHECKS, UNDER_WAY, Kind, State, once_more, received, settle
from tuetinh.care.insurance.sending.signing import sign
from tuetinh.care.insurance.wire_xml3176 import read, write
from tuetinh.commons.catalogues.api import codes
from tuetinh.commons.messages.api import publish
from tuetinh.record import seals
from tuetinh.record.asker import SYSTEM

CLAIMS = replace(SYSTEM, purpose="HPAYMT")
ABANDONED = timedelta(minutes=3)  # after which the process that was sending is believed dead; more than SENDING
SETTLED = timedelta(minutes=5)  # after which a file that the gateway does not list has not come there
REPEATED = timedelta(minutes=30)  # the same, where it said that it tries by itself to keep the file
SLOWEST = timedelta(hours=1)  # between two tries
WITHDRAWN = "8"  # MA_DOITUONG_KCB (QĐ 3276): the payment is no longer asked for
REPEATS = "124"
UNKNOWN = frozenset({REPEATS, "500"})  # the gateway could not say whether it keeps the file

log = logging.getLogger(__name__)


def send_due(seconds: float, facilities: Collection[str] = ()) -> int:
    """Send what is due of these facilities, else of every one, for so long; returns how many files left."""
    until, count, done = time.monotonic() + seconds, 0, set[str]()
    strange: dict[str, Collection[str]] = {}
    asked = ClaimCase.objects.filter(facility__in=facilities) if facilities else ClaimCase.objects.all()
    while time.monotonic() < until:
        due = asked.filter(state=State.WAITING, due__lte=timezone.now()).exclude(facility__in=done)
        stuck = asked.filter(state__in=UNDER_WAY).exclude(facility__in=done)
        facility = stuck.values_list("facility", flat=True).first() or (
            due.order_by("due").values_list("facility", flat=True).first()
        )
        if facility is None:
            break
        with _alone(facility) as alone:
            sent = None
            if alone and clear(facility):
                if facility not in strange:
                    strange[facility] = _strange_now(facility)
                sent = send_next(facility, strange[facility])
        if sent is None:
            done.add(facility)  # nothing more of it now
        else:
            count += sent
    return count


@contextmanager
def _alone(facility: str) -> Iterator[bool]:
    """Whether no other process sends for the facility meanwhile: the job of a node, or the command beside it."""
    key = f"insurance.send {facility}"
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [key])
        alone = bool(cursor.fetchone()[0])
    try:
        yield alone
    finally:
        if alone:
            with database.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])


def send_next(facility: str, strange: Collection[str] = ()) -> bool | None:
    """Send the claim of a facility that is due first; None where there is none, or the gateway is not there.

    strange: files that the gateway lists and we do not know of. Returns whether a file left: a claim with problems is
    set aside for people instead.
    """
    account = GatewayAccount.objects.filter(facility=facility).first()
    with transaction.atomic():
        case = _next(facility)
        if case is None:
            return None
        if account is None:
            _later(case, GatewayRefused())
            return None
        try:
            file = _written(case, account)
        except SignerAway as error:
            _later(case, error)
            return None
        if file is None:
            return False
        case.state = State.SENDING
        case.save()
        packed, digest = gzip.compress(file, mtime=0), hashlib.sha256(file).hexdigest()
        sent = Transmission.objects.create(
            case=case, began=timezone.now(), file=packed, sha256=digest, strange=" ".join(strange)
        )
    try:
        taken: Taken | GatewayError = connection(account, SENDING).send(
            cast("Literal['status', 'claim']", case.kind), file, case.site
        )
    except GatewayError as error:
        taken = error
    with transaction.atomic():
        return _keep(ClaimCase.objects.select_for_update().get(pk=case.pk), sent, taken)


def clear(facility: str) -> bool:
    """Find out what became of a file without an answer; whether the facility's queue may go on."""
    with transaction.atomic():
        case = (
            ClaimCase.objects.select_for_update(skip_locked=True).filter(facility=facility, state__in=UNDER_WAY).first()
        )
        if case is None:
            return not ClaimCase.objects.filter(facility=facility, state__in=UNDER_WAY).exists()
        sent = cast(Transmission, case.transmissions.order_by("-id").first())
        if case.state == State.SENDING:
            if timezone.now() - sent.began < ABANDONED:
                return False
            case.state = State.UNCLEAR
            case.save(update_fields=["state"])
        account = GatewayAccount.objects.filter(facility=facility).first()
        if account is None or case.due > timezone.now():
            return False
        try:
            found = _listed(connection(account, SENDING), case, sent)
        except GatewayError as error:
            _later(case, error)
            return False
        settled = REPEATED if sent.code == REPEATS else SETTLED
        if found is None or (not found and timezone.now() - sent.began < settled):
            _later(case, GatewayDown())
            return False
        settle(case, sent, found)
        return True


def look_after(seconds: float) -> int:
    """Ask what the gateway has found wrong with files since it took them; returns how many were refused so."""
    until, refused = time.monotonic() + seconds, 0
    waiting = Transmission.objects.filter(next_check__lte=timezone.now())
    due = waiting.select_related("case").order_by("next_check")
    accounts = {account.facility: account for account in GatewayAccount.objects.all()}
    silent = set[str]()
    for sent in due[:500]:
        facility = sent.case.facility
        if time.monotonic() > until:
            break
        if facility in silent:
            continue
        try:
            if facility not in accounts:
                raise GatewayRefused
            found = connection(accounts[facility], SENDING).faults(sent.case.site, sent.transaction)
        except GatewayError:  # of this facility all are asked again later, so that others have their turn
            silent.add(facility)
            waiting.filter(case__facility=facility).update(next_check=timezone.now() + SLOWEST)
            continue
        with transaction.atomic():
            refused += _checked(ClaimCase.objects.select_for_update().get(pk=sent.case_id), sent, found)
    return refused


def _next(facility: str) -> ClaimCase | None:
    """The claim that is due first, held; a claim is not sent before the notice of its visit."""
    due = ClaimCase.objects.filter(facility=facility, state=State.WAITING, due__lte=timezone.now())
    return due.select_for_update(skip_locked=True).order_by("due", "-kind", "id").first()


def _written(case: ClaimCase, account: GatewayAccount) -> bytes | None:
    """The signed file of a claim as the record is now; None where it cannot be sent so, the case says why."""
    case.problems, case.words, case.code, case.changed = [], "", "", ""
    try:
        if case.recall:
            return sign(_withdrawn(case), _key(account))
        with transaction.atomic():
            built = (status if case.kind == Kind.STATUS else claim)(CLAIMS, case.encounter)
        if built.decision == "4210":
            raise ClosedDecision
        case.ma_lk, case.site = built.ma_lk, built.facility
        case.total, case.fund = (Decimal(built.summary.get(name) or 0) for name in ("T_TONGCHI_BH", "T_BHTT"))
        key = _key(account)
        case.findings = [asdict(problem) for problem in (*built.problems, *built.warnings)]
        case.checked = timezone.now()
        if not built.problems or case.despite:
            return sign(built.xml, key)
        case.problems = [asdict(problem) for problem in built.problems]
    except SignerAway:
        raise
    except KeyRefused as error:  # tried again, it would lock itself
        GatewayAccount.objects.filter(pk=account.pk).update(key=None, signer="", until=None)
        case.words = str(error)
    except InsuranceError as error:
        case.words = str(error)
    except Exception as error:  # one claim that cannot be made must not keep those behind it
        log.error("a claim cannot be made: %s", type(error).__name__)  # its text may hold health data
        case.words = str(CannotMake())
    case.state = State.FAULTY
    _saved(case)
    return None


def _key(account: GatewayAccount) -> str:
    """What the facility signs with. Raises NoKey."""
    key = seals.unseal(PURPOSE, account.key) if account.key is not None else None
    if key is None:
        raise NoKey
    return key.decode()


def _withdrawn(case: ClaimCase) -> bytes:
    """The claim as the gateway took it last, as one that is withdrawn."""
    last = case.transmissions.filter(outcome="accepted").order_by("-id").first()
    if last is None:
        raise NotNow
    envelope = read(gzip.decompress(bytes(last.file)))
    envelope.tables["XML1"][0]["MA_DOITUONG_KCB"] = WITHDRAWN
    return write(envelope.tables, facility=envelope.facility, made=timezone.localdate(), by=envelope.decision)


def _keep(case: ClaimCase, sent: Transmission, taken: Taken | GatewayError) -> bool | None:
    """Keep the answer to a file; None where the gateway is not there, so that nothing more is tried now."""
    sent.ended = timezone.now()
    if isinstance(taken, (GatewayUnreached, GatewayRefused)):
        sent.outcome, sent.words = "lost", str(taken)
        sent.save()
        case.state = State.WAITING
        _later(case, taken)
        return None
    if isinstance(taken, GatewayError) or taken.ma_ket_qua in UNKNOWN or _nameless(taken):
        sent.outcome, sent.words = "unclear", str(taken) if isinstance(taken, GatewayError) else taken.thong_diep
        sent.code = "" if isinstance(taken, GatewayError) else taken.ma_ket_qua
        sent.save()
        case.state = State.UNCLEAR
        _later(case, GatewayDown())
        return None
    case.code = sent.code = taken.ma_ket_qua
    case.words = sent.words = taken.thong_diep or codes("GW_KQ_GUI").get(taken.ma_ket_qua, "")
    accepted = taken.ma_ket_qua == "200"
    sent.outcome = "accepted" if accepted else "refused"
    sent.transaction, sent.received = taken.ma_giao_dich, taken.thoi_gian_tiep_nhan
    case.state, case.tries = received(case) if accepted else State.REFUSED, 0
    if accepted:
        case.first_accepted = case.first_accepted or sent.ended
        sent.next_check = sent.ended + CHECKS[0]
    once_more(case)
    sent.save()
    _saved(case)
    return True


def _nameless(taken: Taken) -> bool:
    """Whether the gateway says that it has a file, but not under which number: its list tells."""
    return taken.ma_ket_qua == "200" and not taken.ma_giao_dich


def _checked(case: ClaimCase, sent: Transmission, found: list[Fault]) -> bool:
    sent.checks += 1
    sent.next_check = sent.began + CHECKS[sent.checks] if sent.checks < len(CHECKS) and not found else None
    if found:
        sent.outcome, sent.words = "refused", "; ".join(f"{one.ma_loi} {one.mo_ta_loi}".strip() for one in found)
        if (
            case.state in (State.ACCEPTED, State.RECALLED)
            and case.transmissions.order_by("-id").values_list("pk", flat=True)[0] == sent.pk
        ):
            case.state, case.code, case.words = State.REFUSED, found[0].ma_loi, sent.words
            case.by = min(case.by, answer_by(timezone.localdate()))
            _saved(case)
    sent.save()
    return bool(found)


def _listed(here: Gateway, case: ClaimCase, sent: Transmission) -> str | None:
    """The number under which the gateway has a file without an answer, "" where it lists none that we do not know.

    None where it is for a person to say: files of others, or several, may be the one.
    """
    days = {timezone.localdate(sent.began - ABANDONED), timezone.localdate(sent.began + ABANDONED)}  # clocks differ
    before = set(sent.strange.split())
    strange = [one for one in _strange(here, case.facility, days) if one.ma_giao_dich not in before]
    ours = [one.ma_giao_dich for one in strange if _amount(one.tong_tien) == case.total]
    if not strange:
        return ""
    return ours[0] if len(ours) == 1 else None


def _strange(here: Gateway, facility: str, days: Collection[date]) -> list[DayEntry]:
    """The files that the gateway lists for some days, and we do not know of."""
    known = set(
        Transmission.objects.filter(case__facility=facility)
        .exclude(transaction="")
        .filter(began__date__gte=min(days) - timedelta(days=1))
        .values_list("transaction", flat=True)
    )
    return [one for day in sorted(days) for one in here.day(day) if one.ma_giao_dich not in known]


def _strange_now(facility: str) -> list[str]:
    """Numbers of such files before anything is sent: others send for the facility too, or a line doubled one of ours.

    None of them can be a file that leaves later. Nothing where the gateway does not say.
    """
    account = GatewayAccount.objects.filter(facility=facility).first()
    now = timezone.now()
    days = {timezone.localdate(now - ABANDONED), timezone.localdate(now + ABANDONED)}
    if account is None or not ClaimCase.objects.filter(facility=facility, state=State.WAITING, due__lte=now).exists():
        return []
    try:
        return [one.ma_giao_dich for one in _strange(connection(account), facility, days)]
    except GatewayError:
        return []


def _amount(text: str) -> Decimal | None:
    try:
        return Decimal(text or 0)
    except InvalidOperation:
        return None


def _later(case: ClaimCase, error: GatewayError) -> None:
    """Try again, less and less often: after 10, 20, 40 … seconds, at last every hour."""
    case.tries += 1
    case.due = timezone.now() + min(timedelta(seconds=5 * 2 ** min(case.tries, 12)), SLOWEST)
    case.words = str(error)
    _saved(case)


def _saved(case: ClaimCase) -> None:
    case.save()
    publish(f"claims:{case.facility}")
