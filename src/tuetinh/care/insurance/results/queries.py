"""What the pages of results and disputes show."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, cast

from django.db.models import Count, F, Q, QuerySet, Sum
from django.utils import timezone

from tuetinh.care.insurance.models import Adjudication, ClaimCase, Dispute, ReducedLine, Settlement
from tuetinh.care.insurance.results.comparing import ClaimLine, Compared, claim_lines, sent_file
from tuetinh.care.insurance.results.facts import told
from tuetinh.care.insurance.results.wire import WHOLE
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

State = Adjudication.State


class Month(NamedTuple):
    """The sums of a month. sent: claims that the gateway has; the others of those that are answered, đồng."""

    sent: int
    asked: Decimal
    answered: int
    claimed: Decimal
    accepted: Decimal
    reduced: int
    refused: int
    pending: int

    @property
    def difference(self) -> Decimal:
        """What the fund does not pay of what is decided."""
        return self.claimed - self.accepted


def sums(facility: str, begin: datetime, end: datetime) -> Month:
    """The sums of the claims of visits that ended in a month, in two queries."""
    within = {"facility": facility, "ended__gte": begin, "ended__lt": end}
    sent = ClaimCase.objects.filter(kind=ClaimCase.Kind.CLAIM, state=ClaimCase.State.ACCEPTED, **within).aggregate(
        sent=Count("id"), asked=Sum("fund")
    )
    decided = ~Q(state=State.PENDING)
    found = Adjudication.objects.filter(**within).aggregate(
        answered=Count("id"),
        claimed=Sum("claimed", filter=decided),
        accepted=Sum("accepted", filter=decided),
        reduced=Count("id", filter=Q(state=State.REDUCED)),
        refused=Count("id", filter=Q(state=State.REFUSED)),
        pending=Count("id", filter=Q(state=State.PENDING)),
    )
    return Month(**{name: value or 0 for name, value in (sent | found).items()})


def of_month(facility: str, begin: datetime, end: datetime, state: str = "") -> QuerySet[Adjudication]:
    """The answered claims of a month, those with the largest difference first."""
    rows = Adjudication.objects.filter(facility=facility, ended__gte=begin, ended__lt=end)
    rows = rows.filter(state=state) if state else rows
    return rows.select_related("case").annotate(gap=F("claimed") - F("accepted")).order_by("-gap", "-id")


def settlements(facility: str, month: str) -> list[Settlement]:
    """What is settled for a month and its quarter."""
    quarter = f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}"
    return list(Settlement.objects.filter(facility=facility, period__in=(month, quarter)).order_by("period"))


def compared(asker: Asker, one: Adjudication) -> list[Compared]:
    """Every line of a claim as it was sent, beside what the ClaimResponse in the record says of it."""
    response = cast(r4.ClaimResponse, record.read(asker, "ClaimResponse", one.response))
    said = told(response)
    lines = list(claim_lines(sent_file(one.transmission)))
    if WHOLE in said:
        lines.append(ClaimLine(*WHOLE, "", "", said[WHOLE][0], {}))
    return [Compared(line, *said.get(line.where, (line.fund, line.fund, "", ""))[1:]) for line in lines]


class Sums(NamedTuple):
    """Disputes of one state: how many, about how much, and what was won, đồng."""

    count: int
    amount: Decimal
    won: Decimal


def dispute_sums(facility: str) -> dict[str, Sums]:
    """The disputes of a facility by state, in one query."""
    rows = Dispute.objects.filter(facility=facility).values_list("state")
    summed = rows.annotate(Count("id"), Sum("amount"), Sum("won"))
    found = {state: Sums(count, amount, won) for state, count, amount, won in summed}
    return {state: found.get(state, Sums(0, Decimal(0), Decimal(0))) for state in Dispute.State.values}


def disputes(facility: str, state: str = "") -> QuerySet[Dispute]:
    """The disputes of a facility, those first that are due first."""
    rows = Dispute.objects.filter(facility=facility).select_related("case")
    return (rows.filter(state=state) if state else rows).order_by("until", "id")


def due(facility: str) -> int:
    """How many disputes are open, to be sent."""
    return Dispute.objects.filter(facility=facility, state=Dispute.State.OPEN, until__gte=timezone.localdate()).count()


def live_disputes(case: ClaimCase) -> dict[tuple[str, int], Dispute]:
    """The last dispute of each line of a claim."""
    return {(one.table, one.place): one for one in case.disputes.order_by("id")}


def reduced_lines(facility: str, begin: datetime, end: datetime, reason: str) -> QuerySet[ReducedLine]:
    """The refused lines of a month for a reason (code, or words where there is none), the dearest first."""
    rows = ReducedLine.objects.filter(
        adjudication__facility=facility, adjudication__ended__gte=begin, adjudication__ended__lt=end
    ).filter(Q(reason=reason) | Q(reason="", words=reason))
    return rows.select_related("adjudication__case").order_by(F("accepted") - F("claimed"), "id")
