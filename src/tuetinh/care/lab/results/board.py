"""What the board of the laboratory shows: what is late, who must be called, how fast the benches are today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.db import connection
from django.db.models import Q, QuerySet
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


_TODAY = """
SELECT bench, count(*) FILTER (WHERE stage <> 'released'),
    count(*) FILTER (WHERE stage <> 'released' AND due_at < %(now)s),
    count(*) FILTER (WHERE stage = 'released'),
    round(extract(epoch FROM avg(released_at - received_at) FILTER (WHERE stage = 'released')) / 60)::integer
FROM lab_tube, jsonb_array_elements_text(benches) AS bench
WHERE facility = %(facility)s AND (stage = ANY(%(work)s) OR (stage = 'released' AND released_at >= %(start)s))
GROUP BY bench
"""  # each tube is looked at once, not once for each bench


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
    work = [stage.value for stage in AT_WORK]
    told = {"facility": facility, "work": work, "now": timezone.now(), "start": today_start()}
    with connection.cursor() as cursor:
        cursor.execute(_TODAY, told)
        found = {row[0]: row[1:] for row in cursor}
    return [BenchToday(bench, *found.get(key, (0, 0, 0, None))) for key, bench in benches().items()]


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
