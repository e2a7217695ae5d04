"""What the board of the reading room shows: whom to call, what is late, how fast examinations become results today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.reading.facts import CALL, CODES
from tuetinh.care.imaging.reading.tables import Target, target, targets
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

SHOWN = 30


def to_call(facility: str) -> QuerySet[Exam]:
    """Examinations with an urgent finding that nobody has read back, the longest waiting first."""
    rows = Exam.objects.filter(facility=facility, case__finding_at__isnull=False, case__called_at=None)
    return rows.select_related("case").order_by("case__finding_at", "pk")


_LATE = f"""
SELECT e.id, extract(epoch FROM statement_timestamp() - e.ended_at)::int / 60 FROM imaging_exam e
JOIN (VALUES {{limits}}) AS t(modality, routine, urgent)
  ON t.modality = CASE WHEN e.modality IN ({{known}}) THEN e.modality ELSE '' END
WHERE e.facility = %s AND e.stage = 'done'
  AND e.ended_at < statement_timestamp() - make_interval(mins => CASE WHEN e.urgent THEN t.urgent ELSE t.routine END)
ORDER BY e.urgent DESC, e.ended_at, e.id LIMIT {SHOWN}"""


def late(facility: str) -> list[tuple[Exam, int]]:
    """Examinations that are not signed within their time, emergencies first, with the minutes since they were taken."""
    rows = list(targets())
    limits = ", ".join(f"('{modality}', {one.routine}, {one.urgent})" for modality, one in rows)
    known = ", ".join(f"'{modality}'" for modality, _ in rows)
    with connection.cursor() as cursor:
        cursor.execute(_LATE.format(limits=limits, known=known), [facility])
        found = cursor.fetchall()
    exams = Exam.objects.select_related("case").in_bulk([row[0] for row in found])
    return [(exams[id_], minutes) for id_, minutes in found]


@dataclass(frozen=True, slots=True)
class Today:
    """One modality today: what waits, and the medians in minutes of the steps that ended today, None where none did.

    taken: from the order to the pictures; read: from these to the first reading; signed: from it to the signature;
    whole: from the order to the signature.
    """

    modality: str
    to_take: int
    to_read: int
    to_sign: int
    done: int
    taken: int | None
    read: int | None
    signed: int | None
    whole: int | None

    @property
    def target(self) -> Target:
        """Minutes that a reading may take."""
        return target(self.modality)


_TODAY = """
WITH known AS (
  SELECT e.modality, e.stage, e.ordered_at, e.ended_at, c.first_at, c.signed_at, c.exam_id
  FROM imaging_exam e LEFT JOIN imaging_readingcase c ON c.exam_id = e.id
  WHERE e.facility = %(facility)s AND (e.stage IN ('ordered', 'scheduled', 'started', 'done') OR c.signed_at >= %(day)s)
)
SELECT modality,
  count(*) FILTER (WHERE stage IN ('ordered', 'scheduled', 'started')),
  count(*) FILTER (WHERE stage = 'done' AND first_at IS NULL),
  count(*) FILTER (WHERE stage = 'done' AND first_at IS NOT NULL),
  count(*) FILTER (WHERE signed_at >= %(day)s),
  {taken}, {read}, {signed}, {whole}
FROM known GROUP BY modality ORDER BY modality"""


def _median(start: str, end: str) -> str:
    return f"""(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM {end} - {start}))
    FILTER (WHERE {end} >= %(day)s AND {end} >= {start}) / 60)::int"""


_STEPS = {
    "taken": _median("ordered_at", "ended_at"),
    "read": _median("ended_at", "first_at"),
    "signed": _median("first_at", "signed_at"),
    "whole": _median("ordered_at", "signed_at"),
}


def today(facility: str) -> list[Today]:
    """The modalities today, in one query."""
    day = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_TODAY.format(**_STEPS), {"facility": facility, "day": day})
        return [Today(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Call:
    """One logged call about an urgent finding."""

    at: str
    what: str
    told: str
    answered: bool
    patient: str


def calls(asker: Asker, count: int = 200) -> list[Call]:
    """The calls about urgent findings of the asker's facility, newest first."""
    query = f"category={CODES}|{CALL}&sender=Organization/{asker.facility}&_sort=-sent&_count={count}"
    found = cast("list[r4.Communication]", record.search(asker, "Communication", query).resources)
    return [_call(one) for one in found]


def _call(one: r4.Communication) -> Call:
    said = [part.contentString or "" for part in one.payload or []] + ["", ""]
    patient = ((one.subject.reference if one.subject else "") or "").rpartition("/")[2]
    return Call(one.sent or "", said[0], said[1], one.status == "completed", patient)
