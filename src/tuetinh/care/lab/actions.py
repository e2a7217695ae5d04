"""What the desks do with a laboratory order and its tube: order, receive, refuse, cancel; whose tube it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import F

from tuetinh.care.billing.api import cancel_charge, charge
from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Test, benches, test
from tuetinh.care.lab.errors import NeedsReason, NotAllowed, NoTube, UnknownTest, WrongStage
from tuetinh.care.lab.machines.tell import tell_again
from tuetinh.care.lab.models import Counter, Tube
from tuetinh.care.lab.samples.facts import refused
from tuetinh.care.lab.samples.orders import attach, check_done, waiting
from tuetinh.care.lab.samples.plan import REJECTIONS
from tuetinh.care.lab.statistics import lines
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.sight import EVERYTHING

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
ORDERING = frozenset({"doctor", "nurse", "station", "system"})
WORKING = frozenset({"lab", "system"})
Stage = Tube.Stage


def order_tests(
    asker: Asker,
    encounter: r4.Encounter | str,
    codes: Sequence[str],
    *,
    requester: r4.Reference | None = None,
    urgent: bool = False,
    note: str = "",
    alone: bool = False,
    bedside: bool = False,
) -> list[r4.ServiceRequest]:
    """Order tests by their service codes: one ServiceRequest each, one tube for each kind of specimen, each charged.

    A tube of the visit that still waits to be drawn is shared, unless they are to stay alone. A code given twice counts
    once. bedside: they are done at the point of care, also what the laboratory does not do today.
    Raises UnknownTest and NotDone before anything is written, and NotAllowed.
    """
    allow(asker, ORDERING)
    wanted: list[Test] = []
    for code in dict.fromkeys(codes):
        if not (found := test(code)):
            raise UnknownTest
        wanted.append(found)
    desk = as_desk(asker)
    with transaction.atomic():
        visit = (
            cast(r4.Encounter, record.read(desk, "Encounter", encounter)) if isinstance(encounter, str) else encounter
        )
        facility = facility_of(asker, visit)
        if not bedside:
            check_done(facility, wanted)
        requisition = record.new_id()
        made: list[r4.ServiceRequest] = []
        for kind in dict.fromkeys(t.specimen for t in wanted):
            group = [t for t in wanted if t.specimen == kind]
            made += _order_tube(
                desk,
                visit,
                group,
                facility=facility,
                requisition=requisition,
                requester=requester,
                urgent=urgent,
                note=note,
                alone=alone,
            )
        for order in made:
            lines.charged(order, _charge(asker, visit, order))
        publish(f"lab:{facility}")
        publish(f"visit:{visit.id}")
    return made


def facility_of(asker: Asker, visit: r4.Encounter) -> str:
    """The facility of a visit, which is the asker's own. Raises NotAllowed."""
    facility = facts.id_of(visit.serviceProvider) or asker.facility
    if asker.role != "system" and facility != asker.facility:
        raise NotAllowed
    return facility


def _order_tube(
    desk: Asker,
    visit: r4.Encounter,
    group: list[Test],
    *,
    facility: str,
    requisition: str,
    requester: r4.Reference | None,
    urgent: bool,
    note: str,
    alone: bool,
) -> list[r4.ServiceRequest]:
    ids = [record.new_id() for _ in group]
    shared = None if alone else waiting(visit.id or "", facility, group, urgent=urgent)
    specimen_id = shared.specimen if shared else record.new_id()
    if not shared:
        tube = _numbered(
            facility, specimen_id, visit, ids, urgent=urgent, benches=benches_of(group), kind=group[0].specimen
        )
        record.create(desk, facts.specimen(specimen_id, tube.number, group[0].specimen, visit.subject, ids))
    orders = [
        facts.order(
            id_, what, visit, facility=facility, specimen=specimen_id, requisition=requisition, requester=requester,
            urgent=urgent, note=note,
        )
        for id_, what in zip(ids, group, strict=True)
    ]  # fmt: skip
    made = record.create_many(desk, orders)
    if shared:
        attach(desk, shared, group, made)
        keep_tube(shared)
    else:
        lines.ordered(tube, group, made)
    return made


def _numbered(
    facility: str,
    specimen: str,
    visit: r4.Encounter,
    orders: list[str],
    *,
    urgent: bool,
    benches: list[str],
    kind: str,
) -> Tube:
    """Give the next number of the facility's day: yymmdd, the facility's digits, a running number; fits Code 128."""
    day = datetime.now(HANOI).date()
    digits = "".join(c for c in facility if c.isdigit())[-5:].rjust(5, "0")
    while True:
        Counter.objects.get_or_create(facility=facility, day=day)
        Counter.objects.filter(facility=facility, day=day).update(last=F("last") + 1)
        last = Counter.objects.get(facility=facility, day=day).last
        try:
            with transaction.atomic():
                return Tube.objects.create(
                    number=f"{day:%y%m%d}{digits}{last:04d}", facility=facility, specimen=specimen,
                    encounter=visit.id or "", patient=facts.id_of(visit.subject), orders=orders, urgent=urgent,
                    benches=benches, kind=kind, ordered_at=datetime.now(UTC),
                )  # fmt: skip
        except IntegrityError:
            if not Tube.objects.filter(number=f"{day:%y%m%d}{digits}{last:04d}").exists():
                raise  # else another facility with the same digits took it: the next one


def benches_of(tests: Sequence[Test]) -> list[str]:
    """The benches that tests are done at, each once."""
    return list(dict.fromkeys(one.bench.key for one in tests))


def due(tube: Tube, received: datetime) -> datetime | None:
    """When the results of a tube are late: after the slowest of its benches."""
    minutes = [benches()[key].minutes(urgent=tube.urgent) for key in tube.benches if key in benches()]
    return received + timedelta(minutes=max(minutes)) if minutes else None


def receive_specimen(asker: Asker, number: str) -> Tube:
    """Take a tube in. Receiving it twice changes nothing."""
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage != Stage.ORDERED:
            if tube.stage in (Stage.REJECTED, Stage.CANCELLED):
                raise WrongStage
            return tube
        desk = at_bench(asker)
        specimen = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
        specimen.status, specimen.receivedTime = "available", facts.now()
        record.update(desk, specimen)
        tube.stage, tube.received_at = Stage.RECEIVED, datetime.now(UTC)
        tube.due_at = due(tube, tube.received_at)
        keep_tube(tube)
    return tube


def reject_specimen(asker: Asker, number: str, reason: str, code: str = "") -> Tube:
    """Refuse a tube that cannot be analysed, and return the new one that is now asked for, with the same orders.

    The new one is drawn where the person is, also when the refused one was sent to another laboratory.
    code: of `samples.plan.REJECTIONS`, which speaks for itself where no reason is written.
    """
    reason = reason.strip() or str(REJECTIONS.get(code, ""))
    reason = need_reason(reason)
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage not in (Stage.ORDERED, Stage.RECEIVED):
            raise WrongStage
        desk = at_bench(asker)
        old = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
        visit = cast(r4.Encounter, record.read(desk, "Encounter", tube.encounter))
        home = facts.id_of(visit.serviceProvider) or tube.facility
        fresh = _numbered(
            home, record.new_id(), visit, tube.orders, urgent=tube.urgent, benches=tube.benches, kind=tube.kind
        )
        lines.move(tube.orders, fresh)
        record.create(desk, facts.again(old, fresh.specimen, fresh.number))
        record.update(desk, refused(old, code if code in REJECTIONS else "", reason))
        for order in _orders(desk, tube):
            order.specimen, order.performer = [facts.ref("Specimen", fresh.specimen)], [facts.ref("Organization", home)]
            record.update(desk, order)
        publish(f"lab:{home}")
        tube.stage, tube.orders = Stage.REJECTED, []
        tube.refused_for = code if code in REJECTIONS else "OTHER"
        tell_again(tube)
        keep_tube(tube)
    return fresh


def cancel_orders(asker: Asker, number: str, reason: str) -> Tube:
    """Revoke the orders of a tube that has no result yet, and take their charges back. Also the doctor's."""
    reason = need_reason(reason)
    with transaction.atomic():
        tube = lock(asker, number, WORKING | ORDERING)
        if tube.stage not in (Stage.ORDERED, Stage.RECEIVED):
            raise WrongStage
        desk = at_bench(asker)
        visit = cast(r4.Encounter, record.read(desk, "Encounter", tube.encounter))
        for order in _orders(desk, tube):
            order.status = "revoked"
            order.note = [*(order.note or []), r4.Annotation(text=reason, time=facts.now())]
            record.update(desk, order)
            if item := _charge(desk, visit, order):  # charged once for a source: this is the charge that stands
                cancel_charge(desk, item.id or "")
        lines.cancel(tube.orders)
        tube.stage = Stage.CANCELLED
        tell_again(tube)
        keep_tube(tube)
    return tube


def _orders(desk: Asker, tube: Tube) -> list[r4.ServiceRequest]:
    found = cast("dict[str, r4.ServiceRequest]", record.read_many(desk, "ServiceRequest", tube.orders))
    return [found[id_] for id_ in tube.orders if id_ in found]


def _charge(asker: Asker, visit: r4.Encounter, order: r4.ServiceRequest) -> r4.ChargeItem | None:
    what = facts.ordered_test(order)
    source = f"ServiceRequest/{order.id}"
    return charge(asker, visit, what.code, 1, source_reference=source, display=what.names[0]) if what else None


def lock(asker: Asker, number: str, roles: frozenset[str] = WORKING) -> Tube:
    """The tube, locked for this transaction. Another facility's is not there."""
    allow(asker, roles)
    found = Tube.objects.select_for_update().filter(number=number)
    if asker.role != "system":
        found = found.filter(facility=asker.facility)
    tube = found.first()
    if not tube:
        raise NoTube
    return tube


def keep_tube(tube: Tube) -> None:
    tube.save()
    publish(f"lab:{tube.facility}")
    publish(f"visit:{tube.encounter}")


def allow(asker: Asker, roles: frozenset[str]) -> None:
    if asker.role not in roles:
        raise NotAllowed


def need_reason(text: str) -> str:
    if not text.strip():
        raise NeedsReason
    return text.strip()[:500]


def as_desk(asker: Asker) -> Asker:
    """The same person, with what the laboratory's own bookkeeping writes: the action has decided that it may happen."""
    return replace(asker, scopes=frozenset({"system/*.cruds"}), patient=None)


def at_bench(asker: Asker) -> Asker:
    """The same at work on a tube that is here: its orders and results are there until the end, and after it.

    Relations to the patient end with an order, and labels need more than that; whose tube it is was decided.
    """
    return replace(as_desk(asker), sight=EVERYTHING)
