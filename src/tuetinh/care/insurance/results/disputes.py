"""What an officer does about a reduction: dispute it, send the paper, write down what came of it, take it back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from tuetinh.care.insurance.errors import AlreadyDisputed, NoReduction, TooLate, WrongStep
from tuetinh.care.insurance.models import Adjudication, ClaimCase, Dispute, DisputeStep, ReducedLine
from tuetinh.care.insurance.results.actions import require
from tuetinh.commons.catalogues.api import after_working_days
from tuetinh.commons.messages.api import publish
from tuetinh.record import audit
from tuetinh.record.asker import Asker

State = Dispute.State
WORKING_DAYS: Final = 3  # for evidence or form 09/BH after the result of the automatic review (TT 12/2026)
GROUNDS: Final = {
    "record": gettext_lazy("Bệnh án có đủ căn cứ"),
    "approved": gettext_lazy("Đã được phê duyệt trong danh mục"),
    "price": gettext_lazy("Giá đúng với quyết định, kết quả thầu"),
    "staff": gettext_lazy("Người thực hiện có đủ điều kiện"),
    "card": gettext_lazy("Thẻ có giá trị trong đợt điều trị"),
    "wrong-line": gettext_lazy("Giám định nhầm dòng, nhầm người"),
    "other": gettext_lazy("Lý do khác"),
}
NEXT: Final[dict[str, tuple[str, ...]]] = {
    State.OPEN: (State.SENT, State.WITHDRAWN),
    State.SENT: (State.ACCEPTED, State.REFUSED, State.WITHDRAWN),
    State.ACCEPTED: (),
    State.REFUSED: (),
    State.WITHDRAWN: (),
}


def open_dispute(asker: Asker, case: ClaimCase, where: tuple[str, int], *, ground: str, text: str) -> Dispute:
    """Open a dispute of a reduced line. where: table and STT; ground: of `GROUNDS`; text: why the fund owes it.

    Raises NotAllowed, NoReduction, AlreadyDisputed, TooLate, and WrongStep without ground or text.
    """
    require(asker, case.facility)
    table, place = where
    if ground not in GROUNDS or not text.strip():
        raise WrongStep
    with transaction.atomic():
        ClaimCase.objects.select_for_update().get(pk=case.pk)
        line = ReducedLine.objects.filter(adjudication__case=case, table=table, place=place).first()
        if line is None:
            raise NoReduction
        if case.disputes.filter(table=table, place=place, state__in=(State.OPEN, State.SENT)).exists():
            raise AlreadyDisputed
        until = last_day(line.adjudication)
        if timezone.localdate() > until:
            raise TooLate
        dispute = Dispute.objects.create(
            case=case, facility=case.facility, table=table, place=place, name=line.name or case.ma_lk,
            amount=line.claimed - line.accepted, reason=" ".join(filter(None, (line.reason, line.words))),
            ground=ground, text=text.strip()[:4000], until=until, opened=timezone.now(),
        )  # fmt: skip
        _step(asker, dispute, text)
    return dispute


def go_on(
    asker: Asker, dispute: Dispute, state: str, words: str, *, number: str = "", won: Decimal | None = None
) -> None:
    """Take a dispute to its next state.

    number: of the paper with which it is sent; won: what the insurer pays after all, the whole when left out. words:
    needed where it is refused or taken back. Raises NotAllowed, WrongStep, and TooLate for sending after its last day.
    """
    require(asker, dispute.facility)
    with transaction.atomic():
        locked = Dispute.objects.select_for_update().get(pk=dispute.pk)
        won = locked.amount if won is None else won
        if state not in NEXT[locked.state] or (state in (State.REFUSED, State.WITHDRAWN) and not words.strip()):
            raise WrongStep
        if state == State.SENT and not number.strip():
            raise WrongStep
        if state == State.ACCEPTED and not 0 < won <= locked.amount:
            raise WrongStep
        if state == State.SENT and timezone.localdate() > locked.until:
            raise TooLate
        locked.state = state
        locked.number = number.strip()[:100] if state == State.SENT else locked.number
        locked.won = won if state == State.ACCEPTED else locked.won
        locked.save(update_fields=["state", "number", "won"])
        _step(asker, locked, words)


def last_day(adjudication: Adjudication) -> date:
    """The last day on which a reduction may be disputed: so many working days after the result came here."""
    return after_working_days(timezone.localtime(adjudication.taken).date(), WORKING_DAYS)


def _step(asker: Asker, dispute: Dispute, words: str) -> None:
    DisputeStep.objects.create(
        dispute=dispute, state=dispute.state, at=timezone.now(), account=asker.account, words=words.strip()[:4000]
    )
    response = dispute.case.adjudication.response
    audit.note(asker, "$dispute", "ClaimResponse", response, dispute.case.patient, reason=dispute.state)
    publish(f"claims:{dispute.facility}")
