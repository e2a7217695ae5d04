"""Further orders on a tube that is there: ordered later by a person, by a result, or with others before it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from django.utils import timezone

from tuetinh.care.billing.api import charge
from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Test, tests
from tuetinh.care.lab.errors import NotDone, TooOld
from tuetinh.care.lab.machines.tell import tell_again
from tuetinh.care.lab.models import OrderLine, Tube
from tuetinh.care.lab.results.book import in_force
from tuetinh.care.lab.results.rules import Interval, Paused, Stability
from tuetinh.care.lab.statistics import lines
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

OPEN = (Tube.Stage.RECEIVED, Tube.Stage.RESULTED, Tube.Stage.VERIFIED)
SERVING = (*OPEN, Tube.Stage.RELEASED)  # its specimen is there, for further tests


def add(
    asker: Asker,
    desk: Asker,
    tube: Tube,
    what: Sequence[Test],
    like: r4.ServiceRequest,
    *,
    intent: str,
    note: str,
    free: bool = False,
) -> list[r4.ServiceRequest]:
    """Order tests from a locked tube, like one of its orders, and charge them. The caller saves the tube.

    intent: `order`, `reflex-order` of a result, or `filler-order` of the laboratory itself, which is free. asker: whom
    the charge is by; desk: with what the laboratory writes.
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
    attach(desk, tube, what, made)
    for one, order in zip(what, made, strict=True) if not free else ():
        source = f"ServiceRequest/{order.id}"
        lines.charged(order, charge(asker, visit, one.code, 1, source_reference=source, display=one.names[0]))
    return made


def attach(desk: Asker, tube: Tube, what: Sequence[Test], made: Sequence[r4.ServiceRequest]) -> None:
    """Let orders that name a locked tube's specimen be of the tube. The caller saves it."""
    lines.ordered(tube, what, made)
    specimen = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
    specimen.request = [*(specimen.request or []), *(facts.ref("ServiceRequest", o.id or "") for o in made)]
    record.update(desk, specimen)
    tube.benches = list(dict.fromkeys([*tube.benches, *(one.bench.key for one in what)]))
    tube.orders = [*tube.orders, *(order.id or "" for order in made)]
    tell_again(tube)


def waiting(encounter: str, facility: str, what: Sequence[Test], *, urgent: bool) -> Tube | None:
    """The tube of a visit that waits to be drawn, locked, which more tests may share; none that has one of them."""
    tubes = Tube.objects.select_for_update(of=("self",)).filter(
        encounter=encounter, facility=facility, kind=what[0].specimen, urgent=urgent, stage=Tube.Stage.ORDERED,
        collected_at__isnull=True, shipment__isnull=True,
    )  # fmt: skip
    return tubes.exclude(lines__test__in=[one.code for one in what]).order_by("id").first()


def further(tubes: Sequence[Tube]) -> dict[str, list[Test]]:
    """The tests that may still be ordered from tubes that the laboratory has, by the numbers of these, in one query."""
    there = [tube for tube in tubes if tube.stage in SERVING and not tube.bedside]
    known: dict[int, set[str]] = {tube.pk: set() for tube in there}
    for pk, code in OrderLine.objects.filter(tube__in=known).values_list("tube", "test"):
        known[pk].add(code)
    every = sorted(tests(), key=lambda one: one.name)
    return {
        tube.number: [one for one in every if one.specimen == tube.kind and one.code not in known[tube.pk]]
        for tube in there
    }


def paused(facility: str) -> dict[str, str]:
    """Why tests are not done today, by their codes."""
    rules = in_force(facility).of(Paused, timezone.localdate().isoformat())
    return {code: rule.text for rule in rules for code in rule.tests}


def check_done(facility: str, what: Sequence[Test]) -> None:
    """Raise NotDone for a test that the laboratory does not do today."""
    reasons = paused(facility)
    for one in what:
        if one.code in reasons:
            raise NotDone(one.name, reasons[one.code])


def check_age(tube: Tube, what: Sequence[Test]) -> None:
    """Raise TooOld for a test that the tube no longer serves for, by the stability of its laboratory's rules."""
    drawn = tube.collected_at or tube.received_at
    limits = hours_of(tube.facility, Stability)
    for one in what:
        hours = limits.get(one.code)
        if drawn and hours is not None and datetime.now(UTC) > drawn + timedelta(hours=hours):
            raise TooOld(one.name, hours)


def hours_of(facility: str, kind: type[Stability] | type[Interval]) -> dict[str, int]:
    """The hours of each test by the rules of a kind in force today; the fewest, where several name it."""
    found: dict[str, int] = {}
    for rule in in_force(facility).of(kind, timezone.localdate().isoformat()):
        for code in rule.tests:
            found[code] = min(rule.hours, found.get(code, rule.hours))
    return found
