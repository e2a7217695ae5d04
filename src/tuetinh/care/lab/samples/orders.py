"""Further tests from a tube that is there: ordered later by a person, or by a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tuetinh.care.billing.api import charge
from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Test
from tuetinh.care.lab.models import Tube
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker


def add(
    asker: Asker, desk: Asker, tube: Tube, what: Sequence[Test], like: r4.ServiceRequest, *, intent: str, note: str
) -> list[r4.ServiceRequest]:
    """Order tests from a locked tube, like one of its orders, and charge them. The caller saves the tube.

    intent: `order`, or `reflex-order` of a result. asker: whom the charge is by; desk: with what the laboratory writes.
    """
    visit = cast(r4.Encounter, record.read(desk, "Encounter", tube.encounter))
    orders = [
        facts.order(
            record.new_id(), one, visit, facility=tube.facility, specimen=tube.specimen,
            requisition=(like.requisition.value or "") if like.requisition else record.new_id(),
            requester=like.requester, urgent=tube.urgent, note=note,
        )
        for one in what
    ]  # fmt: skip
    for order in orders:
        order.intent, order.basedOn = intent, [facts.ref("ServiceRequest", like.id or "")]
    made = record.create_many(desk, orders)
    for one, order in zip(what, made, strict=True):
        charge(asker, visit, one.code, 1, source_reference=f"ServiceRequest/{order.id}", display=one.names[0])
    specimen = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
    specimen.request = [*(specimen.request or []), *(facts.ref("ServiceRequest", o.id or "") for o in made)]
    record.update(desk, specimen)
    tube.benches = list(dict.fromkeys([*tube.benches, *(one.bench.key for one in what)]))
    tube.orders = [*tube.orders, *(order.id or "" for order in made)]
    return made
