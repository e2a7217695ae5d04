"""What is done with specimens between the order and the bench: collect, add on, part, store, send, take in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from django.contrib.auth import get_user_model
from django.db import transaction

from tuetinh.care.billing.api import cancel_charge, charge
from tuetinh.care.lab import facts
from tuetinh.care.lab.actions import ORDERING, WORKING, at_bench, benches_of, due, keep_tube, lock
from tuetinh.care.lab.catalogue import benches, test
from tuetinh.care.lab.errors import (
    NeedsReason,
    NoShipment,
    NotAllowed,
    NotSent,
    NotThisPerson,
    NoTube,
    UnknownTest,
    WrongStage,
)
from tuetinh.care.lab.machines.tell import tell_again
from tuetinh.care.lab.models import Shipment, Tube
from tuetinh.care.lab.samples import orders
from tuetinh.care.lab.samples.facts import collected, transport
from tuetinh.care.lab.samples.orders import OPEN, SERVING
from tuetinh.care.lab.statistics import lines
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

COLLECTING = WORKING | ORDERING
SENDING = WORKING | {"nurse", "station"}


def collect(asker: Asker, numbers: Sequence[str], second: str) -> list[Tube]:
    """Note that tubes were drawn now from their person, who was asked for a second identifier.

    second: the birth date (dd/mm/yyyy) or a number of the person. Raises NotThisPerson, WrongStage, and notes nothing.
    """
    with transaction.atomic():
        tubes = [lock(asker, number, COLLECTING) for number in sorted(numbers)]
        desk = at_bench(asker)
        for tube in tubes:
            if tube.stage != Tube.Stage.ORDERED:
                raise WrongStage
            person = cast(r4.Patient, record.read(desk, "Patient", tube.patient))
            if not is_of(person, second):
                raise NotThisPerson
            specimen = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
            record.update(desk, collected(specimen, asker))
            tube.collected_at, tube.collected_by = datetime.now(UTC), asker.account
            tube.save()
        for tube in tubes:
            publish(f"lab:{tube.facility}")
    return tubes


def is_of(person: r4.Patient, second: str) -> bool:
    """Whether a second identifier is the person's: the whole birth date, or a number of a card."""
    text = second.strip()
    day, _, rest = text.partition("/")
    month, _, year = rest.partition("/")
    born = f"{year}-{month.zfill(2)}-{day.zfill(2)}"
    if person.birthDate and born == person.birthDate:
        return True
    return len(text) >= 6 and any(text == (one.value or "") for one in person.identifier or [])


def add_tests(asker: Asker, number: str, codes: Sequence[str]) -> Tube:
    """Order further tests from a tube that the laboratory has, also when its results are out.

    Raises UnknownTest also for another kind of specimen, TooOld and NotDone.
    """
    with transaction.atomic():
        tube = lock(asker, number, COLLECTING)
        if tube.stage not in SERVING:
            raise WrongStage
        desk = at_bench(asker)
        have = cast("dict[str, r4.ServiceRequest]", record.read_many(desk, "ServiceRequest", tube.orders))
        known = {what.pick for order in have.values() if (what := facts.ordered_test(order))}
        kind = facts.ordered_specimen(have.values())
        wanted = [what for code in dict.fromkeys(codes) if not ((what := test(code, kind)) and what.pick in known)]
        if not wanted or any(one is None or one.specimen != kind for one in wanted):
            raise UnknownTest
        found = [one for one in wanted if one]
        orders.check_done(tube.facility, found)
        orders.check_age(tube, found)
        like = next(iter(have.values()))
        orders.add(asker, desk, tube, found, like, intent="order", note="Chỉ định thêm trên mẫu đã có")
        _work_again(tube)
    return tube


def hurry(asker: Asker, encounter: str, picks: Sequence[str]) -> None:
    """Let tubes of a visit that wait to be drawn be urgent where they hold one of these tests (`Test.pick`)."""
    if asker.role not in ORDERING:
        raise NotAllowed
    with transaction.atomic():
        desk, wanted = at_bench(asker), set(picks)
        rows = Tube.objects.select_for_update(of=("self",)).filter(encounter=encounter, facility=asker.facility)
        for tube in rows.filter(stage=Tube.Stage.ORDERED, urgent=False).order_by("id"):
            found = cast("dict[str, r4.ServiceRequest]", record.read_many(desk, "ServiceRequest", tube.orders))
            open_ = [order for order in found.values() if order.status == "active"]
            if not any((what := facts.ordered_test(order)) and what.pick in wanted for order in open_):
                continue
            for order in open_:
                order.priority = "urgent"
                record.update(desk, order)
            tube.urgent = True
            keep_tube(tube)


def repeat(asker: Asker, number: str, order_id: str, reason: str) -> Tube:
    """Measure a test of a tube again, for the laboratory itself and free of charge; both results are kept.

    Raises NeedsReason, UnknownTest for an order that is not of the tube, TooOld.
    """
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage not in (Tube.Stage.RESULTED, Tube.Stage.VERIFIED, Tube.Stage.RELEASED):
            raise WrongStage
        desk = at_bench(asker)
        like = _order_of(desk, tube, order_id)
        what = facts.ordered_test(like)
        if not what:
            raise UnknownTest
        orders.check_age(tube, [what])
        orders.add(
            asker, desk, tube, [what], like, intent="filler-order", note=f"Làm lại: {reason.strip()[:300]}", free=True
        )
        _work_again(tube)
    return tube


def cancel_order(asker: Asker, number: str, order_id: str, reason: str) -> Tube:
    """Revoke one order of a tube before it has a result, and take its charge back. Also the doctor's.

    The tube of the last order is cancelled with it. Raises NeedsReason, UnknownTest, WrongStage.
    """
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        tube = lock(asker, number, COLLECTING)
        if tube.stage not in (Tube.Stage.ORDERED, *OPEN):
            raise WrongStage
        desk = at_bench(asker)
        order = _order_of(desk, tube, order_id)
        what = facts.ordered_test(order)
        measured = [facts.observation_id(order_id, one.key) for one in ((*what.analytes, *what.also) if what else ())]
        if order.status != "active" or record.read_many(desk, "Observation", measured):
            raise WrongStage
        order.status = "revoked"
        order.note = [*(order.note or []), r4.Annotation(text=reason.strip()[:500], time=facts.now())]
        record.update(desk, order)
        visit = cast(r4.Encounter, record.read(desk, "Encounter", tube.encounter))
        if what and order.intent != "filler-order":  # charged once for a source: this is the charge that stands
            source = f"ServiceRequest/{order.id}"
            if item := charge(desk, visit, what.code, 1, source_reference=source, display=what.names[0]):
                cancel_charge(desk, item.id or "")
        lines.cancel([order_id])
        others = record.read_many(desk, "ServiceRequest", set(tube.orders) - {order_id}).values()
        if all(cast(r4.ServiceRequest, other).status == "revoked" for other in others):
            tube.stage = Tube.Stage.CANCELLED
        tell_again(tube)
        keep_tube(tube)
    return tube


def _order_of(desk: Asker, tube: Tube, order_id: str) -> r4.ServiceRequest:
    if order_id not in tube.orders:
        raise UnknownTest
    return cast(r4.ServiceRequest, record.read(desk, "ServiceRequest", order_id))


def _work_again(tube: Tube) -> None:
    """Let a tube be at work, with its further orders."""
    tube.stage = Tube.Stage.RECEIVED if tube.stage == Tube.Stage.RECEIVED else Tube.Stage.RESULTED
    tube.due_at = due(tube, datetime.now(UTC))
    keep_tube(tube)


def part(asker: Asker, number: str, bench: str = "") -> Tube:
    """Part an aliquot from a tube: for a bench, whose orders it takes along, or without one to be kept."""
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage not in OPEN or tube.parent_id:
            raise WrongStage
        desk = at_bench(asker)
        have = cast("dict[str, r4.ServiceRequest]", record.read_many(desk, "ServiceRequest", tube.orders))
        tests = {id_: facts.ordered_test(have[id_]) for id_ in tube.orders if id_ in have}
        moved = [id_ for id_, what in tests.items() if bench and what and what.bench.key == bench]
        if bench and (bench not in benches() or not moved or len(moved) == len(tests) or tube.stage != OPEN[0]):
            raise WrongStage
        source = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
        place = Tube.objects.filter(parent=tube).count() + 1
        made = facts.again(source, record.new_id(), f"{tube.number}{place}")
        made.status, made.parent = "available", [facts.ref("Specimen", tube.specimen)]
        made.request = [facts.ref("ServiceRequest", id_) for id_ in moved] or None
        made.receivedTime, made.collection = source.receivedTime, source.collection
        record.create(desk, made)
        aliquot = Tube.objects.create(
            number=f"{tube.number}{place}", facility=tube.facility, specimen=made.id or "", encounter=tube.encounter,
            patient=tube.patient, orders=moved, stage=tube.stage, urgent=tube.urgent, ordered_at=tube.ordered_at,
            received_at=tube.received_at, collected_at=tube.collected_at, parent=tube,
            benches=benches_of([what for id_ in moved if (what := tests[id_])]), due_at=tube.due_at, kind=tube.kind,
        )  # fmt: skip
        lines.move(moved, aliquot)
        for id_ in moved:
            have[id_].specimen = [facts.ref("Specimen", aliquot.specimen)]
            record.update(desk, have[id_])
        if moved:
            tube.orders = [id_ for id_ in tube.orders if id_ not in moved]
            tube.benches = benches_of([what for id_, what in tests.items() if what and id_ not in moved])
            tell_again(tube)
        keep_tube(tube)
    return aliquot


def store(asker: Asker, number: str, place: str) -> Tube:
    """Note where a tube is kept; "" for no longer there."""
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage in (Tube.Stage.ORDERED, Tube.Stage.CANCELLED):
            raise WrongStage
        tube.storage = place.strip()[:100]
        keep_tube(tube)
    return tube


def laboratories() -> list[str]:
    """The facilities that have a laboratory: accounts of its desk."""
    accounts = get_user_model().objects.filter(role="lab", is_active=True).exclude(facility="")
    return sorted(set(accounts.values_list("facility", flat=True)))


def send(asker: Asker, numbers: Sequence[str], receiver: str) -> Shipment:
    """Send tubes to another laboratory, with a manifest. Raises NotSent, NotAllowed, and sends none then."""
    if receiver == asker.facility or receiver not in laboratories() or not numbers:
        raise NotAllowed
    with transaction.atomic():
        tubes = [_to_send(asker, number) for number in sorted(set(numbers))]
        shipment = Shipment.objects.create(
            number=record.new_id()[-12:].upper(), sender=asker.facility, receiver=receiver, sent_at=datetime.now(UTC),
            sent_by=asker.account, task=record.new_id(),
        )  # fmt: skip
        desk = at_bench(asker)
        for tube in tubes:
            _let_do(desk, tube, receiver)
            tube.shipment = shipment
            tell_again(tube)
            keep_tube(tube)
        record.create(desk, transport(shipment, tubes))
        publish(f"lab:{receiver}")
    return shipment


def _to_send(asker: Asker, number: str) -> Tube:
    try:
        tube = lock(asker, number, SENDING)
    except NoTube as error:
        raise NotSent(number) from error
    if tube.stage not in (Tube.Stage.ORDERED, Tube.Stage.RECEIVED) or tube.shipment_id:
        raise NotSent(number)
    return tube


def _let_do(desk: Asker, tube: Tube, laboratory: str) -> None:
    """Give the orders of a tube to a laboratory, which may see them from now on."""
    for order in record.read_many(desk, "ServiceRequest", tube.orders).values():
        request = cast(r4.ServiceRequest, order)
        request.performer = [facts.ref("Organization", laboratory)]
        record.update(desk, request)


def withdraw(asker: Asker, shipment: str, numbers: Sequence[str]) -> list[Tube]:
    """Take tubes back out of a shipment that have not arrived: they are here again. Raises NoShipment, NotAllowed."""
    if asker.role not in SENDING:
        raise NotAllowed
    with transaction.atomic():
        found, away = _locked(number=shipment, sender=asker.facility)
        back = [tube for tube in away if tube.number in set(numbers)]
        desk = at_bench(asker)
        for tube in back:
            _let_do(desk, tube, asker.facility)
            tube.shipment = None
            tell_again(tube)
            keep_tube(tube)
        if back and len(back) == len(away):
            _end_transport(desk, found, "completed" if found.received_at else "cancelled")
        publish(f"lab:{found.receiver}")
    return back


def _locked(**whose: str) -> tuple[Shipment, list[Tube]]:
    """A shipment and its tubes that have not arrived, both locked. Raises NoShipment."""
    found = Shipment.objects.select_for_update().filter(**whose).first()
    if not found:
        raise NoShipment
    return found, list(Tube.objects.select_for_update().filter(shipment=found).order_by("number"))


def _end_transport(desk: Asker, shipment: Shipment, status: str) -> None:
    task = cast(r4.Task, record.read(desk, "Task", shipment.task))
    task.status = status
    record.update(desk, task)


def take_in(asker: Asker, shipment: str, numbers: Sequence[str]) -> tuple[list[Tube], list[Tube]]:
    """Take in what of a shipment has arrived; return the tubes that are here, and those that are missing.

    Who arrives late is taken in by asking again. Raises NoShipment.
    """
    if asker.role not in WORKING:
        raise NotAllowed
    with transaction.atomic():
        found, tubes = _locked(number=shipment, receiver=asker.facility)
        here = [tube for tube in tubes if tube.number in set(numbers)]
        desk = at_bench(asker)
        for tube in here:
            specimen = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
            specimen.status, specimen.receivedTime = "available", facts.now()
            record.update(desk, specimen)
            tube.facility, tube.stage, tube.shipment = asker.facility, Tube.Stage.RECEIVED, None
            tube.received_at = datetime.now(UTC)
            tube.due_at = due(tube, tube.received_at)
            keep_tube(tube)
        missing = [tube for tube in tubes if tube not in here]
        found.received_at, found.received_by = datetime.now(UTC), asker.account
        found.save()
        if not missing:
            _end_transport(desk, found, "completed")
        publish(f"lab:{found.sender}")
    return here, missing
