"""`tuetinh claims build`: the claim file of each finished visit of some days, and what is wrong with them."""

from __future__ import annotations

import argparse
import csv
import os
import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from tuetinh.node.errors import Refused
from tuetinh.node.prepare import prepare

HELP = "build the claim files of finished visits, one a visit, and problems.csv"
DAY = timedelta(days=1)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which visits, and where the files go."""
    parser.add_argument(
        "--facility", default="", metavar="CODE", help="insurance code or id of the facility (default all)"
    )
    parser.add_argument("--from", dest="since", default="", metavar="YYYY-MM-DD", help="first day of their end")
    parser.add_argument("--to", dest="until", default="", metavar="YYYY-MM-DD", help="last day of their end")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="of many visits (default one a core)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Build them; 0 also when some have problems, which the report tells."""
    prepare(arguments.data, migrate=False)
    built, problems = build(
        arguments.out, arguments.facility, arguments.since, arguments.until, processes=arguments.processes
    )
    print(f"{built} files, {problems} problems (problems.csv)")
    return 0


def build(folder: Path, facility: str = "", since: str = "", until: str = "", *, processes: int = 1) -> tuple[int, int]:
    """Build the insurance file of each finished visit; returns how many, and how many problems they have."""
    from tuetinh.care.insurance.api import NoVisit
    from tuetinh.care.insurance.api import built as build_claims
    from tuetinh.record.asker import SYSTEM

    folder.mkdir(parents=True, exist_ok=True)
    built = problems = 0
    named: set[str] = set()
    with (folder / "problems.csv").open("w", newline="", encoding="utf-8-sig") as file:
        report = csv.writer(file)
        report.writerow(("MA_LK", "table", "row", "field", "reason"))
        for made in build_claims(SYSTEM, finished_visits(facility, since, until), processes=processes):
            if not made.xml:
                report.writerow((made.visit, "", "", "", str(NoVisit())))
                problems += 1
                continue
            (folder / f"{file_name(made.ma_lk, named)}.xml").write_bytes(made.xml)
            built += 1
            for problem in made.problems:
                report.writerow((made.ma_lk, problem.table, problem.row, problem.field, problem.reason))
                problems += 1
    return built, problems


def file_name(ma_lk: str, named: set[str]) -> str:
    """A name for a claim's file: its MA_LK, as far as a file may be called so, and numbered where another has it.

    named: those that are given, this one too afterwards. MA_LK may come from other systems.
    """
    plain = re.sub(r"[^\w.-]", "_", ma_lk).lstrip(".")[:100] or "_"
    name = next(one for n in count(1) if (one := plain if n == 1 else f"{plain}~{n}").casefold() not in named)
    named.add(name.casefold())
    return name


def finished_visits(facility: str, since: str, until: str) -> Iterator[str]:
    """Ids of visits that ended from the first to the last of these days, page by page. Raises Refused.

    facility: its insurance code (MA_CSKCB) or the id of its Organization, "" for all.
    """
    from tuetinh.care.insurance.api import facility_with
    from tuetinh.record import api as record
    from tuetinh.record.asker import SYSTEM

    if facility and not (id_ := facility_with(facility)):
        raise Refused(f"there is no facility {facility}")
    parts = ["status=finished", "_count=200"]
    parts += [f"service-provider=Organization/{id_}"] if facility else []
    parts += [f"date=gt{_day(since) - DAY}"] if since else []
    parts += [f"date=eb{_day(until) + DAY}"] if until else []
    query, page = "&".join(parts), None
    while True:
        found = record.search(SYSTEM, "Encounter", query, page=page)
        yield from (resource.id or "" for resource in found.resources)
        page = found.next
        if page is None:
            return


def _day(text: str) -> date:
    """A day of the command line. Raises Refused."""
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no day (YYYY-MM-DD)") from error
    if not date.min < found < date.max:
        raise Refused(f"{text} is out of reach")
    return found
