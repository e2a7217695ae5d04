"""What pages and validation ask about quality: what is stopped, the controls in use, the chart of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery
from django.template.loader import render_to_string
from django.utils import timezone

from tuetinh.care.lab.catalogue import analytes, tests
from tuetinh.care.lab.models import Control, ControlResult, OrderLine, QualityBlock
from tuetinh.care.lab.quality.actions import score

SHOWN = 60  # results of a chart
# Asked for each batch of messages: the ORM would spend more time on writing it than the database on answering.
_STATES = """
SELECT c.machine, c.analyte, 'ok' FROM lab_control c WHERE c.facility = %(facility)s AND c.ended IS NULL
    AND EXISTS (SELECT FROM lab_controlresult r WHERE r.control_id = c.id AND r.at >= %(since)s)
UNION ALL
SELECT machine, analyte, 'blocked' FROM lab_qualityblock WHERE facility = %(facility)s AND resolved_at IS NULL
ORDER BY 3 DESC
"""
LATELY = timedelta(hours=24)  # a control that was measured within it speaks for its machine


def states(facility: str) -> dict[tuple[str, str], str]:
    """What quality control says of machines and analytes: `blocked`, else `ok` where a control was measured lately."""
    with connection.cursor() as cursor:
        cursor.execute(_STATES, {"facility": facility, "since": timezone.now() - LATELY})
        return {(machine, analyte): state for machine, analyte, state in cursor}


def blocks(facility: str) -> QuerySet[QualityBlock]:
    """What is stopped, the longest first."""
    open_ = QualityBlock.objects.filter(facility=facility, resolved_at__isnull=True)
    return open_.select_related("result__control").order_by("since", "id")


def controls(facility: str) -> QuerySet[Control]:
    """The controls in use, with `last_value`, `last_text`, `last_at` and `last_broken` of their newest result."""
    newest = ControlResult.objects.filter(control=OuterRef("pk")).order_by("-at", "-id")
    return (
        Control.objects.filter(facility=facility, ended__isnull=True)
        .annotate(
            last_value=Subquery(newest.values("value")[:1]),
            last_text=Subquery(newest.values("text")[:1]),
            last_at=Subquery(newest.values("at")[:1]),
            last_broken=Subquery(newest.values("broken")[:1]),
        )
        .order_by("machine", "analyte", "level", "id")
    )


def name(control: Control) -> str:
    """The analyte of a control, by name."""
    return analytes()[control.analyte].name if control.analyte in analytes() else control.analyte


def passed_since(block: QualityBlock) -> bool:
    """Whether a control of what is stopped was measured again, and held, after the one that stopped it."""
    return _passed(block).filter(pk__gt=block.result_id).exists()


def at_risk(block: QualityBlock) -> QuerySet[OrderLine]:
    """The orders handed out since a control last held, up to the stop (ISO 15189:2022, 7.3.7.2), newest first."""
    held = _passed(block).filter(pk__lt=block.result_id).order_by("-at").values_list("at", flat=True).first()
    measured = [one.code for one in tests() if block.analyte in {part.key for part in (*one.analytes, *one.also)}]
    rows = OrderLine.objects.filter(
        machine=block.machine, test__in=measured, tube__facility=block.facility, done_at__lte=block.since
    )
    rows = rows.filter(done_at__gt=held) if held else rows
    return rows.select_related("tube").order_by("-done_at", "pk")


def _passed(block: QualityBlock) -> QuerySet[ControlResult]:
    return ControlResult.objects.filter(
        control__facility=block.facility, control__machine=block.machine, control__analyte=block.analyte, broken=[]
    )


@dataclass(frozen=True, slots=True)
class Point:
    """One result on the chart."""

    x: str
    y: str
    z: str
    result: ControlResult


def latest(control: Control) -> list[ControlResult]:
    """The newest results of a control, oldest first."""
    return list(control.results.order_by("-at", "-id")[:SHOWN])[::-1]


def levey_jennings(control: Control, results: list[ControlResult]) -> str:
    """Draw the Levey–Jennings chart of a control as SVG: results in their order, by deviations from the mean."""
    step = 640 / max(len(results) - 1, 1)
    points = [
        Point(f"{90 + place * step:.1f}", _y(score(control, one.value)), one.score, one)
        for place, one in enumerate(results)
    ]
    lines = [
        (f"{sd:+d} SD" if sd else "x̄", _y(sd), (control.mean + sd * control.sd).normalize() + 0, sd)
        for sd in range(-3, 4)
    ]
    context = {
        "points": points,
        "lines": lines,
        "path": " ".join(f"{p.x},{p.y}" for p in points),
        "name": name(control),
    }
    return render_to_string("lab/levey.svg", context) + "\n"  # plain text, as a print takes it


def _y(z: float) -> str:
    """Height of a score; beyond 4 SD it stands at the edge."""
    return f"{140 - 30 * max(-4.0, min(4.0, z)):.1f}"
