"""What is done at the point of care: order, draw, measure and hand out, in one step by the one who stands there."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import cast

from django.db import transaction

from tuetinh.care.lab import facts
from tuetinh.care.lab.actions import ORDERING, as_desk, order_tests, receive_specimen
from tuetinh.care.lab.catalogue import Test, test
from tuetinh.care.lab.errors import CriticalOpen, Incomplete, NotAllowed, UnknownTest
from tuetinh.care.lab.models import Analyser, Tube
from tuetinh.care.lab.results.entry import keep_readings, log_call, read_typed
from tuetinh.care.lab.results.validation import release
from tuetinh.care.lab.results.work import work_on
from tuetinh.care.lab.samples.facts import collected
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

_TESTS = Path(__file__).parent / "data" / "tests.csv"


@cache
def offered() -> dict[str, Test]:
    """The tests that are done at the point of care, by key."""
    with _TESTS.open(encoding="utf-8", newline="") as file:
        found = [test(row["code"]) for row in csv.DictReader(file)]
    return {one.key: one for one in found if one}


def measure(
    asker: Asker, encounter_id: str, key: str, values: Mapping[str, str], *, device: str, lot: str = "",
    place: str = "", told: str = "", reasons: Mapping[str, str] | None = None,
) -> Tube:  # fmt: skip
    """Keep what was measured at the point of care of the person of a visit, as released results of a test.

    values: as typed, by the key of the analyte; device, lot, place: with what, of which strips, where; a machine of the
    facility by its name. told: who was told of a critical value, and read it back. Raises UnknownTest, Incomplete,
    BadValue with the analyte, CriticalOpen while nobody was told, insurance's Stopped; and keeps nothing then.
    """
    if asker.role not in ORDERING:
        raise NotAllowed
    if not (what := offered().get(key)):
        raise UnknownTest
    typed = {
        analyte.key: read_typed(analyte, text, analyte.key)
        for analyte in what.analytes
        if (text := values.get(analyte.key, "").strip())
    }
    if not typed or not device.strip():
        raise Incomplete
    with transaction.atomic():
        [order] = order_tests(asker, encounter_id, [what.code], alone=True, bedside=True)
        tube = Tube.objects.get(specimen=facts.id_of((order.specimen or [None])[0]))
        desk = as_desk(asker)
        specimen = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
        record.update(desk, collected(specimen, asker))
        tube.collected_at, tube.collected_by, tube.bedside = datetime.now(UTC), asker.account, True
        tube.save()
        bench = replace(asker, role="system")  # at the point of care whoever measures is the laboratory
        tube = receive_specimen(bench, tube.number)
        said = ", ".join(filter(None, (place.strip(), device.strip(), lot.strip() and f"lô {lot.strip()}")))
        machine = Analyser.objects.filter(facility=tube.facility, name=device.strip()).order_by("id").first()
        by = machine.measured() if machine else {"device": device.strip()[:200]}
        readings = {
            facts.observation_id(order.id or "", analyte): replace(
                reading, bedside=True, notes=(f"Tại chỗ: {said}"[:300],), **by
            )
            for analyte, reading in typed.items()
        }
        keep_readings(bench, work_on(desk, tube), readings)
        tube.refresh_from_db()
        if tube.critical:
            if not told.strip():
                raise CriticalOpen
            log_call(bench, tube.number, told)
        tube = release(bench, tube.number, reasons=reasons, answers=asker)
        if tube.stage != Tube.Stage.RELEASED:  # what a strip does not show is not to come
            order = cast(r4.ServiceRequest, record.read(desk, "ServiceRequest", order.id or ""))
            order.status = "completed"
            record.update(desk, order)
            tube.stage, tube.released_at = Tube.Stage.RELEASED, datetime.now(UTC)
            tube.save()
    return tube
