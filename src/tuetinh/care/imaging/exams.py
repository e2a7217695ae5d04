"""Imaging orders as examinations: each order of the record gets its accession number and its place in the worklist."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4

from tuetinh.care.imaging.models import Exam
from tuetinh.record import r4
from tuetinh.record.projections import Written
from tuetinh.record.steps import Query, Step
from tuetinh.record.text import fold

IMAGING: Final = "363679005"  # SNOMED CT, Imaging: the category of an order for pictures
_MODALITIES: Final = Path(__file__).parent / "data" / "modalities.csv"
_COLUMNS: Final = "order_id, patient, encounter, study, service, description, modality, urgent, ordered, planned"
_PLAN: Final = f"""
INSERT INTO imaging_exam ("order", facility, patient, encounter, accession_number, study_instance_uid, service,
  description, modality, urgent, stage, ordered_at, scheduled_at)
SELECT o.order_id, r.custodian, r.patient, o.encounter,
  to_char(now() AT TIME ZONE 'Asia/Ho_Chi_Minh', 'YYMMDD')
    || lpad((nextval('imaging_accession') %% 1000000)::text, 6, '0'),
  o.study, o.service, o.description, o.modality, o.urgent::boolean, 'ordered',
  coalesce(o.ordered::timestamptz, now()), coalesce(o.planned::timestamptz, o.ordered::timestamptz, now())
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
  %s::text[]) AS o({_COLUMNS})
JOIN record."ServiceRequest" r ON r.id = o.order_id
WHERE r.custodian <> '' AND r.patient <> ''
ON CONFLICT ("order") DO UPDATE SET patient = excluded.patient, description = excluded.description,
  service = excluded.service, modality = excluded.modality, urgent = excluded.urgent"""
_CANCEL: Final = """WITH gone AS (UPDATE imaging_exam SET stage = 'cancelled'
  WHERE "order" = ANY(%s) AND stage IN ('ordered', 'scheduled') RETURNING id)
UPDATE imaging_booking SET cancelled_at = now(), why = 'order revoked'
WHERE exam_id IN (SELECT id FROM gone) AND cancelled_at IS NULL"""


def follow_orders(written: Sequence[Written]) -> Step[None]:
    """Give each active imaging order its examination; what was revoked before it began is cancelled."""
    orders = [
        one.resource for one in written if isinstance(one.resource, r4.ServiceRequest) and _is_imaging(one.resource)
    ]
    rows = [_row(order) for order in orders if order.status == "active"]
    if rows:
        yield Query(_PLAN, [list(column) for column in zip(*rows, strict=True)])
    gone = [order.id for order in orders if order.status in ("revoked", "entered-in-error")]
    gone += [one.id for one in written if one.resource is None]
    if gone:
        yield Query(_CANCEL, [gone])


def has_begun(order: str) -> bool:
    """Whether the examination of an order is under way or done, so that it cannot be taken back any more."""
    return Exam.objects.filter(order=order).exclude(stage__in=("ordered", "scheduled", "cancelled")).exists()


def _is_imaging(order: r4.ServiceRequest) -> bool:
    return any(coding.code == IMAGING for concept in order.category or [] for coding in concept.coding or [])


def _row(order: r4.ServiceRequest) -> tuple[str | None, ...]:
    coding = next(iter((order.code and order.code.coding) or []), None)
    said = (order.code and order.code.text) or (coding and coding.display) or ""
    planned = order.occurrenceDateTime if order.occurrenceDateTime and len(order.occurrenceDateTime) > 10 else None
    return (
        order.id,
        (order.subject.reference or "").rpartition("/")[2],
        ((order.encounter and order.encounter.reference) or "").rpartition("/")[2],
        f"2.25.{uuid4().int}",
        (coding and coding.code) or "",
        said[:300],
        modality_of(said),
        str(order.priority in ("urgent", "asap", "stat")),
        order.authoredOn if order.authoredOn and len(order.authoredOn) > 10 else None,
        planned,
    )


def modality_of(service: str) -> str:
    """The modality (PS3.3 C.7.3.1.1.1) that carries out a service of this name; `OT` where no word tells it."""
    name = fold(service)
    return next((modality for words, modality in _words() if words in name), "OT")


@cache
def _words() -> list[tuple[str, str]]:
    with _MODALITIES.open(encoding="utf-8", newline="") as file:
        return [(row["words"], row["modality"]) for row in csv.DictReader(file)]
