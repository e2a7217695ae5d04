"""Have an examination made into a file to take home, fetch it, and take it away when its time is over."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.errors import ImagingError, NotAllowed
from tuetinh.care.imaging.handover import showing
from tuetinh.care.imaging.handover.models import Package
from tuetinh.care.imaging.models import Exam
from tuetinh.commons.access.api import place_name
from tuetinh.commons.identity.api import banner
from tuetinh.record import audit
from tuetinh.record.asker import Asker, pack, unpack
from tuetinh.record.contents.files import room
from tuetinh.record.errors import RecordError

if TYPE_CHECKING:
    from tuetinh.care.imaging.handover import packing

State = Package.State
KEPT: Final = timedelta(days=2)
ROOM: Final = "imaging-packages"
TOLD_EVERY: Final = 1.0  # seconds


class NothingToGive(ImagingError):
    """There is neither a picture nor a signed report."""

    code = "nothing-to-give"
    message = _("Ca này chưa có ảnh và chưa có phiếu kết quả đã ký.")


class PackageGone(ImagingError):
    """The file is not made yet, or is taken away."""

    code = "package-gone"
    message = _("Tệp chưa xong hoặc đã hết hạn. Hãy chuẩn bị tệp mới.")


@transaction.atomic
def ask(asker: Asker, exam: Exam, kind: str) -> Package:
    """Have an examination made into a file; one that is being made is not begun twice.

    Raises NotAllowed, NothingToGive.
    """
    from tuetinh.care.imaging.jobs import make_package

    if asker.role != "imaging" or exam.facility != asker.facility or kind not in Package.Kind.values:
        raise NotAllowed
    Exam.objects.select_for_update().get(pk=exam.pk)
    waiting = exam.packages.filter(kind=kind, state=State.WAITING).first()
    if waiting:
        return waiting
    if not showing.studies_of(asker, exam).exists() and not showing.report_of(asker, exam):
        raise NothingToGive
    now = timezone.now()
    made = Package.objects.create(
        exam=exam, kind=kind, asker=pack(asker), key=uuid4(), made=now, expires=now + KEPT, total=1
    )
    make_package.defer(package=made.pk)
    return made


def make(package_id: int) -> None:
    """Write the file; safe to repeat and to be killed. What exists for the asker at this moment is in it."""
    from tuetinh.care.imaging.handover import packing

    one = Package.objects.select_related("exam").get(pk=package_id)
    if one.state != State.WAITING:
        return
    place = path_of(one)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_suffix(".part")
    try:
        whole = _whole(unpack(one.asker), one.exam)
        room(2 * sum(shown.object.size for shown in whole.objects))
        write = packing.write_zip if one.kind == Package.Kind.ZIP else packing.write_iso
        with (
            TemporaryDirectory(dir=place.parent, ignore_cleanup_errors=True) as scratch,
            os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file,
        ):
            write(whole, file, Path(scratch), _Progress(one, whole).told)
            file.flush()
            os.fsync(file.fileno())
    except (RecordError, OSError):
        part.unlink(missing_ok=True)
        Package.objects.filter(pk=one.pk).update(state=State.FAILED)
        return
    part.rename(place)
    ready = Package.objects.filter(pk=one.pk, state=State.WAITING)
    ready.update(state=State.READY, size=place.stat().st_size)


def _whole(asker: Asker, exam: Exam) -> packing.Whole:
    from tuetinh.care.imaging.handover import packing

    person = banner(asker, exam.patient)
    return packing.Whole(
        exam=exam,
        person=person.name,
        birth=person.birth,
        number=person.number or exam.patient,
        facility=place_name("Organization", exam.facility),
        report=showing.report_of(asker, exam),
        objects=showing.shown(asker, exam),
    )


class _Progress:
    """Tells the row how far it is, once a second at most."""

    def __init__(self, one: Package, whole: packing.Whole) -> None:
        self._rows, self._done, self._at = Package.objects.filter(pk=one.pk), 0, 0.0
        self._rows.update(done=0, total=sum(shown.object.size for shown in whole.objects))

    def told(self, more: int) -> None:
        """So many bytes more are done."""
        self._done += more
        if time.monotonic() > self._at + TOLD_EVERY:
            self._at = time.monotonic()
            self._rows.update(done=self._done)


def take(asker: Asker, one: Package) -> Path:
    """The file, which is logged as given out. Raises PackageGone."""
    place = path_of(one)
    if one.state != State.READY or one.expires <= timezone.now() or not place.is_file():
        raise PackageGone
    for study in showing.studies_of(asker, one.exam):
        audit.note(asker, "export", "ImagingStudy", study.resource, study.patient)
    return place


def tidy() -> int:
    """Take away files whose time is over; returns how many."""
    count = 0
    for one in Package.objects.filter(expires__lte=timezone.now()).exclude(state=State.EXPIRED).iterator():
        path_of(one).unlink(missing_ok=True)
        path_of(one).with_suffix(".part").unlink(missing_ok=True)
        one.state = State.EXPIRED
        one.save(update_fields=["state"])
        count += 1
    return count


def path_of(one: Package) -> Path:
    """Where the file lies."""
    return Path(settings.DATA) / ROOM / f"{one.key}.{one.kind}"
