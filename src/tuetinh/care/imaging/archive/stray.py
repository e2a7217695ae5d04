"""What systems of the whole province sent, and nothing tells for which facility: the province says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F

from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.errors import NeedsReason, NotAllowed, NotThere, NotWaiting
from tuetinh.care.imaging.models import Change, Held, Study
from tuetinh.commons.access.api import place_name
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter


def held() -> Any:
    """Objects that wait for no facility, the newest first."""
    return Held.objects.filter(facility="", state=Held.State.WAITING).order_by("-received_at", "-id")


def studies() -> Any:
    """Studies of nobody that are no facility's, the newest first."""
    enter(SYSTEM)
    return Study.objects.filter(custodian="", patient=None).order_by("-id")


def facilities() -> list[tuple[str, str]]:
    """The facilities with a desk of imaging, and their names."""
    rows = get_user_model().objects.filter(role="imaging", is_active=True).exclude(facility="")
    ids = rows.order_by("facility").values_list("facility", flat=True).distinct()
    return sorted(((one, place_name("Organization", one)) for one in ids), key=lambda pair: pair[1])


def give(asker: Asker, facility: str, why: str, *, held_id: int | None = None, study_id: int | None = None) -> None:
    """Let an object that waits, or a study of nobody, be a facility's. Raises NotAllowed, NeedsReason, NotThere,
    NotWaiting.
    """
    if asker.role != "admin" or asker.facility:
        raise NotAllowed
    if not why.strip():
        raise NeedsReason
    if facility not in dict(facilities()):
        raise NotThere
    with transaction.atomic():
        enter(SYSTEM)
        row, study = _held(held_id, facility), _study(study_id, facility)
        Change.objects.create(
            at=datetime.now(UTC), account=asker.account, facility=facility, action="route", study=study, held=row,
            before={"facility": ""}, after={"facility": facility}, why=why.strip()[:500],
        )  # fmt: skip
        publish(f"imaging:{facility}")


def _held(held_id: int | None, facility: str) -> Held | None:
    if held_id is None:
        return None
    row = held().select_for_update().filter(pk=held_id).first()
    if row is None:
        raise NotWaiting
    ask("UPDATE record.content SET custodian = %s WHERE id = 'held' AND digest = %s", facility, row.digest)
    enter(SYSTEM)
    same = Held.objects.filter(digest=row.digest, facility=facility, reason=row.reason)
    if same.update(copies=F("copies") + row.copies):  # it waits there already
        row.state, row.handled_at = Held.State.REJECTED, datetime.now(UTC)
    else:
        row.facility = facility
    row.save()
    return row


def _study(study_id: int | None, facility: str) -> Study | None:
    if study_id is None:
        return None
    row = studies().select_for_update().filter(pk=study_id).first()
    if row is None:
        raise NotWaiting
    ask("UPDATE record.content SET custodian = %s WHERE type = 'ImagingStudy' AND id = %s", facility, row.resource)
    enter(SYSTEM)
    row.custodian = facility
    row.save(update_fields=["custodian"])
    return row
