"""What the pages of the blood bank ask: stock by group, what ends soon, orders at work, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import cast

from django.db.models import Case, Count, Q, QuerySet, Value, When
from django.utils import timezone

from tuetinh.care.lab.actions import as_desk
from tuetinh.care.lab.blood.facts import VITALS
from tuetinh.care.lab.blood.groups import ABO
from tuetinh.care.lab.blood.models import BloodAllocation, BloodOrder, BloodReaction, BloodUnit
from tuetinh.care.lab.blood.tables import Component, components, levels
from tuetinh.care.lab.facts import LOINC
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

GROUPS = [(abo, rhd) for rhd in ("+", "-") for abo in ABO]
FIRST = Case(  # the words of FHIR do not sort by themselves
    When(urgency=BloodOrder.Urgency.STAT, then=Value(0)),
    When(urgency=BloodOrder.Urgency.URGENT, then=Value(1)),
    default=Value(2),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """How many units of a component and group can be given out. low: fewer than the facility wants."""

    count: int
    low: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """One component in the stock, with a cell for each of GROUPS."""

    component: Component
    cells: tuple[Cell, ...]


def shelves(facility: str) -> list[Shelf]:
    """What can be given out now, by component and group, in one query."""
    rows = BloodUnit.objects.filter(facility=facility, stage=BloodUnit.Stage.AVAILABLE, expires__gt=timezone.now())
    counted = {
        (row["component"], row["abo"], row["rhd"]): row["count"]
        for row in rows.values("component", "abo", "rhd").annotate(count=Count("id"))
    }
    found = []
    for key, component in components().items():
        cells = [
            Cell(counted.get((key, *group), 0), counted.get((key, *group), 0) < levels().get((key, *group), 0))
            for group in GROUPS
        ]
        if any(cell.count or cell.low for cell in cells):
            found.append(Shelf(component, tuple(cells)))
    return found


def expiring(facility: str) -> QuerySet[BloodUnit]:
    """Units in the store that end soon, by what is soon for their component, or have ended; the first to end first."""
    now = timezone.now()
    soon = (
        Q(component=key, expires__lt=now + timedelta(days=component.expiring_days))
        for key, component in components().items()
    )
    stored = [BloodUnit.Stage.QUARANTINED, BloodUnit.Stage.AVAILABLE, BloodUnit.Stage.RESERVED]
    return BloodUnit.objects.filter(reduce(or_, soon), facility=facility, stage__in=stored).order_by("expires", "id")


def units(facility: str, stage: str, text: str = "") -> QuerySet[BloodUnit]:
    """The units of a stage, the first to end first. text: part of a number."""
    rows = BloodUnit.objects.filter(facility=facility, stage=stage)
    return (rows.filter(din__contains=text.upper()) if text else rows).order_by("expires", "id")


def counts(facility: str) -> dict[str, int]:
    """How many units each stage has, in one query."""
    rows = BloodUnit.objects.filter(facility=facility).values_list("stage").annotate(count=Count("id"))
    return dict(rows)


def waiting(facility: str) -> QuerySet[BloodOrder]:
    """The orders for which blood is to be given out."""
    return BloodOrder.objects.filter(facility=facility, stage="open")


def orders(facility: str, stage: str) -> QuerySet[BloodOrder]:
    """The orders of a stage, the most urgent and oldest first, with `given`: units set aside or further."""
    lost = Q(allocations__stage__in=["returned", "freed"])
    rows = BloodOrder.objects.filter(facility=facility, stage=stage)
    rows = rows.annotate(given=Count("allocations", filter=~lost & Q(allocations__isnull=False)))
    return rows.order_by(FIRST, "ordered_at", "id") if stage == "open" else rows.order_by("-ordered_at", "-id")


def fitting(row: BloodOrder) -> list[BloodUnit]:
    """The units in the store of the kind that was ordered, the first to end first."""
    kind = components()[row.component].kind
    keys = [key for key, component in components().items() if component.kind == kind]
    rows = BloodUnit.objects.filter(facility=row.facility, stage=BloodUnit.Stage.AVAILABLE, component__in=keys)
    return list(rows.filter(expires__gt=timezone.now()).order_by("expires", "id")[:200])


def allocations(row: BloodOrder) -> list[BloodAllocation]:
    """What was set aside for an order, in its order."""
    return list(row.allocations.select_related("unit").order_by("id"))


def at_the_bed(facility: str) -> QuerySet[BloodAllocation]:
    """What was given out and is not begun, and what runs, of a facility."""
    rows = BloodAllocation.objects.filter(order__facility=facility, stage__in=["issued", "running"])
    return rows.select_related("unit", "order").order_by("stage", "issued_at", "id")


def reactions(facility: str) -> QuerySet[BloodReaction]:
    """The reactions of a facility, the open ones first."""
    rows = BloodReaction.objects.filter(facility=facility).select_related("allocation__unit", "allocation__order")
    return rows.order_by("-closed_at", "-reported_at", "-id")


@dataclass(frozen=True, slots=True)
class Moment:
    """The vital signs of one moment of a transfusion, in the order of VITALS."""

    at: str
    values: tuple[str, ...]


def moments(asker: Asker, allocation: BloodAllocation) -> list[Moment]:
    """The vital signs of a transfusion, oldest first."""
    query = f"patient=Patient/{allocation.order.patient}&part-of=Procedure/{allocation.procedure}&_count=200"
    found = cast("list[r4.Observation]", record.search(as_desk(asker), "Observation", query).resources)
    by_moment: dict[str, dict[str, str]] = {}
    for one in found:
        at = by_moment.setdefault((one.effectiveDateTime or "")[:19], {})
        for part in [one, *(one.component or [])]:
            if part.valueQuantity and part.valueQuantity.value is not None:
                at[_code(part.code)] = str(part.valueQuantity.value)
    codes = [code for code, _, _ in VITALS.values()]
    return [Moment(f"{at}Z", tuple(by_moment[at].get(code, "") for code in codes)) for at in sorted(by_moment)]


def _code(concept: r4.CodeableConcept | None) -> str:
    return next((c.code or "" for c in (concept.coding if concept else None) or [] if c.system == LOINC), "")
