"""What the pages of breaches ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.governance.privacy.breaches.actions import kept_by
from tuetinh.governance.privacy.models import Breach, BreachPerson

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

_UNTOLD = Exists(BreachPerson.objects.filter(breach=OuterRef("pk"), told=None))


@dataclass(frozen=True, slots=True)
class Clock:
    """One of the clocks of a breach. at: when it runs out. done: when what it counts was done. left: in words."""

    at: datetime
    done: datetime | None
    late: bool
    left: str


def breaches(by: Account) -> QuerySet[Breach]:
    """Breaches of this officer: the open ones by the time that the authority must be told, then the closed ones."""
    counted = kept_by(by).annotate(concerned=Count("people"), untold=Count("people", filter=Q(people__told=None)))
    return counted.order_by(F("closed").desc(nulls_first=True), "report_by", "pk")


def late(by: Account) -> QuerySet[Breach]:
    """Open breaches of which a clock has run out."""
    now = timezone.now()
    unreported = Q(reported=None, report_by__lt=now)
    return (
        kept_by(by)
        .filter(closed=None)
        .annotate(has_untold=_UNTOLD)
        .filter(unreported | Q(has_untold=True, tell_by__lt=now))
    )


def clocks(one: Breach, untold: int) -> tuple[Clock, Clock | None]:
    """That of the authority, and that of the people concerned where they must be told."""
    authority = _clock(one.report_by, one.reported)
    if one.tell_by is None:
        return authority, None
    last = one.people.filter(told__isnull=False).order_by("-told").values_list("told", flat=True).first()
    return authority, _clock(one.tell_by, None if untold else last or one.closed)


def _clock(at: datetime, done: datetime | None) -> Clock:
    return Clock(at, done, (done or timezone.now()) > at, _left(at - timezone.now()))


def _left(span: timedelta) -> str:
    """A span of time as a clock says it."""
    minutes = abs(int(span.total_seconds())) // 60
    told = _("%(hours)d giờ %(minutes)d phút") % {"hours": minutes // 60, "minutes": minutes % 60}
    return told if span >= timedelta(0) else _("quá %(time)s") % {"time": told}


def notices(patient: str) -> list[tuple[Breach, datetime]]:
    """What a person was told of breaches that concern them, newest first."""
    rows = BreachPerson.objects.filter(patient=patient, told__isnull=False).select_related("breach").order_by("-told")
    return [(one.breach, one.told) for one in rows[:20] if one.told]
