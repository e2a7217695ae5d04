"""Orders for blood: asked for by a doctor, matched by the blood bank, released in an emergency by a signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from django.db import transaction
from django.utils import timezone

from tuetinh.care.lab.actions import ORDERING, as_desk, facility_of, order_tests
from tuetinh.care.lab.blood import facts
from tuetinh.care.lab.blood.errors import (
    Expired,
    GroupConflict,
    Incompatible,
    NoSample,
    NotAUnit,
    NotElectronic,
    NoUnit,
)
from tuetinh.care.lab.blood.grouping import NEGATIVE, SAMPLE, SECOND, known, recent_tubes, sample_for
from tuetinh.care.lab.blood.groups import GRADES, Group, compatible
from tuetinh.care.lab.blood.issuing import TAKING, allow_bank, freed, lock_allocation
from tuetinh.care.lab.blood.models import BloodAllocation, BloodOrder, BloodUnit
from tuetinh.care.lab.blood.stock import lock_unit, moved
from tuetinh.care.lab.blood.tables import components, rule, words
from tuetinh.care.lab.errors import BadValue, NeedsReason, NotAllowed, WrongStage
from tuetinh.care.lab.facts import id_of
from tuetinh.commons.identity.api import age
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

PHASES = ("saline", "ahg")  # at 22 °C in saline, at 37 °C with antiglobulin
Stage, Method = BloodAllocation.Stage, BloodAllocation.Method


def order_blood(
    asker: Asker, encounter_id: str, component: str, quantity: int, *, urgency: str = "routine", indication: str,
    note: str = "",
) -> BloodOrder:  # fmt: skip
    """Order units for the person of a visit; without a fresh sample one is asked for too.

    Raises NotAllowed, NotAUnit.
    """
    if asker.role not in ("doctor", "system"):
        raise NotAllowed
    if component not in components() or indication not in words("indication") or not 1 <= quantity <= 20:
        raise NotAUnit
    if urgency not in BloodOrder.Urgency.values:
        raise NotAUnit
    with transaction.atomic():
        desk = as_desk(asker)
        visit = cast(r4.Encounter, record.read(desk, "Encounter", encounter_id))
        row = BloodOrder(
            facility=facility_of(asker, visit), request=record.new_id(), encounter=encounter_id,
            patient=id_of(visit.subject), component=component, quantity=quantity, urgency=urgency,
            ordered_at=timezone.now(),
        )  # fmt: skip
        said = words("indication")[indication].names[0]
        record.create(desk, facts.order(asker, visit, row, indication=indication, words=said, note=note.strip()[:500]))
        row.save()
        if not recent_tubes(row.facility, row.patient):
            order_tests(asker, visit, SAMPLE, urgent=urgency != "routine")
        publish(f"lab:{row.facility}")
    return row


def order_second(asker: Asker, order_id: int) -> None:
    """Ask for a second sample, to be drawn apart from the first. Raises WrongStage where the group is confirmed."""
    if asker.role not in ORDERING:
        raise NotAllowed
    with transaction.atomic():
        row = lock_order(asker, order_id)
        state = known(asker, row.patient)
        if state.confirmed or not state.samples:
            raise WrongStage
        order_tests(asker, row.encounter, SECOND, urgent=row.urgency != "routine")


def cancel(asker: Asker, order_id: int, reason: str) -> BloodOrder:
    """Revoke what of an order is not issued yet; units that were set aside go back."""
    if asker.role not in TAKING:
        raise NotAllowed
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        row = lock_order(asker, order_id)
        for one in BloodAllocation.objects.filter(order=row, stage__in=[Stage.RESERVED, Stage.PREPARED]).order_by("id"):
            freed(asker, one, reason)
        desk = as_desk(asker)
        request = cast(r4.ServiceRequest, record.read(desk, "ServiceRequest", row.request))
        request.status = "revoked"
        request.note = [*(request.note or []), r4.Annotation(text=reason.strip()[:500])]
        record.update(desk, request)
        row.stage = BloodOrder.Stage.CANCELLED
        row.save()
        publish(f"lab:{row.facility}")
    return row


def match(
    asker: Asker, order_id: int, unit_id: int, method: str, reactions: Mapping[str, str] | None = None
) -> BloodAllocation | None:
    """Cross-match a unit for an order and set it aside; None, and the cross-match kept, where they do not fit.

    reactions: the grades of PHASES, for the serological method. Units without red cells go by the group (`group`).
    Raises GroupConflict, Incompatible, NoSample, NotElectronic, BadValue, NoUnit, Expired, WrongStage.
    """
    allow_bank(asker)
    with transaction.atomic():
        row = lock_order(asker, order_id)
        unit = _free_unit(asker, row, unit_id)
        what = components()[unit.component]
        state = known(asker, row.patient)
        if state.conflict:
            raise GroupConflict
        if not compatible(what.kind, state.usable, Group(unit.abo, unit.rhd)):
            raise Incompatible
        allocation = BloodAllocation(order=row, unit=unit, method=Method.GROUP, reserved_at=timezone.now())
        if what.matched:
            sample = sample_for(asker, row.facility, row.patient)
            if not sample:
                raise NoSample
            fits = True
            if method == Method.ELECTRONIC:
                may = rule("electronic") and state.confirmed and sample.screen == NEGATIVE and not state.antibodies
                if not may:
                    raise NotElectronic
                reactions = {}
            elif method == Method.SEROLOGICAL:
                fits = _fits(reactions or {})
            else:
                raise WrongStage
            allocation.method = method
            made = facts.crossmatch(asker, sample.tube, row, unit, fits=fits, method=method, reactions=reactions or {})
            allocation.crossmatch = record.create(as_desk(asker), made).id or ""
            if not fits:
                return None
        allocation.save()
        moved(asker, unit, BloodUnit.Stage.RESERVED)
    return allocation


def _fits(reactions: Mapping[str, str]) -> bool:
    for phase in PHASES:
        if reactions.get(phase, "") not in GRADES:
            raise BadValue(phase)
    return all(reactions[phase] == "0" for phase in PHASES)


def _free_unit(asker: Asker, row: BloodOrder, unit_id: int) -> BloodUnit:
    """A locked unit that may be set aside for an order: in the store, in date, of the component that was asked for."""
    unit = lock_unit(asker, unit_id, BloodUnit.Stage.AVAILABLE)
    if unit.expires <= timezone.now():
        raise Expired
    if components()[unit.component].kind != components()[row.component].kind:
        raise NoUnit
    return unit


def release_in_emergency(asker: Asker, order_id: int, unit_id: int, reason: str) -> BloodAllocation:
    """Set a unit of red cells O aside without a cross-match, under a doctor's signature.

    Units with the antigen D are for those alone who cannot be harmed by it later. Raises NotAllowed, NeedsReason,
    Incompatible, NoUnit, Expired.
    """
    if asker.role not in ("doctor", "system"):
        raise NotAllowed
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        row = lock_order(asker, order_id)
        unit = _free_unit(asker, row, unit_id)
        desk = as_desk(asker)
        if components()[unit.component].kind != "red" or unit.abo != "O":
            raise Incompatible
        if unit.rhd == "+" and not _may_have_d(asker, row):
            raise Incompatible
        record.create(desk, facts.signature(asker, row, unit, reason.strip()[:500]))
        allocation = BloodAllocation.objects.create(
            order=row, unit=unit, method=Method.EMERGENCY, signed_by=asker.account, reserved_at=timezone.now()
        )
        moved(asker, unit, BloodUnit.Stage.RESERVED, f"Phát khẩn cấp: {reason.strip()}")
    return allocation


def _may_have_d(asker: Asker, row: BloodOrder) -> bool:
    state = known(asker, row.patient)
    if any(group.rhd == "-" for one in state.samples if (group := facts.group_of(one))):
        return False
    person = cast(r4.Patient, record.read(as_desk(asker), "Patient", row.patient))
    years = age(person.birthDate or "", timezone.localdate())
    return person.gender == "male" or (years is not None and years >= rule("d_positive_from_age"))


def match_afterwards(asker: Asker, allocation_id: int, reactions: Mapping[str, str]) -> BloodAllocation:
    """Keep the cross-match of a unit that was released in an emergency; `incompatible` says that it must not go on."""
    allow_bank(asker)
    with transaction.atomic():
        allocation, row = lock_allocation(asker, allocation_id)
        if allocation.method != Method.EMERGENCY or allocation.crossmatch:
            raise WrongStage
        sample = sample_for(asker, row.facility, row.patient)
        if not sample:
            raise NoSample
        fits = _fits(reactions)
        made = facts.crossmatch(
            asker, sample.tube, row, allocation.unit, fits=fits, method=Method.SEROLOGICAL, reactions=reactions
        )
        allocation.crossmatch = record.create(as_desk(asker), made).id or ""
        allocation.incompatible = not fits
        allocation.save()
        publish(f"lab:{row.facility}")
        publish(f"visit:{row.encounter}")
    return allocation


def lock_order(asker: Asker, order_id: int) -> BloodOrder:
    """An open order of the asker's facility, locked for this transaction. Raises WrongStage."""
    row = BloodOrder.objects.select_for_update().filter(pk=order_id, facility=asker.facility).first()
    if not row or row.stage != BloodOrder.Stage.OPEN:
        raise WrongStage
    return row
