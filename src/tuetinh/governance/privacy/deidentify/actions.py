"""A de-identified export is asked for by one officer of the province and approved by another, then made."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from tuetinh.commons.access.api import asker_of
from tuetinh.governance.privacy import jobs
from tuetinh.governance.privacy.deidentify import elements
from tuetinh.governance.privacy.deidentify.elements import Secret
from tuetinh.governance.privacy.deidentify.writing import Work
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.files import digest_of
from tuetinh.governance.privacy.models import ResearchExport
from tuetinh.governance.privacy.purposes import register
from tuetinh.record import audit, seals
from tuetinh.record.errors import RecordError
from tuetinh.record.labels import BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuetinh.commons.access.api import Account

State = ResearchExport.State
KEPT: Final = timedelta(days=14)
ROOM: Final = "research-exports"
SEAL: Final = "research-export"
PURPOSES: Final = ("HRESCH", "PUBHLTH")
SHORTEST: Final = 10  # characters of a reason


@transaction.atomic
def ask(
    by: Account,
    purpose: str,
    title: str,
    reason: str,
    types: Sequence[str],
    *,
    labels: Sequence[str] = (),
    k: int | None = None,
    keeps_key: bool = False,
) -> ResearchExport:
    """Ask for an export of these types. k: no smaller than the table's. Raises PrivacyError."""
    register.of_province(by)
    table = elements.table()
    if purpose not in PURPOSES or purpose not in register.now():
        raise PrivacyError("purpose")
    if not title.strip() or len(reason.strip()) < SHORTEST:
        raise PrivacyError("reason")
    if not types or not set(types) <= set(table.elements):
        raise PrivacyError("types")
    if not set(labels) <= set(BITS):
        raise PrivacyError("labels")
    if k is not None and k < table.k:
        raise PrivacyError("k")
    return ResearchExport.objects.create(
        purpose=purpose,
        title=title.strip(),
        reason=reason.strip(),
        types=" ".join(sorted({"Patient", *types})),
        labels=" ".join(sorted(labels)),
        k=k or table.k,
        keeps_key=keeps_key,
        asked_by=by,
        asked_at=timezone.now(),
        file=uuid4(),
    )


@transaction.atomic
def decide(by: Account, export_id: int, *, approve: bool, note: str) -> ResearchExport:
    """Approve or refuse what somebody else asked for. Raises PrivacyError `second-person`, `state`."""
    register.of_province(by)
    found = ResearchExport.objects.select_for_update().filter(pk=export_id).first()
    if found is None or found.state != State.ASKED:
        raise PrivacyError("state")
    if found.asked_by == by:
        raise PrivacyError("second-person")
    if not approve and len(note.strip()) < SHORTEST:
        raise PrivacyError("answer")
    found.state = State.APPROVED if approve else State.REFUSED
    found.decided_by, found.decided_at, found.note = by, timezone.now(), note.strip()
    found.save()
    if approve:
        jobs.deidentify.defer(export=found.pk)
    return found


def make(export_id: int) -> None:
    """Write the file of an approved export; safe to repeat and to be killed. Its key is then thrown away, or sealed."""
    one = ResearchExport.objects.get(pk=export_id)
    if one.state != State.APPROVED:
        return
    secret = Secret(secrets.token_bytes(32), elements.table().shift_days)
    work, place = Work(one, secret), path_of(one)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_suffix(".part")
    alone = not connection.in_atomic_block
    try:
        with transaction.atomic(), os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
            if alone:  # people and what is theirs are of one moment
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            work.write(file)
            file.flush()
            os.fsync(file.fileno())
    except RecordError:
        part.unlink(missing_ok=True)
        ResearchExport.objects.filter(pk=one.pk).update(state=State.FAILED)
        return
    part.rename(place)
    one.size, one.sha256, one.report = place.stat().st_size, digest_of(place), work.report
    one.key = seals.seal(SEAL, secret.key) if one.keeps_key else None
    one.state, one.expires = State.READY, timezone.now() + KEPT
    one.save()
    for type_ in one.types.split():
        audit.note(asker_of(one.decided_by), "$export", type_, "", None)  # type: ignore[arg-type]


def take(by: Account, export_id: int) -> Path:
    """The file, which is counted and logged as given out. Raises PrivacyError `export-gone`."""
    register.of_province(by)
    one = ResearchExport.objects.filter(pk=export_id, state=State.READY, expires__gt=timezone.now()).first()
    if one is None or not path_of(one).is_file():
        raise PrivacyError("export-gone")
    ResearchExport.objects.filter(pk=one.pk).update(taken=one.taken + 1)
    audit.note(asker_of(by), "export", "Patient", "", None)
    return path_of(one)


def tidy() -> int:
    """Take away files whose time is over; returns how many."""
    gone = ResearchExport.objects.filter(state=State.READY, expires__lte=timezone.now())
    for one in gone:
        path_of(one).unlink(missing_ok=True)
        ResearchExport.objects.filter(pk=one.pk).update(state=State.EXPIRED)
    return len(gone)


def path_of(one: ResearchExport) -> Path:
    """Where the file lies."""
    return Path(settings.DATA) / ROOM / f"{one.file}.zip"
