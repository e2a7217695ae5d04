"""The same load on this node and on another FHIR server from PyPI, in one run: `python -m bench.peers --load PROGRAM`.

The peer, sekmet-fhir (FastAPI, SQLite), is installed into a virtual environment in a temporary folder; the product
knows nothing of it. PROGRAM is a neutral generator: it seeds people and measurements through the server's own
interface, then drives `wrk` and writes JSON. It takes `--name --base --header --clients --seconds --runs --patients
--cases --salt --out`.
Case by case both servers are asked in turn, each alone, so that what else the machine does meets both.

Our side does what it does in a hospital: validates, keeps history and access log, and asks the row policies. The last
column is a guess at the ratio to Medplum 5.1 (PostgreSQL, Redis, validation): ours to the peer, times the peer's to
Medplum as both were measured on a machine of this size.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench import machine
from bench.__main__ import postgres_version
from bench.node import Node, own_folder, running, token_of

PEER = "sekmet-fhir==0.1.1"
CASES = {
    "read": "read",
    "name": "search by name",
    "code": "search by patient and code",
    "create": "create a Patient",
    "bundle": "transaction of 10",
}
# Medplum 5.1.6 and sekmet-fhir 0.1.1, answers/s at 1, 8 and 32 clients on 2 cores with 24 GiB.
MEDPLUM = {
    "read": (529, 1875, 2458),
    "name": (497, 1246, 1027),
    "code": (502, 1115, 1300),
    "create": (174, 355, 369),
    "bundle": (17, 44, 37),
}
SEKMET = {
    "read": (1714, 1437, 911),
    "name": (243, 303, 456),
    "code": (139, 164, 165),
    "create": (227, 260, 243),
    "bundle": (55, 47, 41),
}
CLIENTS = (1, 8, 32)
START_SECONDS = 60


def main() -> int:
    """Measure and print a line for each case and number of clients."""
    options = _options()
    with own_folder() as scratch, running(scratch / "node", 100) as node, _peer(scratch / "peer") as peer:
        print(*(f"{k:16} {v}" for k, v in machine.facts(scratch, postgres_version()).items()), sep="\n")
        print(f"\n{'answers/s':28}{'clients':>8}{'here':>9}{'peer':>9}{'ratio':>8}{'≈ Medplum':>11}", flush=True)
        for salt, case in enumerate(options.cases.split(",")):
            ours = _measure(options, case, salt, "here", f"{node.url}/fhir", scratch, node)
            theirs = _measure(options, case, salt, "peer", f"{peer}/fhir", scratch)
            _print(case, ours, theirs)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--load", type=Path, required=True, help="the load generator")
    parser.add_argument("--seconds", type=int, default=10, help="of a run (default 10)")
    parser.add_argument("--runs", type=int, default=3, help="of which the median counts (default 3)")
    parser.add_argument("--patients", type=int, default=500, help="seeded for each case, ten measurements each")
    parser.add_argument("--cases", default=",".join(CASES))
    return parser.parse_args()


@contextlib.contextmanager
def _peer(folder: Path) -> Iterator[str]:
    """The peer, installed and running; its address."""
    venv.create(folder / "venv", with_pip=True)
    program = folder / "venv" / "bin"
    subprocess.run([program / "pip", "install", "--quiet", PEER], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program / "sekmet", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.wait(15)


def _wait(url: str) -> None:
    for _ in range(START_SECONDS * 5):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/fhir/metadata").is_success:
                return
        time.sleep(0.2)
    message = "the peer did not start"
    raise RuntimeError(message)


def _measure(
    options: argparse.Namespace, case: str, salt: int, name: str, base: str, scratch: Path, node: Node | None = None
) -> dict[str, Any]:
    """What the generator found for one case: by number of clients its median and failures."""
    out = scratch / f"{name}-{case}.json"
    command: list[str] = [sys.executable, str(options.load), "--name", name, "--base", base, "--cases", case]
    command += [
        "--clients",
        ",".join(map(str, CLIENTS)),
        "--seconds",
        str(options.seconds),
        "--runs",
        str(options.runs),
    ]
    command += ["--patients", str(options.patients), "--salt", str(salt), "--out", str(out)]
    if node is not None:
        command += ["--header", f"Authorization: Bearer {token_of(node.url, node.client)}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = json.loads(out.read_text(encoding="utf-8"))["cases"][case]
    if not isinstance(found, dict):
        message = f"{name} does not answer the case {case}"
        raise TypeError(message)
    return found


def _print(case: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for at, clients in enumerate(map(str, CLIENTS)):
        here, peer = ours[clients]["median"]["rps"], theirs[clients]["median"]["rps"]
        ratio = here / peer if peer else float("nan")
        guess = ratio * SEKMET[case][at] / MEDPLUM[case][at]
        failed = "!" if ours[clients]["bad"] or theirs[clients]["bad"] else ""
        line = f"{CASES[case]:28}{clients:>8}{here:>9,.0f}{peer:>9,.0f}{ratio:>7.1f}×{guess:>10.1f}×{failed}"
        print(line, flush=True)  # ! some answers were refusals or failures


if __name__ == "__main__":
    sys.exit(main())
