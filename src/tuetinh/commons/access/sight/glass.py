"""Opening a record in an emergency: with a reason, for some hours, told to the patient and to a reviewer at once."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Glass
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.queries import waiting
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.sight import rules
from tuetinh.commons.access.telling import alarm, enter_log, tell_person
from tuetinh.commons.messages.api import publish
from tuetinh.record import relations
from tuetinh.record.asker import SYSTEM
from tuetinh.record.relations import Relation
from tuetinh.record.steps import run

REVIEW_WITHIN: Final = timedelta(hours=24)
SHORTEST: Final = 10  # characters of a reason
VERDICTS: Final = ("ok", "not-ok")
TOLD: Final = (
    "Hồ sơ của bạn vừa được mở khẩn cấp bởi {who} tại {place}, đến {until}. "
    "Người phụ trách sẽ xem xét việc này trong 24 giờ. Nếu thấy không đúng, hãy báo cho cơ sở."
)
LATE: Final = "Tuệ Tĩnh: mở khẩn cấp chưa được xem xét / emergency openings not reviewed"
LATE_TEXT: Final = (
    "{count} hồ sơ mở khẩn cấp đã quá hạn xem xét, tại {places}.\n"
    "{count} records opened in an emergency were not reviewed in time, at {places}."
)
log = logging.getLogger(__name__)


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
    enter_log(by, "open", "Glass", str(opened.pk), patient=patient, reason=opened.reason)
    told = {"who": ROLES[by.role].label, "place": place_name("Organization", by.facility)}
    told["until"] = timezone.localtime(opened.until).strftime("%H:%M %d/%m/%Y")
    tell_person(patient, TOLD.format(**told), by.facility)
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
    told = ": ".join(filter(None, (verdict, opened.note)))
    enter_log(by, "review", "Glass", str(opened.pk), patient=opened.patient, reason=told)
    _tell(opened)
    return opened


@transaction.atomic
def tell_of_late() -> int:
    """Tell, once, of each opening that nobody has reviewed in time; how many.

    Who administers the node is told by mail (`TUETINH_ALARM_MAIL`), the access log keeps it, the pages show it first.
    """
    now = timezone.now()
    late = list(Glass.objects.select_for_update().filter(verdict="", due__lt=now, late_told=None).order_by("pk"))
    for opened in late:
        enter_log(None, "notify", "Glass", str(opened.pk), patient=opened.patient, reason="review overdue")
        _tell(opened)
    Glass.objects.filter(pk__in=[opened.pk for opened in late]).update(late_told=now)
    if late:
        places = ", ".join(sorted({opened.facility or "-" for opened in late}))
        log.error("%d records opened in an emergency were not reviewed in time, at %s", len(late), places)
        transaction.on_commit(lambda: alarm(LATE, LATE_TEXT.format(count=len(late), places=places)))
    return len(late)


def _tell(opened: Glass) -> None:
    """Wake the reviewers' pages: those of the facility, and of the province."""
    for facility in {opened.facility, ""}:
        publish(f"glass:{facility}")
