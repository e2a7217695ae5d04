"""Keep what the insurer answers. Permission, lock, change and audit in one transaction each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, cast

import msgspec
from django.db import transaction
from django.utils import timezone

from tuetinh.care.insurance.errors import BadResults, NotAllowed
from tuetinh.care.insurance.gateway import Settled
from tuetinh.care.insurance.models import Adjudication, ClaimCase, ReducedLine, Settlement, Transmission
from tuetinh.care.insurance.results.caught import caught
from tuetinh.care.insurance.results.comparing import Compared, compare, sent_file
from tuetinh.care.insurance.results.facts import claim_response
from tuetinh.care.insurance.results.wire import Result, amount
from tuetinh.care.insurance.wire_xml3176 import Envelope
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

Kept = Literal["new", "changed", "same"]
State = Adjudication.State
BATCH = 20  # results that are kept before a page hears of it


@dataclass(slots=True)
class Taken:
    """What became of some results: how many were new, changed an earlier answer, or said the same; what is wrong."""

    new: int = 0
    changed: int = 0
    same: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, kept: Kept) -> None:
        """Count one that was kept."""
        setattr(self, kept, getattr(self, kept) + 1)


def require(asker: Asker, facility: str) -> None:
    """Raise NotAllowed for a desk that may not write answers of the insurer, or not those of this facility."""
    if not asker.may("u", "ClaimResponse") or (asker.facility and asker.facility != facility):
        raise NotAllowed


def keep_all(asker: Asker, facility: str, results: Sequence[Result], taken: Taken) -> None:
    """Keep some results of a facility, each for itself: one that cannot be kept is told and stops no other."""
    known = {
        case.ma_lk: case
        for case in ClaimCase.objects.filter(
            facility=facility, kind=ClaimCase.Kind.CLAIM, ma_lk__in=[one.ma_lk for one in results]
        )
    }
    for one in results:
        try:
            if one.ma_lk not in known:
                raise BadResults("unknown", one.ma_lk)
            taken.count(keep(asker, known[one.ma_lk], one))
        except BadResults as error:
            taken.wrong.append(str(error))


def keep(asker: Asker, case: ClaimCase, result: Result) -> Kept:
    """Keep the insurer's answer to a claim; the same answer twice changes nothing. Raises BadResults and NotAllowed."""
    require(asker, case.facility)
    with transaction.atomic():
        case = ClaimCase.objects.select_for_update().get(pk=case.pk)
        sent = case.transmissions.filter(outcome="accepted").order_by("-id").first()
        if sent is None:
            raise BadResults("unknown", result.ma_lk)
        before = Adjudication.objects.filter(case=case).first()
        digest = digest_of(result, sent)
        if before and before.digest == digest:
            return "same"
        envelope = sent_file(sent)
        answer = _Answer(case, sent, result, compare(envelope, result), timezone.now())
        adjudication = answer.row(digest, _store(asker, answer, before))
        adjudication.pk = before.pk if before else None
        adjudication.save()
        _lines(adjudication, envelope, answer.compared)
        publish(f"claims:{case.facility}")
    return "changed" if before else "new"


def settle(asker: Asker, facility: str, period: str, told: Settled) -> Settlement:
    """Keep what the insurer settles for a period (`2026-11`, `2026-Q4`). Raises NotAllowed and BadResults."""
    require(asker, facility)
    values = {
        "claimed": amount(told.tong_chi_phi_de_nghi) or 0,
        "accepted": amount(told.tong_chi_phi_duyet) or 0,
        "refused": amount(told.tong_chi_phi_khong_duyet) or 0,
        "state": told.trang_thai[:100],
        "words": told.ly_do_khong_duyet,
    }
    with transaction.atomic():
        row, _new = Settlement.objects.select_for_update().get_or_create(
            facility=facility, period=period, defaults={**values, "taken": timezone.now()}
        )
        if any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            row.taken = timezone.now()
            row.save()
    return row


def digest_of(result: Result, sent: Transmission) -> str:
    """What tells an answer from every other: all that it says, and of which file."""
    lines = sorted(result.lines, key=lambda line: (line.table, line.place))
    said = msgspec.json.encode([sent.pk, result.state, _text(result.accepted), result.code, result.words,
                                result.decided, [[one.table, one.place, _text(one.accepted), _text(one.refused),
                                                  one.code, one.words] for one in lines]])  # fmt: skip
    return hashlib.sha256(said).hexdigest()


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that fits its claim."""

    case: ClaimCase
    sent: Transmission
    result: Result
    compared: list[Compared]
    now: datetime

    @property
    def state(self) -> str:
        """The state in the words of `Adjudication`: what is paid says it, not what the insurer calls it."""
        if self.result.state == State.PENDING:
            return State.PENDING
        if not any(one.difference for one in self.compared):
            return State.ACCEPTED
        return State.REDUCED if sum(one.accepted for one in self.compared) else State.REFUSED

    @property
    def day(self) -> date:
        """The day of the decision, that on which it came where it does not say."""
        return self.result.decided or timezone.localtime(self.now).date()

    def row(self, digest: str, response: str) -> Adjudication:
        """The row by which it is found."""
        decided = [] if self.state == State.PENDING else self.compared
        return Adjudication(
            case=self.case, transmission=self.sent, facility=self.case.facility, ended=self.case.ended,
            response=response, state=self.state, words=self.result.words, digest=digest, decided=self.day,
            taken=self.now, claimed=sum((one.line.fund for one in self.compared), Decimal(0)),
            accepted=sum((one.accepted for one in decided), Decimal(0)),
            lines=sum(bool(one.difference) for one in decided),
        )  # fmt: skip


def _store(asker: Asker, answer: _Answer, before: Adjudication | None) -> str:
    """Write the answer to the record; returns the id of the ClaimResponse."""
    case = answer.case
    response = claim_response(
        case.patient, case.facility, case.ma_lk, answer.compared,
        created=answer.day.isoformat(), state=answer.state, words=answer.result.words,
    )  # fmt: skip
    if before is None:
        return str(record.create(asker, response).id)
    known = cast(r4.ClaimResponse, record.read(asker, "ClaimResponse", before.response))
    response.id = known.id
    version = int(known.meta.versionId) if known.meta and known.meta.versionId else None
    return str(record.update(asker, response, version).id)


def _lines(adjudication: Adjudication, envelope: Envelope, compared: list[Compared]) -> None:
    """The reduced lines anew, each with the rules that would have caught it."""
    adjudication.reduced.all().delete()
    if adjudication.state == State.PENDING:
        return
    reduced = [one for one in compared if one.difference]
    found = caught(adjudication.case, envelope, [one.line.where for one in reduced]) if reduced else {}
    ReducedLine.objects.bulk_create(
        ReducedLine(
            adjudication=adjudication, table=one.line.table, place=one.line.place, code=one.line.code[:255],
            name=one.line.name, claimed=one.line.fund, accepted=one.accepted, reason=one.reason[:50], words=one.words,
            caught=found[one.line.where],
        )
        for one in reduced
    )  # fmt: skip
    adjudication.weighed = timezone.now()
    adjudication.save(update_fields=["weighed"])


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"
