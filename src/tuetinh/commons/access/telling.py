"""What is told of who may what: to the sealed access log, and to the person whom it concerns."""

from __future__ import annotations

import logging
import os
import smtplib
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from django.core.mail import send_mail
from django.utils import timezone

from tuetinh.commons.access.models import AccountEvent
from tuetinh.record import api as record
from tuetinh.record import audit, r4
from tuetinh.record.asker import SYSTEM, Asker

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/communication-category"
ALERT: Final = "alert"
ALARM: Final = "TUETINH_ALARM_MAIL"
SHOWN: Final = timedelta(days=30)


def enter_log(
    by: Account | Asker | None, action: str, type_: str, id_: str, *, patient: str | None = None, reason: str = ""
) -> None:
    """Write an entry of the access log, with the transaction that is open.

    by: None for the node itself. type_, id_: what it was done to. reason: in a word of the log, or somebody's own.
    """
    audit.act(_asker(by), action, type_, id_, patient, reason=reason or None)


def note_account(account: Account, by: Account | None, what: str, reason: str = "") -> None:
    """Keep what was done to an account (`words.EVENTS`): for its administrators, and in the access log."""
    AccountEvent.objects.create(account=account, by=by, what=what)
    told = f"{what}: {reason}" if reason else what
    enter_log(by, "update", "Account", str(account.pk), patient=account.patient or None, reason=told)


def tell_person(patient: str, text: str, facility: str = "") -> None:
    """Tell a person something that they must know: a Communication, which their own page shows first."""
    person = r4.Reference(reference=f"Patient/{patient}")
    told = r4.Communication(
        status="completed",
        category=[r4.CodeableConcept(coding=[r4.Coding(system=CATEGORY, code=ALERT)])],
        priority="urgent",
        subject=person,
        recipient=[person],
        sender=r4.Reference(reference=f"Organization/{facility}") if facility else None,
        sent=timezone.now().isoformat(timespec="seconds"),
        payload=[r4.CommunicationPayload(contentString=text)],
    )
    record.create(SYSTEM, told)


def notices(own: Asker) -> list[tuple[str, str]]:
    """What a person was told of late and must know: text and instant, the newest first."""
    since = (timezone.localdate() - SHOWN).isoformat()
    query = f"recipient=Patient/{own.patient}&category={CATEGORY}|{ALERT}&sent=ge{since}&_sort=-sent&_count=5"
    found = cast("list[r4.Communication]", record.search(own, "Communication", query).resources)
    return [(one.payload[0].contentString or "", one.sent or "") for one in found if one.payload]


def alarm(subject: str, text: str) -> None:
    """Tell by mail whoever looks after the node, where it is said who that is."""
    if addresses := os.environ.get(ALARM, "").replace(",", " ").split():
        try:
            send_mail(subject, text, None, addresses)
        except (OSError, smtplib.SMTPException) as error:
            log.error("an alarm could not be sent by mail: %s", type(error).__name__)


def _asker(by: Account | Asker | None) -> Asker:
    if by is None:
        return SYSTEM
    if isinstance(by, Asker):
        return by
    from tuetinh.commons.access.api import asker_of

    return asker_of(by)
