"""What the board of the laboratory shows: what is late, who must be called, how fast the benches are today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.db.models import Avg, Count, F, Q, QuerySet
from django.utils import timezone

from tuetinh.care.lab.catalogue import Bench, benches
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.queries import today_start
from tuetinh.care.lab.results.facts import CALL, CODES
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

AT_WORK = (Tube.Stage.RECEIVED, Tube.Stage.RESULTED, Tube.Stage.VERIFIED)
SHOWN = 30
ON_ITS_WAY = timedelta(minutes=60)  # from the draw to the laboratory; half of it for what is urgent


def late(facility: str) -> QuerySet[Tube]:
    """Tubes whose results are overdue, the longest overdue first."""
    return Tube.objects.filter(facility=facility, stage__in=AT_WORK, due_at__lt=timezone.now()).order_by("due_at", "id")


def missing(facility: str) -> QuerySet[Tube]:
    """Tubes that were drawn and have not come in though they should be here by now, the longest missing first."""
    now = timezone.now()
    overdue = Q(collected_at__lt=now - ON_ITS_WAY) | Q(urgent=True, collected_at__lt=now - ON_ITS_WAY / 2)
    rows = Tube.objects.filter(overdue, facility=facility, stage=Tube.Stage.ORDERED, shipment__isnull=True)
    return rows.order_by("collected_at", "id")


def to_call(facility: str) -> QuerySet[Tube]:
    """Tubes with a critical value that nobody has read back, the longest waiting first."""
    return Tube.objects.filter(facility=facility, critical=True).order_by("critical_at", "id")


@dataclass(frozen=True, slots=True)
class BenchToday:
    """One bench today: tubes at work, late, released, and minutes from reception to release on average."""

    bench: Bench
    at_work: int
    late: int
    released: int
    minutes: int | None


def today(facility: str) -> list[BenchToday]:
    """The benches today, in one query."""
    now, start = timezone.now(), today_start()
    counts = {}
    for key in benches():
        here, done = Q(benches__contains=[key]), Q(stage=Tube.Stage.RELEASED, released_at__gte=start)
        at_work = Q(stage__in=AT_WORK)
        counts |= {
            f"{key}_work": Count("id", filter=here & at_work),
            f"{key}_late": Count("id", filter=here & at_work & Q(due_at__lt=now)),
            f"{key}_done": Count("id", filter=here & done),
            f"{key}_time": Avg(F("released_at") - F("received_at"), filter=here & done),
        }
    recent = Q(stage__in=AT_WORK) | Q(stage=Tube.Stage.RELEASED, released_at__gte=start)
    found = Tube.objects.filter(recent, facility=facility).aggregate(**counts)
    return [
        BenchToday(
            bench, found[f"{key}_work"], found[f"{key}_late"], found[f"{key}_done"],
            None if found[f"{key}_time"] is None else round(found[f"{key}_time"].total_seconds() / 60),
        )
        for key, bench in benches().items()
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One logged call about critical values."""

    at: str
    what: str
    told: str
    answered: bool
    patient: str
    by: str


def calls(asker: Asker, facility: str, *, encounter: str = "", count: int = 50) -> list[Call]:
    """The calls about critical values of a laboratory, or of one visit, newest first."""
    query = f"category={CODES}|{CALL}&sender=Organization/{facility}&_sort=-sent&_count={count}"
    if encounter:
        query += f"&encounter=Encounter/{encounter}"
    return [
        _read(one) for one in cast("list[r4.Communication]", record.search(asker, "Communication", query).resources)
    ]


def _read(one: r4.Communication) -> Call:
    said = [part.contentString or "" for part in one.payload or []]
    author = next((note.authorReference for note in one.note or []), None)
    return Call(
        one.sent or "",
        said[0] if said else "",
        said[1] if len(said) > 1 else "",
        one.status == "completed",
        ((one.subject.reference if one.subject else "") or "").rpartition("/")[2],
        ((author.display or author.reference) if author else "") or "",
    )


def minutes_since(at: datetime | None) -> int:
    """Whole minutes since a moment; 0 for none."""
    return int((timezone.now() - at).total_seconds() // 60) if at else 0
