"""Opening a record in an emergency: with a reason, for some hours, told to the patient and to a reviewer at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Glass
from tuetinh.commons.access.queries import waiting
from tuetinh.commons.access.sight import rules
from tuetinh.commons.messages.api import publish
from tuetinh.record import relations
from tuetinh.record.asker import SYSTEM
from tuetinh.record.relations import Relation
from tuetinh.record.steps import run

REVIEW_WITHIN: Final = timedelta(hours=24)
SHORTEST: Final = 10  # characters of a reason
VERDICTS: Final = ("ok", "not-ok")


def may_open(account: Account) -> bool:
    """Whether the rules let the account open a record that it does not see."""
    return rules.now().of(account.role, account.facility).glass_hours > 0


@transaction.atomic
def open_record(by: Account, patient: str, reason: str) -> Glass:
    """Let the account see the patient's record for the hours of its rule, and its accesses count as such (`BTG`).

    What a patient has forbidden does not count meanwhile. Raises AccessError `glass`, `reason`.
    """
    hours = rules.now().of(by.role, by.facility).glass_hours
    if not hours:
        raise AccessError("glass")
    if len(reason.strip()) < SHORTEST:
        raise AccessError("reason")
    now = timezone.now()
    opened = Glass.objects.create(
        account=by,
        facility=by.facility,
        patient=patient,
        reason=reason.strip(),
        at=now,
        until=now + timedelta(hours=hours),
        due=now + REVIEW_WITHIN,
    )
    relation = Relation(patient, f"Account/{by.pk}", "glass", f"Glass/{opened.pk}", opened.until.isoformat())
    run(SYSTEM, relations.keep([relation.source], [relation]))
    _tell(opened)
    return opened


@transaction.atomic
def review(by: Account, glass_id: int, verdict: str, note: str) -> Glass:
    """Say that it was right or not; if not, with a note, and it ends at once. Raises AccessError `reviewed`, `note`."""
    opened = waiting(by).select_for_update().filter(pk=glass_id).exclude(account=by).first()
    if opened is None or verdict not in VERDICTS:
        raise AccessError("reviewed")
    if verdict == "not-ok":
        if not note.strip():
            raise AccessError("note")
        run(SYSTEM, relations.keep([f"Glass/{opened.pk}"], []))
    opened.verdict, opened.note = verdict, note.strip()
    opened.reviewed_by, opened.reviewed_at = by, timezone.now()
    opened.save(update_fields=["verdict", "note", "reviewed_by", "reviewed_at"])
    _tell(opened)
    return opened


def _tell(opened: Glass) -> None:
    """Wake the reviewers' pages: those of the facility, and of the province."""
    for facility in {opened.facility, ""}:
        publish(f"glass:{facility}")
