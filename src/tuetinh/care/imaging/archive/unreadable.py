"""Pictures of the archive that cannot be opened (`trying`), put before a person.

The archive keeps them as they came, and tells viewers 406. Whoever works at imaging lets the machine send one again, or
leaves it as it is; another object of its UID waits as `changed`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F, QuerySet

from tuetinh.care.imaging.archive.deciding import DECIDING
from tuetinh.care.imaging.archive.models import Unreadable
from tuetinh.care.imaging.errors import NeedsReason, NotAllowed, NotWaiting
from tuetinh.care.imaging.models import Change
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter


def listed(asker: Asker) -> QuerySet[Unreadable]:
    """The pictures of the asker's facility that cannot be opened and about which nobody has decided, newest first."""
    enter(asker)
    rows = Unreadable.objects.filter(instance__study__custodian=asker.facility, left_at=None)
    rows = rows.filter(digest=F("instance__digest")).select_related("instance__study", "instance__series")
    return rows.order_by("-found_at", "-id")


def ask_again(asker: Asker, row_id: int, why: str) -> None:
    """Note that the machine is to send a picture again. Raises NotAllowed, NeedsReason, NotWaiting."""
    _decided(asker, row_id, "ask", why, asked_at=datetime.now(UTC))


def leave(asker: Asker, row_id: int, why: str) -> None:
    """Let a picture be as it is. Raises NotAllowed, NeedsReason, NotWaiting."""
    _decided(asker, row_id, "leave", why, left_at=datetime.now(UTC))


def _decided(asker: Asker, row_id: int, action: str, why: str, **when: datetime) -> None:
    if asker.role not in DECIDING or not asker.facility:
        raise NotAllowed
    if not why.strip():
        raise NeedsReason
    with transaction.atomic():
        row = listed(asker).select_for_update(of=("self",)).filter(pk=row_id).first()
        if row is None:
            raise NotWaiting
        enter(SYSTEM)
        Unreadable.objects.filter(pk=row.pk).update(**when)
        after = {"instance": row.instance.sop_instance_uid, "fault": row.fault}
        Change.objects.create(
            at=datetime.now(UTC), account=asker.account, facility=asker.facility, action=action,
            study=row.instance.study, after=after, why=why.strip()[:500],
        )  # fmt: skip
        publish(f"imaging:{asker.facility}")
