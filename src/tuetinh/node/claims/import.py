"""`tuetinh claims import FILE|DIR…`: takes claim files that other systems exported into the record."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tuetinh.node.prepare import prepare

if TYPE_CHECKING:
    from tuetinh.care.insurance.api import ClaimSource

HELP = (
    "take claim files of other systems into the record (XML, gzip, ZIP, folders): one JSON line a claim, exit 1 if any "
    "is refused; importing again changes nothing"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which files, of whom, and on how many cores."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR")
    parser.add_argument("--facility", default="", metavar="ID", help="refuse claims of other facilities")
    parser.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 4), help="default: %(default)s here")


def run(arguments: argparse.Namespace) -> int:
    """Take them in and print the report; 0 when nothing was refused."""
    prepare(arguments.data)
    from tuetinh.care.insurance.api import claim_sources

    total: Counter[str] = Counter()
    for path in arguments.paths:
        for source in claim_sources(path):
            total += _one(source, arguments)
    counted = " ".join(f"{total[state]} {state}" for state in ("stored", "updated", "unchanged", "refused"))
    print(counted, file=sys.stderr)
    return 1 if total["refused"] else 0


def _one(source: ClaimSource, arguments: argparse.Namespace) -> Counter[str]:
    from tuetinh.care.insurance.api import begin_import, import_outcomes, take_in, told_outcome

    began, live = time.monotonic(), sys.stderr.isatty()
    last = [began]

    def told(position: int, claims: int) -> None:
        now = time.monotonic()
        if now - last[0] >= (0.5 if live else 10):
            last[0] = now
            share = f"{position * 100 // max(source.size, 1)} %"
            print(f"{source.name}: {share}, {claims} claims", end="\r" if live else "\n", file=sys.stderr)

    run = begin_import(source, facility=arguments.facility)
    take_in(run, source, processes=arguments.processes, advanced=told)
    counts: Counter[str] = Counter()
    for one in import_outcomes(run):
        counts[one.state] += 1
        print(json.dumps(told_outcome(one, source.name), ensure_ascii=False), flush=True)
    return counts
