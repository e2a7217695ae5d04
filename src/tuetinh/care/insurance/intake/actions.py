"""Bring a claim file through a page: it is kept beside the data, taken in by the worker, and then thrown away."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from tuetinh.care.insurance.errors import MayNotImport, TooMuch
from tuetinh.care.insurance.intake import run as running
from tuetinh.care.insurance.intake.files import Source, sources
from tuetinh.care.insurance.models import ClaimImport
from tuetinh.record import audit
from tuetinh.record.asker import Asker

ROOM: Final = "claim-imports"
MOST: Final = 1 << 30  # bytes of a file that is brought through a page
OFFICERS: Final = ("cashier", "admin")  # insurance officers of a facility; its administrator, or the province's


def may_bring(asker: Asker) -> bool:
    """Whether this is an insurance officer or administrator; of no facility, only the province's administrator is."""
    return asker.role in OFFICERS and (bool(asker.facility) or asker.role == "admin")


def bring(asker: Asker, name: str, chunks: Iterable[bytes]) -> list[ClaimImport]:
    """Keep a file and have it taken in; one import for each part of a ZIP. Claims of other facilities will be refused.

    Raises MayNotImport, and TooMuch for a file beyond `MOST`.
    """
    if not may_bring(asker):
        raise MayNotImport
    key = str(uuid4())
    folder = _room() / key
    folder.mkdir(mode=0o700, parents=True)
    path = folder / (re.sub(r"[^\w. -]", "_", Path(name).name).strip(". ")[-150:] or "hoso.xml")
    try:
        _write(path, chunks)
        with transaction.atomic():
            return [_begin(asker, key, source) for source in sources(path)]
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _begin(asker: Asker, key: str, source: Source) -> ClaimImport:
    from tuetinh.care.insurance.jobs import take_in

    run = running.begin(source, facility=asker.facility, account=asker.account)
    if run.spooled and run.spooled != key:
        shutil.rmtree(_room() / run.spooled, ignore_errors=True)  # the same file was brought again
    run.spooled = key
    run.save(update_fields=["spooled"])
    audit.note(asker, "$import", "Claim", "", None)
    take_in.defer(run=run.pk)
    return run


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    size = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > MOST:
                raise TooMuch
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def take_in(run_id: int) -> None:
    """Take a kept file in; safe to repeat and to be killed."""
    run = ClaimImport.objects.get(pk=run_id)
    folder = _room() / run.spooled
    if run.ended is None and run.spooled:
        found = (one for path in sorted(folder.glob("*")) for one in sources(path) if one.name == run.name)
        if source := next(found, None):
            running.take_in(run, source)
    if run.spooled and not ClaimImport.objects.filter(spooled=run.spooled, ended=None).exists():
        shutil.rmtree(folder, ignore_errors=True)


def imports(asker: Asker) -> QuerySet[ClaimImport]:
    """The imports that this account may look at, the newest first: its facility's, for the province all."""
    if not may_bring(asker):
        return ClaimImport.objects.none()
    found = ClaimImport.objects.order_by("-began", "-pk")
    return found.filter(facility=asker.facility) if asker.facility else found


def _room() -> Path:
    return Path(settings.DATA) / ROOM
