"""How the record grows: `python -m bench.scale [--sizes 100000,1000000,10000000] [--runs N] [--data DIR] [--role ROLE]
[--save]`.

One node is filled to each size in turn by `tuetinh import`, with people made from a seed, and asked over HTTP by one
client, for values sampled from these people: a system, or the desk of a role, whose row policies leave it few of them.
In a folder that is named it stays: called again, the same command goes on from the last size that was filled, and asks
at that size anew. Printed for each size: how fast the import was, how large the record is, and the median and 95th
percentile of each query in milliseconds; between two sizes, how many times the median grew. What an index answers grows
by little; what grows as the record does (ten times) looks at every resource.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import pickle
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg

from bench import machine
from bench.__main__ import postgres_version
from bench.node import Node, own_folder, running, token_of
from bench.population import CARDS, DISEASES, MEASURES, TYPES, Person, Written, write

HERE = Path(__file__).parent
DEMO_PEOPLE = 100  # of the province that every node begins with
SEED = 2026
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CLIFF = 3.0  # times that a median may grow while the record grows tenfold, before it is marked


def main() -> int:
    """Fill, measure, print, and keep when asked."""
    options = _options()
    sizes = [int(size) for size in options.sizes.split(",")]
    told: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    with _folder(options.data) as scratch, running(scratch / "node", DEMO_PEOPLE) as node:
        told["machine"] = machine.facts(scratch, postgres_version())
        print(*(f"{key:16} {value}" for key, value in told["machine"].items()), sep="\n", flush=True)
        with psycopg.connect(f"postgresql://postgres@/tuetinh?host={scratch}/node/postgres", autocommit=True) as conn:
            filled = _kept(scratch) or Filled(_size(conn), Written(), {})
            for size in sizes:
                if size not in filled.sizes:
                    filled.sizes[size] = _fill(scratch, size, filled.written, conn, filled.before)
                    _keep(scratch, filled)
                if size == max(filled.sizes):  # the record has grown beyond what was filled before
                    filled.sizes[size]["queries"] = _ask(node, filled.written, options.runs, options.role)
                    _keep(scratch, filled)
                _print_size(size, filled.sizes[size])
    told["sizes"] = filled.sizes
    _print_growth(told["sizes"])
    if options.save:
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        path = folder / f"scale-{told['at'][:19].replace(':', '')}.json"
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"\nkept in {path}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--sizes", default="100000,1000000", help="resources, ascending (default 100000,1000000)")
    parser.add_argument("--runs", type=int, default=300, help="of each query at each size")
    parser.add_argument("--data", default="", help="a folder on the disk that is to be measured, which stays")
    parser.add_argument("--role", default="", help="whose desk asks (default: a system that may all)")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/")
    return parser.parse_args()


@contextmanager
def _folder(given: str) -> Iterator[Path]:
    """A folder that the database's account can enter; without a name one that is taken away at the end."""
    if given:
        Path(given).mkdir(mode=0o755, parents=True, exist_ok=True)
        yield Path(given).resolve()
        return
    with own_folder() as scratch:
        yield scratch


@dataclass
class Filled:
    """What a folder holds. before: bytes of the database of the demo alone. sizes: what was measured at each."""

    before: int
    written: Written
    sizes: dict[int, dict[str, Any]]


def _kept(scratch: Path) -> Filled | None:
    file = scratch / "filled.pickle"
    return pickle.loads(file.read_bytes()) if file.exists() else None


def _keep(scratch: Path, filled: Filled) -> None:
    file = scratch / "filled.pickle"
    file.with_suffix(".new").write_bytes(pickle.dumps(filled))
    file.with_suffix(".new").replace(file)


# -- filling ----------------------------------------------------------------------------------------------------------


def _fill(scratch: Path, size: int, written: Written, conn: psycopg.Connection, before: int) -> dict[str, Any]:
    """Import people until the record has so many resources more than the demo; returns what that took."""
    folder = scratch / "ndjson"
    shutil.rmtree(folder, ignore_errors=True)  # of one that was ended
    folder.mkdir()
    already = written.resources
    write(folder, size, SEED, written)
    files = [str(folder / f"{type_}.ndjson") for type_ in TYPES]
    code = "from tuetinh.node.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "import", "--data", str(scratch / "node"), *files]
    cluster = scratch / "node" / "postgres"
    database = _processor_seconds(cluster)
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        message = "the import failed"
        raise RuntimeError(message)
    shutil.rmtree(folder)
    count = written.resources - already
    return {
        "resources": written.resources,
        "import_per_s": round(count / seconds),
        "import_python_us": round((used.ru_utime + used.ru_stime) / count * 1e6),
        "import_postgresql_us": round((_processor_seconds(cluster) - database) / count * 1e6),
        "import_rss_mib": round(used.ru_maxrss / 1024),
        "json_bytes": round(written.size / written.resources),
        "stored_bytes": round((_size(conn) - before) / written.resources),
        "load": round(os.getloadavg()[0], 1),
    }


def _size(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def _processor_seconds(cluster: Path) -> float:
    """What the processes of the server that have ended used, where the system tells (Linux)."""
    first = (cluster / "postmaster.pid").read_text(encoding="utf-8").split()[0]
    stat = Path(f"/proc/{first}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


# -- asking -----------------------------------------------------------------------------------------------------------


def _queries(rng: random.Random, people: list[Person]) -> dict[str, Callable[[], str]]:
    """What is asked: each makes a path below `/fhir`."""

    def one() -> Person:
        return rng.choice(people)

    def code() -> str:
        return quote(f"{LOINC}|{rng.choice(MEASURES)[0]}")

    def week() -> str:
        first = date(2016, 1, 1) + timedelta(days=rng.randrange(9 * 365))
        return f"date=ge{first}&date=lt{first + timedelta(days=7)}"

    def high() -> str:
        loinc, _, unit, low, top = rng.choice(MEASURES)
        limit = (low + (top - low) * rng.uniform(0.8, 0.99)) / 10
        return f"code={quote(f'{LOINC}|{loinc}')}&value-quantity={quote(f'gt{limit:.1f}|{UCUM}|{unit}', safe='')}"

    return {
        "read": lambda: f"Patient/{one().id}",
        "history": lambda: f"Patient/{one().id}/_history",
        "identifier": lambda: f"Patient?identifier={quote(f'{CARDS}|{one().card}')}",
        "name": lambda: f"Patient?name={quote(one().name)}&_count=20",
        "name and birth date": lambda: f"Patient?name={quote(one().name)}&birthdate={one().birth}&_count=20",
        "patient and code": lambda: f"Observation?patient={one().id}&code={code()}&_count=20",
        "patient, newest first": lambda: f"Observation?patient={one().id}&_sort=-date&_count=20",
        "code and date, everybody": lambda: f"Observation?code={code()}&{week()}&_count=20",
        "code and quantity, everybody": lambda: f"Observation?{high()}&_count=20",
        "chained, a card": lambda: f"Observation?patient.identifier={quote(f'{CARDS}|{one().card}')}&_count=20",
        "chained, a birth date": lambda: f"Encounter?patient.birthdate={one().birth}&_count=20",
        "_has": lambda: f"Patient?_has:Condition:patient:code={rng.choice(DISEASES)}&_count=20",
        "_include": lambda: f"MedicationRequest?patient={one().id}&_include=MedicationRequest:encounter&_count=20",
        "_revinclude": lambda: f"Encounter?patient={one().id}&_revinclude=Observation:encounter&_count=5",
        "_sort=-date, whole type": lambda: "Observation?_sort=-date&_count=20",
        "_total=estimate": lambda: f"Observation?code={code()}&_total=estimate&_count=20",
        "_total=accurate": lambda: f"Observation?code={code()}&{week()}&_total=accurate&_count=20",
        "$everything": lambda: f"Patient/{one().id}/$everything?_count=50",
    }


def _ask(node: Node, written: Written, runs: int, role: str) -> dict[str, dict[str, float]]:
    """Ask each query so often, after a tenth as many that are not counted."""
    rng = random.Random(SEED)
    address = urlsplit(node.url)
    door = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=300)
    token = token_of(node.url, node.client)  # that of the start may have run out while the node was filled
    proof = dict([node.cookie(role)]) if role else {"Authorization": f"Bearer {token}"}
    found = {}
    for name, path in _queries(rng, written.people).items():
        for _ in range(max(runs // 10, 1)):
            _once(door, proof, path())
        times, refused = [], 0
        for _ in range(runs):
            milliseconds, status = _once(door, proof, path())
            times.append(milliseconds)
            refused += status != http.client.OK
        times.sort()
        found[name] = {
            "p50_ms": round(statistics.median(times), 2),
            "p95_ms": round(times[int(len(times) * 0.95)], 2),
            "refused": refused,
        }
    return found


def _once(door: http.client.HTTPConnection, proof: dict[str, str], path: str) -> tuple[float, int]:
    began = time.perf_counter()
    door.request("GET", f"/fhir/{path}", headers=proof)
    answer = door.getresponse()
    answer.read()
    return (time.perf_counter() - began) * 1000, answer.status


# -- telling ----------------------------------------------------------------------------------------------------------


def _print_size(size: int, found: dict[str, Any]) -> None:
    print(f"\n{size:,} resources")
    for name, value in found.items():
        if name != "queries":
            print(f"  {name:24}{value:>12,}")
    for name, got in found["queries"].items():
        mark = f"   {got['refused']} refused" if got["refused"] else ""
        print(f"  {name:32}{got['p50_ms']:>10.2f}{got['p95_ms']:>10.2f}{mark}", flush=True)


def _print_growth(sizes: dict[int, dict[str, Any]]) -> None:
    """How many times each median grew from size to size."""
    steps = list(zip(list(sizes), list(sizes)[1:], strict=False))
    if not steps:
        return
    print(f"\n{'the median grew, times':32}" + "".join(f"{f'{one:,} → {other:,}':>28}" for one, other in steps))
    for name in next(iter(sizes.values()))["queries"]:
        medians = {size: found["queries"][name]["p50_ms"] for size, found in sizes.items()}
        ratios = [medians[other] / medians[one] for one, other in steps]
        print(f"{name:32}" + "".join(f"{ratio:>26.2f}{' !' if ratio > CLIFF else '  '}" for ratio in ratios))
    print(f"! more than {CLIFF:g} times")


if __name__ == "__main__":
    sys.exit(main())
