"""At the bed: the last check of person and bag, the transfusion with its measurements, its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import cast

from django.db import transaction
from django.utils import timezone

from tuetinh.care.lab.actions import ORDERING, as_desk
from tuetinh.care.lab.blood import facts
from tuetinh.care.lab.blood.errors import (
    GroupConflict,
    Held,
    Incompatible,
    NeedsBedside,
    NeedsMeasures,
    WrongPatient,
    WrongUnit,
)
from tuetinh.care.lab.blood.grouping import known
from tuetinh.care.lab.blood.groups import ABO, UNKNOWN, Group, compatible
from tuetinh.care.lab.blood.issuing import check, is_person, lock_allocation
from tuetinh.care.lab.blood.models import BloodAllocation, BloodMove, BloodOrder, BloodUnit
from tuetinh.care.lab.blood.stock import is_unit, moved
from tuetinh.care.lab.blood.tables import components, rule
from tuetinh.care.lab.errors import NotAllowed
from tuetinh.care.lab.facts import now
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

DANGERS = (WrongPatient, WrongUnit, Held, Incompatible, GroupConflict)
Stage = BloodAllocation.Stage


def measures(values: Mapping[str, str]) -> dict[str, Decimal]:
    """Vital signs as typed, with a comma or a point. Raises NeedsMeasures where one is missing or no number."""
    try:
        found = {key: Decimal(values.get(key, "").strip().replace(",", ".")) for key in facts.VITALS}
    except InvalidOperation as error:
        raise NeedsMeasures from error
    if not all(value.is_finite() and 0 < value < 400 for value in found.values()):
        raise NeedsMeasures
    return found


def issued(asker: Asker, scanned: str) -> BloodAllocation | None:
    """The bag that was scanned, among those that the facility has given out and nobody has begun."""
    rows = BloodAllocation.objects.filter(stage=Stage.ISSUED, order__facility=asker.facility).select_related(
        "unit", "order"
    )
    return next((one for one in rows if is_unit(one.unit, scanned)), None)


def start(
    asker: Asker, *, person: str, scanned: str, values: Mapping[str, str], person_abo: str = "", unit_abo: str = ""
) -> BloodAllocation:
    """Check person, bag and groups at the bed, and begin the transfusion.

    person, scanned: the barcodes of wristband and bag; person_abo, unit_abo: as tested at the bed, for what holds red
    cells. Raises WrongUnit, WrongPatient, Expired, Held, Incompatible, GroupConflict, NeedsBedside, NeedsMeasures; what
    would have been a danger is noted with the bag, and nothing is begun.
    """
    if asker.role not in ORDERING:
        raise NotAllowed
    if not (found := issued(asker, scanned)):
        raise WrongUnit
    try:
        with transaction.atomic():
            allocation, row = lock_allocation(asker, found.pk, Stage.ISSUED)
            if not is_person(asker, row.patient, person):
                raise WrongPatient
            check(asker, row, allocation)
            _tested(asker, row, allocation.unit, person_abo, unit_abo)
            measured = measures(values)
            desk = as_desk(asker)
            allocation.procedure, allocation.started_at = record.new_id(), timezone.now()
            allocation.stage = Stage.RUNNING
            record.create(desk, facts.transfusion(asker, allocation))
            record.create_many(desk, facts.vitals(asker, allocation, measured))
            allocation.save()
            moved(asker, allocation.unit, BloodUnit.Stage.TRANSFUSED)
            record.update(desk, facts.product(allocation.unit))
            publish(f"visit:{row.encounter}")
    except DANGERS as error:
        BloodMove.objects.create(
            unit=found.unit, at=timezone.now(), account=asker.account, stage=found.unit.stage,
            note=f"Chặn tại giường: {error}"[:500],
        )  # fmt: skip
        raise
    return allocation


def _tested(asker: Asker, row: BloodOrder, unit: BloodUnit, person_abo: str, unit_abo: str) -> None:
    """Compare what was tested at the bed with the label, with what is known, and with each other."""
    kind = components()[unit.component].kind
    if kind not in ("red", "whole") or not rule("bedside_abo"):
        return
    if person_abo not in ABO or unit_abo not in ABO:
        raise NeedsBedside
    state = known(asker, row.patient)
    differs = state.group is not None and person_abo != state.group.abo
    if differs or unit_abo != unit.abo or not compatible(kind, Group(person_abo, UNKNOWN), Group(unit.abo, "-")):
        raise Incompatible


def observe(asker: Asker, allocation_id: int, values: Mapping[str, str]) -> BloodAllocation:
    """Keep the vital signs of a moment of a running transfusion. Raises NeedsMeasures, WrongStage."""
    if asker.role not in ORDERING:
        raise NotAllowed
    with transaction.atomic():
        allocation, _ = lock_allocation(asker, allocation_id, Stage.RUNNING)
        record.create_many(as_desk(asker), facts.vitals(asker, allocation, measures(values)))
        allocation.observed_at = allocation.observed_at or timezone.now()
        allocation.save()
    return allocation


def overdue(allocation: BloodAllocation) -> bool:
    """Whether a running transfusion should have been measured again by now."""
    if allocation.stage != Stage.RUNNING or allocation.observed_at or not allocation.started_at:
        return False
    return timezone.now() - allocation.started_at > timedelta(minutes=rule("observe_minutes"))


def finish(asker: Asker, allocation_id: int, values: Mapping[str, str]) -> BloodAllocation:
    """End a transfusion with its last vital signs."""
    if asker.role not in ORDERING:
        raise NotAllowed
    with transaction.atomic():
        allocation, _ = lock_allocation(asker, allocation_id, Stage.RUNNING)
        record.create_many(as_desk(asker), facts.vitals(asker, allocation, measures(values)))
        ended(asker, allocation, "completed", Stage.DONE)
    return allocation


def ended(asker: Asker, allocation: BloodAllocation, status: str, stage: Stage) -> None:
    """Keep that a locked transfusion has ended: `completed` or `stopped`; with the last one of its order, that too."""
    desk, row = as_desk(asker), allocation.order
    procedure = cast(r4.Procedure, record.read(desk, "Procedure", allocation.procedure))
    procedure.status = status
    start_ = procedure.performedPeriod.start if procedure.performedPeriod else None
    procedure.performedPeriod = r4.Period(start=start_, end=now())
    record.update(desk, procedure)
    allocation.stage, allocation.ended_at = stage, timezone.now()
    allocation.save()
    given = BloodAllocation.objects.filter(order=row, stage__in=[Stage.DONE, Stage.STOPPED]).count()
    if given >= row.quantity and row.stage == BloodOrder.Stage.OPEN:
        request = cast(r4.ServiceRequest, record.read(desk, "ServiceRequest", row.request))
        request.status = "completed"
        record.update(desk, request)
        row.stage = BloodOrder.Stage.DONE
        row.save()
        publish(f"lab:{row.facility}")
    publish(f"visit:{row.encounter}")
