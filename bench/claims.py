"""How fast claims are built, checked and signed, and a month of them checked again; what one open visit takes.

usage: python -m bench.claims [--visits N] [--lines N] [--processes N]

Visits of a synthetic month, with services, medicines and results, are put into a record of their own; they are claimed
as a hospital claims its day, first in one process and then in several; then the commands `tuetinh claims build`,
`check` and `recheck` do it, their start among it. Time of the processor is that of Python and of the database. Memory
is that of the biggest process, of the first half of the claims and of all.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from bench.node import own_folder

MONTH, FACILITY = "2026-10", "12001"
FIRST = datetime(2026, 10, 1, 1, tzinfo=UTC)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.claims", description=__doc__)
    parser.add_argument("--visits", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=25, help="lines of table 2 and 3 of a visit")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with own_folder() as scratch:
        data = scratch / "node"
        os.environ["TUETINH_DATA"] = str(data)
        from tuetinh.node.prepare import prepare

        prepare(data)
        began = time.monotonic()
        ids = build(options.visits, options.lines)
        print(f"{options.visits} visits of {options.lines} lines built in {time.monotonic() - began:.0f} s")
        print(f"one open visit: {' '.join(f'{name} {ms:.1f} ms' for name, ms in one_visit(ids).items())}")
        for processes in sorted({1, options.processes}):
            day(ids, processes, data)
        for processes in sorted({1, options.processes}):
            commands(scratch / f"files-{processes}", data, len(ids), processes)
        took = command(data, "recheck", "--month", MONTH, "--processes", str(options.processes))
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{options.visits / took:.0f} visits/s, {options.visits * options.lines / took:.0f} lines/s, {most:.0f} MB"
        )
        print(f"60,000 visits at that speed: {60_000 * took / options.visits / 60:.1f} min")


def build(visits: int, lines: int) -> list[str]:
    """Put the month into the record, and its cases beside; returns the ids of the visits."""
    from tuetinh.care.insurance.models import ClaimCase
    from tuetinh.commons.catalogues.api import load_price_list, starter_prices
    from tuetinh.record import api as record
    from tuetinh.record.asker import SYSTEM

    load_price_list("", starter_prices(), FIRST.date())
    ids = [f"bench-{n}" for n in range(visits)]
    for _ in record.load(SYSTEM, _resources(ids, lines)):
        pass
    ends = [_start(n) + timedelta(hours=2) for n in range(visits)]
    ClaimCase.objects.bulk_create(
        ClaimCase(encounter=id_, facility=FACILITY, patient=f"{id_}-p", ended=end, due=end, by=end.date())
        for id_, end in zip(ids, ends, strict=True)
    )
    record.analyze(["Encounter", "ChargeItem", "ServiceRequest", "Observation", "MedicationRequest", "Condition"])
    return ids


def one_visit(ids: list[str]) -> dict[str, float]:
    """Milliseconds of what the rules of an order find in one visit: the median and the 95th percentile."""
    from tuetinh.care.insurance.api import findings
    from tuetinh.record.asker import SYSTEM

    times = []
    for id_ in [ids[0], *ids[:100]]:
        began = time.perf_counter()
        findings(SYSTEM, id_, "order")
        times.append((time.perf_counter() - began) * 1000)
    return {"median": statistics.median(times[1:]), "p95": statistics.quantiles(times[1:], n=20)[-1]}


def day(ids: list[str], processes: int, data: Path) -> None:
    """Build, check and sign the claims of these visits in so many processes, and print how fast."""
    with ProcessPoolExecutor(processes, get_context("spawn"), begin) as pool:
        list(pool.map(_claimed, [ids[:1]] * processes))  # every process has loaded
        began, database = time.monotonic(), database_seconds(data)
        done = list(pool.map(_claimed, [ids[n::processes] for n in range(processes)]))
        took, database = time.monotonic() - began, database_seconds(data) - database
    sizes, faults, signing, building, signed, half, whole = zip(*done, strict=True)
    count = sum(sizes)
    print(
        f"{count} claims in {processes} process(es): {count / (took - max(signing)):.0f}/s built and checked,", end=" "
    )
    print(f"{count / took:.0f}/s signed too")
    each = [1000 * sum(building) / count, 1000 * database / count, 1000 * sum(signed) / count]
    print("  processor each: {:.2f} ms built and checked, {:.2f} ms of the database, {:.2f} ms signed".format(*each))
    print(f"  {sum(faults)} with faults; memory {max(half):.0f} MB at half, {max(whole):.0f} MB at the end")


def _claimed(ids: list[str]) -> tuple[int, int, float, float, float, float, float]:
    """Claims, those with problems, seconds of signing; of the processor for all else and for it; memory at half and at
    the end.
    """
    from tuetinh.care.insurance.api import claims
    from tuetinh.care.insurance.sending.signing import sign
    from tuetinh.care.insurance.tests.keys import key
    from tuetinh.record.asker import SYSTEM

    pem, signing, signed, faulty, half = key().secret, 0.0, 0.0, 0, 0.0
    whole = time.process_time()
    for number, (_, made) in enumerate(claims(SYSTEM, ids)):
        assert made is not None
        faulty += bool(made.problems)
        began, used = time.perf_counter(), time.process_time()
        sign(made.xml, pem)
        signing, signed = signing + time.perf_counter() - began, signed + time.process_time() - used
        if number == len(ids) // 2:
            half = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    building = time.process_time() - whole - signed
    return len(ids), faulty, signing, building, signed, half, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def commands(files: Path, data: Path, visits: int, processes: int) -> None:
    """Build the files of all visits by the command, check them by the command, and print how fast."""
    built = command(data, "build", "--out", str(files), "--processes", str(processes))
    told = [str(file) for file in sorted(files.glob("*.xml"))]
    checked = command(data, "check", "--processes", str(processes), *told, quiet=True)
    print(f"commands with {processes} process(es): {visits / built:.0f}/s built and checked,", end=" ")
    print(f"{len(told) / checked:.0f} files/s read and checked")


def command(data: Path, *told: str, quiet: bool = False) -> float:
    """Seconds that a command of the insurance's takes; quiet: what it finds is not printed."""
    line = [sys.executable, "-c", "from tuetinh.node.cli import main; raise SystemExit(main())", "claims", *told]
    began = time.monotonic()
    done = subprocess.run([*line, "--data", str(data)], check=False, stdout=subprocess.DEVNULL if quiet else None)
    assert done.returncode in (0, 1), told[0]  # 1 tells of faults
    return time.monotonic() - began


def database_seconds(data: Path) -> float:
    """Seconds of the processor that the embedded database has used so far."""
    found = 0.0
    for process in psutil.process_iter(["name", "cwd", "cpu_times"]):
        if process.info["name"] == "postgres" and (process.info["cwd"] or "").startswith(str(data)):
            found += process.info["cpu_times"].user + process.info["cpu_times"].system
    return found


def begin() -> None:
    """Load the modules in a process of the pool."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuetinh.node.settings")
    django.setup()
    from tuetinh.record import memory

    memory.settle()


def _start(number: int) -> datetime:
    return FIRST + timedelta(minutes=number * 44_000 // 60_000 % 43_000)


def _resources(ids: list[str], lines: int) -> Iterator[Any]:
    from tuetinh.care.insurance.api import REGISTRATION, TENDER
    from tuetinh.commons.catalogues.api import (
        condition_code,
        drug_code,
        drugs,
        icd10,
        service,
        service_code,
        starter_prices,
    )  # fmt: skip
    from tuetinh.record import r4

    disease = icd10("I10")
    assert disease is not None
    known = [one for row in starter_prices() if (one := service(row.code)) and one.group == "23" and row.amount]
    medicines = [one for one in drugs() if one.substance_code]
    prices = {row.code: row for row in starter_prices()}
    yield r4.Organization(id=FACILITY, name="Bench", active=True)
    yield r4.Practitioner(
        id="bench-doctor",
        qualification=[
            r4.PractitionerQualification(
                code=r4.CodeableConcept(text="GPHN"), identifier=[r4.Identifier(value="000456/LCH-GPHN")]
            )
        ],
    )
    here = r4.Reference(reference=f"Organization/{FACILITY}")
    doctor = r4.Reference(reference="Practitioner/bench-doctor")
    for number, id_ in enumerate(ids):
        me, about = r4.Reference(reference=f"Patient/{id_}-p"), r4.Reference(reference=f"Encounter/{id_}")
        start, end = _start(number).isoformat(), (_start(number) + timedelta(hours=2)).isoformat()
        yield r4.Patient(id=f"{id_}-p", name=[r4.HumanName(text="Lò Thị Thử")], gender="female", birthDate="1972-03-15")
        yield r4.Coverage(
            id=f"{id_}-card", status="active", beneficiary=me, payor=[here],
            subscriberId=f"GD412{number:010}", period=r4.Period(start="2026-01-01", end="2026-12-31"),
        )  # fmt: skip
        yield r4.Condition(id=f"{id_}-c", subject=me, encounter=about, code=condition_code(disease))
        yield r4.Encounter(
            id=id_, status="finished", class_=r4.Coding(code="AMB"), subject=me, serviceProvider=here,
            period=r4.Period(start=start, end=end),
            participant=[r4.EncounterParticipant(individual=doctor)],
            diagnosis=[r4.EncounterDiagnosis(condition=r4.Reference(reference=f"Condition/{id_}-c"), rank=1)],
        )  # fmt: skip
        for line in range(lines):
            test, medicine = known[(number + line) % len(known)], medicines[(number + line) % len(medicines)]
            row = prices[medicine.code if line % 3 == 0 else test.code]
            source, code, said = f"{id_}-{line}", service_code(test), None
            if line % 3 == 0:
                code = drug_code(medicine)
                told = {REGISTRATION: row.registration, TENDER: row.tender}
                said = [r4.Extension(url=url, valueString=value) for url, value in told.items()]
                yield r4.MedicationRequest(
                    id=source, status="active", intent="order", medicationCodeableConcept=code, subject=me,
                    encounter=about, authoredOn=start, requester=doctor,
                )  # fmt: skip
                reference = f"MedicationRequest/{source}"
            else:
                yield r4.ServiceRequest(
                    id=source, status="completed", intent="order", code=code, subject=me, encounter=about,
                    authoredOn=start, requester=doctor,
                )  # fmt: skip
                yield r4.Observation(
                    id=f"{source}-o", status="final", code=r4.CodeableConcept(text="Glucose"), subject=me,
                    encounter=about, basedOn=[r4.Reference(reference=f"ServiceRequest/{source}")], issued=end,
                    valueQuantity=r4.Quantity(value=Decimal("6.1"), unit="mmol/L"), performer=[doctor],
                    effectiveDateTime=start,
                )  # fmt: skip
                reference = f"ServiceRequest/{source}"
            yield r4.ChargeItem(
                id=f"{source}-i", status="billed", code=code, subject=me, context=about, occurrenceDateTime=start,
                quantity=r4.Quantity(value=Decimal(1)), priceOverride=r4.Money(value=row.amount, currency="VND"),
                extension=said,
                supportingInformation=[r4.Reference(reference=reference)],
            )  # fmt: skip


if __name__ == "__main__":
    main()
