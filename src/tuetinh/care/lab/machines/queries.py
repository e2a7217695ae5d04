"""What the machines' pages ask: messages by where they stand, and which machines are silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import Count, Q, QuerySet

from tuetinh.care.lab.machines import analysers
from tuetinh.care.lab.machines.drivers import driver
from tuetinh.care.lab.models import OPEN, Analyser, Message
from tuetinh.record.asker import Asker


def _where(which: str) -> Q:
    match which:
        case "live":
            return Q()
        case "again":
            return Q(copies__gt=1)
        case "open":
            return Q(state__in=OPEN)
        case _:
            return Q(state=which)


def inbox(facility: str, which: str = "open") -> QuerySet[Message]:
    """Messages of a laboratory, newest first.

    which: `open` those that wait for a person, a state, `again` those that came more than once, `live` every one.
    """
    rows = Message.objects.filter(_where(which), facility=facility) if facility else Message.objects.none()
    return rows.defer("raw", "ack").select_related("tube", "analyser").order_by("-received_at", "-id")


def inbox_counts(facility: str) -> dict[str, int]:
    """How many messages wait in each state, in one query."""
    rows = Message.objects.filter(facility=facility, state__in=OPEN) if facility else Message.objects.none()
    found = dict(rows.values_list("state").annotate(count=Count("pk")).order_by())
    return found | {"open": sum(found.values())}


def allowed_silence(row: Analyser) -> timedelta | None:
    """After how long without a message a machine is silent: as its page says, else its model; None: never."""
    known = driver(row.driver) if row.driver else None
    minutes = row.silent_minutes or (known.description.silent_minutes if known else 0)
    return timedelta(minutes=minutes) if minutes else None


def is_silent(row: Analyser, seen_at: datetime | None, now: datetime | None = None) -> bool:
    """Whether a machine that should speak has not for too long. One that has never spoken is not missed."""
    allowed = allowed_silence(row)
    if not allowed or not row.enabled or seen_at is None:
        return False
    return (now or datetime.now(UTC)) - seen_at > allowed


def silent(asker: Asker) -> list[Analyser]:
    """The machines of the asker's facility that are silent, by name; each with its last message in `seen_at`."""
    return [row for row in analysers.listed(asker) if is_silent(row, row.seen_at)]  # type: ignore[attr-defined]
