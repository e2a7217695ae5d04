"""What the pages of claims show: the list of a day, its sums, and what waits for a person."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from tuetinh.care.insurance.models import ClaimCase

Kind, State = ClaimCase.Kind, ClaimCase.State
PEOPLE = (State.FAULTY, State.REFUSED, State.UNCLEAR)


class Day(NamedTuple):
    """The claims of visits that ended on a day. in_time: accepted on the same day; fund: asked of the insurer, đồng."""

    ended: int
    accepted: int
    refused: int
    faulty: int
    waiting: int
    held: int
    in_time: int
    fund: int

    @property
    def share(self) -> int | None:
        """Percent accepted on the day of the visit, rounded down; None where no visit ended."""
        return 100 * self.in_time // self.ended if self.ended else None

    @property
    def closed(self) -> bool:
        """Whether the gateway has every claim of the day."""
        return 0 < self.ended == self.accepted


def of_day(facility: str, day: date, state: str = "") -> QuerySet[ClaimCase]:
    """The claims of visits that ended on a day, those first that need a person."""
    rows = ClaimCase.objects.filter(facility=facility, kind=Kind.CLAIM, **_within(day))
    return (rows.filter(state=state) if state else rows).order_by("-ended", "-id")


def sums(facility: str, day: date) -> Day:
    """The sums of a day, in one query."""
    begin = datetime.combine(day, time(), timezone.get_current_timezone())
    found = ClaimCase.objects.filter(facility=facility, kind=Kind.CLAIM, **_within(day)).aggregate(
        ended=Count("id"),
        accepted=Count("id", filter=Q(state=State.ACCEPTED)),
        refused=Count("id", filter=Q(state=State.REFUSED)),
        faulty=Count("id", filter=Q(state=State.FAULTY)),
        waiting=Count("id", filter=Q(state__in=[State.WAITING, State.SENDING, State.UNCLEAR])),
        held=Count("id", filter=Q(state=State.HELD)),
        in_time=Count("id", filter=Q(first_accepted__lt=begin + timedelta(days=1))),
        fund=Sum("fund", filter=Q(state=State.ACCEPTED)),
    )
    return Day(**found | {"fund": int(found["fund"] or 0)})


class Due(NamedTuple):
    """Claims that are not with the gateway although their last day is today, or has passed."""

    today: int
    past: int


def due(facility: str) -> Due:
    """How many claims of any day must go today, or should have gone before, in one query."""
    today = timezone.localdate()
    rows = ClaimCase.objects.filter(facility=facility, kind=Kind.CLAIM, by__lte=today)
    found = rows.exclude(state=State.RECALLED).exclude(state=State.ACCEPTED)
    return Due(**found.aggregate(today=Count("id", filter=Q(by=today)), past=Count("id", filter=Q(by__lt=today))))


def needing_people(facility: str) -> QuerySet[ClaimCase]:
    """What a person must look at, of any day: what our checks or the gateway refuse, what nobody knows of, and what has
    not been received on its last day. The most urgent first.
    """
    late = Q(kind=Kind.CLAIM, by__lte=timezone.localdate())
    rows = ClaimCase.objects.filter(Q(state__in=PEOPLE) | late, facility=facility)
    return (
        rows.exclude(state=State.RECALLED).exclude(state=State.ACCEPTED).order_by("by", "id")
    )  # in the words of the index `insurance_open`


def _within(day: date) -> dict[str, datetime]:
    begin = datetime.combine(day, time(), timezone.get_current_timezone())
    return {"ended__gte": begin, "ended__lt": begin + timedelta(days=1)}
