"""`tuetinh claims recheck --month YYYY-MM`: checks all claims of a month again, and says how far it is."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from tuetinh.node.errors import Refused
from tuetinh.node.prepare import prepare

if TYPE_CHECKING:
    from tuetinh.care.insurance.models import Recheck

HELP = "check all claims of a month again, with the rules of now; goes on where it was interrupted"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which month, of whom, and on how many cores."""
    parser.add_argument("--month", required=True, metavar="YYYY-MM", help="month in which the visits ended")
    parser.add_argument(
        "--facility", default="", metavar="CODE", help="insurance code or id of the facility (default all)"
    )
    parser.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 8), help="default: %(default)s here")


def run(arguments: argparse.Namespace) -> int:
    """Check them; 0 also when some have faults, which the page of the day shows."""
    prepare(arguments.data, migrate=False)
    from tuetinh.care.insurance.api import facility_with, recheck

    facility = facility_with(arguments.facility) if arguments.facility else ""
    if arguments.facility and not facility:
        raise Refused(f"there is no facility {arguments.facility}")

    began, live = time.monotonic(), sys.stderr.isatty()
    last = [began]

    def told(done: Recheck, total: int) -> None:
        now = time.monotonic()
        if now - last[0] >= (0.5 if live else 10) or done.visits == total:
            last[0] = now
            print(f"{done.visits} / {total} visits, {done.lines} lines", end="\r" if live else "\n", file=sys.stderr)

    done = recheck(arguments.month, facility, processes=arguments.processes, told=told)
    took = time.monotonic() - began
    print(f"{done.visits} visits, {done.lines} lines, {done.faulty} with faults, {took:.0f} s")
    for code, count in sorted(done.found.items(), key=lambda one: (-one[1], one[0])):
        print(f"  {code}: {count}")
    return 0
