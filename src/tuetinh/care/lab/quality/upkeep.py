"""Calibration and maintenance of machines: what is due, and what was done."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet, Subquery

from tuetinh.care.lab.errors import BadQuality, NotAllowed
from tuetinh.care.lab.models import Upkeep, UpkeepDone
from tuetinh.care.lab.quality.reagents import KEEPING, today
from tuetinh.record.asker import Asker


def plan(asker: Asker, *, machine: str, kind: str, title: str, every_days: int, due_on: date) -> Upkeep:
    """Plan what comes again every so many days, first on a day. Raises BadQuality for what is planned already."""
    _allow(asker)
    if not (machine.strip() and title.strip()) or every_days < 1 or kind not in Upkeep.Kind.values:
        raise BadQuality
    try:
        with transaction.atomic():
            return Upkeep.objects.create(
                facility=asker.facility, machine=machine.strip(), kind=kind, title=title.strip(),
                every_days=every_days, due_on=due_on,
            )  # fmt: skip
    except IntegrityError as error:
        raise BadQuality from error


def carry_out(
    asker: Asker, upkeep_id: int, *, on: date, by: str, passed: bool, note: str = "", paper: str = ""
) -> UpkeepDone:
    """Log that it was done; where it passed, it is due again so many days after.

    Raises BadQuality for a day to come.
    """
    with transaction.atomic():
        row = _own(asker, upkeep_id)
        if on > today() or not by.strip():
            raise BadQuality
        done = UpkeepDone.objects.create(
            upkeep=row, on=on, by=by.strip(), passed=passed, note=note.strip(), paper=paper.strip(),
            at=datetime.now(UTC), account=asker.account,
        )  # fmt: skip
        if passed:
            row.due_on = max(row.due_on, on + timedelta(days=row.every_days))
            row.save()
    return done


def end(asker: Asker, upkeep_id: int) -> Upkeep:
    """Plan it no more; its log is kept."""
    with transaction.atomic():
        row = _own(asker, upkeep_id)
        row.ended = datetime.now(UTC)
        row.save()
    return row


def plans(facility: str) -> QuerySet[Upkeep]:
    """What is planned, the longest due first, with `last_on` and `last_passed`."""
    last = UpkeepDone.objects.filter(upkeep=OuterRef("pk")).order_by("-on", "-id")
    return (
        Upkeep.objects.filter(facility=facility, ended__isnull=True)
        .annotate(last_on=Subquery(last.values("on")[:1]), last_passed=Subquery(last.values("passed")[:1]))
        .order_by("due_on", "machine", "pk")
    )


def log(facility: str) -> QuerySet[UpkeepDone]:
    """What was done, newest first."""
    return UpkeepDone.objects.filter(upkeep__facility=facility).select_related("upkeep").order_by("-on", "-id")


def _own(asker: Asker, upkeep_id: int) -> Upkeep:
    _allow(asker)
    rows = Upkeep.objects.select_for_update().filter(pk=upkeep_id, ended__isnull=True)
    row = rows.filter(facility=asker.facility).first()
    if not row:
        raise BadQuality
    return row


def _allow(asker: Asker) -> None:
    if asker.role not in KEEPING:
        raise NotAllowed
