"""What a ward does: admit, move, charge days in bed and supplies, order medicines, give them. One transaction each.

The rules of the insurance are asked within it: what they stop is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, cast

from django.db import connection, transaction
from django.utils import timezone

from tuetinh.care.billing.api import NoPrice, cancel_charge, charge
from tuetinh.care.insurance.api import IN_BED, Problem, kinds_to_choose, say_kind, stop
from tuetinh.care.reception import api as reception
from tuetinh.care.ward import facts, queries
from tuetinh.care.ward.errors import (
    AlreadyIn,
    BedTaken,
    Charged,
    NoBed,
    NoItem,
    NotAllowed,
    NotInpatient,
    NotOpen,
    UnknownCare,
    WrongDay,
    WrongQuantity,
)
from tuetinh.commons.catalogues.api import listed
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

DOCTOR: Final = frozenset({"doctor", "system"})
NURSE: Final = DOCTOR | {"nurse"}
MOST: Final = 1000  # of one supply at once
NOON: Final = time(12)  # of the day that a day in bed of before is charged for
Reasons = Mapping[str, str]


def admit(
    asker: Asker, encounter_id: str, bed: str, reason: str, *, care: str = IN_BED, reasons: Reasons | None = None
) -> list[Problem]:
    """Take a person who is being seen in, into a bed; returns what the insurance remarks.

    care: kind of stay (MA_LOAI_KCB). Raises NotOpen, AlreadyIn, NoBed, BedTaken, UnknownCare, insurance's Stopped.
    """
    _allow(asker, DOCTOR)
    if care not in kinds_to_choose(timezone.localdate(), stay=True):
        raise UnknownCare
    with transaction.atomic():
        encounter = _open(asker, encounter_id)
        if facts.lies_in(encounter):
            raise AlreadyIn
        department, place = _free(asker, bed)
        facts.admit(encounter, department, place, timezone.localtime(), reason.strip()[:500])
        say_kind(encounter, care, timezone.localdate())
        record.update(asker, encounter)
        return _asked(asker, encounter_id, "order", reasons)


def move(asker: Asker, encounter_id: str, bed: str, *, reasons: Reasons | None = None) -> list[Problem]:
    """Move somebody who lies in to another bed, of this department or another one.

    Raises NotOpen, NotInpatient, NoBed, BedTaken, insurance's Stopped.
    """
    _allow(asker, NURSE)
    with transaction.atomic():
        encounter = _lying(asker, encounter_id)
        department, place = _free(asker, bed)
        facts.move(encounter, department, place, timezone.localtime())
        record.update(asker, encounter)
        return _asked(asker, encounter_id, "order", reasons)


def charge_bed(
    asker: Asker, encounter_id: str, code: str, day: date, *, reasons: Reasons | None = None
) -> list[Problem]:
    """Charge the day in bed of a day of the stay, once.

    Raises NotOpen, NotInpatient, WrongDay, Charged, NoItem, insurance's Stopped.
    """
    _allow(asker, NURSE)
    with transaction.atomic():
        encounter = _lying(asker, encounter_id)
        at = _within(asker, encounter_id, day)
        if queries.has_bed_day(asker, encounter_id, day):
            raise Charged
        _priced(asker, "bed", code, day)
        _charge(asker, encounter, code, Decimal(1), at)
        return _asked(asker, encounter_id, "order", reasons)


def charge_supply(
    asker: Asker, encounter_id: str, code: str, quantity: Decimal, day: date, *, reasons: Reasons | None = None
) -> list[Problem]:
    """Charge a supply that was used on a day of the stay.

    Raises NotOpen, NotInpatient, WrongDay, NoItem, WrongQuantity, insurance's Stopped.
    """
    _allow(asker, NURSE)
    if not 0 < quantity <= MOST:
        raise WrongQuantity
    with transaction.atomic():
        encounter = _lying(asker, encounter_id)
        at = _within(asker, encounter_id, day)
        _priced(asker, "supply", code, day)
        _charge(asker, encounter, code, quantity, at)
        return _asked(asker, encounter_id, "order", reasons)


def take_back(asker: Asker, encounter_id: str, charge_id: str) -> None:
    """Take back a day in bed or a supply that was charged by mistake. Raises NotOpen, NoItem."""
    _allow(asker, NURSE)
    with transaction.atomic():
        _lying(asker, encounter_id)
        item = cast("r4.ChargeItem | None", record.read_many(asker, "ChargeItem", [charge_id]).get(charge_id))
        about = (item.context.reference or "") if item and item.context else ""
        if item is None or about != f"Encounter/{encounter_id}" or item.supportingInformation:
            raise NoItem
        cancel_charge(asker, charge_id)
        publish(f"visit:{encounter_id}")


def give(asker: Asker, encounter_id: str, order_id: str, *, reasons: Reasons | None = None) -> list[Problem]:
    """Write that a medicine was given now. Raises NotOpen, NotInpatient, NoItem, insurance's Stopped."""
    _allow(asker, NURSE)
    with transaction.atomic():
        encounter = _lying(asker, encounter_id)
        known = record.read_many(asker, "MedicationRequest", [order_id])
        order = cast("r4.MedicationRequest | None", known.get(order_id))
        about = (order.encounter.reference or "") if order and order.encounter else ""
        if order is None or about != f"Encounter/{encounter_id}" or order.status in queries.GONE:
            raise NoItem
        who = r4.Reference(reference=f"Practitioner/{asker.practitioner}") if asker.practitioner else None
        record.create(asker, facts.given(encounter, order, timezone.localtime(), who))
        return _asked(asker, encounter_id, "order", reasons)


def _asked(asker: Asker, encounter_id: str, when: str, reasons: Reasons | None) -> list[Problem]:
    found = stop(asker, encounter_id, when, reasons=reasons)
    publish(f"visit:{encounter_id}")
    return found


def _charge(asker: Asker, encounter: r4.Encounter, code: str, quantity: Decimal, at: datetime) -> None:
    try:
        charge(asker, encounter, code, quantity, at=at)
    except NoPrice as error:
        raise NoItem from error


def _priced(asker: Asker, kind: str, code: str, day: date) -> None:
    row = listed(asker.facility, code, day)
    if row is None or row.kind != kind:
        raise NoItem


def _within(asker: Asker, encounter_id: str, day: date) -> datetime:
    """The moment at which something of a day of the stay is charged: now, or the noon of a day before."""
    here = queries.inpatient(asker, encounter_id)
    now = timezone.localtime()
    if here is None or not here.since.date() <= day <= now.date():
        raise WrongDay
    if day == now.date():
        return now
    return max(timezone.make_aware(datetime.combine(day, NOON)), here.since)


def _free(asker: Asker, bed: str) -> tuple[r4.Location, r4.Location]:
    """A bed in which nobody lies, with its department; nobody else takes it before the transaction ends."""
    found = queries.bed(asker, bed)
    if found is None:
        raise NoBed
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"ward.bed {bed}"])
    if any(one.bed == bed for one in queries.inpatients(asker)):
        raise BedTaken
    return found


def _lying(asker: Asker, encounter_id: str) -> r4.Encounter:
    encounter = _open(asker, encounter_id)
    if not facts.lies_in(encounter):
        raise NotInpatient
    return encounter


def _open(asker: Asker, encounter_id: str) -> r4.Encounter:
    """The visit, held until the transaction ends. Raises NotOpen, reception's NoVisit."""
    if reception.hold(asker, encounter_id) != "in-progress":
        raise NotOpen
    return cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))


def _allow(asker: Asker, roles: frozenset[str]) -> None:
    if asker.role not in roles:
        raise NotAllowed
