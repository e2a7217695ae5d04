"""Measure the laboratory's wire: `python -m bench.lab_wire [--machines N] [--messages N] [--rate N] [--whole]`.

A process of the role `mllp` listens beside a node, as a busy laboratory runs it; with --whole the node does it all.
Machines that stay connected send one ORU^R01 after the other, each for a tube that was ordered before, at a rate or as
fast as they are answered; the first of each is not counted. Some results are searched for at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from bench.node import Node, inside, own_folder, running
from bench.pairs import postmaster, used_by

LOOKED_AT = 20  # every so many messages is searched for at once after its acknowledgement
ORDERS = """
from datetime import date, timedelta
from django.db import transaction
from tuetinh.care.lab import actions
from tuetinh.care.lab.models import Tube
from tuetinh.node.demo import places
from tuetinh.record import api as record, r4
from tuetinh.record.asker import SYSTEM
known = set(Tube.objects.values_list("pk", flat=True))
count = int(sys.argv[2])
for start in range(0, count, 100):
    with transaction.atomic():
        for number in range(start, min(start + 100, count)):
            if number % 4 == 0:  # nobody is so like another that the search for double records works meanwhile
                born = date(1940, 1, 1) + timedelta(days=5 * number % 30000)
                patient = record.create(SYSTEM, r4.Patient(gender="female", birthDate=born.isoformat()))
                visit = record.create(SYSTEM, r4.Encounter(status="in-progress", subject=record.ref(patient),
                    class_=r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB"),
                    serviceProvider=r4.Reference(reference=f"Organization/{places.CAST}")))
            actions.order_tests(SYSTEM, visit, ["23.0075.1494"], alone=True)
print(json.dumps([[t.number, t.orders[0]] for t in Tube.objects.order_by("pk") if t.pk not in known]))
"""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.lab_wire", description=__doc__)
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second of all machines; 0: as many as go")
    parser.add_argument("--whole", action="store_true", help="no process of its own for the machines")
    options = parser.parse_args()
    with own_folder() as scratch, running(scratch / "node", 200) as node:
        began = time.monotonic()
        tubes = inside(scratch / "node", ORDERS, options.messages + options.machines)
        print(f"{len(tubes)} tubes were ordered in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        with _listening(node, scratch / "node", whole=options.whole) as (port, process):
            parts = {"listener": process.pid, "node": node.process, "database": postmaster(scratch)}
            before = {name: used_by(number) for name, number in parts.items()}
            found = asyncio.run(_measure(node, port, process, tubes, options))
            used = {name: (used_by(number) - before[name]) / len(tubes) * 1000 for name, number in parts.items()}
            found["ms of processor a message"] = {name: round(each, 2) for name, each in used.items()}
            print(json.dumps(found, indent=1))
    return 0


@contextlib.contextmanager
def _listening(node: Node, data: Path, *, whole: bool) -> Iterator[tuple[int, psutil.Process]]:
    """Where the machines call, and the process that answers."""
    if whole:
        ports = json.loads((data / "demo.json").read_text(encoding="utf-8"))["ports"]
        yield int(ports["mllp"]), psutil.Process(node.process)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tuetinh.node.cli", "serve", "--roles", "mllp", "--workers", "1", "--no-browser"]
    process = subprocess.Popen([*command, "--data", str(data), "--mllp-port", str(port)])
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.2)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(15)


def _oru(machine: int, control: int, tube: str) -> bytes:
    value = f"{4 + control % 20 / 10:.1f}"
    return (
        rf"MSH|^~\&|M{machine}|BENCH|TUETINH|LAB|20261121080000||ORU^R01|{control}|P|2.5.1||||||UNICODE UTF-8" + "\r"
        f"OBR|1||{tube}|GLU\rOBX|1|NM|GLU||{value}|mmol/L|||||F|||20261121075500\r"
    ).encode()


async def _measure(
    node: Node, port: int, process: psutil.Process, tubes: list[tuple[str, str]], options: argparse.Namespace
) -> dict[str, object]:
    machines = options.machines
    waited: list[float] = []
    seen: list[float] = []
    async with httpx.AsyncClient(base_url=node.url, headers=[node.bearer], timeout=30) as client:

        async def machine(number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)

            async def say(control: int, tube: str) -> float:
                began = time.perf_counter()
                writer.write(b"\x0b" + _oru(number, control, tube) + b"\x1c\r")
                answer = await reader.readuntil(b"\x1c\r")
                assert b"\rMSA|AA|" in answer and b"ERR" not in answer, answer
                return began

            (first, _), *others = tubes[number::machines]
            await say(0, first)
            ready.release()
            await go.wait()
            for control, (tube, order) in enumerate(others, 1):
                if options.rate:
                    due = start[0] + ((control - 1) * machines + number) / options.rate
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                began = await say(control, tube)
                waited.append(time.perf_counter() - began)
                if (number + control) % LOOKED_AT == 0:
                    found = (await client.get("/fhir/Observation", params={"_id": f"{order}-GLU"})).json()
                    assert len(found["entry"]) == 1, found
                    seen.append(time.perf_counter() - began)
            writer.close()

        ready, go, start = asyncio.Semaphore(0), asyncio.Event(), [0.0]
        before = process.memory_info().rss
        tasks = [asyncio.create_task(machine(number)) for number in range(machines)]
        for _ in range(machines):
            await ready.acquire()
        connected = process.memory_info().rss
        began = start[0] = time.perf_counter()
        go.set()
        await asyncio.gather(*tasks)
        took = time.perf_counter() - began
    return {
        "machines": machines,
        "messages": len(waited),
        "messages a second": round(len(waited) / took),
        "acknowledged after ms (p50, p95)": _quantiles(waited),
        "seen by a FHIR search after ms (p50, p95)": _quantiles(seen),
        "MiB of the listening process (idle, all connected, after)": [
            round(rss / 2**20) for rss in (before, connected, process.memory_info().rss)
        ],
    }


def _quantiles(seconds: list[float]) -> list[float]:
    cuts = statistics.quantiles(seconds, n=20)
    return [round(cuts[9] * 1000, 1), round(cuts[18] * 1000, 1)]


if __name__ == "__main__":
    raise SystemExit(main())
