"""From the reserved bag to the nurse's hand: the checks by two people, the last look at what is known, the way back."""

from __future__ import annotations

from typing import cast

from django.db import transaction
from django.utils import timezone

from tuetinh.care.lab.actions import ORDERING, WORKING, as_desk
from tuetinh.care.lab.blood.errors import (
    Expired,
    GroupConflict,
    Held,
    Incompatible,
    NoUnit,
    SamePerson,
    WrongPatient,
    WrongUnit,
)
from tuetinh.care.lab.blood.grouping import known
from tuetinh.care.lab.blood.groups import Group, compatible
from tuetinh.care.lab.blood.models import BloodAllocation, BloodOrder, BloodReaction, BloodUnit
from tuetinh.care.lab.blood.stock import is_unit, lock_unit, moved
from tuetinh.care.lab.blood.tables import components
from tuetinh.care.lab.errors import NeedsReason, NotAllowed, WrongStage
from tuetinh.commons.identity.api import CardError, parse_card
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

TAKING = WORKING | ORDERING
Stage, Method = BloodAllocation.Stage, BloodAllocation.Method


def free(asker: Asker, allocation_id: int, reason: str) -> BloodAllocation:
    """Put a unit back that was set aside and not issued yet."""
    allow_bank(asker)
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        allocation, _ = lock_allocation(asker, allocation_id, Stage.RESERVED, Stage.PREPARED)
        freed(asker, allocation, reason)
    return allocation


def freed(asker: Asker, allocation: BloodAllocation, reason: str) -> None:
    """Put a unit back whose order is locked."""
    unit = lock_unit(asker, allocation.unit_id, BloodUnit.Stage.RESERVED)
    allocation.stage = Stage.FREED
    allocation.save()
    moved(asker, unit, BloodUnit.Stage.AVAILABLE, reason.strip())


def prepare(asker: Asker, allocation_id: int, scanned: str) -> BloodAllocation:
    """The first check before the issue: the bag is the one, in date, and fits. Raises WrongUnit, and as `check`."""
    allow_bank(asker)
    with transaction.atomic():
        allocation, row = lock_allocation(asker, allocation_id, Stage.RESERVED)
        if not is_unit(allocation.unit, scanned):
            raise WrongUnit
        check(asker, row, allocation)
        allocation.stage, allocation.prepared_by = Stage.PREPARED, asker.account
        allocation.save()
        publish(f"lab:{row.facility}")
    return allocation


def issue(asker: Asker, allocation_id: int, scanned: str, person: str) -> BloodAllocation:
    """The second check, by another person, who takes the bag along. person: a number of the recipient.

    Raises SamePerson, WrongUnit, WrongPatient, Expired, Held, Incompatible.
    """
    if asker.role not in TAKING:
        raise NotAllowed
    with transaction.atomic():
        allocation, row = lock_allocation(asker, allocation_id, Stage.PREPARED)
        if asker.account == allocation.prepared_by:
            raise SamePerson
        if not is_unit(allocation.unit, scanned):
            raise WrongUnit
        if not is_person(asker, row.patient, person):
            raise WrongPatient
        check(asker, row, allocation)
        unit = lock_unit(asker, allocation.unit_id, BloodUnit.Stage.RESERVED)
        allocation.stage, allocation.issued_by, allocation.issued_at = Stage.ISSUED, asker.account, timezone.now()
        allocation.save()
        moved(asker, unit, BloodUnit.Stage.ISSUED)
        publish(f"visit:{row.encounter}")
    return allocation


def check(asker: Asker, row: BloodOrder, allocation: BloodAllocation) -> None:
    """Look once more whether a unit may go to the person of an order, by what is known now.

    Raises Expired, Held, GroupConflict, Incompatible.
    """
    unit = allocation.unit
    if unit.expires <= timezone.now():
        raise Expired
    if BloodReaction.objects.filter(allocation__unit__din=unit.din, closed_at__isnull=True).exists():
        raise Held
    if allocation.incompatible:
        raise Incompatible
    if allocation.method == Method.EMERGENCY:
        return
    state = known(asker, row.patient)
    if state.conflict:
        raise GroupConflict
    if not compatible(components()[unit.component].kind, state.usable, Group(unit.abo, unit.rhd)):
        raise Incompatible


def is_person(asker: Asker, patient: str, text: str) -> bool:
    """Whether a scan is of a person: the number of a wristband, or a card."""
    text = text.strip()
    person = cast(r4.Patient, record.read(as_desk(asker), "Patient", patient))
    numbers = {one.value for one in person.identifier or [] if one.value} | {person.id}
    try:
        card = parse_card(text)
    except CardError:
        return text in numbers
    return bool({card.cccd, card.card, card.bhxh} & numbers)


def lock_allocation(asker: Asker, allocation_id: int, *stages: str) -> tuple[BloodAllocation, BloodOrder]:
    """A unit set aside at the asker's facility at one of some stages, and its order, locked: the order, then the unit.

    Raises NoUnit, WrongStage.
    """
    found = BloodAllocation.objects.filter(pk=allocation_id).values("order_id", "unit_id").first() or {}
    row = BloodOrder.objects.select_for_update().filter(pk=found.get("order_id"), facility=asker.facility).first()
    if not row:
        raise NoUnit
    BloodUnit.objects.select_for_update().get(pk=found["unit_id"])
    allocation = BloodAllocation.objects.select_related("unit").get(pk=allocation_id)
    if stages and allocation.stage not in stages:
        raise WrongStage
    allocation.order = row
    return allocation, row


def allow_bank(asker: Asker) -> None:
    """Raise NotAllowed for whoever is not of the blood bank."""
    if asker.role not in WORKING:
        raise NotAllowed
