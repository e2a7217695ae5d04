"""Measure the laboratory's pages on a busy day: `python -m bench.lab_pages [--visits N] [--count N]`.

Each visit has a blood count and a panel of chemistry; a tenth more tubes are on their way. The results come as machines
send them; most are released, the others wait to be validated or signed. Then every list and page that a laboratory
keeps open is asked for, as its browser does, one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable
from itertools import cycle

import httpx

from bench.node import Node, inside, own_folder, running

DAY = """
import random
from tuetinh.care.lab import actions
from tuetinh.care.lab.results import validation
from tuetinh.care.lab.catalogue import test
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.reading import Arrival
from tuetinh.care.lab.models import Message, Tube
from tuetinh.node.demo import places
from tuetinh.record import api as record, r4
from tuetinh.record.asker import SYSTEM
CBC = "22.0120.1370"
USUAL = {"WBC": (4, 10), "RBC": (4, 5.5), "HGB": (120, 160), "HCT": (36, 46), "MCV": (80, 98), "MCH": (27, 33),
    "MCHC": (310, 350), "RDW": (11, 15), "PLT": (150, 400), "NEU": (45, 70), "LYM": (20, 40), "MONO": (3, 8),
    "EOS": (1, 5), "BASO": (0, 1), "GLU": (3.5, 9), "UREA": (2.5, 9), "CREA": (50, 130), "AST": (10, 60),
    "ALT": (10, 60), "GGT": (10, 60), "ALP": (40, 130), "TBIL": (5, 20), "DBIL": (1, 5), "ALB": (35, 52),
    "TP": (60, 80), "CHOL": (3.5, 6.5), "TRIG": (0.6, 3)}
PANEL = ["23.0075.1494", "23.0166.1494", "23.0051.1494", "23.0020.1493", "23.0019.1493", "23.0077.1518", "23.0009.1493",
    "23.0027.1493", "23.0025.1493", "23.0007.1494", "23.0133.1494", "23.0041.1506", "23.0158.1506"]
rng, visits = random.Random(7), int(sys.argv[2])
keys = {"edta": [a.key for a in test(CBC).analytes], "serum": [a.key for code in PANEL for a in test(code).analytes]}
arrivals = []
for number in range(visits + visits // 10):
    person = record.create(SYSTEM, r4.Patient(gender=rng.choice(["female", "male"]),
        birthDate=f"{rng.randint(1940, 2020)}-03-01", name=[r4.HumanName(text=f"Lò Văn {number}")]))
    visit = record.create(SYSTEM, r4.Encounter(status="in-progress", subject=record.ref(person),
        class_=r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB"),
        serviceProvider=r4.Reference(reference=f"Organization/{places.CAST}")))
    actions.order_tests(SYSTEM, visit, [CBC, *PANEL], urgent=number % 20 == 0)
    for tube in Tube.objects.filter(encounter=visit.id):
        if number >= visits:
            if number % 2:
                actions.receive_specimen(SYSTEM, tube.number)
            continue
        header = rf"MSH|^~\\&|DAY|{tube.kind}|||20261121080000||ORU^R01|{tube.number}|P|2.5.1"
        lines = [header, f"OBR|1||{tube.number}|X"]
        for key in keys[tube.kind]:
            low, high = USUAL[key]
            lines.append(f"OBX|{len(lines) - 1}|NM|{key}||{rng.uniform(low, high):.1f}||||||F|||20261121075500")
        arrivals.append(Arrival(("\\r".join(lines) + "\\r").encode(), "10.0.0.1"))
for place in range(0, len(arrivals), 64):
    inbox.take_many(arrivals[place:place + 64])
measured = list(Tube.objects.filter(stage="resulted", critical=False).order_by("pk"))
for tube in measured[: len(measured) * 6 // 10]:
    validation.release(SYSTEM, tube.number)
for tube in measured[len(measured) * 6 // 10: len(measured) * 7 // 10]:
    validation.verify(SYSTEM, tube.number, note="đã xem")
stages = {s: Tube.objects.filter(stage=s).count() for s in Tube.Stage.values}
print(json.dumps({"stages": stages, "messages": Message.objects.count(),
    "tubes": [[t.number, t.patient] for t in rng.sample(measured, min(60, len(measured)))]}))
"""
PAGES = (
    "/lab?list=receive", "/lab?list=analyse", "/lab?list=validate", "/lab?list=validate&page=10", "/lab?list=sign",
    "/lab?list=done", "/lab?list=validate&bench=chemistry", "/lab?q={number}", "/lab/tubes/{number}",
    "/lab/people/{patient}", "/lab/board", "/lab/calls", "/lab/draw", "/lab/inbox", "/lab/inbox?list=live",
    "/lab/inbox?list=control", "/lab/machines", "/lab/quality", "/lab/statistics",
)  # fmt: skip


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.lab_pages", description=__doc__)
    parser.add_argument("--visits", type=int, default=1500, help="of two tubes and 27 results each")
    parser.add_argument("--count", type=int, default=60, help="how often each page is asked for")
    options = parser.parse_args()
    with own_folder() as scratch, running(scratch / "node", 200) as node:
        day = inside(scratch / "node", DAY, options.visits)
        print(json.dumps({key: day[key] for key in ("stages", "messages")}))
        _measure(node, day["tubes"], options.count)
    return 0


def _measure(node: Node, tubes: list[list[str]], count: int) -> None:
    everything: list[float] = []
    print(f"{'ms':44}{'p50':>8}{'p95':>8}")
    with contextlib.closing(node.session("lab")) as browser:
        for page in PAGES:
            some = cycle(tubes)

            def ask(page: str = page, some: cycle[list[str]] = some) -> httpx.Response:
                number, patient = next(some)
                return browser.get(page.format(number=number, patient=patient))

            times = _times(ask, count)
            everything += times
            print(f"{page:44}{_cut(times, 9):>8.1f}{_cut(times, 18):>8.1f}", flush=True)
    print(f"{'all':44}{_cut(everything, 9):>8.1f}{_cut(everything, 18):>8.1f}")


def _times(ask: Callable[[], httpx.Response], count: int) -> list[float]:
    """Seconds of requests, after two that warm up."""
    found = []
    for place in range(count + 2):
        began = time.perf_counter()
        ask().raise_for_status()
        found += [time.perf_counter() - began] if place > 1 else []
    return found


def _cut(seconds: list[float], place: int) -> float:
    return statistics.quantiles(seconds, n=20)[place] * 1000


if __name__ == "__main__":
    raise SystemExit(main())
