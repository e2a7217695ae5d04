"""Fridges and what they keep: readings that are typed or sent by a sensor, alarms, and what was done about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery

from tuetinh.care.lab.errors import BadQuality, NeedsReason, NotAllowed
from tuetinh.care.lab.models import Fridge, Temperature
from tuetinh.care.lab.quality.reagents import KEEPING
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import Asker

OPEN = Q(outside=True, acted_at__isnull=True)  # readings outside the limits that nobody has answered
SHOWN = 60  # readings of a chart
MOST = 200  # degrees that a laboratory has


def keep_fridge(
    asker: Asker, fridge_id: int | None, *, name: str, code: str, low: Decimal, high: Decimal, silent_hours: int
) -> Fridge:
    """Add a fridge, or change it. Raises BadQuality for limits that cannot be or a name that is taken."""
    _allow(asker)
    if not name.strip() or low >= high:
        raise BadQuality
    values = {"name": name.strip(), "code": code.strip(), "low": low, "high": high, "silent_hours": silent_hours}
    try:
        with transaction.atomic():
            row = _own(asker, fridge_id) if fridge_id else Fridge(facility=asker.facility)
            for field, value in values.items():
                setattr(row, field, value)
            row.save()
            return row
    except IntegrityError as error:
        raise BadQuality from error


def read(asker: Asker, fridge_id: int, value: Decimal) -> Temperature:
    """Keep a typed reading of now. Raises BadQuality."""
    with transaction.atomic():
        row = _own(asker, fridge_id)
        made = _kept(row, value, datetime.now(UTC), asker.account) if abs(value) <= MOST else None
        if not made:
            raise BadQuality
        return made


def of_sensors(codes: Iterable[str]) -> dict[tuple[str, str], Fridge]:
    """The fridges whose sensors send some codes, by facility and code, in one query."""
    rows = Fridge.objects.filter(code__in={code for code in codes if code}, ended__isnull=True)
    return {(row.facility, row.code): row for row in rows}


def from_sensor(fridge: Fridge, value: Decimal, at: datetime | None) -> Temperature | None:
    """Keep what a sensor sent, once: None for a moment that is known, and for what no fridge has."""
    at, value = at or datetime.now(UTC), round(value, 1)
    return None if abs(value) > MOST else _kept(fridge, value, at, "")


def _kept(fridge: Fridge, value: Decimal, at: datetime, account: str) -> Temperature | None:
    """Keep a reading, with whether it is outside the limits of now; None for a moment that is known."""
    told = {"value": value, "outside": not fridge.low <= value <= fridge.high, "account": account}
    made, new = Temperature.objects.get_or_create(fridge=fridge, at=at, defaults=told)
    publish(f"lab:{fridge.facility}")
    return made if new else None


def act(asker: Asker, reading_id: int, action: str) -> int:
    """Write what was done about a reading outside the limits, and about the others of the same trouble.

    A trouble goes from the last reading within the limits to the next one. Returns how many readings were answered.
    Raises NeedsReason, and BadQuality where there is none to answer.
    """
    _allow(asker)
    if not action.strip():
        raise NeedsReason
    with transaction.atomic():
        found = Temperature.objects.filter(OPEN, pk=reading_id).first()
        if not found:
            raise BadQuality
        row = _own(asker, found.fridge_id)
        well = row.readings.filter(outside=False)
        before = well.filter(at__lt=found.at).aggregate(at=Max("at"))["at"]
        after = well.filter(at__gt=found.at).aggregate(at=Min("at"))["at"]
        same = row.readings.filter(OPEN)
        same = same.filter(at__gt=before) if before else same
        same = same.filter(at__lt=after) if after else same
        answered = same.update(action=action.strip()[:500], acted_at=datetime.now(UTC), acted_by=asker.account)
        if not answered:
            raise BadQuality
        publish(f"lab:{row.facility}")
    return answered


def fridges(facility: str) -> QuerySet[Fridge]:
    """The fridges by name, with `last_value`, `last_outside`, `last_at` and `open`: how many readings are OPEN."""
    newest = Temperature.objects.filter(fridge=OuterRef("pk")).order_by("-at")
    bad = Temperature.objects.filter(OPEN, fridge=OuterRef("pk")).values("fridge").annotate(n=Count("id"))
    return (
        Fridge.objects.filter(facility=facility, ended__isnull=True)
        .annotate(
            last_value=Subquery(newest.values("value")[:1]),
            last_outside=Subquery(newest.values("outside")[:1]),
            last_at=Subquery(newest.values("at")[:1]),
            open=Subquery(bad.values("n")[:1]),
        )
        .order_by("name", "pk")
    )


def is_silent(fridge: Fridge) -> bool:
    """Whether nothing was read for longer than allowed."""
    last: datetime | None = fridge.last_at  # type: ignore[attr-defined]
    return last is None or last < datetime.now(UTC) - timedelta(hours=fridge.silent_hours)


def alarms(facility: str) -> QuerySet[Temperature]:
    """The readings outside the limits that nobody has answered."""
    return Temperature.objects.filter(OPEN, fridge__facility=facility, fridge__ended__isnull=True)


def latest(fridge: Fridge) -> list[Temperature]:
    """The newest readings, oldest first."""
    return list(fridge.readings.order_by("-at")[:SHOWN])[::-1]


def _own(asker: Asker, fridge_id: int) -> Fridge:
    _allow(asker)
    rows = Fridge.objects.select_for_update().filter(pk=fridge_id, ended__isnull=True)
    row = rows.filter(facility=asker.facility).first()
    if not row:
        raise BadQuality
    return row


def _allow(asker: Asker) -> None:
    if asker.role not in KEEPING:
        raise NotAllowed
