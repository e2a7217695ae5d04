"""What the pages of pathology ask: cases by what is to do, how long they take, the archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Avg, Count, F, Prefetch, Q, QuerySet
from django.utils import timezone

from tuetinh.care.lab.pathology.models import PathologyCase, PathologyLoan, PathologyPiece
from tuetinh.care.lab.pathology.tables import Service, services

DAYS = 30
OPEN = ("received", "grossed", "stained", "drafted")


def cases(facility: str, stage: str, text: str = "") -> QuerySet[PathologyCase]:
    """The cases of a stage, urgent and longest due first; the newest first once they are signed. text: of a number."""
    rows = PathologyCase.objects.filter(facility=facility, stage=stage)
    if text:
        rows = rows.filter(number__contains=text.upper())
    return rows.order_by("-signed_at", "-id") if stage == "signed" else rows.order_by("-urgent", "due_at", "id")


def counts(facility: str) -> dict[str, int]:
    """How many cases each stage has, in one query."""
    rows = PathologyCase.objects.filter(facility=facility).values_list("stage").annotate(count=Count("id"))
    return dict(rows)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a service goes: at work, late, and of the last DAYS signed, hours on average, and the share in time in %."""

    service: Service
    at_work: int
    late: int
    signed: int
    hours: int | None
    in_time: int | None


def pace(facility: str) -> list[Pace]:
    """How fast the services are, in one query."""
    now = timezone.now()
    done = Q(stage="signed", signed_at__gte=now - timedelta(days=DAYS))
    rows = PathologyCase.objects.filter(Q(stage__in=OPEN) | done, facility=facility).values("service")
    found = {
        row["service"]: row
        for row in rows.annotate(
            at_work=Count("id", filter=Q(stage__in=OPEN)),
            late=Count("id", filter=Q(stage__in=OPEN, due_at__lt=now)),
            signed=Count("id", filter=done),
            taken=Avg(F("signed_at") - F("received_at"), filter=done),
            timely=Count("id", filter=done & Q(signed_at__lte=F("due_at"))),
        )
    }
    return [
        Pace(
            services()[key], row["at_work"], row["late"], row["signed"],
            round(row["taken"].total_seconds() / 3600) if row["taken"] else None,
            round(100 * row["timely"] / row["signed"]) if row["signed"] else None,
        )
        for key, row in sorted(found.items())
    ]  # fmt: skip


def pieces(case: PathologyCase) -> list[PathologyPiece]:
    """The parts, blocks and slides of a case, each behind what it was cut from."""
    return list(case.pieces.order_by("label"))


def archive(facility: str, text: str = "", *, lent: bool = False) -> QuerySet[PathologyPiece]:
    """Blocks and slides, with their open loan as `away`; text: a number, a label (`GP26…-A1`) or a place."""
    rows = PathologyPiece.objects.filter(case__facility=facility).exclude(level="part").select_related("case")
    number, _, label = text.upper().partition("-")
    if text:
        of_case = Q(case__number=number) & (Q(label=label) if label else Q())
        rows = rows.filter(of_case | Q(place__icontains=text))
    if lent:
        rows = rows.filter(loans__returned_at__isnull=True, loans__isnull=False)
    away = PathologyLoan.objects.filter(returned_at__isnull=True)
    return rows.prefetch_related(Prefetch("loans", away, to_attr="away")).order_by("-case_id", "label")
