"""What the pages of specimens ask: whom to draw from, what to draw, what is on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db.models import Count, Min, Q, QuerySet

from tuetinh.care.lab import facts
from tuetinh.care.lab.actions import at_bench
from tuetinh.care.lab.models import Shipment, Tube
from tuetinh.care.lab.samples import plan
from tuetinh.commons.access.api import place_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker


def to_draw(facility: str) -> QuerySet[Tube, dict[str, Any]]:
    """Visits with tubes that nobody has drawn yet: `encounter`, `patient`, `since`, `count`, `urgent`; urgent first."""
    waiting = Tube.objects.filter(facility=facility, stage=Tube.Stage.ORDERED, collected_at__isnull=True)
    grouped = waiting.values("encounter", "patient").annotate(
        since=Min("ordered_at"), count=Count("id"), urgent=Count("id", filter=Q(urgent=True))
    )
    return grouped.order_by("-urgent", "since", "encounter")


def drawing(asker: Asker, facility: str, encounter: str) -> list[plan.Draw]:
    """What to draw at a visit, in the order of draw."""
    tubes = list(
        Tube.objects.filter(
            facility=facility, encounter=encounter, stage=Tube.Stage.ORDERED, collected_at__isnull=True
        ).order_by("id")
    )
    orders = cast(
        "dict[str, r4.ServiceRequest]",
        record.read_many(asker, "ServiceRequest", {id_ for tube in tubes for id_ in tube.orders}),
    )
    found = []
    for tube in tubes:
        tests = [what for id_ in tube.orders if id_ in orders and (what := facts.ordered_test(orders[id_]))]
        if line := plan.draw(tube, tests):
            found.append(line)
    return sorted(found, key=lambda line: (line.container.draw, line.tube.number))


@dataclass(frozen=True, slots=True)
class Parcel:
    """A shipment in a list: with the names of its laboratories, and how many tubes are still on their way."""

    shipment: Shipment
    sender: str
    receiver: str
    open: int

    @property
    def received(self) -> datetime | None:
        """When some of it was taken in."""
        return self.shipment.received_at


def shipments(facility: str) -> QuerySet[Shipment]:
    """Shipments to or from a laboratory, newest first, with `open`: tubes on their way."""
    own = Shipment.objects.filter(Q(sender=facility) | Q(receiver=facility))
    return own.annotate(open=Count("tubes")).order_by("-sent_at", "-id")


def coming(facility: str) -> QuerySet[Shipment]:
    """Shipments of which tubes are on their way here."""
    return Shipment.objects.filter(receiver=facility, tubes__isnull=False).distinct()


def parcel(shipment: Shipment) -> Parcel:
    """A shipment with the names of its laboratories."""
    names = (place_name("Organization", id_) for id_ in (shipment.sender, shipment.receiver))
    return Parcel(shipment, *names, shipment.open)  # type: ignore[attr-defined]


def sendable(facility: str) -> QuerySet[Tube]:
    """Tubes that were drawn and wait here, which no laboratory has received."""
    rows = Tube.objects.filter(facility=facility, stage=Tube.Stage.ORDERED, shipment=None, collected_at__isnull=False)
    return rows.order_by("ordered_at", "id")


def usual_receiver(facility: str) -> str:
    """To which laboratory was sent last, "" for none."""
    return (
        Shipment.objects.filter(sender=facility).order_by("-sent_at").values_list("receiver", flat=True).first() or ""
    )


def carried(asker: Asker, shipment: Shipment) -> list[Tube]:
    """The tubes with which a shipment set out, wherever they are by now."""
    found = record.read_many(at_bench(asker), "Task", [shipment.task]).get(shipment.task)
    parts = (found.input if isinstance(found, r4.Task) else None) or []
    specimens = [facts.id_of(one.valueReference) for one in parts if one.valueReference]
    return list(Tube.objects.filter(specimen__in=specimens).order_by("number"))


def refusals(asker: Asker, tubes: Sequence[Tube]) -> dict[str, str]:
    """Why tubes were refused, by the numbers of those that were, in one read."""
    refused = {tube.specimen: tube.number for tube in tubes if tube.stage == Tube.Stage.REJECTED}
    found = cast("dict[str, r4.Specimen]", record.read_many(asker, "Specimen", refused)) if refused else {}
    return {refused[id_]: (one.note[-1].text or "") for id_, one in found.items() if one.note}
