"""What is done with units in the store: receive, release from quarantine, move, take back, discard."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from tuetinh.care.lab.actions import WORKING, as_desk
from tuetinh.care.lab.blood import facts
from tuetinh.care.lab.blood.errors import (
    Expired,
    GroupDiffers,
    KnownUnit,
    NotAUnit,
    NoUnit,
    TooLate,
    UnknownBarcode,
)
from tuetinh.care.lab.blood.groups import ABO
from tuetinh.care.lab.blood.models import BloodAllocation, BloodMove, BloodProduct, BloodUnit
from tuetinh.care.lab.blood.tables import components, rule, words
from tuetinh.care.lab.blood.wire_isbt128 import Label, NotIsbt, read
from tuetinh.care.lab.errors import NotAllowed
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record.asker import Asker

Stage = BloodUnit.Stage


def read_label(text: str) -> Label:
    """Read what was scanned of one unit. Raises UnknownBarcode."""
    try:
        return read(text)
    except NotIsbt as error:
        raise UnknownBarcode from error


def is_unit(unit: BloodUnit, text: str) -> bool:
    """Whether a scan, or a typed number, is of a unit: of its donation, and of its product where it says so."""
    if text.strip().upper() == unit.din:
        return True
    try:
        label = read(text)
    except NotIsbt:
        return False
    return label.din == unit.din and label.product in ("", unit.product)


def receive(
    asker: Asker, *, din: str, component: str, abo: str, rhd: str, expires: datetime, volume: int, product: str = "",
    collected: date | None = None, donor: str = "", supplier: str = "", storage: str = "",
) -> BloodUnit:  # fmt: skip
    """Take a unit into quarantine, and learn what its product code means. Raises NotAUnit, Expired, KnownUnit."""
    _allow(asker)
    din = din.strip().upper()
    what = components().get(component)
    if not din or not what or abo not in ABO or rhd not in ("+", "-") or volume <= 0:
        raise NotAUnit
    if expires <= timezone.now():
        raise Expired
    try:
        with transaction.atomic():
            unit = BloodUnit.objects.create(
                facility=asker.facility, din=din[:20], product=product, component=component, abo=abo, rhd=rhd,
                volume=volume, expires=expires, collected=collected, donor=donor.strip()[:40],
                supplier=supplier.strip()[:200], storage=storage.strip()[:100], resource=record.new_id(),
            )  # fmt: skip
            if product:
                BloodProduct.objects.get_or_create(
                    facility=asker.facility, code=product, defaults={"component": component}
                )
            record.create(as_desk(asker), facts.product(unit))
            moved(asker, unit, Stage.QUARANTINED, supplier)
    except IntegrityError as error:
        raise KnownUnit from error
    return unit


def taught(facility: str, product: str) -> str:
    """The component of a product code that a facility has met before, or ""."""
    row = BloodProduct.objects.filter(facility=facility, code=product).first() if product else None
    return row.component if row else ""


def release(asker: Asker, unit_id: int, abo: str = "", rhd: str = "") -> BloodUnit:
    """Release a unit from quarantine. abo, rhd: as tested again here, for what holds red cells.

    Raises NoUnit, Expired, GroupDiffers; the unit then stays where it is.
    """
    _allow(asker)
    with transaction.atomic():
        unit = lock_unit(asker, unit_id, Stage.QUARANTINED)
        if unit.expires <= timezone.now():
            raise Expired
        if components()[unit.component].retype and (abo, rhd) != (unit.abo, unit.rhd):
            raise GroupDiffers
        moved(asker, unit, Stage.AVAILABLE)
    return unit


def keep_at(asker: Asker, unit_id: int, place: str) -> BloodUnit:
    """Note the fridge of a unit."""
    _allow(asker)
    with transaction.atomic():
        unit = lock_unit(asker, unit_id, Stage.QUARANTINED, Stage.AVAILABLE, Stage.RESERVED)
        unit.storage = place.strip()[:100]
        moved(asker, unit, Stage(unit.stage), unit.storage)
    return unit


def take_back(asker: Asker, allocation_id: int) -> BloodUnit:
    """Take an issued unit back that was not begun, within the time that it may be out of the store.

    Raises NoUnit, Expired, TooLate, and changes nothing then.
    """
    _allow(asker)
    with transaction.atomic():
        allocation = BloodAllocation.objects.filter(pk=allocation_id, stage=BloodAllocation.Stage.ISSUED).first()
        if not allocation or not allocation.issued_at:
            raise NoUnit
        unit = lock_unit(asker, allocation.unit_id, Stage.ISSUED)
        allocation.refresh_from_db()
        if allocation.stage != BloodAllocation.Stage.ISSUED:
            raise NoUnit
        if unit.expires <= timezone.now():
            raise Expired
        if timezone.now() - allocation.issued_at > timedelta(minutes=rule("return_minutes")):
            raise TooLate
        allocation.stage = BloodAllocation.Stage.RETURNED
        allocation.save()
        moved(asker, unit, Stage.AVAILABLE, "Trả lại trong thời gian")
    return unit


def discard(asker: Asker, unit_id: int, reason: str, note: str = "") -> BloodUnit:
    """Discard a unit for a reason (of the words `discard`); what it was set aside for loses it."""
    _allow(asker)
    if reason not in words("discard"):
        raise NotAUnit
    with transaction.atomic():
        unit = lock_unit(asker, unit_id, Stage.QUARANTINED, Stage.AVAILABLE, Stage.RESERVED, Stage.ISSUED)
        set_free(unit)
        told = words("discard")[reason].names[0]
        moved(asker, unit, Stage.DISCARDED, ". ".join(filter(None, (told, note.strip()))))
        record.update(as_desk(asker), facts.product(unit))
    return unit


def set_free(unit: BloodUnit) -> None:
    """End what a locked unit is set aside for."""
    waiting = BloodAllocation.objects.filter(unit=unit, stage__in=["reserved", "prepared"])
    waiting.update(stage=BloodAllocation.Stage.FREED)
    BloodAllocation.objects.filter(unit=unit, stage="issued").update(stage=BloodAllocation.Stage.RETURNED)


def lock_unit(asker: Asker, unit_id: int, *stages: Stage) -> BloodUnit:
    """A unit of the asker's facility at one of some stages, locked for this transaction. Raises NoUnit."""
    unit = BloodUnit.objects.select_for_update().filter(pk=unit_id, facility=asker.facility).first()
    if not unit or unit.stage not in stages:
        raise NoUnit
    return unit


def moved(asker: Asker, unit: BloodUnit, stage: Stage, note: str = "") -> None:
    """Keep where a locked unit stands now, and that it was moved."""
    unit.stage = stage
    unit.save()
    BloodMove.objects.create(unit=unit, at=timezone.now(), account=asker.account, stage=stage, note=note[:500])
    publish(f"lab:{unit.facility}")


def _allow(asker: Asker) -> None:
    if asker.role not in WORKING:
        raise NotAllowed
