"""`tuetinh journey`: one patient goes the whole way through a running node, over its real interfaces.

Pages by HTTP as each role, results by an MLLP socket, money by the bank's signed webhook, facts by the FHIR API. Prints
what came out of each step and leaves with 0 only if every step held.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import httpx

from tuetinh.node.journey.desk import Refused
from tuetinh.node.journey.steps import STEPS, World


def main(data: Path, *, keep_going: bool = False) -> int:
    """Drive the node whose `demo.json` lies in the data folder; returns the exit code."""
    try:
        known = json.loads((data / "demo.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        print(
            f"tuetinh journey: {data / 'demo.json'} is missing; is a province running on this folder?", file=sys.stderr
        )
        return 1
    world = World(known)
    failed = 0
    for number, (title, step) in enumerate(STEPS, 1):
        start = time.monotonic()
        try:
            told = list(step(world))
        except (Refused, httpx.HTTPError, OSError, KeyError) as error:
            failed += 1
            print(f"✗ {number}. {title}: {error or type(error).__name__}", flush=True)
            if not keep_going:
                return 1
            continue
        print(f"✓ {number}. {title}  ({(time.monotonic() - start) * 1000:.0f} ms)")
        for line in told:
            print(f"     {line}")
        sys.stdout.flush()
    return 1 if failed else 0
