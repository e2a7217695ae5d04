"""How the keeping of objects is: for the page of storage and for `tuetinh check`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from tuetinh.care.imaging.archive import stores
from tuetinh.care.imaging.archive.elsewhere import address
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.archive.models import Finding, Upkeep
from tuetinh.care.imaging.archive.upkeep import JOBS
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
from tuetinh.record.steps import enter


@dataclass(frozen=True, slots=True)
class Round:
    """How far a job is. percent: of the round that goes on, None between rounds and before the first."""

    name: str
    on: bool
    state: Upkeep | None
    percent: int | None


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the files, in bytes."""

    free: int
    total: int


def rounds() -> list[Round]:
    """Every job, in the order in which they follow each other."""
    known = {row.job: row for row in Upkeep.objects.all()}
    [(last,)] = ask("SELECT coalesce(max(id), 0) FROM imaging_instance")
    found = []
    for job in JOBS.values():
        row = known.get(job.name)
        going = row is not None and row.cursor > 0 and last > 0 and (job.again or row.cursor < last)
        percent = min(100, 100 * row.cursor // last) if row and going else None
        found.append(Round(job.name, job.wanted(), row, percent))
    return found


def findings() -> QuerySet[Finding]:
    """What looking found that is not mended, newest first, at every facility."""
    enter(SYSTEM)
    rows = Finding.objects.filter(mended_at=None, instance__isnull=False)
    return rows.select_related("instance__study").order_by("-found_at", "-id")


def disk() -> Disk:
    """How full the disk is."""
    files.folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    state = shutil.disk_usage(files.folder())
    return Disk(state.free, state.total)


def stored() -> stores.Told | None:
    """What the store has; None where there is none and never was."""
    told = stores.told()
    return told if told.count or address() else None


def check() -> tuple[bool, str]:
    """Whether the objects are as they were kept, as far as the jobs know, and what they told."""
    spoilt = [f"{one.sop_instance_uid} ({one.fault})" for one in findings()[: NAMED + 1]]
    failed = [f"{one.name}: {one.state.fault}" for one in rounds() if one.on and one.state and one.state.fault]
    looked = Upkeep.objects.filter(job="look").values_list("ended_at", flat=True).first()
    told = f"all looked at until {looked:%Y-%m-%d}" if looked else "not all looked at yet"
    if spoilt:
        told += f"; not as they were kept: {', '.join(spoilt[:NAMED])}{' and more' if len(spoilt) > NAMED else ''}"
    return not spoilt and not failed, "; ".join([told, *failed])


NAMED: Final = 5
