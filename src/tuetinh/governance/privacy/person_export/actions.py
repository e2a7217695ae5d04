"""Ask for one person's data as a file, make it, give it out, and take it away when its time is over."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from tuetinh.commons.access.api import wards
from tuetinh.governance.privacy import jobs
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.files import digest_of
from tuetinh.governance.privacy.models import PersonExport, SubjectRequest
from tuetinh.governance.privacy.person_export import archive
from tuetinh.governance.privacy.requests import facts
from tuetinh.record import audit
from tuetinh.record.asker import Asker, pack, unpack
from tuetinh.record.errors import RecordError

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

State = PersonExport.State
KEPT: Final = timedelta(days=7)
ROOM: Final = "person-exports"
MOST: Final = 3  # that wait or can be fetched, of one person and account


@transaction.atomic
def ask(asker: Asker, by: Account, patient: str, request: SubjectRequest | None = None) -> PersonExport:
    """Have the data of a person made into a file in the asker's name; one that is being made is not begun twice.

    asker: the citizen within the record, or `officer`. Raises PrivacyError `many`.
    """
    known = PersonExport.objects.select_for_update().filter(patient=patient, by=by, request=request)
    now = timezone.now()
    if waiting := known.filter(state=State.WAITING).first():
        return waiting
    if known.filter(state=State.READY, expires__gt=now).count() >= MOST:
        raise PrivacyError("exports")
    made = PersonExport.objects.create(
        patient=patient, request=request, by=by, asker=pack(asker), key=uuid4(), made=now, expires=now + KEPT
    )
    audit.note(asker, "$export", "Patient", patient, patient)
    jobs.export_person.defer(export=made.pk)
    return made


def officer(by: Account, request: SubjectRequest) -> Asker:
    """The officer who answers a request, within the record that it is about.

    Sensitive data are left out for who asked on the own pages for somebody else and does not see them there.
    """
    within = replace(facts.as_house(by), patient=request.patient)
    return within if _sees_sensitive(request) else replace(within, sight=replace(within.sight, labels=0))


def _sees_sensitive(request: SubjectRequest) -> bool:
    if not request.acting:
        return True
    asked = request.steps.select_related("by").earliest("pk")
    tie = wards.tie(asked.by.patient, request.patient)
    return tie is not None and tie.sensitive


def make(export_id: int) -> None:
    """Write the file; safe to repeat and to be killed. What exists for the asker at this moment is in it."""
    one = PersonExport.objects.get(pk=export_id)
    if one.state != State.WAITING:
        return
    place = path_of(one)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_suffix(".part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
            archive.write(unpack(one.asker), one.patient, file)
            file.flush()
            os.fsync(file.fileno())
    except RecordError:
        part.unlink(missing_ok=True)
        PersonExport.objects.filter(pk=one.pk).update(state=State.FAILED)
        return
    part.rename(place)
    size, digest = place.stat().st_size, digest_of(place)
    PersonExport.objects.filter(pk=one.pk, state=State.WAITING).update(state=State.READY, size=size, sha256=digest)


def take(asker: Asker, one: PersonExport) -> Path:
    """The file, which is counted and logged as given out. Raises PrivacyError `export-gone`."""
    place = path_of(one)
    if one.state != State.READY or one.expires <= timezone.now() or not place.is_file():
        raise PrivacyError("export-gone")
    PersonExport.objects.filter(pk=one.pk).update(taken=one.taken + 1)
    audit.note(asker, "export", "Patient", one.patient, one.patient)
    return place


def tidy() -> int:
    """Take away files whose time is over; returns how many."""
    gone = PersonExport.objects.filter(expires__lte=timezone.now()).exclude(state=State.EXPIRED)
    count = 0
    for one in gone.iterator():
        path_of(one).unlink(missing_ok=True)
        path_of(one).with_suffix(".part").unlink(missing_ok=True)
        one.state = State.EXPIRED
        one.save(update_fields=["state"])
        count += 1
    return count


def path_of(one: PersonExport) -> Path:
    """Where the file lies."""
    return Path(settings.DATA) / ROOM / f"{one.key}.zip"
