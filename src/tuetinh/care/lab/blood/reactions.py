"""Reactions to transfusions: stop, report, investigate step by step, conclude; and who had blood of which donor."""

from __future__ import annotations

from typing import cast

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from tuetinh.care.lab.actions import ORDERING, WORKING, as_desk
from tuetinh.care.lab.blood import facts
from tuetinh.care.lab.blood.bedside import ended
from tuetinh.care.lab.blood.errors import NoUnit, Unanswered
from tuetinh.care.lab.blood.issuing import lock_allocation
from tuetinh.care.lab.blood.models import BloodAllocation, BloodReaction, BloodUnit
from tuetinh.care.lab.blood.stock import moved, set_free
from tuetinh.care.lab.blood.tables import words
from tuetinh.care.lab.errors import NeedsReason, NotAllowed, WrongStage
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

NEEDED = ("stop", "clerical", "returned", "tests")  # before the conclusion
BANKS = ("tests", "conclusion")  # what the blood bank alone answers
ANSWERING = WORKING | ORDERING
_GIVEN = (BloodAllocation.Stage.RUNNING, BloodAllocation.Stage.DONE, BloodAllocation.Stage.STOPPED)


def report(asker: Asker, allocation_id: int, kind: str, signs: str, *, severe: bool = False) -> BloodReaction:
    """Report a reaction: a running transfusion stops, and what else is there of the donation goes into quarantine.

    kind: of the words `reaction`, as suspected. Raises NeedsReason without signs, WrongStage before the start.
    """
    if asker.role not in ORDERING:
        raise NotAllowed
    if not signs.strip() or kind not in words("reaction"):
        raise NeedsReason
    with transaction.atomic():
        allocation, row = lock_allocation(asker, allocation_id, *_GIVEN)
        if allocation.stage == BloodAllocation.Stage.RUNNING:
            ended(asker, allocation, "stopped", BloodAllocation.Stage.STOPPED)
        event = record.new_id()
        name = words("reaction")[kind].names[0]
        made = facts.reaction(asker, event, allocation, kind=kind, name=name, signs=signs.strip()[:500], severe=severe)
        record.create(as_desk(asker), made)
        now = timezone.now()
        reaction = BloodReaction.objects.create(
            allocation=allocation, facility=row.facility, event=event, kind=kind, severe=severe, reported_at=now,
            reported_by=asker.account, steps={"stop": [_said(asker, signs)]},
        )  # fmt: skip
        _hold(asker, allocation.unit)
        publish(f"lab:{row.facility}")
        publish(f"visit:{row.encounter}")
    return reaction


def _said(asker: Asker, text: str) -> dict[str, str]:
    return {"at": timezone.now().isoformat(timespec="seconds"), "by": asker.account, "text": text.strip()[:1000]}


def _hold(asker: Asker, unit: BloodUnit) -> None:
    """Put the other units of a donation that are still in the store into quarantine."""
    stored = (BloodUnit.Stage.AVAILABLE, BloodUnit.Stage.RESERVED)
    others = BloodUnit.objects.select_for_update().filter(facility=unit.facility, din=unit.din, stage__in=stored)
    for other in others.exclude(pk=unit.pk).order_by("id"):
        set_free(other)
        moved(asker, other, BloodUnit.Stage.QUARANTINED, "Có phản ứng với đơn vị khác cùng lần hiến")


def answer(asker: Asker, reaction_id: int, step: str, text: str) -> BloodReaction:
    """Write what a step of the investigation found; what was written before stays. The conclusion closes it.

    Raises NeedsReason, Unanswered for a conclusion before the steps that it needs, WrongStage when closed.
    """
    if asker.role not in ANSWERING:
        raise NotAllowed
    if step not in words("step") or not text.strip():
        raise NeedsReason
    if step in BANKS and asker.role not in WORKING:
        raise NotAllowed
    with transaction.atomic():
        reaction = BloodReaction.objects.select_for_update().filter(pk=reaction_id, facility=asker.facility).first()
        if not reaction:
            raise NoUnit
        if reaction.closed_at:
            raise WrongStage
        if step == "conclusion" and any(one not in reaction.steps for one in NEEDED):
            raise Unanswered
        reaction.steps = {**reaction.steps, step: [*reaction.steps.get(step, []), _said(asker, text)]}
        if step == "conclusion":
            reaction.closed_at = timezone.now()
            desk = as_desk(asker)
            event = cast(r4.AdverseEvent, record.read(desk, "AdverseEvent", reaction.event))
            code = r4.Coding(system="http://terminology.hl7.org/CodeSystem/adverse-event-outcome", code="resolved")
            event.outcome = r4.CodeableConcept(coding=[code], text=text.strip()[:1000])
            record.update(desk, event)
        reaction.save()
        publish(f"lab:{reaction.facility}")
    return reaction


def look_back(asker: Asker, text: str) -> QuerySet[BloodAllocation]:
    """Who had blood of a donor, of a donation, or which blood a person had: every unit that was begun, newest first.

    text: the number of a donor or of a donation, or the id of a person.
    """
    wanted = Q(unit__donor=text) | Q(unit__din=text.upper()) | Q(order__patient=text)
    rows = BloodAllocation.objects.filter(wanted, order__facility=asker.facility, started_at__isnull=False)
    return rows.select_related("unit", "order").order_by("-started_at", "-id") if text else rows.none()
