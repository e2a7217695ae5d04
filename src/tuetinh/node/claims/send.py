"""`tuetinh claims send`: the claims of finished visits of some days, through the queue that a node sends from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from tuetinh.node.claims.build import finished_visits
from tuetinh.node.prepare import prepare

if TYPE_CHECKING:
    from tuetinh.record import r4

HELP = (
    "send the claims of finished visits that were not sent yet; one JSON line a claim, exit 1 unless all are accepted"
)
SECONDS = 60.0  # of sending before the queue is looked at anew


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which visits."""
    parser.add_argument(
        "--facility", default="", metavar="CODE", help="insurance code or id of the facility (default all)"
    )
    parser.add_argument("--from", dest="since", default="", metavar="YYYY-MM-DD", help="first day of their end")
    parser.add_argument("--to", dest="until", default="", metavar="YYYY-MM-DD", help="last day of their end")


def run(arguments: argparse.Namespace) -> int:
    """Queue, send and tell; a claim that people hold back, or that was refused, is told and left as it is."""
    prepare(arguments.data, migrate=False)
    all_accepted = True
    for line in send(arguments.facility, arguments.since, arguments.until):
        print(json.dumps(line, ensure_ascii=False), flush=True)
        all_accepted = all_accepted and line["state"] == "accepted"
    return 0 if all_accepted else 1


def send(facility: str = "", since: str = "", until: str = "") -> Iterator[dict[str, Any]]:
    """How each claim stands after what was due has been sent; visits of people without a card have none."""
    from tuetinh.care.insurance.api import queue_unclaimed, send_due
    from tuetinh.record import api as record
    from tuetinh.record.asker import SYSTEM

    cases = []
    for visit in finished_visits(facility, since, until):
        if case := queue_unclaimed(SYSTEM, cast("r4.Encounter", record.read(SYSTEM, "Encounter", visit))):
            cases.append(case)
    facilities = {case.facility for case in cases}
    while facilities and send_due(SECONDS, facilities):
        pass
    for case in cases:
        case.refresh_from_db()
        yield {
            "visit": case.encounter, "ma_lk": case.ma_lk, "facility": case.facility, "state": case.state,
            "code": case.code, "words": case.words, "problems": len(case.problems),
        }  # fmt: skip
