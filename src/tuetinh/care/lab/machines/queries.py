"""What the machines' pages ask: messages by where they stand, and which machines are silent."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Case, Count, DateTimeField, ExpressionWrapper, F, Q, QuerySet, Value, When
from django.db.models.functions import Now

from tuetinh.care.lab.machines import analysers
from tuetinh.care.lab.machines.drivers import drivers
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


def machines(asker: Asker) -> QuerySet[Analyser]:
    """The machines that the asker keeps, each with the time of its last message in `seen_at`, and `silent`.

    silent: whether it should speak and has not for longer than its page allows, else its model. One that has never
    spoken is not missed.
    """
    models = [(key, one.description.silent_minutes) for key, one in drivers().items() if one.description.silent_minutes]
    minutes = Case(
        When(silent_minutes__gt=0, then=F("silent_minutes")),
        *(When(driver=key, then=Value(allowed)) for key, allowed in models),
        default=Value(0),
    )
    since = ExpressionWrapper(Now() - F("allowed") * Value(timedelta(minutes=1)), DateTimeField())
    rows = analysers.listed(asker).annotate(allowed=minutes)
    return rows.annotate(silent=Case(When(enabled=True, allowed__gt=0, seen_at__lt=since, then=True), default=False))


def silent(asker: Asker) -> QuerySet[Analyser]:
    """The machines of the asker's facility that are silent, by name; each with its last message in `seen_at`."""
    return machines(asker).filter(silent=True)
