"""Standing orders: the same tests every day at an hour, made due by a job until their days are over or the visit is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import cast

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.billing.api import BillingError
from tuetinh.care.lab import facts
from tuetinh.care.lab.actions import HANOI, ORDERING, as_desk, facility_of, order_tests
from tuetinh.care.lab.catalogue import test
from tuetinh.care.lab.errors import LabError, NeedsReason, NotAllowed, NotDone, UnknownTest, WrongStage
from tuetinh.care.lab.models import StandingOrder
from tuetinh.care.lab.results.book import in_force
from tuetinh.care.lab.results.rules import Interval, Profile
from tuetinh.care.lab.samples.orders import hours_of
from tuetinh.care.lab.statistics.models import OrderLine
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import is_away

log = logging.getLogger(__name__)
MOST = 60  # days
OPEN = ("arrived", "triaged", "in-progress", "onleave")


def profiles(facility: str) -> list[Profile]:
    """The sets of tests that a facility orders together, by name."""
    return sorted(in_force(facility).of(Profile, timezone.localdate().isoformat()), key=lambda one: one.text)


@dataclass(frozen=True, slots=True)
class Again:
    """A test that was ordered for the person so lately that it tells nothing new."""

    name: str
    at: datetime
    hours: int


def ordered_lately(asker: Asker, encounter: str, codes: Sequence[str]) -> list[Again]:
    """Which of some tests the person of a visit has lately been ordered, by the intervals of the rules.

    Orders of other facilities count too, as far as they exist for the asker: the warning tells of no other.
    """
    limits = {code: hours for code, hours in hours_of(asker.facility, Interval).items() if code in codes}
    if not limits:
        return []
    visit = cast(r4.Encounter, record.read(asker, "Encounter", encounter))
    since = {code: datetime.now(UTC) - timedelta(hours=hours) for code, hours in limits.items()}
    rows = OrderLine.objects.filter(
        tube__patient=facts.id_of(visit.subject), test__in=limits, cancelled=False,
        ordered_at__gt=min(since.values()),
    ).order_by("ordered_at")  # fmt: skip
    lines = [line for line in rows if line.ordered_at > since[line.test]]
    seen = record.read_many(asker, "ServiceRequest", [line.order for line in lines])
    newest = {line.test: line for line in lines if line.order in seen}
    return [
        Again(known.name, line.ordered_at, limits[code])
        for code, line in sorted(newest.items())
        if (known := test(code))
    ]


def stand(
    asker: Asker,
    encounter: str,
    codes: Sequence[str],
    *,
    hour: time,
    first: date,
    days: int,
    urgent: bool = False,
    note: str = "",
) -> StandingOrder:
    """Order tests for so many days, from the first on which the hour is still to come.

    Raises UnknownTest, NotAllowed, and WrongStage for a visit that is over.
    """
    if asker.role not in ORDERING:
        raise NotAllowed
    wanted = list(dict.fromkeys(codes))
    if not wanted or any(test(code) is None for code in wanted) or not 1 <= days <= MOST:
        raise UnknownTest
    visit = cast(r4.Encounter, record.read(as_desk(asker), "Encounter", encounter))
    facility = facility_of(asker, visit)
    if visit.status not in OPEN:
        raise WrongStage
    return StandingOrder.objects.create(
        facility=facility, encounter=encounter, tests=wanted, hour=hour, days=days,
        next_on=max(first, _next(hour)), urgent=urgent, note=note.strip()[:300],
        requester=asker.practitioner, account=asker.account, at=datetime.now(UTC),
    )  # fmt: skip


def _next(hour: time) -> date:
    """The next day on which an hour comes: today, unless it has passed."""
    now = datetime.now(HANOI)
    return now.date() + timedelta(days=now.time() > hour)


def stop_standing(asker: Asker, pk: int, why: str) -> StandingOrder:
    """Order no more of it; what was made stays. Raises NeedsReason, NotAllowed, WrongStage."""
    if asker.role not in ORDERING:
        raise NotAllowed
    if not why.strip():
        raise NeedsReason
    with transaction.atomic():
        rows = StandingOrder.objects.select_for_update().filter(pk=pk, next_on__isnull=False)
        found = rows.filter(facility=asker.facility).first()
        if not found:
            raise WrongStage
        _end(found, asker.account, why.strip())
    return found


def _end(found: StandingOrder, account: str, why: str) -> None:
    found.next_on, found.stopped_at, found.stopped_by, found.why = None, datetime.now(UTC), account, why[:300]
    found.save()


def of_visit(facility: str, encounter: str) -> QuerySet[StandingOrder]:
    """The standing orders of a visit, those that go on first."""
    rows = StandingOrder.objects.filter(facility=facility, encounter=encounter)
    return rows.order_by("stopped_at", "-at")


def due(now: datetime) -> QuerySet[StandingOrder]:
    """Those whose hour has come."""
    local = now.astimezone(HANOI)
    come = Q(next_on__lt=local.date()) | Q(next_on=local.date(), hour__lte=local.time())
    return StandingOrder.objects.filter(come).order_by("next_on", "hour", "pk")


def make_due(now: datetime | None = None) -> int:
    """Order what is due, each once a day; return how many were made. Days that were missed are not made up."""
    now = now or datetime.now(UTC)
    return sum(_tried(pk, now) for pk in list(due(now).values_list("pk", flat=True)))


def _tried(pk: int, now: datetime) -> bool:
    try:
        return _make(pk, now)
    except Exception as error:  # one that cannot be made must not keep those behind it
        if is_away(error):
            raise
        log.error("standing order %d could not be made: %s", pk, type(error).__name__)  # its text may hold health data
        return False


def _make(pk: int, now: datetime) -> bool:
    with transaction.atomic():
        found = due(now).select_for_update(skip_locked=True).filter(pk=pk).first()
        if not found:
            return False
        today = now.astimezone(HANOI).date()
        visit = record.read_many(SYSTEM, "Encounter", [found.encounter]).get(found.encounter)
        if not isinstance(visit, r4.Encounter) or visit.status not in OPEN:
            _end(found, "system", _("Đợt điều trị đã kết thúc."))
            return False
        try:
            with transaction.atomic():
                order_tests(
                    replace(SYSTEM, facility=found.facility), visit, found.tests,
                    requester=facts.ref("Practitioner", found.requester) if found.requester else None,
                    urgent=found.urgent, note=found.note,
                )  # fmt: skip
        except NotDone:
            log.info("a standing order waits: a test of it is not done today")
            found.next_on = today + timedelta(days=1)
            found.save()
            return False
        except (LabError, BillingError) as error:
            log.warning("a standing order could not be made: %s", type(error).__name__)
            _end(found, "system", str(error))
            return False
        found.done += 1
        over = found.done >= found.days
        found.next_on = None if over else today + timedelta(days=1)
        found.stopped_at = now if over else None
        found.save()
    return True
