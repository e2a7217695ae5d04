"""Take a catalogue that the insurer has approved for a facility."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice

from django.db import transaction

from tuetinh.care.insurance.approved.wire_xlsx import Approved, catalogues, read
from tuetinh.care.insurance.errors import BadCatalogue
from tuetinh.care.insurance.models import ApprovedItem, Run
from tuetinh.care.insurance.runs import Progress

BATCH = 500
WRONG_SHOWN = 200
UPDATED = ("code", "name", "price", "tender", "registration", "until", "row")


def take_file(run: Run, progress: Progress) -> None:
    """Read the catalogue that was given (`what.catalogue`, `what.site`). Raises BadCatalogue.

    A row with the key and first day of a known one replaces it, as when its last day is told; the same file twice
    changes nothing. What is wrong with a row is told; the others are taken.
    """
    number = run.what["catalogue"]
    if number not in catalogues():
        raise BadCatalogue("head")
    rows = read(bytes(run.file or b""), number, run.what["site"])
    told = {"new": 0, "changed": 0, "same": 0, "wrong": [], "wrong_count": 0}
    while part := list(islice(rows, BATCH)):
        with transaction.atomic():
            _keep(run.facility, number, [one for one in part if isinstance(one, Approved)], told)
        wrong = [one for one in part if isinstance(one, str)]
        told["wrong_count"] += len(wrong)
        told["wrong"] = [*told["wrong"], *wrong][:WRONG_SHOWN]
        progress.step(len(part))
    run.total, run.told = run.done, told


def _keep(facility: str, number: str, rows: list[Approved], told: dict[str, object]) -> None:
    known = {
        (item.key, item.since): item
        for item in ApprovedItem.objects.select_for_update().filter(
            facility=facility, catalogue=number, key__in={row.key for row in rows}
        )
    }
    fresh: dict[object, ApprovedItem] = {}
    changed: dict[object, ApprovedItem] = {}
    for row in rows:
        where = row.key, row.since
        item = fresh.get(where) or known.get(where)
        if item is None:
            fresh[where] = ApprovedItem(facility=facility, catalogue=number, **asdict(row))
        elif any(getattr(item, name) != getattr(row, name) for name in UPDATED):
            for name in UPDATED:
                setattr(item, name, getattr(row, name))
            if where not in fresh:
                changed[where] = item
        else:
            told["same"] += 1  # type: ignore[operator]
    ApprovedItem.objects.bulk_create(fresh.values())
    ApprovedItem.objects.bulk_update(changed.values(), UPDATED)
    told["new"] += len(fresh)  # type: ignore[operator]
    told["changed"] += len(changed)  # type: ignore[operator]
